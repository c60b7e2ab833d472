"""`silence`: nothing was heard of an asset, or of one of its signals, for too long."""

from __future__ import annotations

from typing import Any, Literal

from rules.clock import AssetClock
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.durations import DurationField, format_duration
from rules.events import Duration, Instant
from rules.signals import Signal


class SilenceConfig(DetectorConfig):
    """Any reading, good or bad, breaks the silence. An asset that never spoke is silent since the journal began."""

    type: Literal["silence"]
    after: DurationField
    signal: str | None = None

    def signals(self) -> tuple[str, ...]:
        """The signal named, if any."""
        return () if self.signal is None else (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        signal = None if self.signal is None else bindings.signal(self.signal)
        return [Silence(self.after, bindings.clock, signal)]


class Silence(Detector):
    """Waits for `after` without a word; what passes while our own link is down does not count."""

    def __init__(self, after: Duration, clock: AssetClock, signal: Signal | None) -> None:
        self._after = after
        self._clock = clock
        self._signal = signal
        self._excused: Instant = 0
        self._paused: Instant | None = None
        self._silent = False

    @property
    def _heard(self) -> Instant | None:
        source = self._clock.heard if self._signal is None else self._signal.at
        if source is None:
            source = self._clock.start
        return None if source is None else max(source, self._excused)

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Silent once `after` has passed since the last word."""
        heard = self._heard
        if self._paused is None:
            self._silent = heard is not None and at >= heard + self._after
        return (self._silent,)

    @property
    def deadline(self) -> Instant | None:
        """The end of the patience."""
        heard = self._heard
        return None if heard is None or self._silent or self._paused is not None else heard + self._after

    @property
    def vigilant(self) -> bool:
        """While silent, the first word ends it."""
        return self._silent

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Patience begins when the rule is armed."""
        self._silent = held[0]
        self._excused = max(self._excused, at)

    def pause(self, at: Instant) -> None:
        """Stop counting."""
        if self._paused is None:
            self._paused = at

    def resume(self, at: Instant) -> None:
        """Go on counting where it stopped."""
        if self._paused is not None and (heard := self._heard) is not None and not self._silent:
            self._excused = heard + max(0, at - max(self._paused, heard))
        self._paused = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Who was silent for how long."""
        del level
        who = "the asset" if self._signal is None else self._signal.name
        what = f"nothing heard of {who} for {format_duration(self._after)}" if on else f"{who} is heard again"
        return {"text": what, "limit": self._after / 1e9, "last_heard": self._heard}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._excused += delta
        if self._paused is not None:
            self._paused += delta

    def snapshot(self) -> list[Any]:
        """Excused until, paused since, silent."""
        return [self._excused, self._paused, self._silent]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._excused, self._paused, self._silent = data
