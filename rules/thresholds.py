"""High and low limits of a number, with a deadband on the way back: which levels are exceeded now."""

from __future__ import annotations

from functools import lru_cache
from math import inf, nextafter
from typing import Final, TypeAlias

Bound: TypeAlias = tuple[int, float, float]
"""+1 high or -1 low, where the level comes, where it goes."""

LEVELS: Final = ("high_high", "low_low", "high", "low")
"""Most severe first."""
RISING: Final = ("low_low", "low", "high", "high_high")
"""The order in which limits must rise."""


class Thresholds:
    """A level is exceeded from beyond its limit until the value is back within the deadband.

    `limits` by level; levels whose names begin with `high` are exceeded upwards, the others downwards.
    """

    def __init__(self, limits: dict[str, float], deadband: float) -> None:
        self._bounds = _bounds(tuple(limits.items()), deadband)
        self.keep((False,) * len(limits))

    def feed(self, value: float) -> tuple[bool, ...]:
        """One flag per level. `band` is then where the next value changes none of them, ends included."""
        if not self.band[0] <= value <= self.band[1]:
            self.keep(
                tuple(
                    sign * value > sign * (gone if was else comes)
                    for (sign, comes, gone), was in zip(self._bounds, self.flags, strict=True)
                )
            )
        return self.flags

    def keep(self, flags: tuple[bool, ...]) -> None:
        """Go on from these flags."""
        self.flags = flags
        self.band = _quiet(self._bounds, flags)


@lru_cache(1024)
def _bounds(limits: tuple[tuple[str, float], ...], deadband: float) -> tuple[Bound, ...]:
    return tuple(
        (1, limit, limit - deadband) if level.startswith("high") else (-1, limit, limit + deadband)
        for level, limit in limits
    )


@lru_cache(1024)
def _quiet(bounds: tuple[Bound, ...], flags: tuple[bool, ...]) -> tuple[float, float]:
    low, high = -inf, inf
    for (sign, comes, gone), on in zip(bounds, flags, strict=True):
        if sign > 0:
            low, high = (max(low, nextafter(gone, inf)), high) if on else (low, min(high, comes))
        else:
            low, high = (low, min(high, nextafter(gone, -inf))) if on else (max(low, comes), high)
    return low, high


def relation(level: str, value: object, limit: float | None, *, on: bool) -> str:
    """How a value stands to its limit in words; within the deadband it is neither beyond it nor back."""
    high = level.startswith("high")
    side = "above" if high else "below"
    beyond = isinstance(value, float) and limit is not None and (value > limit if high else value < limit)
    if on:
        return side if beyond else f"was {side} and is not yet clear of"
    return f"no longer {side}"
