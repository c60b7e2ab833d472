"""`stuck`: a signal that goes on being reported and does not move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from rules.detectors.base import NEVER_QUIET, Bindings, Detector, DetectorConfig, shown
from rules.durations import DurationField, format_duration
from rules.events import Duration, Instant, Value
from rules.problems import InputError, quoted
from rules.signals import Signal

if TYPE_CHECKING:
    from rules.assetmodel import SignalSpec


class StuckConfig(DetectorConfig):
    """The signal stayed within `tolerance` of one value for the whole of `for`, and went on being reported.

    It went on if its last reading is not older than half of `for` when that has passed; else the next reading decides.
    Bad quality stops the count, and so does the loss of our own link to the broker. A signal that is reported on
    change alone cannot be told from a stuck one: it is refused.
    """

    type: Literal["stuck"]
    signal: str
    for_: DurationField = Field(alias="for")
    tolerance: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def signals(self) -> tuple[str, ...]:
        """The signal watched."""
        return (self.signal,)

    def misfit(self, signal: str, spec: SignalSpec) -> InputError | None:
        """Signals that are reported on change."""
        if spec.report != "on_change":
            return None
        message = f"the signal {quoted(signal)} is reported on change: no news does not mean that it is stuck"
        return InputError(message, "correct `report` in assets.yaml, or watch it with silence")

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Stuck(bindings.signal(self.signal), self.for_, self.tolerance, bindings.ignore_quality)]


class Stuck(Detector):
    """Waits until the value has not left its anchor for long enough.

    `_overdue`: that time has passed, but nothing was reported of late: the next reading decides.
    """

    every_reading = True

    def __init__(self, signal: Signal, patience: Duration, tolerance: float, ignore_quality: bool) -> None:
        self.inputs = (signal,)
        self._for = patience
        self._tolerance = tolerance
        self._ignore = ignore_quality
        self._anchor: Value = None
        self._since: Instant = 0
        self._paused: Instant | None = None
        self._stuck = False
        self._overdue = False

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Stuck once the value has stayed for `for`."""
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        if value is None:
            if not self._stuck:
                self._anchor, self._overdue = None, False
            return None
        if self._moved(value):
            self._anchor, self._since, self._stuck, self._overdue = value, at, False, False
        elif self._paused is None and not self._stuck:
            passed = at >= self._since + self._for
            self._stuck = passed and self._reported(at)
            self._overdue = passed and not self._stuck
        return (self._stuck,)

    def _reported(self, at: Instant) -> bool:
        read = self.inputs[0].at
        return read is not None and read >= at - self._for // 2

    def _moved(self, value: Value) -> bool:
        anchor = self._anchor
        if type(value) is float and type(anchor) is float:
            return abs(value - anchor) > self._tolerance
        return type(value) is not type(anchor) or value != anchor

    def band(self, signal: Signal) -> tuple[float, float]:
        """At the anchor nothing changes but by time; next to it, it is asked (for rounding's sake)."""
        del signal
        if not isinstance(self._anchor, float) or self._overdue:
            return NEVER_QUIET
        return self._anchor, self._anchor

    @property
    def deadline(self) -> Instant | None:
        """The end of the patience."""
        if self._anchor is None or self._stuck or self._overdue or self._paused is not None:
            return None
        return self._since + self._for

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Patience begins when the rule is armed; what was stuck before and is held remains so until it moves."""
        del at
        self._stuck, self._overdue = held[0], False
        if not self._stuck:
            self._anchor = None

    def pause(self, at: Instant) -> None:
        """Stop counting."""
        if self._paused is None:
            self._paused = at

    def resume(self, at: Instant) -> None:
        """Go on counting where it stopped."""
        if self._paused is not None:
            self._since += max(0, at - max(self._paused, self._since))
        self._paused = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The value, and how long it has stood."""
        del level
        signal = self.inputs[0]
        value = signal.last
        name, still = f"{signal.name} {shown(value)}{signal.unit}", format_duration(self._for)
        text = f"{name} has not moved for {still}" if on else f"{name} moves again"
        return {"text": text, "value": value, "limit": self._for / 1e9, "values": {signal.name: value}}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._since += delta
        if self._paused is not None:
            self._paused += delta

    def snapshot(self) -> list[Any]:
        """Anchor, since, paused since, stuck, overdue."""
        return [self._anchor, self._since, self._paused, self._stuck, self._overdue]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`, also of one in which nothing could be overdue."""
        anchor, self._since, self._paused, self._stuck, *overdue = data
        self._overdue = bool(overdue and overdue[0])
        self._anchor = float(anchor) if type(anchor) is int else anchor
