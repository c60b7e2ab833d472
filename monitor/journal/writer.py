"""The one writer of the journal: appends batches durably, begins new segments, deletes old ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from monitor.journal.beginning import Beginning, note_beginning
from monitor.journal.entries import Entry, Message, Offset
from monitor.journal.reader import segment_end
from monitor.journal.segments import (
    CHECKSUMS,
    FORMAT,
    SIDECARS,
    JournalDamagedError,
    connect_for_reading,
    create_segment,
    decode_batch,
    encode_batch,
    format_of,
    readable_errors,
    segment_bytes,
    segment_files,
    segment_offsets,
    segment_path,
)
from rules.events import SECOND, Duration, Instant

E = TypeVar("E", bound=Entry)

SEGMENT_BYTES: Final = 256 * 1024 * 1024
SEGMENT_SPAN: Final[Duration] = 3600 * SECOND
INSERT: Final = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)"
TAIL_SCAN: Final = 1_000_000
"""How many entries `tail` looks at, from the end, before it gives up finding more."""


class JournalWriter:
    """Appends entries; what `append` returned for is on disk.

    Every method may be called from any one thread at a time. A second writer on the same directory is prevented by the
    lock on the data directory, not here. `at_least` is the smallest offset that may be given: whoever reads has come so
    far. What an older version wrote stays as it is; a new segment begins behind it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        at_least: Offset = 0,
        segment_bytes: int = SEGMENT_BYTES,
        segment_span: Duration = SEGMENT_SPAN,
    ) -> None:
        self._directory = directory
        self._head: Offset = 0
        self._begun: Instant = 0
        self._written = 0
        self._segment_bytes = segment_bytes
        self._segment_span = segment_span
        directory.mkdir(parents=True, exist_ok=True)
        self._begin_segment(_segment_to_write(directory, at_least))
        self._last_received = self._received_of_last_entry()

    @property
    def head(self) -> Offset:
        """The offset the next entry will get."""
        return self._head

    @property
    def last_received(self) -> Instant:
        """`received` of the last entry, 0 in an empty journal."""
        return self._last_received

    def append(self, entries: Sequence[Entry]) -> Offset:
        """Write a batch in one transaction and return the offset of its first entry.

        `received` strictly increases over the whole journal: an entry stamped too early is moved to one nanosecond
        after its predecessor. Raises JournalError (JournalFullError if the disk is); then nothing was written.
        """
        if not entries:
            return self._head
        batch, last = in_order(entries, self._last_received)
        if self._must_roll(batch[0].received):
            self._roll()
        return self._insert(batch, last)

    def tail(self, broker: str, count: int) -> list[Message]:
        """The last `count` messages of a broker delivered at QoS 1 or 2, oldest first.

        Only the last `TAIL_SCAN` entries are searched.
        """
        found: list[Message] = []
        scanned = 0
        for first in reversed(segment_offsets(self._directory)):
            for entries in self._rows_backwards(first):
                scanned += len(entries)
                found.extend(
                    e for e in reversed(entries) if isinstance(e, Message) and e.broker == broker and e.qos > 0
                )
                if len(found) >= count or scanned >= TAIL_SCAN:
                    return found[:count][::-1]
        return found[::-1]

    def size(self) -> int:
        """Bytes of all segments on disk."""
        return sum(segment_bytes(segment_path(self._directory, first)) for first in segment_offsets(self._directory))

    def prune(self, budget: int, needed: Offset, before: Instant = 0) -> int:
        """Delete oldest segments until the journal fits into `budget` bytes and begins no earlier than `before`.

        Never deletes the newest segment, nor one with entries at or after `needed`, the smallest offset that a reader
        still wants. Returns how many segments went.
        """
        offsets = segment_offsets(self._directory)
        excess, deleted = self.size() - budget, 0
        for first, following in pairwise(offsets):
            if following > needed or (excess <= 0 and not self._ended_before(first, before)):
                break
            excess -= self._retire(first, following)
            deleted += 1
        self._delete_orphans()
        return deleted

    def leave(self, first: Offset) -> None:
        """Write to this segment no more: if it is the present one, begin the next."""
        if self._path == segment_path(self._directory, first) and self._head > first:
            self._roll()

    def close(self) -> None:
        """Seal the open segment; the writer is unusable afterwards."""
        seal(self._connection, self._path)

    def _insert(self, batch: Sequence[Entry], last: Instant) -> Offset:
        row = encode_batch(self._head, batch)
        with readable_errors(self._path):
            self._connection.execute(INSERT, row)
        self._head += len(batch)
        self._written += len(row.body)
        self._begun = self._begun or batch[0].received
        self._last_received = last
        return row.first

    def _must_roll(self, received: Instant) -> bool:
        if not self._begun:
            return False
        return self._written >= self._segment_bytes or received - self._begun >= self._segment_span

    def _roll(self) -> None:
        path, connection = self._path, self._connection
        self._begin_segment(self._head)
        seal(connection, path)

    def _begin_segment(self, first: Offset) -> None:
        path = segment_path(self._directory, first)
        connection = create_segment(self._directory, first)
        with readable_errors(path):
            row = connection.execute("SELECT min(received_first), max(first) + count FROM batch").fetchone()
        self._path, self._connection = path, connection
        self._begun = row[0] or 0
        self._head = row[1] or first
        self._written = segment_bytes(path) if self._begun else 0

    def _received_of_last_entry(self) -> Instant:
        for first in reversed(segment_offsets(self._directory)):
            with suppress(JournalDamagedError):
                if received := self._received_last(first):
                    return received
        return 0

    def _ended_before(self, first: Offset, moment: Instant) -> bool:
        with suppress(JournalDamagedError):
            return 0 < self._received_last(first) < moment
        return False

    def _received_last(self, first: Offset) -> Instant:
        """`received` of a segment's last entry, 0 if it is empty."""
        path = segment_path(self._directory, first)
        with readable_errors(path), closing(connect_for_reading(path)) as connection:
            if format_of(connection, path) == 0:
                return 0
            row = connection.execute("SELECT received_last FROM batch ORDER BY first DESC LIMIT 1").fetchone()
        return row[0] if row else 0

    def _rows_backwards(self, first: Offset) -> Iterator[list[Entry]]:
        """The batches of a segment, newest first, as far as they can be read."""
        path = segment_path(self._directory, first)
        with suppress(JournalDamagedError), readable_errors(path), closing(connect_for_reading(path)) as connection:
            if (proof := CHECKSUMS.get(format_of(connection, path))) is None:
                return
            rows = connection.execute(f"SELECT first, count, body, {proof} FROM batch ORDER BY first DESC")  # noqa: S608
            for start, count, body, checksum in rows:
                yield decode_batch(start, count, body, checksum, path)

    def _retire(self, first: Offset, following: Offset) -> int:
        """Delete a segment on purpose, which is noted first; on a full disk, as soon as there is room for it."""
        freed, received = segment_bytes(segment_path(self._directory, first)), 0
        with suppress(JournalDamagedError):
            received = self._received_last(first)
        begins = Beginning(following, received)
        noted = note_beginning(self._directory, begins)
        self._delete(first)
        if not noted:
            note_beginning(self._directory, begins)
        return freed

    def _delete(self, first: Offset) -> None:
        for file in segment_files(segment_path(self._directory, first)):
            file.unlink(missing_ok=True)

    def _delete_orphans(self) -> None:
        """Sidecars whose segment is gone: a crash came between the two deletions."""
        for ending in SIDECARS:
            for file in self._directory.glob(f"*{ending}"):
                if not file.with_name(file.name.removesuffix(ending)).exists():
                    file.unlink(missing_ok=True)


def _segment_to_write(directory: Path, at_least: Offset) -> Offset:
    """The last segment if it can be gone on with, else where a new one has to begin."""
    last = max(segment_offsets(directory), default=None)
    if last is None:
        return at_least
    end, path = segment_end(directory, last), segment_path(directory, last)
    with readable_errors(path), closing(connect_for_reading(path)) as connection:
        ours = format_of(connection, path) in {0, FORMAT}
    return last if ours and end >= at_least else max(end, at_least)


def in_order(entries: Sequence[E], last: Instant) -> tuple[Sequence[E], Instant]:
    """The entries with strictly increasing `received` after `last`, and the `received` of the last one."""
    previous = last
    for entry in entries:
        if entry.received <= previous:
            return restamped(entries, last)
        previous = entry.received
    return entries, previous


def restamped(entries: Sequence[E], last: Instant) -> tuple[list[E], Instant]:
    """The same entries, those that come too early moved behind their predecessor."""
    batch: list[E] = []
    for entry in entries:
        last = max(entry.received, last + 1)
        batch.append(entry if entry.received == last else msgspec.structs.replace(entry, received=last))
    return batch, last


def seal(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the write-ahead log into the file and close it: a sealed segment is one file unless a reader holds it."""
    with readable_errors(path):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
