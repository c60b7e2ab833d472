"""`limits`: a signal above high or high_high, or below low or low_low, with a deadband on the way back."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from rules.detectors.base import NEVER_QUIET, Bindings, Detector, LevelledConfig, shown
from rules.events import Instant
from rules.limit_table import Levels
from rules.signals import Signal
from rules.thresholds import relation


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
        return [
            Limits(bindings.signal(name), name if self.each else None, self.limits(bindings), bindings.ignore_quality)
            for name in self.signals()
        ]


class Limits(Detector):
    """One signal against its limits."""

    def __init__(self, signal: Signal, part: str | None, levels: Levels, ignore_quality: bool) -> None:
        self.inputs = (signal, *levels.inputs)
        self.part = part
        self.levels = levels.names
        self.adjustable = self._levels = levels
        self._ignore = ignore_quality

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Exceeded from beyond the limit until back within the deadband."""
        del at
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        return self._levels.feed(value) if type(value) is float else None

    def band(self, signal: Signal) -> tuple[float, float]:
        """Between the nearest bounds at which a level would come or go."""
        if signal is not self.inputs[0]:
            return NEVER_QUIET
        return self._levels.thresholds.band

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """A spike before the rule was armed leaves no deadband behind."""
        del at
        self._levels.keep(held)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The value against the limit of the level."""
        signal, limit = self.inputs[0], self._levels.limit(level)
        value = signal.last if signal.value is None else signal.value
        words = f"{level.replace('_', '-')} limit {shown(limit)}{signal.unit}"
        return {
            "text": f"{signal.name} {shown(value)}{signal.unit} {relation(level, value, limit, on=on)} {words}",
            "value": value,
            "limit": limit,
            "level": level,
            "values": {signal.name: value},
        }

    def snapshot(self) -> list[bool]:
        """The flags."""
        return list(self._levels.thresholds.flags)

    def restore(self, data: list[bool]) -> None:
        """The reverse of `snapshot`."""
        self._levels.keep(tuple(data))
