"""Segment files of the journal: their names, their format and their errors.

A segment is an SQLite file in WAL mode named by the offset of its first entry; each row is one committed batch, its
body a MessagePack list of entries. Offsets continue from one segment to the next.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from monitor.errors import AndonError
from monitor.journal.entries import Entry, Offset

SUFFIX: Final = ".journal"
SIDECARS: Final = ("-wal", "-shm")
FORMAT: Final = 1
"""The version of table and entries, in `user_version`; 0 is a file whose first transaction never came to be."""
BUSY_SECONDS: Final = 5.0

SCHEMA: Final = f"""
BEGIN;
CREATE TABLE batch (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    received_first INTEGER NOT NULL,
    received_last INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
PRAGMA user_version = {FORMAT};
COMMIT;
"""


class JournalError(AndonError):
    """The journal cannot be read or written; the message names the file and how to mend it."""


class JournalFullError(JournalError):
    """No room on the disk: nothing of the batch was written, and it may be appended again."""


class JournalGap(JournalError):  # noqa: N818 - it is no failure
    """Entries from `start` up to, not including, `end` were deleted before this reader came to them."""

    def __init__(self, start: Offset, end: Offset) -> None:
        self.start = start
        self.end = end
        super().__init__(
            f"journal: entries {start} to {end - 1} were deleted before they were read; raise `journal: max_size`"
        )


def segment_path(directory: Path, first: Offset) -> Path:
    """Where the segment that begins with this offset lies."""
    return directory / f"{first:020d}{SUFFIX}"


def segment_offsets(directory: Path) -> list[Offset]:
    """First offsets of all segments, ascending; empty if there is no journal yet."""
    stems = (path.stem for path in directory.glob(f"*{SUFFIX}"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def segment_files(path: Path) -> list[Path]:
    """The segment and the files SQLite keeps beside it, as far as they exist."""
    candidates = (path, *(path.with_name(path.name + ending) for ending in SIDECARS))
    return [candidate for candidate in candidates if candidate.exists()]


def create_segment(directory: Path, first: Offset) -> sqlite3.Connection:
    """A new segment (or one whose creation was cut short), open for writing, its directory entry on disk."""
    path = segment_path(directory, first)
    with readable_errors(path):
        connection = connect_for_writing(path)
        if format_of(connection, path) == 0:
            connection.executescript(SCHEMA)
    sync_directory(directory)
    return connection


def connect_for_writing(path: Path) -> sqlite3.Connection:
    """A connection whose commits are on disk when they return."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def connect_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot change anything."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)


def format_of(connection: sqlite3.Connection, path: Path) -> int:
    """0 for a segment not yet born, otherwise `FORMAT`; JournalError for any other."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version not in {0, FORMAT}:
        raise JournalError(
            f"{path}: journal format {version}, this Andon knows {FORMAT}: "
            "run the version that wrote it, or move the file away"
        )
    return version


def sync_directory(directory: Path) -> None:
    """Make names created in a directory outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_decoder: Final = msgspec.msgpack.Decoder(list[Entry])
encode_body: Final = msgspec.msgpack.Encoder().encode


def decode_body(body: bytes, path: Path, first: Offset) -> list[Entry]:
    """The entries of a row; JournalError if they are not what this version writes."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise JournalError(f"{path}: batch at offset {first} is damaged ({error}); move the file away") from error


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise JournalFullError(f"{path}: the disk is full; free space or lower `journal: max_size`") from error
        raise JournalError(f"{path}: {error}; check the disk and the owner of the file, or move it away") from error
