"""What a signal usually reads at this time of the day and of the week."""

from __future__ import annotations

from math import inf
from typing import Any, Final

from rules.events import SECOND, Instant

HALF_HOUR: Final = 1800 * SECOND
DAY: Final = 48
WEEK: Final = 336
DAY_RATE: Final = 0.03
WEEK_RATE: Final = 0.2
LEVEL_RATE: Final = 0.001
PROVEN: Final = 336
"""The week is consulted when so many readings have met a weekly bin that was filled,"""
BETTER: Final = 0.9
"""and their residual is less than this part of the daily one."""
RESIDUAL_RATE: Final = 0.003
FIRM: Final = int(1 / RESIDUAL_RATE)
"""So many are averaged evenly before the rate holds."""
CLIP: Final = 5.0


class Bins:
    """Running means by half hour, over a cycle of so many `bins`; that of a bin that was never filled is infinite."""

    __slots__ = ("_counts", "_floor", "_means", "_settled")

    def __init__(self, bins: int, floor: float) -> None:
        self._floor = floor
        self._settled = int(1 / floor)
        self._means = [inf] * bins
        self._counts = [0] * bins

    def meet(self, slot: int, value: float) -> float:
        """One more reading of the slot, and of its bin and the neighbours the mean nearest to it until now.

        Infinity while all three are empty.
        """
        means = self._means
        size = len(means)
        slot %= size
        best = here = means[slot]
        before, after = means[slot - 1], means[slot + 1 - size]
        gap = abs(value - best)
        if (distance := abs(value - before)) < gap:
            best, gap = before, distance
        if abs(value - after) < gap:
            best = after
        self._counts[slot] = count = self._counts[slot] + 1
        if count > self._settled:
            means[slot] = here + self._floor * (value - here)
        else:
            means[slot] = here + 1 / count * (value - here) if count > 1 else value
        return best

    def snapshot(self) -> list[Any]:
        """All state as JSON; the mean of a bin that was never filled is 0."""
        return [[mean if mean < inf else 0.0 for mean in self._means], list(self._counts)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        means, counts = data
        self._means = [mean if count else inf for mean, count in zip(means, counts, strict=True)]
        self._counts = list(counts)


class Profile:
    """The daily and weekly habit of one signal, and its long-run level. Times of day are those of UTC."""

    __slots__ = ("_count", "_day", "_day_residual", "_met", "_week", "_week_residual", "level")

    def __init__(self) -> None:
        self._day = Bins(DAY, DAY_RATE)
        self._week = Bins(WEEK, WEEK_RATE)
        self.level = 0.0
        self._count = 0
        self._met = 0
        self._day_residual = self._week_residual = 0.0

    def meet(self, at: Instant, value: float) -> float:
        """One more reading, and what was to be expected: of the values usual at this time, the one nearest to it."""
        slot = at // HALF_HOUR
        daily, weekly = self._day.meet(slot, value), self._week.meet(slot, value)
        self._count = count = self._count + 1
        level = self.level
        self.level = level + (1 / count if count * LEVEL_RATE < 1 else LEVEL_RATE) * (value - level)
        if daily == inf:
            daily = level if count > 1 else value
        if weekly == inf:
            return daily
        self._compare(abs(value - daily), abs(value - weekly))
        return weekly if self._met > PROVEN and self._week_residual < BETTER * self._day_residual else daily

    def _compare(self, daily: float, weekly: float) -> None:
        self._met = met = self._met + 1
        before = self._day_residual
        bound = CLIP * before if met > 10 else inf
        if daily > bound or weekly > bound:
            daily, weekly = min(daily, bound), min(weekly, bound)
        rate = RESIDUAL_RATE if met > FIRM else 1 / met
        self._day_residual = before + rate * (daily - before)
        self._week_residual += rate * (weekly - self._week_residual)

    def snapshot(self) -> list[Any]:
        """All state as JSON."""
        own = [self._count, self.level, self._met, self._day_residual, self._week_residual]
        return [own, self._day.snapshot(), self._week.snapshot()]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        own, day, week = data
        self._count, self.level, self._met, self._day_residual, self._week_residual = own
        self._day.restore(day)
        self._week.restore(week)
