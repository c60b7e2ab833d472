"""May a chart be armed? Normality, autocorrelation and resolution of what it would learn from, and the AR(1) remedy."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp, log, sqrt
from statistics import fmean, stdev
from typing import Final

from rules.statistics.numerics import normal_cdf

SIGNIFICANT: Final = 0.01
"""The p-value below which values are called not normal."""


@dataclass(frozen=True, slots=True)
class Normality:
    """Anderson-Darling's statistic, corrected for estimated mean and sigma, and its p-value."""

    statistic: float
    p_value: float

    @property
    def plausible(self) -> bool:
        """Whether the values may well be normal."""
        return self.p_value >= SIGNIFICANT


def normality(values: Sequence[float]) -> Normality:
    """Anderson-Darling (D'Agostino & Stephens 1986, table 4.9). Values without spread are not normal.

    Raises:
        ValueError: fewer than eight values.
    """
    count = len(values)
    if count < 8:
        raise ValueError(f"normality cannot be told from {count} values; eight are needed, a hundred are good")
    mean, sigma = fmean(values), stdev(values)
    if not sigma > 0:
        return Normality(float(count), 0.0)
    z = sorted((value - mean) / sigma for value in values)
    total = sum((2 * i + 1) * (_log_cdf(z[i]) + _log_cdf(-z[-1 - i])) for i in range(count))
    statistic = (-count - total / count) * (1 + 0.75 / count + 2.25 / count**2)
    return Normality(statistic, _p_value(statistic))


@dataclass(frozen=True, slots=True)
class Autocorrelation:
    """How far each value follows the one before; `error` is the standard error where there is none of it."""

    phi: float
    error: float

    @property
    def significant(self) -> bool:
        """Whether chance alone would hardly show as much."""
        return abs(self.phi) > 2 * self.error

    def thinning(self, below: float = 0.1) -> int:
        """Keep every n-th value of an AR(1) series, and its correlation falls below this."""
        return 1 if abs(self.phi) <= below else ceil(log(below) / log(min(abs(self.phi), 0.9999)))


def autocorrelation(
    values: Sequence[float], excluded: Collection[int] = (), begins: Collection[int] = ()
) -> Autocorrelation:
    """At lag 1, with Bartlett's standard error 1/sqrt(n) (Box & Jenkins 1970). Values without spread have none.

    Values `excluded` by their index count neither by themselves nor in a pair with a neighbour, and those at which
    another series `begins` make no pair with the one before: mean product of the pairs that are left over the variance
    of the values that are (Parzen 1963), n being one more than those pairs.

    Raises:
        ValueError: fewer than three values.
    """
    kept = [value for i, value in enumerate(values) if i not in excluded]
    if len(kept) < 3:
        raise ValueError(f"autocorrelation cannot be told from {len(kept)} values; take a hundred")
    mean = fmean(kept)
    total = sum((value - mean) ** 2 for value in kept)
    pairs = [
        (a - mean) * (b - mean)
        for i, (a, b) in enumerate(pairwise(values))
        if i not in excluded and i + 1 not in excluded and i + 1 not in begins
    ]
    phi = fmean(pairs) * (len(kept) - 1) / total if total > 0 and pairs else 0.0
    return Autocorrelation(max(-1.0, min(1.0, phi)), 1 / sqrt(len(pairs) + 1))


@dataclass(frozen=True, slots=True)
class Resolution:
    """How finely values are told apart; `step` is the smallest difference, in their unit (0 if all are equal)."""

    distinct: int
    step: float
    sigma: float

    @property
    def adequate(self) -> bool:
        """A step of more than one sigma makes limits wrong (Wheeler & Lyday, Evaluating the Measurement Process)."""
        return 0 < self.step <= self.sigma


def resolution(values: Sequence[float], sigma: float) -> Resolution:
    """Of the values, against their sigma within subgroups; differences of rounding alone (1e-9) count as none."""
    ordered = sorted(set(values))
    blur = 1e-9 * max(map(abs, ordered), default=0.0)
    steps = [b - a for a, b in pairwise(ordered) if b - a > blur]
    return Resolution(len(steps) + bool(ordered), min(steps, default=0.0), sigma)


@dataclass(frozen=True, slots=True)
class Autoregression:
    """Each value follows the one before by `phi`; what is new in it has standard deviation `sigma`."""

    mean: float
    phi: float
    sigma: float

    def residual(self, value: float, before: float) -> float:
        """What the value before does not explain: independent, mean 0, standard deviation `sigma`."""
        return value - self.mean - self.phi * (before - self.mean)

    def first(self, value: float) -> float:
        """Of a value that follows none that is known: its distance from the mean, drawn in to the sigma of residuals.

        Values have the standard deviation sigma / sqrt(1 - phi^2) (Box & Jenkins 1970), and are independent of the
        residuals that come after them.
        """
        return (value - self.mean) * sqrt(1 - self.phi * self.phi)

    def residuals(self, values: Sequence[float], begins: Collection[int] = ()) -> list[float]:
        """Of each value; the first, and those at which another series `begins`, follow none."""
        later = enumerate(pairwise(values), 1)
        return [
            *(self.first(value) for value in values[:1]),
            *(self.first(value) if i in begins else self.residual(value, before) for i, (before, value) in later),
        ]


def fit_autoregression(
    values: Sequence[float], excluded: Collection[int] = (), begins: Collection[int] = ()
) -> Autoregression:
    """AR(1) by Yule & Walker, which keeps phi within -1 and 1; sigma is that of the residuals about zero.

    Values `excluded` by their index are left out with what they are neighbours of, those at which another series
    `begins` follow none.

    Raises:
        ValueError: fewer than three values, or hardly any that follow each other.
    """
    mean = fmean(value for i, value in enumerate(values) if i not in excluded)
    model = Autoregression(mean, autocorrelation(values, excluded, begins).phi, 0.0)
    pairs = (i for i in range(1, len(values)) if i not in excluded and i - 1 not in excluded and i not in begins)
    left = [model.residual(values[i], values[i - 1]) for i in pairs]
    if not left:
        raise ValueError("an autoregression cannot be told from values that do not follow each other")
    return Autoregression(model.mean, model.phi, sqrt(fmean(r * r for r in left)))


def _log_cdf(z: float) -> float:
    return log(max(normal_cdf(z), 1e-300))


def _p_value(a: float) -> float:
    if a >= 10:
        return 0.0
    if a >= 0.6:
        return exp(1.2937 - 5.709 * a + 0.0186 * a * a)
    if a > 0.34:
        return exp(0.9177 - 4.279 * a - 1.38 * a * a)
    if a > 0.2:
        return 1 - exp(-8.318 + 42.796 * a - 59.938 * a * a)
    return 1 - exp(-13.436 + 101.14 * a - 223.73 * a * a)
