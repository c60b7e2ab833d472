"""Readings that are too wild to learn from count for less: a broken wire's 32767 must not make all else look usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BODY: Final = 0.9
"""Most readings: their farthest from the median says how wide a signal is,"""
NEARLY_ALL: Final = 0.98
"""and that of nearly all where most are equal."""
WILD: Final = 8.0
"""While learning, a reading counts for no more than so many of these widths from the median;"""
REACH: Final = 7.0
"""later for no more than so many widths of all that was seen beyond that: what stays there is believed within a few."""


def tamed(values: Sequence[float]) -> list[float]:
    """The first readings, the wild ones among them brought closer. A few that leave a constant are all wild."""
    count = len(values)
    middle = sorted(values)[count // 2]
    off = sorted(abs(value - middle) for value in values)
    most = WILD * (off[int(BODY * count)] or off[int(NEARLY_ALL * count)])
    return [_between(middle - most, value, middle + most) for value in values]


def within_reach(value: float, low: float, high: float) -> float:
    """A later reading, when those before lay between `low` and `high`; after a constant anything may come."""
    reach = REACH * (high - low)
    return _between(low - reach, value, high + reach) if reach > 0.0 else value


def _between(low: float, value: float, high: float) -> float:
    return min(max(value, low), high)
