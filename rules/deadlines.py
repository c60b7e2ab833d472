"""The deadlines of an asset's watches, next one first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from rules.events import Instant
from rules.watch import Watch


class Deadlines:
    """`heap` holds (deadline, rank). What was overtaken stays in it until it comes up, or until it is too much.

    `watch.queued` is the entry that counts, never later than the watch's deadline: one that has moved on (a silence is
    put off by every reading) is looked up anew when its old one comes up.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self.heap: list[tuple[Instant, int]] = []

    def put(self, watch: Watch) -> None:
        """Note the watch's deadline if it comes sooner than was known."""
        deadline, queued = watch.deadline, watch.queued
        if deadline is None or (queued is not None and queued <= deadline):
            return
        watch.queued = deadline
        heapq.heappush(self.heap, (deadline, watch.rank))
        if len(self.heap) > 4 * len(self._watches) + 64:
            self.heap[:] = [entry for entry in self.heap if self._watches[entry[1]].queued == entry[0]]
            heapq.heapify(self.heap)

    def next(self) -> Instant | None:
        """The next deadline, if there is any."""
        while self.heap:
            deadline, rank = self.heap[0]
            watch = self._watches[rank]
            if watch.queued == deadline == watch.deadline:
                return deadline
            heapq.heappop(self.heap)
            self._put_off(watch, deadline)
        return None

    def due(self, moment: Instant) -> Iterator[tuple[Instant, Watch]]:
        """Each deadline up to `moment`, in order; the caller lets the watch act and puts it back."""
        while self.heap and self.heap[0][0] <= moment:
            deadline, rank = heapq.heappop(self.heap)
            watch = self._watches[rank]
            if watch.queued == deadline == watch.deadline:
                watch.queued = None
                yield deadline, watch
            else:
                self._put_off(watch, deadline)

    def restart(self) -> None:
        """All deadlines have moved."""
        self.heap.clear()
        for watch in self._watches:
            watch.queued = None
            self.put(watch)

    def _put_off(self, watch: Watch, deadline: Instant) -> None:
        if watch.queued == deadline:
            watch.queued = None
            self.put(watch)
