"""The storing reader: journal entries in, points in the store; it may lag, it loses nothing and holds up nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import random
from threading import Event
from typing import Final, Protocol, TypeAlias

import structlog

from monitor.clock import elapsed, seconds
from monitor.codecs import Decoder
from monitor.codecs.base import Decoded
from monitor.journal.entries import Entry, FedEntry, LinkEntry, Message, Offset, RevisionEntry
from monitor.journal.segments import JournalError, JournalGap
from monitor.stores.base import Point, Store, StoreError, StoreRestarted, points_of
from monitor.stores.lateness import Lateness
from monitor.telemetry import STORE_FAILURES, STORE_REPLACED, STORED_POINTS
from rules.events import SECOND, Duration, Instant, Observation

BATCH: Final = 1_000
MOST_POINTS: Final = 50_000
PACE: Final[Duration] = SECOND // 5
"""Without a backlog, so long between two commits: the disk is the journal's first."""

FIRST_PAUSE: Final[Duration] = SECOND // 10
LONGEST_PAUSE: Final[Duration] = 30 * SECOND
JOURNAL_PAUSE: Final[Duration] = 5 * SECOND

DecoderFor: TypeAlias = Callable[[dict[str, str]], Decoder]
"""The decoder of a revision's configuration texts; it must accept whatever once was in force."""

_log = structlog.get_logger(__name__)


CALM: Final[Duration] = 60 * SECOND
"""A store that has taken all it was given for so long does not refuse points any more."""


@dataclass
class Condition:
    """How writing goes, for other threads to see; instants are the steady clock's.

    Since when it fails without a break, and the kind of the last error; since when points are being refused, when one
    was refused last, and how many were since then, of which so many could not be kept aside.
    """

    failing_since: Duration | None = None
    error: str = ""
    refusing_since: Duration | None = None
    refused_last: Duration = 0
    refused: int = 0
    dropped: int = 0

    def took(self, points: int, refused: int, dropped: int, now: Duration) -> None:
        """So many points were written, or refused."""
        self.failing_since = None
        if refused:
            self.refusing_since = now if self.refusing_since is None else self.refusing_since
            self.refused_last = now
            self.refused += refused
            self.dropped += dropped
        elif points and now - self.refused_last >= CALM:
            self.refusing_since = None
            self.refused = self.dropped = 0


class Reader(Protocol):
    """What the loop needs of a JournalReader."""

    def read(self, limit: int) -> list[tuple[Offset, Entry]]:
        """The next entries, perhaps none; JournalGap or JournalError as JournalReader raises them."""
        ...


class StoreWriter:
    """Moves what the journal holds from the store's offset on into the store.

    `reader` begins at `store.offset()`; `decoder` is the one in force there, and `decoder_for` makes the next one at
    each revision. What a decoder rejects is the detecting reader's to quarantine. `allow` is asked before each write
    and raises StoreError while there may be none.
    """

    def __init__(
        self,
        reader: Reader,
        store: Store,
        decoder: Decoder,
        decoder_for: DecoderFor,
        *,
        condition: Condition | None = None,
        allow: Callable[[], None] = lambda: None,
    ) -> None:
        self._reader = reader
        self._store = store
        self._decoder = decoder
        self._decoder_for = decoder_for
        self._condition = condition or Condition()
        self._allow = allow
        self._lateness = Lateness(self._marks)

    def run(self, stop: Event) -> None:
        """Until `stop` is set, at the latest one batch later. A failing store or journal is tried again, for ever.

        Raises:
            StoreRestarted: go on from `store.offset()`, with a reader and a decoder of that place.
        """
        while not stop.is_set():
            entries = self._read(stop)
            for points, next_offset in self._portions(entries):
                if not self._written(points, next_offset, stop):
                    return
            if len(entries) < BATCH // 2:
                stop.wait(seconds(PACE))

    def _read(self, stop: Event) -> list[tuple[Offset, Entry]]:
        try:
            return self._reader.read(BATCH)
        except JournalGap as gap:
            _log.error("readings_lost", start=gap.start, end=gap.end)
        except JournalError as problem:
            _log.error("journal_unreadable", error=str(problem), retry_after_s=seconds(JOURNAL_PAUSE))
            stop.wait(seconds(JOURNAL_PAUSE))
        return []

    def _portions(self, entries: Sequence[tuple[Offset, Entry]]) -> Iterator[tuple[list[Point], Offset]]:
        """The points of the entries, not too many at a time, each portion with the offset behind its last entry."""
        points: list[Point] = []
        for offset, entry in entries:
            points += self._points(entry)
            if len(points) >= MOST_POINTS or offset == entries[-1][0]:
                yield points, offset + 1
                points = []

    def _points(self, entry: Entry) -> list[Point]:
        if isinstance(entry, RevisionEntry):
            self._decoder = self._decoder_for(entry.texts)
        if isinstance(entry, LinkEntry) and entry.up:
            self._lateness.link_back(entry.since, entry.received)
        if isinstance(entry, FedEntry):
            decoded: Decoded | None = self._decoder.decode_again(
                entry.broker, entry.topic, entry.payload, entry.first, entry.metrics
            )
        elif isinstance(entry, Message):
            decoded = self._decoder.decode(entry.broker, entry.topic, entry.payload, entry.received, entry.cut)
        else:
            return []
        return self._judged(decoded.observations, again=isinstance(entry, FedEntry)) if decoded else []

    def _judged(self, observations: Sequence[Observation], *, again: bool) -> list[Point]:
        late, max_ahead = self._lateness.late, self._decoder.max_ahead
        return [point for o in observations for point in points_of(o, max_ahead, late(o, max_ahead, again=again))]

    def _marks(self, asset: str) -> dict[str, Instant]:
        """How far the asset's signals are; a store that cannot say so now says when it is written to why."""
        try:
            return self._store.marks(asset)
        except StoreError:
            return {}

    def _written(self, points: list[Point], next_offset: Offset, stop: Event) -> bool:
        """Whether the points got into the store before the loop was told to stop."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            try:
                self._allow()
                refused, dropped = self._refused()
                replaced = self._store.write(points, next_offset)
            except StoreRestarted:
                raise
            except StoreError as problem:
                wait = max(_jittered(pause), problem.retry_after or 0)
                self._failed(problem)
                _log.error("store_write_failed", error=str(problem), retry_after_s=seconds(wait))
                stop.wait(seconds(wait))
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                now_refused, now_dropped = self._refused()
                refused, dropped = now_refused - refused, now_dropped - dropped
                self._condition.took(len(points), refused, dropped, elapsed())
                STORED_POINTS.inc(len(points) - refused)
                STORE_REPLACED.inc(replaced)
                return True
        return False

    def _refused(self) -> tuple[int, int]:
        return self._store.refusals.points, self._store.refusals.dropped

    def _failed(self, problem: StoreError) -> None:
        STORE_FAILURES.inc()
        self._condition.error = problem.kind
        if self._condition.failing_since is None:
            self._condition.failing_since = elapsed()


def _jittered(pause: Duration) -> Duration:
    """Between half of it and all of it, so that monitors that failed together do not come back together."""
    return int(pause * (1 + random()) / 2)


def run_writer(
    reader: Reader,
    store: Store,
    decoder: Decoder,
    decoder_for: DecoderFor,
    stop: Event,
    *,
    condition: Condition | None = None,
    allow: Callable[[], None] = lambda: None,
) -> None:
    """Run a StoreWriter until `stop` is set. Raises StoreRestarted."""
    StoreWriter(reader, store, decoder, decoder_for, condition=condition, allow=allow).run(stop)
