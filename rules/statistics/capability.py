"""Capability indices with confidence bounds, and the verdict that they allow.

Sources: Montgomery, Introduction to SQC, chapter 8; Bissell 1990 (Cpk); Boyles 1991 (Cpm). An index says something only
of a process in control.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from math import copysign, exp, hypot, inf, lgamma, log, log1p, sqrt
from statistics import median
from typing import Final

from rules.statistics.constants import c4, d2, d3
from rules.statistics.numerics import NORMAL, chi_square_quantile

FEWEST_VALUES: Final = 100
"""What an index should rest on at least (and 25 subgroups)."""
CONFIDENCE: Final = 0.95
TAIL: Final = NORMAL.cdf(-3)
"""The share beyond three sigma on one side: 0.135 %."""
LARGEST: Final = 1e9
"""An index beyond this means that there is no spread to speak of."""


class Verdict(enum.StrEnum):
    """What may be said of an index and its gate."""

    PROVEN = "proven"
    UNDECIDED = "undecided"
    INCAPABLE = "incapable"


@dataclass(frozen=True, slots=True)
class Specification:
    """What the customer asks for; a side that does not exist is None. The target is the middle unless given.

    Raises:
        ValueError: no side at all, or the wrong way round.
    """

    lower: float | None = None
    upper: float | None = None
    target: float | None = None

    def __post_init__(self) -> None:
        if self.lower is None and self.upper is None:
            raise ValueError("capability needs lower_spec, upper_spec or both")
        if self.lower is not None and self.upper is not None and not self.lower < self.upper:
            raise ValueError(f"lower_spec {self.lower:g} is not below upper_spec {self.upper:g}")

    @property
    def width(self) -> float | None:
        """Upper less lower; None where there is one side only."""
        return None if self.lower is None or self.upper is None else self.upper - self.lower

    def nearest(self, mean: float) -> float:
        """How far the mean is from the nearer side, negative beyond it."""
        above = inf if self.upper is None else self.upper - mean
        return min(above, inf if self.lower is None else mean - self.lower)


@dataclass(frozen=True, slots=True)
class Index:
    """An estimate with its lower and upper confidence bound, each one-sided.

    Of values without spread to speak of that lie beyond the specification it is minus infinity.
    """

    value: float
    lower: float
    upper: float

    def verdict(self, gate: float) -> Verdict:
        """Proven when the lower bound reaches the gate, incapable when even the upper one does not."""
        if self.lower >= gate:
            return Verdict.PROVEN
        return Verdict.INCAPABLE if self.upper < gate else Verdict.UNDECIDED


def potential(spec: Specification, sigma: float, freedom: float, *, confidence: float = CONFIDENCE) -> Index | None:
    """Cp (sigma within subgroups) or Pp (overall), with exact chi-square bounds; None for one side or no spread."""
    if spec.width is None or not sigma * LARGEST > spec.width:
        return None
    return _scaled(spec.width / (6 * sigma), freedom, confidence)


def actual(
    spec: Specification, mean: float, sigma: float, count: float, freedom: float, *, confidence: float = CONFIDENCE
) -> Index | None:
    """Cpk (sigma within subgroups) or Ppk (overall); None without spread within the specification.

    The bounds are approximate: the standard error is sqrt(1 / (9 count) + Cpk^2 / (2 freedom)). They are those of one
    side: in the middle between two the index is that of the nearer one by chance, and the truth exceeds the upper bound
    7 to 8 times in a hundred, not 5 (simulated, 25 to 1,000 values), and falls short of the lower one 2 to 3 times.
    """
    room = spec.nearest(mean)
    if not sigma * LARGEST > abs(room):
        return Index(-inf, -inf, -inf) if room < 0 else None
    value = room / (3 * sigma)
    reach = NORMAL.inv_cdf(confidence) * sqrt(1 / (9 * count) + value * value / (2 * freedom))
    return Index(value, value - reach, value + reach)


def about_target(
    spec: Specification, mean: float, sigma: float, count: float, *, confidence: float = CONFIDENCE
) -> Index | None:
    """Cpm, with Boyles's chi-square bounds; `sigma` is the overall one.

    None for one side, or without spread within the specification.
    """
    if spec.width is None or spec.lower is None:
        return None
    target = spec.lower + spec.width / 2 if spec.target is None else spec.target
    miss = hypot(sigma, mean - target)
    if not (sigma if spec.nearest(mean) >= 0 else miss) * LARGEST > spec.width:
        return None
    share = max(1 / LARGEST, sigma / miss) ** 2
    return _scaled(spec.width / (6 * miss), count / (share * (2 - share)), confidence)


def by_percentiles(
    spec: Specification, values: Sequence[float], *, step: int = 1, confidence: float = CONFIDENCE
) -> dict[str, Index]:
    """`pp` and `ppk` of any distribution, from its median and its 0.135 % and 99.865 % points (ISO 22514-2).

    The bounds are distribution-free, from order statistics: below about 2,200 values a tail may reach anywhere, so
    nothing can be proven. They are those of every `step`-th value, for values that follow each other are not as many
    as they look. Each side is judged by itself: one without a tail, where at least half of the values are the same, is
    no bound unless they lie beyond it. `pp` is missing where there is one side only, both where there is no spread.
    """
    ordered = sorted(values)
    middle = median(ordered)
    apart = ordered if step == 1 else sorted(values[::step])
    above = _tail_point([value - middle for value in ordered], [value - middle for value in apart], confidence)
    below = _tail_point([middle - v for v in reversed(ordered)], [middle - v for v in reversed(apart)], confidence)
    sides = [] if spec.upper is None else [(spec.upper - middle, above)]
    sides += [] if spec.lower is None else [(middle - spec.lower, below)]
    each = [_ratio(room, reach) for room, reach in sides]
    found = {"ppk": Index(*(min(getattr(i, name) for i in each) for name in ("value", "lower", "upper")))}
    if spec.width is not None:
        whole = Index(above.value + below.value, above.lower + below.lower, above.upper + below.upper)
        found["pp"] = _ratio(spec.width, whole)
    return {name: index for name, index in found.items() if index.value < inf}


def effective(count: int, phi: float) -> float:
    """How many independent values tell as much of the mean as so many of an AR(1) series: n (1 - phi) / (1 + phi).

    After Bayley & Hammersley 1946. Of the spread they tell more, n (1 - phi^2) / (1 + phi^2), so that bounds by this
    number are never too narrow.
    """
    return count * (1 - phi) / (1 + phi)


def freedom_individuals(count: float) -> float:
    """Degrees of freedom of MRbar / d2(2): its variance is 0.8264 sigma^2 / (count - 1) (Cryer & Ryan 1990)."""
    return (count - 1) / (2 * 0.8264)


def freedom_within(sizes: Sequence[int], *, ranges: bool) -> float:
    """Degrees of freedom of the mean of range / d2(n), or of standard deviation / c4(n), by the subgroups' sizes."""
    squares = sum((d3(n) / d2(n)) ** 2 if ranges else 1 / c4(n) ** 2 - 1 for n in sizes)
    return len(sizes) ** 2 / (2 * squares)


