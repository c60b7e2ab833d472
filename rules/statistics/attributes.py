"""Charts of counts: p and np of defectives, c and u of defects, with limits that follow a varying number inspected.

Sources: Montgomery, Introduction to SQC, chapter 7; Laney 2002 for p' and u'. A sample is (count, inspected).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from statistics import fmean

from rules.statistics.constants import d2
from rules.statistics.limits import Limits, Parameters, Plotted, at_least_two, three_sigma


def estimate_rate(samples: Sequence[tuple[float, float]]) -> Parameters:
    """Defectives or defects per inspected unit.

    Raises:
        ValueError: nothing was inspected.
    """
    inspected = sum(n for _, n in samples)
    if not inspected > 0:
        raise ValueError("limits need samples in which something was inspected")
    return Parameters(sum(count for count, _ in samples) / inspected)


def estimate_p_laney(samples: Sequence[tuple[float, float]]) -> Parameters:
    """The share of defectives, and sigma_z from the moving ranges of the standardised shares."""
    return _laney(samples, limits_p)


def estimate_u_laney(samples: Sequence[tuple[float, float]]) -> Parameters:
    """The defects per unit, and sigma_z from the moving ranges of the standardised rates."""
    return _laney(samples, limits_u)


def limits_p(process: Parameters, n: float) -> Limits:
    """p +- 3 sqrt(p (1 - p) / n), times sigma_z for p'."""
    p = process.mean
    return three_sigma(p, process.sigma * sqrt(max(0.0, p * (1 - p)) / n), 0.0, 1.0)


def limits_np(process: Parameters, n: float) -> Limits:
    """n p +- 3 sqrt(n p (1 - p))."""
    p = process.mean
    return three_sigma(n * p, process.sigma * sqrt(max(0.0, n * p * (1 - p))), 0.0, n)


def limits_c(process: Parameters, n: float = 1) -> Limits:
    """c +- 3 sqrt(c) for n inspected units, where `mean` is c of one of them."""
    c = n * process.mean
    return three_sigma(c, process.sigma * sqrt(max(0.0, c)), 0.0)


def limits_u(process: Parameters, n: float) -> Limits:
    """u +- 3 sqrt(u / n), times sigma_z for u'."""
    return three_sigma(process.mean, process.sigma * sqrt(max(0.0, process.mean) / n), 0.0)


def plot_rate(sample: tuple[float, float]) -> Plotted:
    """Count per inspected unit."""
    count, inspected = sample
    return Plotted(count / inspected, inspected)


def plot_count(sample: tuple[float, float]) -> Plotted:
    """The count itself."""
    count, inspected = sample
    return Plotted(count, inspected)


def _laney(samples: Sequence[tuple[float, float]], limits: Callable[[Parameters, float], Limits]) -> Parameters:
    at_least_two(samples, "samples")
    plain = estimate_rate(samples)
    scores = [limits(plain, n).standardise(count / n) for count, n in samples]
    return Parameters(plain.mean, fmean(abs(b - a) for a, b in pairwise(scores)) / d2(2))
