"""`limits`: a signal above high or high_high, or below low or low_low, with a deadband on the way back."""

from __future__ import annotations

from math import inf, nextafter
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, model_validator

from rules.detectors.base import Bindings, Detector, DetectorConfig, shown
from rules.durations import DurationField
from rules.events import Instant
from rules.signals import Signal

LEVELS: Final = ("high_high", "low_low", "high", "low")
"""Most severe first."""

Limit = Annotated[float, Field(allow_inf_nan=False)] | str
"""A number, or the name of one of the asset's `values`."""


class LimitsConfig(DetectorConfig):
    """A level is exceeded by more than (high) or less than (low) its limit; equal is normal."""

    type: Literal["limits"]
    signal: str | None = None
    each: tuple[str, ...] = ()
    high_high: Limit | None = None
    high: Limit | None = None
    low: Limit | None = None
    low_low: Limit | None = None
    deadband: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.signal is None) is (not self.each):
            raise ValueError("name either `signal` or `each: [signals]`")
        if all(getattr(self, level) is None for level in LEVELS):
            raise ValueError("give at least one of high_high, high, low, low_low")
        numbers = [v for v in (self.low_low, self.low, self.high, self.high_high) if isinstance(v, float)]
        if numbers != sorted(numbers):
            raise ValueError("limits must rise in the order low_low, low, high, high_high")
        return self

    def signals(self) -> tuple[str, ...]:
        """The signals watched."""
        return self.each or (str(self.signal),)

    def value_names(self) -> tuple[str, ...]:
        """Names of the asset's `values` that stand for limits."""
        return tuple(v for v in (getattr(self, level) for level in LEVELS) if isinstance(v, str))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector per signal."""
        limits = {level: self._number(level, bindings) for level in LEVELS}
        known = {level: limit for level, limit in limits.items() if limit is not None}
        return [
            Limits(bindings.signal(name), name if self.each else None, known, self.deadband, bindings.ignore_quality)
            for name in self.signals()
        ]

    def _number(self, level: str, bindings: Bindings) -> float | None:
        limit = getattr(self, level)
        return bindings.number(limit) if isinstance(limit, str) else limit


def _relation(level: str, value: object, limit: float, *, on: bool) -> str:
    """How a value stands to its limit; within the deadband it is neither beyond it nor back."""
    high = level.startswith("high")
    side = "above" if high else "below"
    beyond = isinstance(value, float) and (value > limit if high else value < limit)
    if on:
        return side if beyond else f"was {side} and is not yet clear of"
    return f"no longer {side}"


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
        # per level: +1 high / -1 low, where it comes, where it goes
        self._bounds = tuple(
            (1, limit, limit - deadband) if level.startswith("high") else (-1, limit, limit + deadband)
            for level, limit in limits.items()
        )
        self._flags = (False,) * len(limits)
        self._band = self._quiet()

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Exceeded from beyond the limit until back within the deadband."""
        del at
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        if type(value) is not float:
            return None
        if not self._band[0] <= value <= self._band[1]:
            self._keep(
                tuple(
                    sign * value > sign * (gone if was else comes)
                    for (sign, comes, gone), was in zip(self._bounds, self._flags, strict=True)
                )
            )
        return self._flags

    def band(self, signal: Signal) -> tuple[float, float]:
        """Between the nearest bounds at which a level would come or go."""
        del signal
        return self._band

    def _keep(self, flags: tuple[bool, ...]) -> None:
        self._flags = flags
        self._band = self._quiet()

    def _quiet(self) -> tuple[float, float]:
        low, high = -inf, inf
        for (sign, comes, gone), on in zip(self._bounds, self._flags, strict=True):
            if sign > 0:
                low, high = (max(low, nextafter(gone, inf)), high) if on else (low, min(high, comes))
            else:
                low, high = (low, min(high, nextafter(gone, -inf))) if on else (max(low, comes), high)
        return low, high

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """A spike before the rule was armed leaves no deadband behind."""
        del at
        self._keep(held)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The value against the limit of the level."""
        signal, limit = self.inputs[0], self._limits[level]
        value = signal.last if signal.value is None else signal.value
        words = f"{level.replace('_', '-')} limit {limit:g}{signal.unit}"
        return {
            "text": f"{signal.name} {shown(value)}{signal.unit} {_relation(level, value, limit, on=on)} {words}",
            "value": value,
            "limit": limit,
            "level": level,
            "values": {signal.name: value},
        }

    def snapshot(self) -> list[bool]:
        """The flags."""
        return list(self._flags)

    def restore(self, data: list[bool]) -> None:
        """The reverse of `snapshot`."""
        self._keep(tuple(data))