def freedom_xbar_r(subgroups: int, n: int) -> float:
    """Degrees of freedom of Rbar / d2(n), by its coefficient of variation (Patnaik 1950)."""
    return subgroups * (d2(n) / d3(n)) ** 2 / 2


def freedom_xbar_s(subgroups: int, n: int) -> float:
    """Degrees of freedom of sbar / c4(n), by its coefficient of variation."""
    return subgroups * c4(n) ** 2 / (1 - c4(n) ** 2) / 2


def _scaled(value: float, freedom: float, confidence: float) -> Index:
    freedom = min(freedom, 1e6)
    low, high = (sqrt(chi_square_quantile(p, freedom) / freedom) for p in (1 - confidence, confidence))
    return Index(value, value * low, value * high)


def _ratio(room: float, reach: Index) -> Index:
    low, high = sorted((_quotient(room, reach.lower), _quotient(room, reach.upper)))
    return Index(_quotient(room, reach.value), low, high)


def _quotient(room: float, reach: float) -> float:
    """Infinite where there is no reach to speak of."""
    return room / reach if reach * LARGEST > abs(room) else copysign(inf, room)


def _tail_point(distances: Sequence[float], apart: Sequence[float], confidence: float) -> Index:
    """The point that a distribution exceeds with chance `TAIL`, from ascending values; bounds from those `apart`.

    How many values lie beyond it is binomial, which bounds it by the largest values; above by nothing at all where even
    the largest may lie short of it.
    """
    place = min(max((len(distances) + 1) * (1 - TAIL) - 1, 0.0), len(distances) - 1.0)
    i = min(int(place), len(distances) - 2)
    value = distances[i] + (place - i) * (distances[i + 1] - distances[i])
    count, low, high, total = len(apart), apart[0], inf, 0.0
    for beyond in range(count):
        total += _chance_beyond(count, beyond)
        if total <= 1 - confidence:
            high = apart[-1 - beyond]
        if total >= confidence:
            low = apart[-1 - beyond]
            break
    return Index(value, min(low, value), max(high, value))


def _chance_beyond(count: int, beyond: int) -> float:
    ways = lgamma(count + 1) - lgamma(beyond + 1) - lgamma(count - beyond + 1)
    return exp(ways + beyond * log(TAIL) + (count - beyond) * log1p(-TAIL))
