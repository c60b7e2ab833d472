"""An asset's own time: driven by the stamps of its readings, moved on between them by the time we received things."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from rules.events import SECOND, Duration, Instant

RELENT_AFTER: Final[Duration] = 10 * SECOND
"""Consistently older stamps for this long mean that the gateway's clock was set back: its new timeline is accepted."""
MISSED: Final[Duration] = 10 * SECOND
"""After our link was down for longer than this, what piled up meanwhile comes late."""
GRACE: Final[Duration] = 2 * SECOND
"""How long after a link came up the first of what the broker kept for us may take to come in."""


def settled(at: Instant, received: Instant, max_ahead: Duration) -> tuple[Instant, bool]:
    """The stamp to keep, and whether the source's stamp lay too far in the future to be believed."""
    return (received, True) if at > received + max_ahead else (at, False)


Marks: TypeAlias = Mapping[str, Instant | None]
"""How far signals are, by metric: the stamp of the last reading, if there was one."""


class Place(enum.Enum):
    """Where a stamp stands in its asset's time: it counts, it counts and begins a timeline, or it comes too late."""

    COUNTS = enum.auto()
    ANEW = enum.auto()
    LATE = enum.auto()


class AssetClock:
    """The clock on which an asset's deadlines run.

    Its time is the latest believed stamp plus what has passed, by our own receipt, since that stamp came in. `now` is
    the time up to which decisions were made; nothing is decided before it again, unless a new timeline is accepted.
    `heard` is when the asset last spoke, if ever. What happened before `late_before` reached us late.

    An asset may have sources with clocks of their own. `behind` says of signals whose source was set back while others
    went on by how much, and `older` of those whose stamps are older than their last one which that is, and since when.
    """

    __slots__ = (
        "behind", "heard", "late_before", "latest", "latest_received", "now", "older", "older_since", "start",
        "timeline", "trusted",
    )  # fmt: skip

    def __init__(self) -> None:
        self.start: Instant | None = None
        self.heard: Instant | None = None
        self.now: Instant = 0
        self.latest: Instant = 0
        self.latest_received: Instant = 0
        self.trusted = False
        self.older_since: Instant | None = None
        self.timeline = 0
        self.late_before: Instant = 0
        self.behind: dict[str, Duration] = {}
        self.older: dict[str, tuple[Instant, Instant]] = {}

    def begin(self, received: Instant) -> None:
        """The first thing we hear of the asset, or of the plant: until a stamp is believed, our own time holds."""
        self.start = self.now = self.latest = self.latest_received = received

    def reads(self, received: Instant) -> Instant:
        """The asset's time when something is received, never before `now`."""
        return max(self.now, self.latest + received - self.latest_received)

    def hear(self, moment: Instant) -> None:
        """The asset spoke; a straggler with an older stamp takes nothing back."""
        if self.heard is None or moment > self.heard:
            self.heard = moment

    def due(self, deadline: Instant) -> Instant:
        """When, in time of receipt, the clock will read `deadline`."""
        return self.latest_received + deadline - self.latest

    def place(
        self, at: Instant, received: Instant, marks: Callable[[], Marks], max_ahead: Duration, *, again: bool = False
    ) -> tuple[Place, Instant]:
        """Take a stamp in, which is not too far ahead, and say what it stands for; after ANEW one has to `rebase`.

        One older than the latest counts if one of its signals was not heard of since, by their `marks`. What is read
        `again` begins no timeline but the first.
        """
        if not self.trusted:
            self.trusted = True
            return Place.ANEW, at
        if at < self.latest:
            known = marks()
            at = at if again else self._corrected(at, known, received + max_ahead)
            if at < self.latest:
                return self._place_older(at, received, known, again)
        self.advance(at, received)
        return Place.COUNTS, at

    def _place_older(self, at: Instant, received: Instant, marks: Marks, again: bool) -> tuple[Place, Instant]:
        older = {metric: mark for metric, mark in marks.items() if mark is not None and mark > at}
        straggles = len(older) < len(marks)
        if not again:
            if not straggles and self._relents(received):
                self.timeline += 1
                return Place.ANEW, at
            if self._fell_behind(older, received):
                now = self.reads(received)
                self.behind |= {metric: self.behind.get(metric, 0) + now - at for metric in marks}
                self.advance(now, received)
                return Place.COUNTS, now
        return Place.COUNTS if straggles else Place.LATE, at

    def advance(self, at: Instant, received: Instant) -> None:
        """A believed stamp came in, none older than the latest."""
        self.older_since = None
        if at > self.latest:
            self.latest, self.latest_received = at, received

    def rebase(self, at: Instant, received: Instant) -> Duration:
        """Start a timeline at `at`; returns by how much all that was kept in the old one has to be moved."""
        delta = at - self.reads(received)
        self.latest, self.latest_received, self.now = at, received, at
        self.late_before += delta
        self.start = None if self.start is None else self.start + delta
        self.heard = None if self.heard is None else self.heard + delta
        self.older_since = None
        self.older = {}
        self.behind = {metric: lag + delta for metric, lag in self.behind.items() if lag + delta > 0}
        return delta

    def catch_up(self, since: Instant, received: Instant) -> None:
        """Our link is back after it was lost at `since`: what the asset did until then, by its clock, comes late.

        One that was heard meanwhile speaks through another link.
        """
        self.excuse(since, received)
        if received - since > MISSED and self.latest_received <= since:
            self.late_before = max(self.late_before, self.latest + received + GRACE - self.latest_received)

    def excuse(self, since: Instant, received: Instant) -> None:
        """Time in which our link was down is none in which older stamps came."""
        if self.older_since is not None:
            self.older_since = min(received, self.older_since + received - since)
        self.older = {m: (mark, min(received, first + received - since)) for m, (mark, first) in self.older.items()}

    def snapshot(self) -> dict[str, Any]:
        """All fields, as JSON."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "behind": dict(self.behind),
            "older": {metric: list(seen) for metric, seen in self.older.items()},
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        for name in self.__slots__:
            setattr(self, name, data.get(name, 0))
        self.behind = dict(data.get("behind", {}))
        self.older = {metric: (mark, first) for metric, (mark, first) in data.get("older", {}).items()}

    def _corrected(self, at: Instant, metrics: Marks, most: Instant) -> Instant:
        """A stamp whose source is known to be behind, as of the asset's time; a source that would be ahead is right."""
        lag = max((self.behind.get(metric, 0) for metric in metrics), default=0) if self.behind else 0
        if not lag:
            return at
        if self.reads(most) >= at + lag:
            return at + lag
        self.behind = {metric: lag for metric, lag in self.behind.items() if metric not in metrics}
        return at

    def _fell_behind(self, older: Mapping[str, Instant], received: Instant) -> bool:
        """Whether one of these has had nothing but older stamps for long enough, while others went on."""
        for metric, mark in older.items():
            last, first = self.older.get(metric, (None, received))
            if last != mark:
                self.older[metric] = (mark, received)
            elif received - first >= RELENT_AFTER:
                self.older = {other: seen for other, seen in self.older.items() if other not in older}
                return True
        return False

    def _relents(self, received: Instant) -> bool:
        """An older stamp came in; true once they have been coming for long enough to be believed."""
        if self.older_since is None:
            self.older_since = received
        return received - self.older_since >= RELENT_AFTER
