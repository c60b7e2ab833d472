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

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value met."""
        return self._low, self._high

    def of(self, value: float) -> float:
        """With one more value."""
        if not self._count:
            self._low = self._high = value
        elif value < self._low:
            self._low = value
        elif value > self._high:
            self._high = value
        low = self._low
        width = self._high - low
        level = 1 + int((value - low) / width * LEVELS) if width > 0.0 else 1
        level = min(level, LEVELS)
        seen, cell = self._seen, self._level * ROW + level
        above, below, count = cell - ROW, cell + ROW, seen[cell]
        near = (
            seen[above - 1] + seen[above] + seen[above + 1]
            + seen[cell - 1] + count + seen[cell + 1]
            + seen[below - 1] + seen[below] + seen[below + 1]
        )  # fmt: skip
        seen[cell] = count + 1
        novelty = -log((near + 0.5) / (self._count + 10))
        self._count += 1
        self._level = level
        return novelty

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
