"""What every chart shares: the parameters of a process in control, and the limits of a plotted statistic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, inf
from typing import Final

LARGEST: Final = 1e150
"""Values beyond this are not to be charted: their squares are no numbers."""
FAR: Final = 1e9
"""How many sigma a point lies away from a centre line without spread."""
ROUNDING: Final = 8 * 2.0**-52
"""What decimal fractions, a mean and a root may be off by, as a share of the numbers they were made from.

A point nearer than that to a line lies on it: 10.3 is not beyond 10 + 3 x 0.1, though in binary it is. Reading, centre
line and sigma are each rounded once, a mean of readings, sigma / sqrt(n) and the line twice more: six times 2**-53 of
the two together, at most six times 2**-52 of the larger.
"""
BEYOND: Final = 3.5
"""No zone has a line this many sigma away."""
NEAR: Final = 1e-3
"""A point farther from a line, in sigma, is not looked at twice: no double tells spreads as small as rounding."""


def rounding(value: float, center: float) -> float:
    """How far off a line a value may seem to be that lies on it, by the centre line it is reckoned from."""
    return ROUNDING * max(abs(value), abs(center))


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a plotted statistic belongs; `sigma` is its standard deviation, the unit of the zones A, B and C."""

    center: float
    lower: float
    upper: float
    sigma: float

    def standardise(self, value: float) -> float:
        """How many sigma above the centre line; a whole number on a line of the zones, as far as rounding tells."""
        off, sigma = value - self.center, self.sigma
        if not sigma > 0:
            return copysign(FAR, off) if abs(off) > rounding(value, self.center) else 0.0
        z = off / sigma
        if -BEYOND < z < BEYOND and -NEAR < z - (line := round(z)) < NEAR:
            return float(line) if abs(off - line * sigma) <= rounding(value, self.center) else z
        return z

    def broken_by(self, value: float) -> bool:
        """Whether the value lies beyond a limit; on it is within, as far as rounding tells."""
        if self.lower <= value <= self.upper:
            return False
        blur = rounding(value, self.center)
        return not self.lower - blur <= value <= self.upper + blur


@dataclass(frozen=True, slots=True)
class Parameters:
    """The process in control, from which limits follow for any sample size.

    `mean` is that of single values, or of defectives or defects per inspected unit. `sigma` is the standard deviation
    of single values within subgroups; for attribute charts the factor by which the spread exceeds the binomial or
    Poisson one (1, or Laney's sigma_z).
    """

    mean: float
    sigma: float = 1.0


@dataclass(frozen=True, slots=True)
class Plotted:
    """What a chart draws of one sample of `n`: its location, and its spread where the chart shows that too."""

    location: float
    n: float = 1
    spread: float | None = None


def three_sigma(center: float, sigma: float, floor: float = -inf, ceiling: float = inf) -> Limits:
    """Three sigma to either side, within what the statistic can be at all."""
    return Limits(center, max(floor, center - 3 * sigma), min(ceiling, center + 3 * sigma), sigma)


def at_least_two(samples: Sequence[object], name: str) -> None:
    """Refuse to learn from less.

    Raises:
        ValueError: fewer than two samples.
    """
    if len(samples) < 2:
        raise ValueError(f"limits need at least two {name} to learn from, not {len(samples)}")
