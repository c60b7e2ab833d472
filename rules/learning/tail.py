"""How unusual a statistic is, judged by its own past: an exponential tail, and a memory of excursions like this one.

The answer is -log10 of a probability, so that answers of several statistics may be added. Nothing here knows the
statistic's unit or level: a statistic times a constant gets the same answers.
"""

from __future__ import annotations

from math import exp, inf
from typing import Any, Final

SHARE: Final = 0.05
"""The tail begins at the 95 % quantile."""
AT_THE_LIMIT: Final = 1.3
"""-log10 of that share."""
PER_EXCESS: Final = 1 / 2.3
"""An excess of its mean more makes an exponential tail e times rarer; 2.3 = ln 10."""
NUDGE: Final = 0.002
SINK: Final = NUDGE * SHARE
EXCESS_RATE: Final = 0.1
CLIP: Final = 10.0
FLOOR: Final = 0.1
"""The mean excess is at first no less than this part of the quantile's distance from the median."""
LEAST_EXCESS: Final = 0.01
"""The mean excess is at no time less than this part of the limit: what is always the same has none of its own."""
NOISE: Final = 1e-12
"""Differences below this part of the signal's own size are rounding."""
CAP: Final = 6.0
REMEMBERED: Final = 8
LARGER: Final = 1.15
DISCOUNT: Final = 0.8
ENOUGH: Final = 2.0
"""So many excursions at least as large make the next one usual."""


class Tail:
    """The improbability of a statistic's newest value.

    The first `warm` values are only collected. `quiet` values below the quantile end an excursion; the weight of a
    remembered one fades with the time constant `memory`, in values as well.
    """

    __slots__ = (
        "_collected", "_count", "_exceeded", "_excess", "_last", "_limit", "_memory", "_peak", "_peaks", "_quiet",
        "_warm",
    )  # fmt: skip

    def __init__(self, warm: int, quiet: int, memory: int) -> None:
        self._warm, self._quiet, self._memory = warm, quiet, memory
        self._collected: list[float] = []
        self._count = 0
        self._limit = self._excess = 0.0
        self._exceeded = 0
        self._peak = 0.0
        self._last = 0
        self._peaks: list[list[float]] = []

    def weigh(self, value: float, size: float) -> float:
        """0 below the quantile, up to CAP above it; `size` is the magnitude of the signal behind the statistic."""
        self._count = count = self._count + 1
        if count <= self._warm:
            self._collected.append(value)
            if count == self._warm:
                self._begin(size)
            return 0.0
        limit = self._limit
        over = value - limit
        if over <= 0.0:
            self._limit = limit - SINK * limit
            if self._peak and count - self._last > self._quiet:
                self._remember()
            return 0.0
        least = NOISE * size
        if over <= least:
            return 0.0
        excess = max(self._excess, least, LEAST_EXCESS * limit) or over
        improbability = min(CAP, AT_THE_LIMIT + PER_EXCESS * over / excess) * self._unfamiliar(value)
        self._exceed(value, over, excess)
        return improbability

    def _begin(self, size: float) -> None:
        ordered = sorted(self._collected)
        self._collected = []
        count = len(ordered)
        self._limit = ordered[min(count - 1, int((1 - SHARE) * count))]
        above = [value - self._limit for value in ordered if value > self._limit]
        mean = sum(above) / len(above) if above else 0.0
        self._excess = max(mean, FLOOR * (self._limit - ordered[count // 2]), NOISE * size)
        self._exceeded = len(above)

    def _exceed(self, value: float, over: float, excess: float) -> None:
        self._exceeded += 1
        rate = max(EXCESS_RATE, 1 / (self._exceeded + 1))
        self._excess = excess + rate * (min(over, CLIP * excess) - excess)
        self._limit += NUDGE * (1 - SHARE) * max(self._limit, excess)
        self._peak = max(self._peak, value)
        self._last = self._count

    def _unfamiliar(self, value: float) -> float:
        """1 for an excursion larger than any remembered, less the more there were as large as this."""
        least, now, memory = value / LARGER, self._count, self._memory
        alike = sum(exp((last - now) / memory) for peak, last in self._peaks if peak >= least)
        return 1.0 - DISCOUNT * min(1.0, alike / ENOUGH)

    def _remember(self) -> None:
        """The strongest stay, strength fading with age."""
        self._peaks.append([self._peak, float(self._last)])
        self._peak = 0.0
        if len(self._peaks) > REMEMBERED:
            now, memory = self._count, self._memory
            self._peaks.remove(min(self._peaks, key=lambda p: p[0] * exp((p[1] - now) / memory)))

    @property
    def limit(self) -> float:
        """The value that 5 % exceed; infinity while nothing is known."""
        return self._limit if self._count > self._warm else inf

    def snapshot(self) -> list[Any]:
        """All state as JSON."""
        head = [self._count, self._limit, self._excess, self._exceeded, self._peak, self._last]
        return [head, [list(peak) for peak in self._peaks], list(self._collected)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        head, peaks, collected = data
        self._count, self._limit, self._excess, self._exceeded, self._peak, self._last = head
        self._peaks, self._collected = [list(peak) for peak in peaks], list(collected)
