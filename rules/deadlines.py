"""The deadlines of an asset's gates and watches, next one first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from rules.events import Instant
from rules.gate import Gate
from rules.watch import Watch


class Deadlines:
    """`heap` holds (deadline, rank). What was overtaken stays in it until it comes up, or until it is too much.

    `queued` is the entry of a gate or watch that counts, never later than its deadline: one that has moved on (a
    silence is put off by every reading) is looked up anew when its old one comes up. At the same time gates come first.
    """

    def __init__(self, watches: Sequence[Watch], gates: Sequence[Gate]) -> None:
        self._watches = watches
        self._gates = gates
        self.heap: list[tuple[Instant, int]] = []

    def put(self, looker: Gate | Watch) -> None:
        """Note a deadline if it comes sooner than was known."""
        deadline, queued = looker.deadline, looker.queued
        if deadline is None or (queued is not None and queued <= deadline):
            return
        looker.queued = deadline
        heapq.heappush(self.heap, (deadline, looker.rank))
        if len(self.heap) > 4 * (len(self._watches) + len(self._gates)) + 64:
            self.heap[:] = [entry for entry in self.heap if self._looker(entry[1]).queued == entry[0]]
            heapq.heapify(self.heap)

    def next(self) -> Instant | None:
        """The next deadline, if there is any."""
        while self.heap:
            deadline, rank = self.heap[0]
            looker = self._looker(rank)
            if looker.queued == deadline == looker.deadline:
                return deadline
            heapq.heappop(self.heap)
            self._put_off(looker, deadline)
        return None

    def due(self, moment: Instant) -> Iterator[tuple[Instant, Gate | Watch]]:
        """Each deadline up to `moment`, in order; the caller lets the gate or watch act and puts it back."""
        while self.heap and self.heap[0][0] <= moment:
            deadline, rank = heapq.heappop(self.heap)
            looker = self._looker(rank)
            if looker.queued == deadline == looker.deadline:
                looker.queued = None
                yield deadline, looker
            else:
                self._put_off(looker, deadline)

    def restart(self) -> None:
        """All deadlines have moved."""
        self.heap.clear()
        lookers: list[Gate | Watch] = [*self._gates, *self._watches]
        for looker in lookers:
            looker.queued = None
            self.put(looker)

    def _looker(self, rank: int) -> Gate | Watch:
        return self._watches[rank] if rank >= 0 else self._gates[rank]

    def _put_off(self, looker: Gate | Watch, deadline: Instant) -> None:
        if looker.queued == deadline:
            looker.queued = None
            self.put(looker)
