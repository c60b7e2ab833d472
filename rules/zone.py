"""The clock on the wall as plain data: from which instants on it is how far ahead of UTC."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import Final

import msgspec

from rules.events import Duration, Instant


class Zone(msgspec.Struct, frozen=True, dict=True):
    """`offsets` has one entry more than `changes`: the first holds before the first change, each other from its change.

    Whoever knows a time zone's rules makes the table; beyond its last change the last offset goes on.
    """

    changes: tuple[Instant, ...] = ()
    offsets: tuple[Duration, ...] = (0,)

    def wall(self, at: Instant) -> int:
        """What the clock shows at an instant: nanoseconds since its own 1970-01-01 00:00."""
        return at + self.offsets[bisect_right(self.changes, at)]

    def instant(self, wall: int) -> Instant:
        """When the clock shows this: the first time if it does so twice, the moment of the leap if it is leapt over."""
        number = bisect_right(self._walls, wall)
        at = wall - self.offsets[number]
        return min(at, self.changes[number]) if number < len(self.changes) else at

    @cached_property
    def _walls(self) -> tuple[int, ...]:
        """What the clock shows when nothing of the earlier offset can be meant any more, change by change."""
        return tuple(
            change + max(self.offsets[number], self.offsets[number + 1]) for number, change in enumerate(self.changes)
        )


UTC: Final = Zone()
