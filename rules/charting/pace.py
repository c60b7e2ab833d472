"""How far apart points come, so that one after a gap is not taken for the neighbour of the one before it."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import Any, Final

from rules.events import Duration, Instant

REMEMBERED: Final = 9
"""The usual distance is the median of so many: a few gaps do not move it, another pace is usual after five points."""
FEWEST: Final = 3
"""Of fewer distances nobody can say what is usual."""
GAP: Final = 3
"""A distance of more than so many usual ones is a gap; one or two readings that got lost are none."""


class Pace:
    """The distances between the newest points."""

    __slots__ = ("_apart", "_last")

    def __init__(self) -> None:
        self._last: Instant | None = None
        self._apart: deque[Duration] = deque(maxlen=REMEMBERED)

    def gap(self, at: Instant) -> bool:
        """A point comes; returns whether there is a gap before it."""
        last, self._last = self._last, at
        if last is None:
            return False
        usual = median(self._apart) if len(self._apart) >= FEWEST else 0
        self._apart.append(at - last)
        return 0 < GAP * usual < at - last

    def restart(self) -> None:
        """Another series begins, at the same pace."""
        self._last = None

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._last is not None:
            self._last += delta

    def snapshot(self) -> list[Any]:
        """The stamp of the last point, distances."""
        return [self._last, list(self._apart)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._last, apart = data
        self._apart = deque(apart, maxlen=REMEMBERED)
