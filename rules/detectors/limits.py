"""`limits`: a signal above high or high_high, or below low or low_low, with a deadband on the way back."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from rules.detectors.base import Bindings, Detector, LevelledConfig, shown
from rules.events import Instant
from rules.signals import Signal
from rules.thresholds import Thresholds, relation


class LimitsConfig(LevelledConfig):
    """A level is exceeded by more than (high) or less than (low) its limit; equal is normal."""

    type: Literal["limits"]
    signal: str | None = None
    each: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.signal is None) is (not self.each):
            raise ValueError("name either `signal` or `each: [signals]`")
        return self

    def signals(self) -> tuple[str, ...]:
        """The signals watched."""
        return self.each or (str(self.signal),)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector per signal."""
        known = self.limits(bindings)
        return [
            Limits(bindings.signal(name), name if self.each else None, known, self.deadband, bindings.ignore_quality)
            for name in self.signals()
        ]


class Limits(Detector):
    """One signal against its limits."""

    def __init__(
        self, signal: Signal, part: str | None, limits: dict[str, float], deadband: float, ignore_quality: bool
    ) -> None:
        self.inputs = (signal,)
        self.part = part
        self.levels = tuple(limits)
        self._limits = limits
        self._ignore = ignore_quality
        self._thresholds = Thresholds(limits, deadband)

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Exceeded from beyond the limit until back within the deadband."""
        del at
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        return self._thresholds.feed(value) if type(value) is float else None

    def band(self, signal: Signal) -> tuple[float, float]:
        """Between the nearest bounds at which a level would come or go."""
        del signal
        return self._thresholds.band

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """A spike before the rule was armed leaves no deadband behind."""
        del at
        self._thresholds.keep(held)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The value against the limit of the level."""
        signal, limit = self.inputs[0], self._limits[level]
        value = signal.last if signal.value is None else signal.value
        words = f"{level.replace('_', '-')} limit {limit:g}{signal.unit}"
        return {
            "text": f"{signal.name} {shown(value)}{signal.unit} {relation(level, value, limit, on=on)} {words}",
            "value": value,
            "limit": limit,
            "level": level,
            "values": {signal.name: value},
        }

    def snapshot(self) -> list[bool]:
        """The flags."""
        return list(self._thresholds.flags)

    def restore(self, data: list[bool]) -> None:
        """The reverse of `snapshot`."""
        self._thresholds.keep(tuple(data))
