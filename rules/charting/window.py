"""The newest values of a signal with what capability asks of them: mean, overall and within-process spread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import pairwise
from math import sqrt
from typing import Any, Final

from rules.events import Duration, Instant
from rules.statistics.constants import d2

MOST: Final = 10_000
"""A window holds no more values; of a longer time the newest."""


class Window:
    """So many values, or those of a length of time. Sums are kept up to date, and made anew once a window's length."""

    def __init__(self, count: int | None, span: Duration | None) -> None:
        self._most = count or MOST
        self._span = span
        self._values: deque[tuple[Instant, float]] = deque()
        self._origin = 0.0
        self._sums = [0.0, 0.0, 0.0]
        self._since = 0

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
            self._sum(gone, -1)
            if values:
                self._count(gone, values[0][1], -1)
        self._since += 1
        if self._since >= len(values):
            self._sum_anew()

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
        """Standard deviation from value to value, by the mean moving range; of at least two."""
        return max(0.0, self._sums[2]) / (len(self._values) - 1) / d2(2)

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()
        self._origin, self._sums, self._since = 0.0, [0.0, 0.0, 0.0], 0

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._fill((at + delta, value) for at, value in self._values)

    def _fill(self, values: Iterable[tuple[Instant, float]]) -> None:
        self._values = deque(values)

    def snapshot(self) -> list[Any]:
        """Stamped values, and the sums as they are."""
        return [[[at, value] for at, value in self._values], self._origin, list(self._sums), self._since]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        values, self._origin, sums, self._since = data
        self._sums = list(sums)
        self._fill((at, value) for at, value in values)
