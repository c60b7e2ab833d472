"""Readings that a server refused for good: kept in a small database of the store's own, with the server's reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from monitor.stores.base import StoreError
from monitor.stores.influx_lines import Key
from rules.events import Instant

FILE: Final = "store-rejects.db"
MOST: Final = 100_000
MOST_BYTES: Final = 256_000_000
"""The oldest go beyond this, a tenth of all at a time."""
LONGEST_LINE: Final = 65_536
SHARE: Final = 10

SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS reject (
        asset TEXT NOT NULL, metric TEXT NOT NULL, at INTEGER NOT NULL,
        line TEXT NOT NULL, reason TEXT NOT NULL, rejected_at INTEGER NOT NULL,
        PRIMARY KEY (asset, metric, at)
    );
    CREATE TABLE IF NOT EXISTS tally (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""
KEEP: Final = "INSERT OR REPLACE INTO reject VALUES (?, ?, ?, ?, ?, ?)"
FORGET: Final = "DELETE FROM reject WHERE asset = ? AND metric = ? AND at = ? AND rejected_at = ?"
EXPIRE: Final = "DELETE FROM reject WHERE rejected_at < ?"
SHED: Final = "DELETE FROM reject WHERE rowid IN (SELECT rowid FROM reject ORDER BY rejected_at, rowid LIMIT ?)"
COUNT: Final = "INSERT INTO tally VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET count = count + excluded.count"
COLUMNS: Final = "rowid, asset, metric, at, line, reason, rejected_at"


Refused: TypeAlias = "tuple[Key, str, str]"
"""Key, line and the server's reason."""


class Reject(msgspec.Struct, frozen=True):
    """One refused reading: its number, its key, the line that was sent and what the server said to it."""

    number: int
    asset: str
    metric: str
    at: Instant
    line: str
    reason: str
    rejected_at: Instant

    @property
    def cut(self) -> bool:
        """Whether the line was too long to be kept whole."""
        return len(self.line) >= LONGEST_LINE


class Rejects:
    """`<data_dir>/store-rejects.db`, made by the first rejection. A reading that is refused again stands there once."""

    def __init__(self, data_dir: Path, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._path = data_dir / FILE
        self._most = most
        self._most_bytes = most_bytes

    def keep(self, refused: Iterable[Refused], now: Instant) -> int:
        """Put refused lines on disk; how many older ones had to go for them.

        Raises:
            StoreError: they cannot be kept; nothing was.
        """
        rows = [(*_text(key), _plain(line)[:LONGEST_LINE], _plain(reason), now) for key, line, reason in refused]
        with self._writing() as database:
            database.executemany(KEEP, rows)
            database.execute(COUNT, ("refused", len(rows)))
            return self._shed(database)

    def forget(self, rejects: Sequence[Reject], why: str) -> None:
        """Delete what stands there unchanged; counted as `read` or `expired`."""
        with self._writing() as database:
            gone = database.executemany(FORGET, [(r.asset, r.metric, r.at, r.rejected_at) for r in rejects]).rowcount
            database.execute(COUNT, (why, gone))

    def expire(self, before: Instant) -> int:
        """Delete what was refused before; how many went."""
        if not self._path.exists():
            return 0
        with self._writing() as database:
            gone = database.execute(EXPIRE, (before,)).rowcount
            database.execute(COUNT, ("expired", gone))
        return gone

    def all(self) -> Iterator[Reject]:
        """What is kept, oldest first."""
        with self._reading() as database:
            for row in database.execute(f"SELECT {COLUMNS} FROM reject ORDER BY rejected_at, rowid"):  # noqa: S608
                yield Reject(*row)

    def counts(self) -> dict[str, int]:
        """How many are `kept` in how many `bytes`, and how many were `refused`, `read`, `expired`, `dropped` so far."""
        found = {"kept": 0, "bytes": 0, "refused": 0, "read": 0, "expired": 0, "dropped": 0}
        with self._reading() as database:
            kept = database.execute("SELECT count(*), coalesce(sum(length(line)), 0) FROM reject").fetchone()
            found |= dict(zip(("kept", "bytes"), kept, strict=True))
            if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'tally'").fetchone():
                found |= dict(database.execute("SELECT name, count FROM tally"))
        return found

    def _shed(self, database: sqlite3.Connection) -> int:
        """Make room; how many went."""
        shed = 0
        while True:
            (count,) = database.execute("SELECT count(*) FROM reject").fetchone()
            excess = count - self._most
            if excess <= 0 and (count <= 1 or _used(database) <= self._most_bytes):
                database.execute(COUNT, ("dropped", shed))
                return shed
            shed += database.execute(SHED, (max(excess, -(-count // SHARE) if excess <= 0 else 0),)).rowcount

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=10)) as database:
                database.execute("PRAGMA synchronous = FULL")
                database.executescript(SCHEMA)
                with database:
                    yield database
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: refused readings cannot be kept: {problem}") from problem

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        """The file, or an empty database where there is none yet."""
        try:
            if self._path.exists():
                database = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
            else:
                database = sqlite3.connect(":memory:")
                database.executescript(SCHEMA)
            with closing(database):
                yield database
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from problem


def _used(database: sqlite3.Connection) -> int:
    """Bytes of the file's pages that hold something."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int(pages - free) * int(size)


def _text(key: Key) -> tuple[str, str, Instant]:
    asset, metric, at = key
    return _plain(asset), _plain(metric), at


def _plain(text: str) -> str:
    """The text without halves of characters, which no database takes."""
    return text.encode(errors="replace").decode()
