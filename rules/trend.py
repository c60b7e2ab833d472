"""A line through points that a few outliers do not turn (Theil-Sen), with an interval for its slope."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import sqrt
from statistics import NormalDist, fmean, median
from typing import Final, NamedTuple

CONFIDENCE: Final = 0.90
"""Of the interval of the slope, both sides together."""
MOST_CORRELATION: Final = 0.95

_Z: Final = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


class Trend(NamedTuple):
    """`level` is the line's value at time 0; slopes are per unit of time, `least` and `most` the interval's ends."""

    level: float
    slope: float
    least: float
    most: float


def trend(points: list[tuple[float, float]]) -> Trend:
    """The median of the slopes of all pairs (Theil 1950), with Sen's interval (1968).

    Neighbours that resemble each other say less than independent ones: the variance of Kendall's statistic is widened
    by the correlation of neighbouring residuals. Needs three points or more, at different times.
    """
    slopes = sorted((v2 - v1) / (t2 - t1) for (t1, v1), (t2, v2) in combinations(points, 2) if t1 != t2)
    slope = median(slopes)
    level = median(v - slope * t for t, v in points)
    n = len(points)
    variance = n * (n - 1) * (2 * n + 5) / 18 * _widening([v - level - slope * t for t, v in points])
    reach = _Z * sqrt(variance)
    low, high = round((len(slopes) - reach) / 2), round((len(slopes) + reach) / 2)
    return Trend(level, slope, slopes[max(0, low)], slopes[min(len(slopes) - 1, high)])


def _widening(residuals: list[float]) -> float:
    """(1 + r) / (1 - r) for the lag-1 correlation r, if that is positive."""
    mean = fmean(residuals)
    spread = sum((x - mean) ** 2 for x in residuals)
    if not spread:
        return 1.0
    r = sum((a - mean) * (b - mean) for a, b in pairwise(residuals)) / spread
    r = min(max(r, 0.0), MOST_CORRELATION)
    return (1 + r) / (1 - r)
