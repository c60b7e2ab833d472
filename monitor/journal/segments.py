"""Segment files of the journal: their names, their format and their errors.

A segment is an SQLite file in WAL mode named by the offset of its first entry; each row is one committed batch, its
body a MessagePack list of entries, its checksum over body and offset. Offsets continue from one segment to the next.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar, Final, NamedTuple
from zlib import crc32

import msgspec

from monitor.errors import EXIT_MISCONFIGURED, AndonError
from monitor.journal.entries import Entry, Offset
from rules.events import Instant

SUFFIX: Final = ".journal"
UNREADABLE: Final = ".unreadable"
"""Added to the name of a segment that is set aside."""
SIDECARS: Final = ("-wal", "-shm")
FORMAT: Final = 2
"""The version of table and entries, in `user_version`; 0 is a file whose first transaction never came to be."""
CHECKSUMS: Final = {1: "NULL", FORMAT: "checksum"}
"""The formats that can be read, and what gives a batch's checksum in each. Only the newest is written."""
BUSY_SECONDS: Final = 5.0

SCHEMA: Final = f"""
BEGIN;
CREATE TABLE batch (
    first INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    received_first INTEGER NOT NULL,
    received_last INTEGER NOT NULL,
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
PRAGMA user_version = {FORMAT};
COMMIT;
"""


class JournalError(AndonError):
    """The journal cannot be read or written; the message names the file and how to mend it."""


class JournalFullError(JournalError):
    """No room on the disk: nothing of the batch was written, and it may be appended again."""


class JournalFormatError(JournalError):
    """A segment was written by a newer Andon; trying again does not help."""

    exit_code: ClassVar[int] = EXIT_MISCONFIGURED


class JournalDamagedError(JournalError):
    """What a segment holds is not what was written to it."""


class JournalUnreadableError(JournalError):
    """A segment cannot be opened: it is not ours, most likely. `segment` is where it begins."""

    def __init__(self, message: str, segment: Offset) -> None:
        self.segment = segment
        super().__init__(message)


class JournalGap(JournalError):  # noqa: N818 - it is no failure
    """Entries from `start` up to, not including, `end` are not in the journal any more."""

    def __init__(self, start: Offset, end: Offset) -> None:
        self.start = start
        self.end = end
        super().__init__(f"journal: entries {start} to {end - 1} were deleted or lost before they were read")


class Batch(NamedTuple):
    """A row as it is kept, of `size` entries; `checksum` is None where its format has none."""

    first: Offset
    size: int
    received_first: Instant
    received_last: Instant
    body: bytes
    checksum: int | None


def segment_path(directory: Path, first: Offset) -> Path:
    """Where the segment that begins with this offset lies."""
    return directory / f"{first:020d}{SUFFIX}"


def segment_offsets(directory: Path) -> list[Offset]:
    """First offsets of all segments, ascending; empty if there is no journal yet."""
    stems = (path.stem for path in directory.glob(f"*{SUFFIX}"))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def is_passed(directory: Path, first: Offset, needed: Offset) -> bool:
    """Whether everything in this segment, which is not the newest, comes before what some reader still wants."""
    following = min((offset for offset in segment_offsets(directory) if offset > first), default=None)
    return following is not None and following <= needed


def segment_files(path: Path) -> list[Path]:
    """The segment and the files SQLite keeps beside it, as far as they exist."""
    candidates = (path, *(path.with_name(path.name + ending) for ending in SIDECARS))
    return [candidate for candidate in candidates if candidate.exists()]


def segment_bytes(path: Path) -> int:
    """What they take on disk together; what is taken away meanwhile counts nothing."""
    total = 0
    for file in segment_files(path):
        with suppress(FileNotFoundError):
            total += file.stat().st_size
    return total


def create_segment(directory: Path, first: Offset) -> sqlite3.Connection:
    """A new segment (or one whose creation was cut short), open for writing, its directory entry on disk."""
    path = segment_path(directory, first)
    connection = new_segment(path)
    sync_directory(directory)
    return connection


def new_segment(path: Path) -> sqlite3.Connection:
    """A file with the table in it, open for writing; if it is there already, it is ours or empty."""
    with readable_errors(path):
        connection = connect_for_writing(path)
        if format_of(connection, path) != FORMAT:
            connection.executescript(f"DROP TABLE IF EXISTS batch; {SCHEMA}")
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
    """0 for a segment not yet born, otherwise one of `CHECKSUMS`; JournalFormatError for any other.

    A segment is born before the next one begins: JournalDamagedError for one that is empty and has others behind it.
    """
    version = _version(connection)
    if not version and _is_followed(path) and not (version := _version(connection)):
        raise JournalDamagedError(f"{path}: is empty, though the journal goes on behind it; it was cut off")
    if version and version not in CHECKSUMS:
        raise JournalFormatError(
            f"{path}: journal format {version}, this Andon reads up to {FORMAT}: "
            "run the version that wrote it, or move the file away"
        )
    return version


def _version(connection: sqlite3.Connection) -> int:
    """A rollback journal left behind is a crash while the segment changed to WAL, its very first transaction: the next
    writer rolls it back.
    """
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
        return 0


def _is_followed(path: Path) -> bool:
    return path.suffix == SUFFIX and any(segment_path(path.parent, o) > path for o in segment_offsets(path.parent))


def sync_directory(directory: Path) -> None:
    """Make names created in a directory outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_decoder: Final = msgspec.msgpack.Decoder(list[Entry])
_encoder: Final = msgspec.msgpack.Encoder()


def encode_batch(first: Offset, entries: Sequence[Entry]) -> Batch:
    """The row of some entries, at least one."""
    body = _encoder.encode(entries)
    return Batch(first, len(entries), entries[0].received, entries[-1].received, body, checksum(first, body))


def checksum(first: Offset, body: bytes) -> int:
    """What proves a batch: CRC-32 over the body, begun with the offset."""
    return crc32(body, first & 0xFFFFFFFF)


def decode_batch(first: Offset, count: int, body: bytes, proof: int | None, path: Path) -> list[Entry]:
    """The entries of a row; JournalDamagedError if they are not what was written."""
    damage: object = "its checksum is wrong"
    if proof is None or proof == checksum(first, body):
        try:
            entries = _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            damage = error
        else:
            if len(entries) == count:
                return entries
            damage = f"{len(entries)} entries instead of {count}"
    raise JournalDamagedError(f"{path}: batch at offset {first} is damaged ({damage})")


FULL_CODES: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_FSYNC}
)
"""What SQLite says of a full disk, and of a quota, which it does not tell from other failures to write."""
DAMAGE_CODES: Final = frozenset(
    {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_ERROR,
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
    }
)
"""SQLITE_ERROR: our statements are right, so it is the table that is not there."""

FOREIGN_CODES: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
"""What SQLite says of a file that belongs to somebody else."""


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
        if code in FULL_CODES:
            raise JournalFullError(
                f"{path}: the disk is full ({error}); free space or lower `journal: max_size`"
            ) from error
        if code in DAMAGE_CODES or code & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise JournalDamagedError(f"{path}: {error}; check the disk, or move the file away") from error
        if code & 0xFF in FOREIGN_CODES and path.stem.isdecimal():
            mend = "let the user that runs Andon own it and read it, or move it away"
            raise JournalUnreadableError(f"{path}: {error}; {mend}", int(path.stem)) from error
        raise JournalError(f"{path}: {error}; check the disk and the owner of the file, or move it away") from error
