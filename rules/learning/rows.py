"""Rows of several signals as numbers: scaling, setting strange rows aside, smoothing, and squared distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

LARGEST: Final = 1e100
"""Values beyond are taken as this, so that no square overflows."""
FARTHEST: Final = 1e6
"""So many scales from its median a learned value may lie when rows are compared."""
SMALLEST: Final = 1e-100
"""A signal that varies by less is constant,"""
ROUNDING: Final = 1e-9
"""and one that varies by less than this part of its size."""
MAD_TO_SIGMA: Final = 1.4826
STRANGE: Final = 6.0
"""Learning rows are set aside whose distance is so many spreads of the distances beyond their median,"""
SET_ASIDE: Final = 0.1
"""unless they are more than this share: then they belong to what is usual."""
CORE: Final = 0.75
"""The nearest rows, from which the distances are taken at first."""
ROUNDS: Final = 10
"""So often at most the rows are weighed anew by what was kept."""
WINSOR: Final = 2.5
"""Scaled values count for no more than this in the first covariance."""
QUARTILE: Final = 0.6745
"""Median to upper quartile, in standard deviations of a normal distribution."""
QUANTILE: Final = 0.99
"""A limit is this quantile of the learned statistic,"""
BODY: Final = 0.9
REACH: Final = 3.0
"""unless it lies so many times farther above the median than this quantile (1.8 times if the statistic were normal)."""
EXPLAINED: Final = 0.9
"""The principal components explain this share of the variance."""


def bounded(numbers: Sequence[float] | Sequence[Sequence[float]]) -> Array:
    """A row, or rows, of finite numbers as an array."""
    return np.asarray(np.clip(np.array(numbers, dtype=float), -LARGEST, LARGEST))


class UnlearnableError(Exception):
    """No signal of the learning rows ever changed."""


class Scaling:
    """Rows to scaled rows: each signal's median taken off, divided by its scale; constant signals left out."""

    def __init__(self, kept: list[int], centre: Array, scale: Array) -> None:
        self.kept, self.centre, self.scale = kept, centre, scale

    @classmethod
    def learn(cls, rows: Array) -> Scaling:
        """The scale lies between the median absolute deviation and the standard deviation."""
        centre = np.median(rows, axis=0)
        mad = MAD_TO_SIGMA * np.median(np.abs(rows - centre), axis=0)
        scale = (mad + rows.std(axis=0)) / 2
        floor = np.maximum(ROUNDING * np.abs(rows).max(axis=0), SMALLEST)
        kept = [int(i) for i in np.flatnonzero(scale > floor)]
        if not kept:
            raise UnlearnableError
        return cls(kept, centre[kept], scale[kept])

    def __call__(self, rows: Array) -> Array:
        """Scaled rows, or one."""
        scaled: Array = (rows[..., self.kept] - self.centre) / self.scale
        return scaled


def quadratic_forms(covariance: Array, statistic: str, off_diagonal: float) -> list[Array]:
    """The matrices M of the squared statistics x M x: T2, SPE, or both. Collinear signals do no harm.

    Off-diagonal elements are shrunk by the factor, which also bounds the smallest eigenvalue away from zero.
    """
    diagonal = np.diag(np.maximum(np.diag(covariance), 1e-9))
    shrunk = off_diagonal * covariance + (1 - off_diagonal) * diagonal
    forms: list[Array] = []
    if statistic != "spe":
        forms.append(np.asarray(np.linalg.inv(shrunk), dtype=float))
    if statistic != "t2":
        values, vectors = np.linalg.eigh(covariance)
        explained = np.cumsum(values[::-1]) / max(float(values.sum()), 1e-300)
        components = min(int(np.searchsorted(explained, EXPLAINED)) + 1, len(values) - 1)
        rest = vectors[:, : len(values) - components]
        forms.append(rest @ rest.T)
    return forms


def strange(rows: Array) -> npt.NDArray[np.bool_]:
    """Which learning rows are set aside: those far from what the others do together, in whatever direction.

    A deterministic relative of the minimum covariance determinant (Hubert, Rousseeuw & Verdonck 2012): distances in a
    covariance that single rows cannot bend, then again and again in that of the rows kept. The cut goes by the
    distances' own median and upper quartile, which a tenth of bad rows hardly moves.
    """
    scaled = _robustly_scaled(rows)
    distances = _distances(scaled, np.clip(scaled, -WINSOR, WINSOR))
    distances = _distances(scaled, scaled[distances <= np.quantile(distances, CORE)])
    aside = np.zeros(len(rows), dtype=bool)
    for _ in range(ROUNDS):
        middle, upper = np.quantile(distances, [0.5, 0.75])
        found = distances > middle + STRANGE * max(upper - middle, ROUNDING * middle) / QUARTILE
        if (found == aside).all():
            break
        aside = found
        distances = _distances(scaled, scaled[~aside])
    return aside if float(aside.mean()) <= SET_ASIDE else np.zeros_like(aside)


def _robustly_scaled(rows: Array) -> Array:
    """Signals less their medians, in median absolute deviations; standard deviations where most values are equal."""
    off = rows - np.median(rows, axis=0)
    floor = np.maximum(ROUNDING * np.abs(rows).max(axis=0), SMALLEST)
    mad = MAD_TO_SIGMA * np.median(np.abs(off), axis=0)
    scale = np.where(mad > floor, mad, rows.std(axis=0))
    kept = scale > floor
    return np.asarray(np.clip(off[:, kept] / scale[kept], -FARTHEST, FARTHEST))


def _distances(rows: Array, fitted: Array) -> Array:
    """Of each row from the mean of those fitted, in their covariance, shrunk the more the fewer rows there are."""
    if not rows.shape[1]:
        return np.zeros(len(rows))
    off = rows - fitted.mean(axis=0)
    count, signals = fitted.shape
    covariance = np.atleast_2d(np.cov(fitted, rowvar=False, bias=True))
    (form,) = quadratic_forms(covariance, "t2", count / (count + signals))
    squares = (off @ form * off).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def smoothed(rows: Array, rate: float) -> Array:
    """Exponentially weighted means, beginning with the first row."""
    out = np.array(rows)
    for i in range(1, len(out)):
        out[i] = out[i - 1] + rate * (rows[i] - out[i - 1])
    return out


def tail(squares: Array) -> float:
    """The 99 % quantile of a squared statistic, but no farther out than its median and 90 % quantile make likely.

    One strange row, smoothed over its neighbours, is more than 1 % of the rows, and would make the limit by itself.
    """
    middle, upper, most = np.sqrt(np.maximum(np.quantile(squares, [0.5, BODY, QUANTILE]), 0.0))
    return float(min(most, middle + REACH * (upper - middle)) ** 2)
