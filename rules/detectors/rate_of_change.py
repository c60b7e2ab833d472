"""`rate_of_change`: a signal that rises or falls faster than it should."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from rules.detectors.base import Bindings, Detector, DetectorConfig, shown
from rules.durations import DurationField, format_duration
from rules.events import SECOND, Duration, Instant
from rules.signals import Signal
from rules.window import Taking, Window

BUCKETS: Final = 32

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class RateOfChangeConfig(DetectorConfig):
    """`rise` and `fall` are both positive, in units per second, of the least-squares line over the last `over`.

    A burst of readings counts no more than a single one, and readings that come more seldom than `over` are compared
    with the one before. Until half of `over` is covered nothing can be told.
    """

    type: Literal["rate_of_change"]
    signal: str
    rise: Rate | None = None
    fall: Rate | None = None
    over: DurationField = 60 * SECOND
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.level_names():
            raise ValueError("give rise, fall or both")
        if self.over < SECOND // 1000:
            raise ValueError("`over` must be at least 1ms")
        return self

    def signals(self) -> tuple[str, ...]:
        """The signal watched."""
        return (self.signal,)

    def level_names(self) -> tuple[str, ...]:
        """Those of rise and fall that are given."""
        return tuple(level for level in ("rise", "fall") if getattr(self, level) is not None)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        limits = {level: getattr(self, level) for level in self.level_names()}
        return [RateOfChange(bindings.signal(self.signal), limits, self.over, bindings.ignore_quality)]


class RateOfChange(Detector):
    """The slope of one signal."""

    every_reading = True

    def __init__(self, signal: Signal, limits: dict[str, float], over: Duration, ignore_quality: bool) -> None:
        self.inputs = (signal,)
        self.levels = tuple(limits)
        self._limits = limits
        self._over = over
        self._ignore = ignore_quality
        self._window = Window(over, BUCKETS, least=2)
        self._taking = Taking()
        self._rate: float | None = None

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """The slope against its limits; unknown where the signal is."""
        del at
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        if type(value) is not float:
            return None
        if self._taking.new(signal.at, value):
            assert signal.at is not None
            self._window.add(signal.at, value)
            self._rate = self._window.slope()
        rate = self._rate
        if rate is None:
            return None
        return tuple((rate if level == "rise" else -rate) > limit for level, limit in self._limits.items())

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was before the rule was armed is forgotten."""
        del held, at
        self._window.clear()
        self._rate = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The slope against the limit of the level."""
        signal, limit = self.inputs[0], self._limits[level]
        rate = 0.0 if self._rate is None else self._rate if level == "rise" else -self._rate
        verb = ("rises" if level == "rise" else "falls") if on else f"no longer {level}s too fast: it {level}s"
        side = "more than" if on else "of at most"
        unit = f"{signal.unit}/s"
        return {
            "text": f"{signal.name} {verb} by {shown(rate)}{unit} over {format_duration(self._over)}, "
            f"{side} {limit:g}{unit}",
            "value": rate,
            "limit": limit,
            "level": level,
            "values": {signal.name: signal.last},
        }

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._window.shift(delta)
        self._taking.shift(delta)

    def snapshot(self) -> list[Any]:
        """Window, last reading taken, slope."""
        return [self._window.snapshot(), self._taking.snapshot(), self._rate]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._window.restore(data[0])
        self._taking.restore(data[1])
        self._rate = None if data[2] is None else float(data[2])
