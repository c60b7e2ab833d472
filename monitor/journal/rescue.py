"""Sets a damaged segment aside, never deletes it, and keeps what can still be read of it under the old name.

The steps can be cut short anywhere: once the rescued copy is whole, `finish` does the rest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from monitor.journal.entries import Offset
from monitor.journal.segments import (
    CHECKSUMS,
    SIDECARS,
    SUFFIX,
    UNREADABLE,
    Batch,
    JournalDamagedError,
    connect_for_reading,
    decode_batch,
    format_of,
    new_segment,
    readable_errors,
    segment_files,
    segment_path,
    sync_directory,
)
from monitor.journal.segments import checksum as proof_of

COPYING: Final = ".rescuing"
COPIED: Final = ".rescued"


def set_aside(directory: Path, first: Offset, known: Offset = 0) -> Path | None:
    """Rename a damaged segment to `*.unreadable`; its sound batches are in a new segment of the old name.

    Nobody may be writing to the segment, and only one thread of one process, the line's, may do this. An empty one is
    damaged if readers have come beyond its beginning, which is what `known` says. Returns the new name of the damaged
    file, None if no damage is (any longer) found.

    Raises:
        JournalFullError: there is no room for the copy; nothing has changed.
    """
    path = segment_path(directory, first)
    return _rescue(directory, path) if path.exists() and not _is_sound(path, may_be_empty=first >= known) else None


def put_aside(directory: Path, first: Offset) -> Path:
    """Rename a segment that cannot be opened to `*.unreadable`; only the line may do this. Returns the new name."""
    return _replace(segment_path(directory, first))


def _rescue(directory: Path, path: Path) -> Path:
    copying = path.with_suffix(COPYING)
    for left_over in segment_files(copying):
        left_over.unlink()
    if _copy(path, copying):
        copying.rename(path.with_suffix(COPIED))
        sync_directory(directory)
    else:
        copying.unlink()
    return _replace(path)


def finish(directory: Path) -> None:
    """Complete what a crash cut short."""
    for copied in directory.glob(f"*{COPIED}"):
        _replace(copied.with_suffix(SUFFIX))


def set_aside_files(directory: Path) -> list[str]:
    """The names of the files that were set aside and still lie there, without what SQLite keeps beside them."""
    return sorted(path.name for path in directory.glob(f"*{SUFFIX}{UNREADABLE}*") if not path.name.endswith(SIDECARS))


def _is_sound(path: Path, *, may_be_empty: bool) -> bool:
    """Whether every page and every batch is as it was written."""
    try:
        with readable_errors(path), closing(connect_for_reading(path)) as connection:
            if (proof := CHECKSUMS.get(format_of(connection, path))) is None:
                return may_be_empty
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                return False
            rows = connection.execute(f"SELECT first, count, body, {proof} FROM batch")  # noqa: S608
            for first, count, body, checksum in rows:
                decode_batch(first, count, body, checksum, path)
    except JournalDamagedError:
        return False
    return True


def _replace(path: Path) -> Path:
    """The damaged files out of the way, sidecars first, then the copy, if there is one, into their place."""
    aside = _free(path)
    for file in reversed(segment_files(path)):
        file.rename(aside.with_name(aside.name + file.name.removeprefix(path.name)))
    with suppress(FileNotFoundError):
        path.with_suffix(COPIED).rename(path)
    sync_directory(path.parent)
    return aside


def _free(path: Path) -> Path:
    """A name that nothing has yet: a segment may be damaged more than once."""
    names = (path.with_name(f"{path.name}{UNREADABLE}{number or ''}") for number in range(1_000))
    return next(name for name in names if not name.exists())


def _copy(path: Path, copying: Path) -> bool:
    """Whether anything could be read."""
    with closing(new_segment(copying)) as target, readable_errors(copying):
        target.execute("BEGIN")
        for batch in _sound(path):
            target.execute("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)", batch)
        target.execute("COMMIT")
        target.execute("PRAGMA journal_mode = DELETE")
        return bool(target.execute("SELECT EXISTS (SELECT * FROM batch)").fetchone()[0])


def _sound(path: Path) -> Iterator[Batch]:
    with suppress(JournalDamagedError), readable_errors(path), closing(connect_for_reading(path)) as connection:
        proof = CHECKSUMS.get(format_of(connection, path))
        for first in sorted(_keys(connection)):
            if proof is not None and (batch := _read(connection, path, first, proof)) is not None:
                yield batch


def _keys(connection: sqlite3.Connection) -> set[Offset]:
    """The offsets of the rows that can be reached from either end."""
    found: set[Offset] = set()
    for direction in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            for (first,) in connection.execute(f"SELECT first FROM batch ORDER BY first {direction}"):  # noqa: S608
                if first in found:
                    break
                found.add(first)
    return found


def _read(connection: sqlite3.Connection, path: Path, first: Offset, proof: str) -> Batch | None:
    wanted = f"SELECT first, count, received_first, received_last, body, {proof} FROM batch WHERE first = ?"  # noqa: S608
    try:
        batch = Batch(*connection.execute(wanted, (first,)).fetchone())
        decode_batch(batch.first, batch.size, batch.body, batch.checksum, path)
    except (sqlite3.Error, JournalDamagedError, TypeError):
        return None
    return batch._replace(checksum=proof_of(batch.first, batch.body))
