"""Alarm floods by the thresholds of EEMUA 191 and ISA-18.2: more alarms than a person can answer."""

from __future__ import annotations

from typing import Final

import msgspec

from rules.events import SECOND, Duration, Instant

WINDOW: Final[Duration] = 600 * SECOND
STARTS_ABOVE: Final = 10
"""More new alarms than this within the window start a flood ..."""
ENDS_BELOW: Final = 5
"""... and fewer than this end it."""


class Flood(msgspec.Struct):
    """Counts the new alarms that one team is to answer. Times are those of receipt and never decrease.

    `since` is when the flood began, None while there is none; `times` are as many of the last alarms as matter.
    """

    times: list[Instant] = msgspec.field(default_factory=list)
    since: Instant | None = None

    def count(self, at: Instant) -> bool:
        """One more alarm; returns whether it is part of a flood."""
        self.look(at)
        self.times = [*self.times[-STARTS_ABOVE:], at]
        if self.since is None and len(self.times) > STARTS_ABOVE and at - self.times[0] < WINDOW:
            self.since = at
        return self.since is not None

    def look(self, at: Instant) -> bool:
        """Time has come to `at`; returns whether there is a flood."""
        end = self.ends
        if end is not None and end <= at:
            self.since = None
        return self.since is not None

    @property
    def ends(self) -> Instant | None:
        """When the flood will be over if nothing more comes."""
        return None if self.since is None else self.times[-ENDS_BELOW] + WINDOW

    @property
    def idle(self) -> Instant:
        """From when on nothing of it matters any more."""
        return self.times[-1] + WINDOW if self.times else 0
