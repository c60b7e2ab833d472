"""The store that needs nothing else: one SQLite file, a table of series and a row per reading.

`synchronous=FULL` in WAL mode: the journal may be deleted up to the offset that stands here, so it must not be taken
back by a power failure. Reading happens in pages, each a transaction of its own, so that no reader keeps the writer
from truncating its log.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from monitor.codecs.timestamps import EARLIEST, LATEST
from monitor.journal.entries import Offset
from monitor.stores.base import Point, StoreError
from rules.events import Instant

VERSION: Final = 1
SCHEMA: Final = """
    CREATE TABLE series (id INTEGER PRIMARY KEY, asset TEXT NOT NULL, metric TEXT NOT NULL, UNIQUE (asset, metric));
    CREATE TABLE reading (
        series INTEGER NOT NULL, at INTEGER NOT NULL, arrival INTEGER NOT NULL,
        value REAL, text TEXT, quality INTEGER NOT NULL,
        PRIMARY KEY (series, at)
    ) WITHOUT ROWID;
    CREATE TABLE progress (next_offset INTEGER NOT NULL, arrivals INTEGER NOT NULL, kept INTEGER NOT NULL);
    INSERT INTO progress VALUES (0, 0, 0);
"""
INSERT: Final = "INSERT OR {} INTO reading VALUES (?, ?, ?, ?, ?, ?)"
SERIES: Final = """
    SELECT id, asset, metric FROM series
    WHERE (:asset IS NULL OR asset = :asset) AND (:metric IS NULL OR metric = :metric)
"""
PAGE: Final = """
    SELECT at, arrival, value, text, quality FROM reading
    WHERE series = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?
"""
LATEST_POINTS: Final = """
    SELECT asset, metric, at, value, text, quality FROM series JOIN reading ON series = id
    WHERE asset = ? AND at = (SELECT max(at) FROM reading WHERE series = id) ORDER BY metric
"""
ROWS_IN_MEMORY: Final = 100_000
LARGEST_PAGE: Final = 2_000
MOST_SERIES: Final = 100_000
BUSY_SECONDS: Final = 10


class EmbeddedStore:
    """A `Store` in `<data_dir>/store.db`. With `read_only` the file must exist and `write` fails.

    Raises:
        StoreError: the file is missing, is no store, or was written by a newer version.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._ids: dict[tuple[str, str], int] = {}
        if read_only and not path.exists():
            raise StoreError(f"{path}: there is no store yet; it is made by the first `andon run`")
        with self._errors():
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._prepare(read_only)

    def offset(self) -> Offset:
        """The journal offset to go on from."""
        return int(self._one("SELECT next_offset FROM progress"))

    def count(self) -> int:
        """How many points are kept."""
        return int(self._one("SELECT kept FROM progress"))

    def write(self, points: Sequence[Point], next_offset: Offset) -> int:
        """Keep points and offset in one transaction; returns how many points replaced an earlier one."""
        with self._errors(), self._transaction():
            arrivals = int(self._one("SELECT arrivals FROM progress"))
            rows = [
                (self._series(p.asset, p.metric), p.at, arrival, p.value, p.text, p.quality)
                for arrival, p in enumerate(points, arrivals)
            ]
            added = self._db.executemany(INSERT.format("IGNORE"), rows).rowcount if rows else 0
            if added < len(rows):
                self._db.executemany(INSERT.format("REPLACE"), rows)
            self._db.execute(
                "UPDATE progress SET next_offset = ?, arrivals = ?, kept = kept + ?",
                (next_offset, arrivals + len(rows), added),
            )
        return len(rows) - added

    def read(
        self,
        asset: str | None = None,
        metric: str | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
    ) -> Iterator[Point]:
        """Points in order of time, asset, arrival, merged from a page of each series."""
        with self._errors():
            series = self._db.execute(SERIES, {"asset": asset, "metric": metric}).fetchall()
        page = min(LARGEST_PAGE, max(1, ROWS_IN_MEMORY // max(1, len(series))))
        span = EARLIEST if start is None else start, LATEST if end is None else end
        for at, name, _, signal, *rest in heapq.merge(*(self._rows(*row, span=span, page=page) for row in series)):
            yield Point(name, signal, at, *rest)

    def latest(self, asset: str) -> list[Point]:
        """The latest point of each metric: one seek per series."""
        with self._errors():
            return [Point(*row) for row in self._db.execute(LATEST_POINTS, (asset,))]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _rows(
        self, series: int, asset: str, metric: str, *, span: tuple[Instant, Instant], page: int
    ) -> Iterator[tuple[Any, ...]]:
        since, until = span
        while True:
            with self._errors():
                rows = self._db.execute(PAGE, (series, since, until, page)).fetchall()
            for at, arrival, *rest in rows:
                yield at, asset, arrival, metric, *rest
            if len(rows) < page:
                return
            since = rows[-1][0] + 1

    def _prepare(self, read_only: bool) -> None:
        version = int(self._one("PRAGMA user_version"))
        if version > VERSION:
            raise StoreError(f"{self._path}: written by a newer version of Andon; update this one to open it")
        if read_only:
            if not version:
                raise StoreError(f"{self._path}: not a store, or its first writer has not begun yet")
            return
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if not version:
            with self._transaction():
                for statement in SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _series(self, asset: str, metric: str) -> int:
        found = self._ids.get((asset, metric))
        if found is None:
            if len(self._ids) >= MOST_SERIES:
                self._ids.clear()
            self._db.execute("INSERT OR IGNORE INTO series (asset, metric) VALUES (?, ?)", (asset, metric))
            found = int(self._one("SELECT id FROM series WHERE asset = ? AND metric = ?", asset, metric))
            self._ids[asset, metric] = found
        return found

    def _one(self, query: str, *values: object) -> Any:
        with self._errors():
            return self._db.execute(query, values).fetchone()[0]

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._ids.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from problem
