"""Readings that a server refused for good: kept in a small database of the store's own, with the server's reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from monitor.stores.base import StoreError
from monitor.stores.influx_lines import Key
from rules.events import Instant

FILE: Final = "store-rejects.db"
MOST: Final = 100_000
"""The oldest go beyond this."""
LONGEST_LINE: Final = 65_536

SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS reject (
        asset TEXT NOT NULL, metric TEXT NOT NULL, at INTEGER NOT NULL,
        line TEXT NOT NULL, reason TEXT NOT NULL, rejected_at INTEGER NOT NULL,
        PRIMARY KEY (asset, metric, at)
    )
"""
KEEP: Final = "INSERT OR REPLACE INTO reject VALUES (?, ?, ?, ?, ?, ?)"
SHED: Final = """
    DELETE FROM reject WHERE rowid IN
    (SELECT rowid FROM reject ORDER BY rejected_at, rowid LIMIT max(0, (SELECT count(*) FROM reject) - ?))
"""


Refused: TypeAlias = "tuple[Key, str, str]"
"""Key, line and the server's reason."""


class Reject(msgspec.Struct, frozen=True):
    """One refused reading: its key, the line that was sent and what the server said to it."""

    asset: str
    metric: str
    at: Instant
    line: str
    reason: str
    rejected_at: Instant


class Rejects:
    """`<data_dir>/store-rejects.db`, made by the first rejection. A reading that is refused again stands there once."""

    def __init__(self, data_dir: Path, most: int = MOST) -> None:
        self._path = data_dir / FILE
        self._most = most

    def keep(self, refused: Iterable[Refused], now: Instant) -> None:
        """Put refused lines on disk. Raises StoreError if that fails: then nothing was kept."""
        rows = [(*_text(key), _plain(line)[:LONGEST_LINE], _plain(reason), now) for key, line, reason in refused]
        try:
            with closing(sqlite3.connect(self._path, timeout=10)) as database, database:
                database.execute("PRAGMA synchronous = FULL")
                database.execute(SCHEMA)
                database.executemany(KEEP, rows)
                database.execute(SHED, (self._most,))
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: a refused reading cannot be kept: {problem}") from problem

    def all(self) -> Iterator[Reject]:
        """What is kept, oldest first."""
        if not self._path.exists():
            return
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)) as database:
                for row in database.execute("SELECT * FROM reject ORDER BY rejected_at, rowid"):
                    yield Reject(*row)
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from problem


def _text(key: Key) -> tuple[str, str, Instant]:
    asset, metric, at = key
    return _plain(asset), _plain(metric), at


def _plain(text: str) -> str:
    """The text without halves of characters, which no database takes."""
    return text.encode(errors="replace").decode()
