"""The little numerical analysis that the statistics need: quadrature, linear equations, chi-square, survival sums."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, lru_cache
from math import cos, erfc, exp, inf, lgamma, log, pi, sqrt
from operator import mul
from statistics import NormalDist
from typing import Final

NORMAL: Final = NormalDist()


def normal_cdf(z: float) -> float:
    """P(Z <= z), accurate in the far lower tail too."""
    return 0.5 * erfc(-z / sqrt(2.0))


def _legendre(count: int, x: float) -> tuple[float, float]:
    before, now = 1.0, x
    for n in range(2, count + 1):
        before, now = now, ((2 * n - 1) * x * now - (n - 1) * before) / n
    return now, count * (before - x * now) / (1 - x * x)


@cache
def gauss_legendre(count: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights on [-1, 1]: Newton's method on the Legendre polynomial (Abramowitz & Stegun 25.4.29)."""
    rule = []
    for i in range(1, count + 1):
        x = cos(pi * (i - 0.25) / (count + 0.5))
        for _ in range(8):
            value, slope = _legendre(count, x)
            x -= value / slope
        slope = _legendre(count, x)[1]
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(rule)


def quadrature(low: float, high: float, count: int) -> list[tuple[float, float]]:
    """Gauss-Legendre nodes and weights on [low, high]."""
    half, middle = (high - low) / 2, (high + low) / 2
    return [(middle + half * x, half * w) for x, w in gauss_legendre(count)]


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve `matrix` x = `right` by Gaussian elimination with partial pivoting; the arguments are left as they are."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        top = rows[i]
        for r in range(i + 1, size):
            factor = rows[r][i] / top[i]
            if factor:
                rows[r] = [a - factor * b for a, b in zip(rows[r], top, strict=True)]
    solution = [0.0] * size
    for i in reversed(range(size)):
        known = sum(map(mul, rows[i][i + 1 : size], solution[i + 1 :]))
        solution[i] = (rows[i][size] - known) / rows[i][i]
    return solution


def mean_survival(absorbed: Iterable[tuple[float, float]], *, tolerance: float = 1e-10) -> float:
    """The mean number of steps until absorption, from (survivors, absorbed now) before and at each step.

    The share of them absorbed settles to a constant, after which the rest of the sum is geometric and known at once.
    """
    total, hazard, steady = 0.0, -1.0, 0
    for survivors, lost in absorbed:
        if survivors < 1e-14:
            break
        now = lost / survivors
        steady = steady + 1 if abs(now - hazard) <= tolerance * now else 0
        if steady >= 20:
            return total + (survivors / now if now else inf)
        total, hazard = total + survivors, now
    return total


def _gamma_series(a: float, x: float) -> float:
    term = total = 1 / a
    while term > total * 1e-16:
        a += 1
        term *= x / a
        total += term
    return total


def _gamma_fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = 1e300, 1 / b
    fraction = d
    for i in range(1, 100_000):
        step = -i * (i - a)
        b += 2
        d = 1 / (step * d + b)
        c = b + step / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return fraction


def chi_square_cdf(x: float, freedom: float) -> float:
    """P(chi-square <= x): the regularised incomplete gamma function (Abramowitz & Stegun 6.5.29, 6.5.31)."""
    if x <= 0:
        return 0.0
    a, half = freedom / 2, x / 2
    scale = exp(a * log(half) - half - lgamma(a))
    return scale * _gamma_series(a, half) if half < a + 1 else 1 - scale * _gamma_fraction(a, half)


@lru_cache(maxsize=1024)
def chi_square_quantile(probability: float, freedom: float) -> float:
    """The x with P(chi-square <= x) = `probability`: Newton's method from Wilson & Hilferty's, kept in a bracket."""
    a, t = freedom / 2, 2 / (9 * freedom)
    low, high = 0.0, 2 * freedom + 200.0
    x = freedom * max(1 - t + NORMAL.inv_cdf(probability) * sqrt(t), 1e-3) ** 3
    for _ in range(200):
        error = chi_square_cdf(x, freedom) - probability
        low, high = (x, high) if error < 0 else (low, x)
        step = error / exp((a - 1) * log(x / 2) - x / 2 - lgamma(a)) * 2
        if abs(step) <= 1e-13 * x:
            break
        x = x - step if low < x - step < high else (low + high) / 2
    return x
