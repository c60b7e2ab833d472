"""The in-control run length of a chart of counts, from the binomial or Poisson distribution itself.

Three-sigma limits are those of a normal statistic. Counts are skewed and come in steps, so that the false alarms of a
chart of few defects come several times as often.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import exp, inf, lgamma, log, sqrt
from typing import Final

from rules.statistics.charts import CHARTS
from rules.statistics.limits import Parameters
from rules.statistics.run_length import run_length, run_length_of_points

SHARES: Final = frozenset({"p", "np"})
"""Charts of a binomial count."""
EXACT: Final = SHARES | {"c", "u"}
"""Charts whose counts have the distribution of the book; those of Laney have one of their own, taken as normal."""
MANY: Final = 300.0
"""A count of a larger standard deviation is as good as normal."""
REACH: Final = 12.0
"""Counts that are so many standard deviations and thirty more from the mean do not happen."""


def count_run_length(chart: str, names: Iterable[str], process: Parameters, inspected: float) -> float:
    """Points until the first false alarm of independent counts, each of so many units inspected.

    `names` are rules that look at zones. Unknown, and so infinite, where nothing is inspected.
    """
    if not inspected > 0:
        return inf
    if chart not in EXACT:
        return run_length(names)
    units = max(1.0, round(inspected)) if chart in SHARES else inspected
    mean = units * process.mean
    sigma = sqrt(mean * (1 - process.mean) if chart in SHARES else mean)
    if sigma > MANY:
        return run_length(names)
    location, plot = CHARTS[chart].location(process, units), CHARTS[chart].plot
    counts = _binomial(units, process.mean, sigma) if chart in SHARES else _poisson(mean, sigma)
    points = ((location.standardise(plot((count, units)).location), chance) for count, chance in counts)
    return run_length_of_points(names, points)


def _within_reach(mean: float, sigma: float, most: float) -> range:
    reach = REACH * sigma + 30
    return range(max(0, int(mean - reach)), int(min(most, mean + reach)) + 1)


def _binomial(units: float, share: float, sigma: float) -> Iterator[tuple[float, float]]:
    for count in _within_reach(units * share, sigma, units):
        ways = lgamma(units + 1) - lgamma(count + 1) - lgamma(units - count + 1)
        yield float(count), exp(ways + count * log(share) + (units - count) * log(1 - share))


def _poisson(mean: float, sigma: float) -> Iterator[tuple[float, float]]:
    for count in _within_reach(mean, sigma, inf):
        yield float(count), exp(count * log(mean) - mean - lgamma(count + 1))
