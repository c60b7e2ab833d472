"""In-control run lengths of charts whose values follow each other: an AR(1) series, followed on a grid.

`phi` is the correlation from one value to the next, `spread` the standard deviation of all values in units of the sigma
that the limits rest on: 1 where that is right, 1 / sqrt(1 - phi) where it was taken from moving ranges, which such
values make too small. Chains over cells of the last value, after Brook & Evans 1972.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from math import inf, sqrt
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from rules.statistics.numerics import mean_survival, normal_cdf
from rules.statistics.run_length import run_length, zone_chain, zone_of

Array: TypeAlias = npt.NDArray[np.float64]
CELLS: Final = 10
"""Cells to a zone,"""
OUTER: Final = 4.5
"""from the centre line to so many standard deviations, and at least a zone beyond the last line."""
VALUES: Final = 61
AVERAGES: Final = 121
"""Cells of the last value and of an average or a sum."""
WIDEST: Final = 2.5
"""Points that vary more are as good as out of control."""
MOST_STATES: Final = 300
"""Rules that remember more are not followed."""
TOLERANCE: Final = 1e-6
"""The share that signals has settled when it changes by no more than this part of it."""


def shewhart_autocorrelated(names: frozenset[str], phi: float, spread: float) -> float:
    """Run rules; those that look at order alone count as if values were independent. Infinite for sets too large."""
    return _shewhart(names, *_rounded(phi, min(spread, WIDEST)))


def ewma_autocorrelated(weight: float, width: float, phi: float, spread: float) -> float:
    """An EWMA within its asymptotic limits."""
    return _ewma(weight, width, *_rounded(phi, spread))


def cusum_autocorrelated(k: float, h: float, phi: float, spread: float) -> float:
    """Both sums; of the two the larger is followed, the other one taken as zero."""
    return _cusum(k, h, *_rounded(phi, spread))


def spread_by_ranges(phi: float) -> float:
    """How many times as much as moving ranges say the values vary."""
    return 1 / sqrt(1 - min(0.99, max(0.0, phi)))


def _rounded(phi: float, spread: float) -> tuple[float, float]:
    """Two digits are more than an estimate has, and are computed once."""
    return min(0.99, max(0.0, round(phi, 2))), round(spread, 2)


@lru_cache(maxsize=256)
def _shewhart(names: frozenset[str], phi: float, spread: float) -> float:
    ordered = frozenset(name for name in names if name in ("nelson_3", "nelson_4"))
    rate = 1 / run_length(ordered) if ordered else 0.0
    chain = zone_chain(names - ordered) if names - ordered else []
    if len(chain) > MOST_STATES:
        return inf
    if not chain:
        return 1 / rate if rate else inf
    most = max(4.0, OUTER * spread)
    edges = np.arange(-round(most * CELLS), round(most * CELLS) + 1) / CELLS
    zones = [zone_of((low + high) / 2) for low, high in pairwise(edges)]
    onward = np.array(chain)[:, zones]
    lengths = _survived(_rules(onward, *_kernel(edges, phi, spread)))
    return 1 / (rate + 1 / lengths)


def _rules(onward: npt.NDArray[np.int64], first: Array, kernel: Array) -> Iterator[tuple[float, float]]:
    """`onward` is the state that follows each state by the cell of the next value."""
    states, cells = onward.shape
    places = np.where(onward < 0, states, onward) * cells + np.arange(cells)
    coming: Array = np.zeros((states, cells))
    coming[0] = first
    while True:
        moved = np.bincount(places.ravel(), coming.ravel(), (states + 1) * cells).reshape(states + 1, cells)
        yield float(coming.sum()), float(moved[-1].sum())
        coming = np.asarray(moved[:-1] @ kernel)


def _kernel(edges: Array, phi: float, spread: float) -> tuple[Array, Array]:
    """The chance of each cell for the first value, and for one that follows the middle of each cell."""
    middles = (edges[1:] + edges[:-1]) / 2
    sigma = spread * sqrt(1 - phi * phi)

    def cells(mean: float, deviation: float) -> Array:
        return np.diff([normal_cdf((edge - mean) / deviation) for edge in edges])

    kernel = np.array([cells(phi * middle, sigma) for middle in middles])
    first = cells(0.0, spread)
    return first / first.sum(), kernel / kernel.sum(axis=1, keepdims=True)


@lru_cache(maxsize=256)
def _ewma(weight: float, width: float, phi: float, spread: float) -> float:
    edge = width * sqrt(weight / (2 - weight))
    grid = np.linspace(-edge, edge, AVERAGES)

    def move(average: Array, value: Array) -> Array:
        return np.asarray((1 - weight) * average + weight * value)

    return _survived(_remembering(grid, AVERAGES // 2, move, phi, spread))


@lru_cache(maxsize=256)
def _cusum(k: float, h: float, phi: float, spread: float) -> float:
    grid = np.linspace(-h, h, 2 * AVERAGES - 1)

    def move(total: Array, value: Array) -> Array:
        above = np.maximum(0.0, np.maximum(total, 0.0) + value - k)
        below = np.maximum(0.0, np.maximum(-total, 0.0) - value - k)
        return np.where(above >= below, above, -below)

    return _survived(_remembering(grid, AVERAGES - 1, move, phi, spread))


def _remembering(
    grid: Array, start: int, move: Callable[[Array, Array], Array], phi: float, spread: float
) -> Iterator[tuple[float, float]]:
    """A statistic on a grid beside the last value: what lies between two points of the grid is shared by both."""
    edges = np.linspace(-OUTER * spread, OUTER * spread, VALUES + 1)
    first, kernel = _kernel(edges, phi, spread)
    values = (edges[1:] + edges[:-1]) / 2
    moved = move(grid[:, None], values[None, :])
    place = (moved - grid[0]) / (grid[1] - grid[0])
    out = (place < -1e-9) | (place > len(grid) - 1 + 1e-9)
    low = np.clip(place.astype(int), 0, len(grid) - 2)
    part = np.clip(place - low, 0.0, 1.0)
    columns = np.arange(VALUES)
    size = len(grid) * VALUES
    coming = np.zeros((len(grid), VALUES))
    coming[start] = first
    while True:
        kept = np.where(out, 0.0, coming)
        yield float(coming.sum()), float(coming.sum() - kept.sum())
        shares = np.bincount((low * VALUES + columns).ravel(), (kept * (1 - part)).ravel(), size)
        shares += np.bincount(((low + 1) * VALUES + columns).ravel(), (kept * part).ravel(), size)
        coming = shares.reshape(coming.shape) @ kernel


def _survived(absorbed: Iterable[tuple[float, float]]) -> float:
    return mean_survival(absorbed, tolerance=TOLERANCE)
