"""The deadlines of an asset's watches, next one first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from rules.events import Instant
from rules.watch import Watch


class Deadlines:
    """A heap of (deadline, rank). One that was overtaken stays in it until it comes up, or until they are too many.

    `watch.queued` is the deadline that counts. A watch whose deadline has moved on unnoticed (silence: every reading
    moves it) is put back when its old one comes up.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches
        self._heap: list[tuple[Instant, int]] = []

    def put(self, watch: Watch) -> None:
        """Note the watch's present deadline."""
        deadline = watch.deadline
        if deadline == watch.queued:
            return
        watch.queued = deadline
        if deadline is not None:
            heapq.heappush(self._heap, (deadline, watch.rank))
            if len(self._heap) > 4 * len(self._watches) + 64:
                self._heap = [entry for entry in self._heap if self._watches[entry[1]].queued == entry[0]]
                heapq.heapify(self._heap)

    def next(self) -> Instant | None:
        """The next deadline, if there is any."""
        while self._heap:
            deadline, rank = self._heap[0]
            watch = self._watches[rank]
            if watch.queued == deadline == watch.deadline:
                return deadline
            heapq.heappop(self._heap)
            self._put_back(watch, deadline)
        return None

    def due(self, moment: Instant) -> Iterator[tuple[Instant, Watch]]:
        """Each deadline up to `moment`, in order; the caller lets the watch act and puts it back."""
        while self._heap and self._heap[0][0] <= moment:
            deadline, rank = heapq.heappop(self._heap)
            watch = self._watches[rank]
            if watch.queued == deadline == watch.deadline:
                watch.queued = None
                yield deadline, watch
            else:
                self._put_back(watch, deadline)

    def restart(self) -> None:
        """All deadlines have moved."""
        self._heap.clear()
        for watch in self._watches:
            watch.queued = None
            self.put(watch)

    def _put_back(self, watch: Watch, deadline: Instant) -> None:
        if watch.queued == deadline:
            watch.queued = None
            self.put(watch)
