"""The constants of control charts, computed: exact for any subgroup size, where printed tables stop at 25."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from math import exp, lgamma, pi, sqrt
from typing import Final

from rules.statistics.numerics import normal_cdf, quadrature

LARGEST: Final = 1000
"""The largest subgroup that a range chart takes (beyond ten the standard deviation serves better)."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What a chart of subgroups of `n` multiplies with (Montgomery, Introduction to SQC, appendix VI)."""

    n: int
    c4: float
    d2: float
    d3: float
    A2: float
    A3: float
    B3: float
    B4: float
    D3: float
    D4: float
    E2: float


@lru_cache(maxsize=1024)
def c4(n: int) -> float:
    """Mean of the standard deviation of n standard normal values: sqrt(2/(n-1)) gamma(n/2) / gamma((n-1)/2)."""
    _refuse(n, 10**9)
    return sqrt(2 / (n - 1)) * exp(lgamma(n / 2) - lgamma((n - 1) / 2))


@cache
def d2(n: int) -> float:
    """Mean of the range of n standard normal values: the integral of P(range > w) (Tippett 1925)."""
    return _moments(n)[0]


@cache
def d3(n: int) -> float:
    """Standard deviation of the range of n standard normal values: E[range^2] is the integral of 2 w P(range > w)."""
    mean, square = _moments(n)
    return sqrt(square - mean * mean)


@cache
def constants(n: int) -> Constants:
    """All constants for subgroups of n.

    Raises:
        ValueError: n is below 2 or above `LARGEST`.
    """
    a, r, s = c4(n), d2(n), d3(n)
    spread_s, spread_r = 3 * sqrt(1 - a * a) / a, 3 * s / r
    return Constants(
        n=n,
        c4=a,
        d2=r,
        d3=s,
        A2=3 / (r * sqrt(n)),
        A3=3 / (a * sqrt(n)),
        B3=max(0.0, 1 - spread_s),
        B4=1 + spread_s,
        D3=max(0.0, 1 - spread_r),
        D4=1 + spread_r,
        E2=3 / r,
    )


def _refuse(n: int, largest: int) -> None:
    if not 2 <= n <= largest:
        raise ValueError(f"a subgroup holds 2 to {largest} values, not {n}; chart single values as individuals")


@cache
def _moments(n: int) -> tuple[float, float]:
    _refuse(n, LARGEST)
    tail = [(w, weight, 1 - range_cdf(n, w)) for w, weight in quadrature(0.0, 14.0, 48)]
    return sum(weight * p for _, weight, p in tail), sum(2 * w * weight * p for w, weight, p in tail)


def range_cdf(n: int, w: float) -> float:
    """P(range <= w) = n * integral of phi(x) (Phi(x + w) - Phi(x))^(n - 1); the trapezoid rule is exact enough here."""
    step = 0.1
    total = 0.0
    for i in range(-90, 91):
        x = i * step
        total += exp(-x * x / 2) * (normal_cdf(x + w) - normal_cdf(x)) ** (n - 1)
    return n * total * step / sqrt(2 * pi)
