"""Charts of measured values: individuals with moving range, X-bar with R or S.

Source: Montgomery, Introduction to SQC, chapter 6. Subgroups may differ in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean, median, stdev
from typing import Final

from rules.statistics.constants import c4, d2, d3
from rules.statistics.limits import Limits, Parameters, Plotted, at_least_two, three_sigma
from rules.statistics.numerics import NORMAL

MEDIAN_RANGE: Final = sqrt(2) * NORMAL.inv_cdf(0.75)
"""The median of the range of two values, in sigma."""


def estimate_individuals(values: Sequence[float]) -> Parameters:
    """Mean, and mean moving range / d2(2)."""
    at_least_two(values, "values")
    return Parameters(fmean(values), fmean(abs(b - a) for a, b in pairwise(values)) / d2(2))


def estimate_individuals_robustly(values: Sequence[float]) -> Parameters:
    """Median, and median moving range / 0.954 (Clifford 1959): isolated outliers, two ranges each, hardly move them."""
    at_least_two(values, "values")
    return Parameters(median(values), median(abs(b - a) for a, b in pairwise(values)) / MEDIAN_RANGE)


def estimate_xbar_r(subgroups: Sequence[Sequence[float]]) -> Parameters:
    """Grand mean, and mean of range / d2(n)."""
    at_least_two(subgroups, "subgroups")
    return Parameters(_grand_mean(subgroups), fmean(spread_range(s) / d2(len(s)) for s in subgroups))


def estimate_xbar_s(subgroups: Sequence[Sequence[float]]) -> Parameters:
    """Grand mean, and mean of standard deviation / c4(n)."""
    at_least_two(subgroups, "subgroups")
    return Parameters(_grand_mean(subgroups), fmean(stdev(s) / c4(len(s)) for s in subgroups))


def limits_individuals(process: Parameters, n: float = 1) -> Limits:
    """mean +- 3 sigma, whatever n; with sigma = MRbar / 1.128 that is mean +- 2.660 MRbar."""
    del n
    return three_sigma(process.mean, process.sigma)


def limits_xbar(process: Parameters, n: float) -> Limits:
    """mean +- 3 sigma / sqrt(n): grand mean +- A2 Rbar or A3 sbar."""
    return three_sigma(process.mean, process.sigma / sqrt(n))


def limits_moving_range(process: Parameters, n: float = 1) -> Limits:
    """0 to 3.267 MRbar, whatever n."""
    del n
    return limits_range(process, 2)


def limits_range(process: Parameters, n: float) -> Limits:
    """Ranges of n values: D3 Rbar to D4 Rbar about d2 sigma."""
    return three_sigma(d2(int(n)) * process.sigma, d3(int(n)) * process.sigma, 0.0)


def limits_s(process: Parameters, n: float) -> Limits:
    """Standard deviations of n values: B3 sbar to B4 sbar about c4 sigma."""
    unbiased = c4(int(n))
    return three_sigma(unbiased * process.sigma, sqrt(1 - unbiased * unbiased) * process.sigma, 0.0)


def spread_range(subgroup: Sequence[float]) -> float:
    """Largest less smallest."""
    return max(subgroup) - min(subgroup)


def plot_individuals(value: float) -> Plotted:
    """The value; its moving range needs the value before."""
    return Plotted(value)


def plot_xbar_r(subgroup: Sequence[float]) -> Plotted:
    """Mean and range; a value alone is its mean and has no range."""
    return Plotted(fmean(subgroup), len(subgroup), spread_range(subgroup) if len(subgroup) > 1 else None)


def plot_xbar_s(subgroup: Sequence[float]) -> Plotted:
    """Mean and standard deviation; a value alone is its mean and has no standard deviation."""
    return Plotted(fmean(subgroup), len(subgroup), stdev(subgroup) if len(subgroup) > 1 else None)


def _grand_mean(subgroups: Sequence[Sequence[float]]) -> float:
    return sum(map(sum, subgroups)) / sum(map(len, subgroups))
