"""Which readings come late, as the core decides it: older than their signal's last one, and no new timeline.

The process that stores does not run the core; it keeps of each asset what the decision in `rules.clock` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from rules.clock import AssetClock, Place, settled
from rules.events import Duration, Instant, Observation

MOST_MARKS: Final = 200_000
"""Of so many signals it is known how far they are; with more, all begin anew."""


class Lateness:
    """Judges readings in the order of the journal. `known` says of an asset how far its signals are, by metric."""

    def __init__(self, known: Callable[[str], Mapping[str, Instant]]) -> None:
        self._known = known
        self._timelines: dict[str, _Timeline] = {}
        self._marks = 0

    def late(self, observation: Observation, max_ahead: Duration, *, again: bool = False) -> Collection[str]:
        """The metrics whose reading comes late; `again` if it was fed again."""
        timeline = self._timelines.get(observation.asset) or self._begin(observation)
        late = timeline.late(observation, max_ahead, again)
        if len(timeline.marks) > timeline.counted:
            self._count(timeline)
        return late

    def link_back(self, since: Instant, received: Instant) -> None:
        """A link of ours is back that was lost at `since`."""
        for timeline in self._timelines.values():
            timeline.clock.excuse(since, received)

    def _begin(self, observation: Observation) -> _Timeline:
        timeline = _Timeline(dict(self._known(observation.asset)), observation.received)
        self._timelines[observation.asset] = timeline
        return timeline

    def _count(self, timeline: _Timeline) -> None:
        self._marks += len(timeline.marks) - timeline.counted
        timeline.counted = len(timeline.marks)
        if self._marks > MOST_MARKS:
            self._timelines.clear()
            self._marks = 0


class _Timeline:
    """One asset's clock, whose `now` no mark is beyond, and the stamp of each signal's last reading: its mark."""

    __slots__ = ("clock", "counted", "marks")

    def __init__(self, marks: dict[str, Instant], received: Instant) -> None:
        self.marks = marks
        self.counted = 0
        self.clock = AssetClock()
        self.clock.begin(received)
        if marks:
            self.clock.trusted = True
            self.clock.rebase(max(marks.values()), received)

    def late(self, observation: Observation, max_ahead: Duration, again: bool) -> Collection[str]:
        clock, marks, at, received = self.clock, self.marks, observation.at, observation.received
        if clock.trusted and clock.now <= at <= received + max_ahead:
            clock.advance(at, received)
            clock.now = at
            for reading in observation.readings:
                marks[reading.metric] = at
            return ()
        return self._unusual(observation, max_ahead, again)

    def _unusual(self, observation: Observation, max_ahead: Duration, again: bool) -> Collection[str]:
        metrics = [reading.metric for reading in observation.readings]
        at = self._placed(observation, metrics, max_ahead, again)
        if at is None:
            return metrics
        late = {metric for metric in metrics if self.marks.get(metric, at) > at}
        self.marks.update(dict.fromkeys((metric for metric in metrics if metric not in late), at))
        return late

    def _placed(self, observation: Observation, metrics: list[str], max_ahead: Duration, again: bool) -> Instant | None:
        """The time that the stamp stands for; None if it comes too late."""
        clock, received = self.clock, observation.received
        at, ahead = settled(observation.at, received, max_ahead)
        if ahead and not again:
            at = clock.reads(received)
        else:
            place, at = clock.place(at, received, partial(self._known, metrics), max_ahead, again=again)
            if place is Place.LATE:
                return None
            if place is Place.ANEW:
                self._rebase(at, received)
        clock.now = max(at, clock.now)
        return at

    def _known(self, metrics: list[str]) -> dict[str, Instant | None]:
        return {metric: self.marks.get(metric) for metric in metrics}

    def _rebase(self, at: Instant, received: Instant) -> None:
        delta = self.clock.rebase(at, received)
        self.marks = {metric: mark + delta for metric, mark in self.marks.items()}
