"""The charts that remember: EWMA limits (Lucas & Saccucci 1990) and the tabular CUSUM (Lucas & Crosier 1982)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from rules.statistics.limits import ROUNDING, Limits


def ewma_limits(mean: float, sigma: float, weight: float, width: float, count: int | None = None) -> Limits:
    """Limits of z = weight x + (1 - weight) z: exact for the `count`-th value since the start, else asymptotic.

    `sigma` is the standard deviation of x; `width` is L, in standard deviations of z. Starts at z = mean.

    Raises:
        ValueError: the weight is not in (0, 1].
    """
    if not 0 < weight <= 1:
        raise ValueError(f"the weight lambda of an EWMA lies above 0 and up to 1, not at {weight:g}")
    share = 1.0 if count is None else 1 - (1 - weight) ** (2 * count)
    spread = sigma * sqrt(weight / (2 - weight) * share)
    return Limits(mean, mean - width * spread, mean + width * spread, spread)


@dataclass(frozen=True, slots=True)
class Cusum:
    """A two-sided tabular CUSUM in the units of the values: reference value K, decision interval H, head start."""

    target: float
    reference: float
    decision: float
    start: float = 0.0

    def step(self, high: float, low: float, value: float) -> tuple[float, float]:
        """The upper and lower sums after a value; both begin at `start`."""
        deviation = value - self.target
        return max(0.0, high + deviation - self.reference), max(0.0, low - deviation - self.reference)

    def signals(self, high: float, low: float) -> bool:
        """Whether one of the sums lies beyond the decision interval."""
        return self.beyond(high) or self.beyond(low)

    def beyond(self, total: float) -> bool:
        """Whether a sum lies beyond the decision interval, and not merely by rounding of the values it is made of."""
        return total - self.decision > ROUNDING * (abs(self.target) + self.decision)


def cusum(mean: float, sigma: float, k: float, h: float, head_start: float = 0.0) -> Cusum:
    """The CUSUM of values with that mean and sigma; k, h and head start (h/2: fast initial response) in sigma."""
    return Cusum(mean, k * sigma, h * sigma, head_start * sigma)
