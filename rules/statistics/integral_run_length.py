"""Average run length of charts on a continuous scale, by their integral equation on Gauss-Legendre nodes (Nystroem).

Sources: Crowder 1987 for the EWMA, Page 1954 and Brook & Evans 1972 for the CUSUM. Known mean and sigma.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, log, pi, sqrt
from typing import Final

import numpy as np

from rules.statistics.numerics import gauss_legendre, normal_cdf, quadrature, solve

SETTLED: Final = 1e-4
"""Limits whose variance is this near to the asymptotic one have settled."""
MOST_STEPS: Final = 500
"""Enough for a weight of 0.01."""


def ewma_run_length(weight: float, width: float, shift: float = 0.0) -> float:
    """EWMA within asymptotic limits +- `width` sigma_z, started on the centre line, the mean shifted from the first."""
    nodes, lengths = _ewma_lengths(weight, width * sqrt(weight / (2 - weight)), shift)
    started = (w * _normal(v / weight - shift) / weight * n for (v, w), n in zip(nodes, lengths, strict=True))
    return 1 + sum(started)


def exact_ewma_run_length(weight: float, width: float) -> float:
    """The same within limits that widen from the start as the average's standard deviation does.

    The density of averages still within them is followed until the limits have settled; from there on it is the
    integral equation's. With a weight so small that this takes too long the asymptotic length is given: a bit too long.
    """
    steps = ceil(log(SETTLED) / (2 * log(1 - weight))) if weight < 1 else 1
    if steps > MOST_STEPS:
        return ewma_run_length(weight, width)
    edge = width * sqrt(weight / (2 - weight))
    unit = np.array(gauss_legendre(_nodes(2 * edge / weight)))
    here, density, total = np.zeros(1), np.ones(1), 0.0
    for step in range(1, steps + 1):
        total += float(density.sum())
        reach = edge * sqrt(1 - (1 - weight) ** (2 * step))
        there = reach * unit[:, 0]
        z = (there[:, None] - (1 - weight) * here) / weight
        density = reach * unit[:, 1] * (np.exp(-z * z / 2) @ density) / (weight * sqrt(2 * pi))
        here = there
    nodes, lengths = _ewma_lengths(weight, edge)
    places, weights = np.array(nodes).T
    z = (places - (1 - weight) * here[:, None]) / weight
    onward = 1 + np.exp(-z * z / 2) @ (weights * np.array(lengths)) / (weight * sqrt(2 * pi))
    return total + float(density @ onward)


def shewhart_run_length(phi: float = 0.0, limit: float = 3.0) -> float:
    """Points beyond +- `limit` sigma, sigma from moving ranges, when the values are AR(1) with lag-1 correlation phi.

    Moving ranges see sigma sqrt(1 - phi) of it, so that the limits are too narrow where phi is positive.
    """
    phi = max(-0.99, min(0.99, phi))
    edge, spread = limit * sqrt(1 - phi), sqrt(1 - phi * phi)

    def density(here: float, there: float) -> float:
        return _normal((there - phi * here) / spread) / spread

    nodes, lengths = _lengths(edge, _nodes(2 * edge / spread), density)
    return 1 + sum(w * _normal(v) * length for (v, w), length in zip(nodes, lengths, strict=True))


def cusum_run_length(k: float, h: float, shift: float = 0.0, head_start: float = 0.0) -> float:
    """The two-sided tabular CUSUM, k, h and the head start in sigma (van Dobben de Bruyn 1968 for the two sides)."""
    up, up_started = _one_sided(k, h, shift, head_start)
    down, down_started = _one_sided(k, h, -shift, head_start)
    return (up_started * down + up * down_started - up * down) / (up + down)


def _one_sided(k: float, h: float, shift: float, head_start: float) -> tuple[float, float]:
    """The upper sum alone, from zero (a state of its own: it has a chance, not a density) and from the head start."""
    nodes = [(0.0, 0.0), *quadrature(0.0, h, _nodes(h))]
    places = [v for v, _ in nodes]

    def chances(here: float) -> list[float]:
        drift = here + shift - k
        return [normal_cdf(-drift), *(w * _normal(v - drift) for v, w in nodes[1:])]

    rows = [[(i == j) - chance for j, chance in enumerate(chances(u))] for i, u in enumerate(places)]
    lengths = solve(rows, [1.0] * len(nodes))
    started = 1 + sum(chance * length for chance, length in zip(chances(head_start), lengths, strict=True))
    return lengths[0], started


def _ewma_lengths(weight: float, edge: float, shift: float = 0.0) -> tuple[list[tuple[float, float]], list[float]]:
    def density(here: float, there: float) -> float:
        return _normal((there - (1 - weight) * here) / weight - shift) / weight

    return _lengths(edge, _nodes(2 * edge / weight), density)


def _lengths(
    edge: float, count: int, density: Callable[[float, float], float]
) -> tuple[list[tuple[float, float]], list[float]]:
    """Nodes within +- edge, and the run length from each: length(u) = 1 + integral of density(u, v) length(v)."""
    nodes = quadrature(-edge, edge, count)
    rows = [[(i == j) - w * density(u, v) for j, (v, w) in enumerate(nodes)] for i, (u, _) in enumerate(nodes)]
    return nodes, solve(rows, [1.0] * count)


def _nodes(sigmas: float) -> int:
    """Enough for an interval of so many standard deviations of one step."""
    return min(200, 24 + int(3 * sigmas))


def _normal(z: float) -> float:
    return exp(-z * z / 2) / sqrt(2 * pi)
