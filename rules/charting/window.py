"""The newest values of a signal with what capability asks of them: mean, overall and within-process spread.

Where there are subgroups the spread within the process is that within them, else that from value to value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, Final

from rules.events import Duration, Instant
from rules.statistics.capability import freedom_individuals, freedom_within
from rules.statistics.constants import d2
from rules.statistics.variables import estimate_xbar_r, estimate_xbar_s

MOST: Final = 10_000
"""A window holds no more values; of a longer time the newest."""
RANGED: Final = 10
"""The range serves for subgroups of so many values, for larger ones the standard deviation."""


class Window:
    """So many values, or those of a length of time. Sums are kept up to date, and made anew once a window's length."""

    def __init__(self, count: int | None, span: Duration | None) -> None:
        self._most = count or MOST
        self._span = span
        self._values: deque[tuple[Instant, float]] = deque()
        self._origin = 0.0
        self._sums = [0.0, 0.0, 0.0]
        self._since = 0
        self._groups: deque[list[int]] = deque()

    def __len__(self) -> int:
        return len(self._values)

    @property
    def values(self) -> list[float]:
        """In order of time."""
        return [value for _, value in self._values]

    @property
    def full(self) -> bool:
        """Whether it holds as many values as it can."""
        return len(self._values) == self._most

    def add(self, at: Instant, value: float) -> None:
        """One more; what has become too old goes."""
        values = self._values
        if values:
            self._count(values[-1][1], value, 1)
        self._values.append((at, value))
        self._sum(value, 1)
        oldest = -1 if self._span is None else at - self._span
        while len(values) > self._most or values[0][0] <= oldest:
            _, gone = values.popleft()
            self._leave_group()
            self._sum(gone, -1)
            if values:
                self._count(gone, values[0][1], -1)
        self._since += 1
        if self._since >= len(values):
            self._sum_anew()

    def add_group(self, at: Instant, items: Sequence[float]) -> None:
        """A subgroup; its values are as old as its first."""
        self._groups.append([len(items), 0])
        for value in items:
            self._groups[-1][1] += 1
            self.add(at, value)

    def _leave_group(self) -> None:
        """The oldest value has gone; of a subgroup that has lost one nothing is learned."""
        groups = self._groups
        if groups:
            groups[0][1] -= 1
            if not groups[0][1]:
                groups.popleft()

    def _subgroups(self) -> list[list[float]]:
        """Those of two values and more that are whole."""
        values, found, begin = self.values, [], 0
        for size, left in self._groups:
            if 1 < size == left:
                found.append(values[begin : begin + left])
            begin += left
        return found

    def _sum(self, value: float, sign: int) -> None:
        off = value - self._origin
        self._sums[0] += sign * off
        self._sums[1] += sign * off * off

    def _count(self, before: float, value: float, sign: int) -> None:
        self._sums[2] += sign * abs(value - before)

    def _sum_anew(self) -> None:
        """Rounding errors do not outlive a window."""
        values = [value for _, value in self._values]
        self._since, self._sums = 0, [0.0, 0.0, 0.0]
        self._origin = sum(values) / len(values)
        for value in values:
            self._sum(value, 1)
        for before, value in pairwise(values):
            self._count(before, value, 1)

    @property
    def mean(self) -> float:
        """Of all values."""
        return self._origin + self._sums[0] / len(self._values)

    @property
    def overall(self) -> float:
        """Standard deviation of all values; of at least two."""
        count, (total, square, _) = len(self._values), self._sums
        return sqrt(max(0.0, square - total * total / count) / (count - 1))

    @property
    def within(self) -> float:
        """Standard deviation within subgroups; without them from value to value, by the mean moving range."""
        return self.short_term()[0]

    def short_term(self) -> tuple[float, float]:
        """The same, with the degrees of freedom of its estimate; of at least two values."""
        groups = self._subgroups() if self._groups else []
        if len(groups) < 2:
            count = len(self._values)
            return max(0.0, self._sums[2]) / (count - 1) / d2(2), freedom_individuals(count)
        sizes = [len(group) for group in groups]
        ranges = max(sizes) <= RANGED
        estimate = estimate_xbar_r if ranges else estimate_xbar_s
        return estimate(groups).sigma, freedom_within(sizes, ranges=ranges)

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self._groups.clear()
        self._origin, self._sums, self._since = 0.0, [0.0, 0.0, 0.0], 0

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._fill((at + delta, value) for at, value in self._values)

    def _fill(self, values: Iterable[tuple[Instant, float]]) -> None:
        self._values = deque(values)

    def snapshot(self) -> list[Any]:
        """Stamped values, the sums as they are, and how many values each subgroup had and has."""
        values = [[at, value] for at, value in self._values]
        return [values, self._origin, list(self._sums), self._since, [list(group) for group in self._groups]]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        values, self._origin, sums, self._since, *groups = data
        self._groups = deque(list(group) for saved in groups for group in saved)
        self._sums = list(sums)
        self._fill((at, value) for at, value in values)
