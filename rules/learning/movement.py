"""How a signal moves: shifts of its level, and transitions between levels that were hardly ever seen."""

from __future__ import annotations

from math import log
from typing import Any, Final

RECENT: Final = 12
BEFORE: Final = 36
LEVELS: Final = 24
ROW: Final = LEVELS + 2
"""The table has a rim, so that every cell has eight neighbours."""


class Shift:
    """The distance between the mean of the last 12 values and the mean of the 36 before."""

    __slots__ = ("_window",)

    def __init__(self) -> None:
        self._window: list[float] = []

    def of(self, value: float) -> float | None:
        """With one more value; None until 48 are there."""
        window = self._window
        window.append(value)
        if len(window) <= RECENT + BEFORE:
            return None
        del window[0]
        return abs(sum(window[BEFORE:]) / RECENT - sum(window[:BEFORE]) / BEFORE)

    def snapshot(self) -> list[float]:
        """All state as JSON."""
        return list(self._window)

    def restore(self, data: list[float]) -> None:
        """The reverse of `snapshot`."""
        self._window = list(data)


class Novelty:
    """How rarely the signal went from where it was to where it is: minus the log of the share of such transitions."""

    __slots__ = ("_count", "_high", "_level", "_low", "_seen")

    def __init__(self) -> None:
        self._low = self._high = 0.0
        self._count = 0
        self._level = 1
        self._seen = [0] * (ROW * ROW)

    def of(self, value: float) -> float:
        """With one more value."""
        if not self._count:
            self._low = self._high = value
        elif value < self._low:
            self._low = value
        elif value > self._high:
            self._high = value
        level, seen = self._quantised(value), self._seen
        cell = self._level * ROW + level
        above, below = cell - ROW, cell + ROW
        near = sum(seen[above - 1 : above + 2] + seen[cell - 1 : cell + 2] + seen[below - 1 : below + 2])
        novelty = -log((near + 0.5) / (self._count + 10))
        seen[cell] += 1
        self._count += 1
        self._level = level
        return novelty

    def _quantised(self, value: float) -> int:
        low, width = self._low, self._high - self._low
        return 1 + min(LEVELS - 1, int((value - low) / width * LEVELS)) if width > 0.0 else 1

    def snapshot(self) -> list[Any]:
        """All state as JSON."""
        cells = [[i, count] for i, count in enumerate(self._seen) if count]
        return [self._count, self._low, self._high, self._level, cells]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._count, self._low, self._high, self._level, cells = data
        self._seen = [0] * (ROW * ROW)
        for cell, count in cells:
            self._seen[cell] = count
