"""A reader of the journal: follows the writer from any process, at its own pace, holding nothing between reads."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from itertools import count as numbers_from
from pathlib import Path
from typing import Final, Self

from monitor.journal.entries import Entry, Offset
from monitor.journal.segments import (
    CHECKSUMS,
    JournalError,
    JournalGap,
    connect_for_reading,
    decode_batch,
    format_of,
    readable_errors,
    segment_offsets,
    segment_path,
)

MOST_BYTES: Final = 32 * 1024**2
"""Once so much was read, `read` gives what it has: large messages must not fill the memory by their number."""

BATCHES_FROM: Final = {
    version: f"""
    SELECT first, count, body, {checksum} FROM batch
    WHERE first >= coalesce((SELECT max(first) FROM batch WHERE first <= :position), :position)
      AND first + count > :position
    ORDER BY first
"""  # noqa: S608 - the names of columns, from a table of ours
    for version, checksum in CHECKSUMS.items()
}


class JournalReader:
    """Gives every entry from `start` on, once, in order.

    Raises JournalError at once if the journal ends before `start`: the offset belongs to another journal.
    """

    def __init__(self, directory: Path, start: Offset = 0) -> None:
        self.directory = directory
        self._position = start
        self._segment: Offset = -1
        self._format = 0
        self._connection: sqlite3.Connection | None = None
        self._decoded: list[tuple[Offset, Entry]] = []
        if start > (end := journal_end(directory)):
            raise JournalError(
                f"{directory}: reading should go on at {start}, but the journal ends at {end}: "
                "it is not the journal this offset came from; bring the old one back or start from 0"
            )

    @property
    def position(self) -> Offset:
        """The offset of the next entry `read` will give."""
        return self._position

    @property
    def segment(self) -> Offset:
        """The segment that was read last: the one at fault where `read` raised JournalDamagedError."""
        return self._segment

    def read(self, limit: int) -> list[tuple[Offset, Entry]]:
        """The next entries, at most `limit`, each with its offset; fewer at the end of a segment or of the journal,
        or where they are large.

        Where what should come next was deleted or lost it raises JournalGap, once, and goes on behind the gap at the
        next call. Raises JournalError (JournalDamagedError) if a segment cannot be read; nothing is skipped by it, and
        the next call opens the segment anew.
        """
        if len(self._decoded) < limit:
            try:
                self._load(limit)
            except JournalGap:
                raise
            except JournalError:
                self.close()
                raise
        found, self._decoded = self._decoded[:limit], self._decoded[limit:]
        if found:
            self._position = found[-1][0] + 1
        return found

    def close(self) -> None:
        """Give the open segment back."""
        self._format = 0
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        """Itself, closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @property
    def _expected(self) -> Offset:
        """Where decoding goes on."""
        return self._decoded[-1][0] + 1 if self._decoded else self._position

    def _load(self, limit: int) -> None:
        """Decode what comes next. Where nothing does a later segment is looked for, then here again, as it was last."""
        while self._connection is not None or self._open(self._segment_of_position()):
            self._decode(limit)
            if self._decoded:
                return
            following = min((o for o in segment_offsets(self.directory) if o > self._segment), default=None)
            if following is None:
                return
            self._decode(limit)
            if self._decoded or not self._open(following):
                return

    def _segment_of_position(self) -> Offset | None:
        offsets = segment_offsets(self.directory)
        holding = max((o for o in offsets if o <= self._position), default=None)
        return holding if holding is not None else min(offsets, default=None)

    def _open(self, first: Offset | None) -> bool:
        """Make a segment the current one; False if there is none, it is not yet born or has just been deleted."""
        self.close()
        if first is None:
            return False
        path = segment_path(self.directory, first)
        self._segment = first
        try:
            with readable_errors(path):
                self._connection = connect_for_reading(path)
                self._format = format_of(self._connection, path)
        except JournalError:
            if path.exists():
                raise
        if not self._format:
            self.close()
        return bool(self._format)

    def _decode(self, limit: int) -> None:
        try:
            with closing(self._batches()) as batches:
                for first, entries in batches:
                    self._take(first, entries)
                    if len(self._decoded) >= limit:
                        return
        except JournalError:
            if not self._decoded:
                raise

    def _take(self, first: Offset, entries: list[Entry]) -> None:
        expected = self._expected
        if first > expected:
            self._position = self._position if self._decoded else first
            raise JournalGap(expected, first)
        known = expected - first
        self._decoded += zip(numbers_from(expected), entries[known:] if known else entries, strict=False)

    def _batches(self) -> Generator[tuple[Offset, list[Entry]]]:
        assert self._connection is not None
        path = segment_path(self.directory, self._segment)
        size = 0
        with readable_errors(path), closing(self._connection.cursor()) as cursor:
            for first, count, body, proof in cursor.execute(BATCHES_FROM[self._format], {"position": self._expected}):
                yield first, decode_batch(first, count, body, proof, path)
                if (size := size + len(body)) >= MOST_BYTES:
                    return


def journal_end(directory: Path) -> Offset:
    """The offset after the last entry on disk; 0 if there is no journal."""
    last = max(segment_offsets(directory), default=None)
    return 0 if last is None else segment_end(directory, last)


def segment_end(directory: Path, first: Offset) -> Offset:
    """The offset after the last entry of a segment; where it begins, if it is empty."""
    path = segment_path(directory, first)
    with readable_errors(path), closing(connect_for_reading(path)) as connection:
        if format_of(connection, path) == 0:
            return first
        row = connection.execute("SELECT max(first) + count FROM batch").fetchone()
    return int(row[0] or first)
