"""Rows of several signals as numbers: scaling, setting strange rows aside, smoothing, and squared distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

LARGEST: Final = 1e100
"""Values beyond are taken as this, so that no square overflows."""
SMALLEST: Final = 1e-100
"""A signal that varies by less is constant,"""
ROUNDING: Final = 1e-9
"""and one that varies by less than this part of its size."""
MAD_TO_SIGMA: Final = 1.4826
STRANGE: Final = 8.0
"""Learning rows with a signal so many scales from its median are set aside,"""
SET_ASIDE: Final = 0.05
"""unless they are more than this share: then they belong to what is usual."""
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


def strange(scaled: Array) -> npt.NDArray[np.bool_]:
    """Which learning rows are set aside."""
    found: npt.NDArray[np.bool_] = np.asarray((np.abs(scaled) > STRANGE).any(axis=1))
    return found if float(found.mean()) <= SET_ASIDE else np.zeros_like(found)


def smoothed(rows: Array, rate: float) -> Array:
    """Exponentially weighted means, beginning with the first row."""
    out = np.array(rows)
    for i in range(1, len(out)):
        out[i] = out[i - 1] + rate * (rows[i] - out[i - 1])
    return out
