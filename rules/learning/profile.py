"""What a signal usually reads at this time of the day and of the week."""

from __future__ import annotations

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
CLIP: Final = 5.0


class Bins:
    """Running means by half hour, over a cycle of `len(means)` half hours."""

    __slots__ = ("_counts", "_floor", "_means")

    def __init__(self, bins: int, floor: float) -> None:
        self._floor = floor
        self._means = [0.0] * bins
        self._counts = [0] * bins

    def nearest(self, slot: int, value: float) -> float | None:
        """The mean nearest to a value, of the slot's bin and its neighbours; None while all three are empty."""
        counts, means, size = self._counts, self._means, len(self._means)
        slot %= size
        best: float | None = None
        gap = 0.0
        for i in (slot, slot - 1, slot + 1 - size):
            if counts[i] and (best is None or abs(value - means[i]) < gap):
                best, gap = means[i], abs(value - means[i])
        return best

    def learn(self, slot: int, value: float) -> None:
        """One more reading of the slot."""
        slot %= len(self._means)
        count = self._counts[slot] = self._counts[slot] + 1
        self._means[slot] += max(1 / count, self._floor) * (value - self._means[slot])

    def snapshot(self) -> list[Any]:
        """All state as JSON."""
        return [list(self._means), list(self._counts)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._means, self._counts = list(data[0]), list(data[1])


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

    def expect(self, at: Instant, value: float) -> float:
        """What was to be expected now: of the values that would be usual at this time, the one nearest to `value`."""
        if not self._count:
            return value
        slot = at // HALF_HOUR
        day = self._day.nearest(slot, value)
        week = self._week.nearest(slot, value)
        daily = self.level if day is None else day
        if week is None:
            return daily
        self._compare(abs(value - daily), abs(value - week))
        return week if self._met > PROVEN and self._week_residual < BETTER * self._day_residual else daily

    def _compare(self, daily: float, weekly: float) -> None:
        self._met += 1
        rate = max(1 / self._met, RESIDUAL_RATE)
        if self._met > 10:
            bound = CLIP * self._day_residual
            daily, weekly = min(daily, bound), min(weekly, bound)
        self._day_residual += rate * (daily - self._day_residual)
        self._week_residual += rate * (weekly - self._week_residual)

    def learn(self, at: Instant, value: float) -> None:
        """Take a reading in, after it was judged."""
        slot = at // HALF_HOUR
        self._day.learn(slot, value)
        self._week.learn(slot, value)
        self._count += 1
        self.level += max(1 / self._count, LEVEL_RATE) * (value - self.level)

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
