"""The store that needs nothing else: one SQLite file with readings, sealed in chunks, and their rollups.

`synchronous=FULL` in WAL mode: the journal may be deleted up to the offset that stands here, so it must not be taken
back by a power failure. Reading happens in pages, each a transaction of its own, so that no reader keeps the writer
from truncating its log.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from operator import lt
from pathlib import Path
from threading import RLock
from typing import Any, Final

from monitor import clock
from monitor.codecs.timestamps import EARLIEST, LATEST
from monitor.journal.entries import Offset
from monitor.settings import Keep
from monitor.stores.base import Bucket, Point, Refusals, StoreError
from monitor.stores.columns import Columns, DamagedError, Row
from monitor.stores.ladder import TABLES, Ladder, Level
from monitor.stores.rollups import LATE, buckets_of, of_buckets, of_readings, start_of
from rules.events import Duration, Instant

VERSION: Final = 3
FIRST: Final = """
    CREATE TABLE series (id INTEGER PRIMARY KEY, asset TEXT NOT NULL, metric TEXT NOT NULL, UNIQUE (asset, metric));
    CREATE TABLE reading (
        series INTEGER NOT NULL, at INTEGER NOT NULL, arrival INTEGER NOT NULL,
        value REAL, text TEXT, quality INTEGER NOT NULL,
        PRIMARY KEY (series, at)
    ) WITHOUT ROWID;
    CREATE TABLE progress (next_offset INTEGER NOT NULL, arrivals INTEGER NOT NULL, kept INTEGER NOT NULL);
    INSERT INTO progress VALUES (0, 0, 0);
"""
MIGRATIONS: Final = (FIRST, TABLES, "")
"""What leads from each version to the next; rows of the first are sealed little by little as others are written. In the
third, `quality` may have `LATE` in it, which earlier readers do not know."""
SERIES: Final = """
    SELECT id, asset, metric FROM series
    WHERE (:asset IS NULL OR asset = :asset) AND (:metric IS NULL OR metric = :metric)
"""
LATEST_POINTS: Final = """
    SELECT asset, metric, at, value, text, quality FROM series JOIN reading ON series = id
    WHERE asset = ? AND at = (SELECT max(at) FROM reading WHERE series = id) ORDER BY metric
"""
MARKS: Final = """
    SELECT metric, at FROM (SELECT id, metric FROM series WHERE asset = ? LIMIT ?) JOIN reading ON series = id
    WHERE at = (SELECT max(at) FROM reading WHERE series = id)
"""
ROWS_IN_MEMORY: Final = 100_000
LARGEST_PAGE: Final = 5_000
MOST_SERIES: Final = 100_000
MOST_MARKS: Final = 10_000
BUSY_SECONDS: Final = 10
CACHE_KIB: Final = 32_768
PAGE_SIZE: Final = 8_192
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
HOW_TO_MEND: Final = (
    "stop Andon, then restore a backup, or move the file and those beside it (-wal, -shm) away: "
    "a new one is filled with what the journal still holds"
)
FOREVER: Final = Keep(raw=None, minutes=None, hours=None)


class EmbeddedStore:
    """A `Store` in `<data_dir>/store.db`. With `read_only` the file must exist and `write` fails.

    What is older than `keep` says, counted from a series' newest hours, goes when later readings are written.

    Raises:
        StoreError: the file is missing, is no store, or was written by a newer version.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, keep: Keep = FOREVER, now: Callable[[], Instant] = clock.now
    ) -> None:
        self.refusals = Refusals()
        self._path = path
        self._ids: dict[tuple[str, str], int] = {}
        self._newest: dict[int, Instant] = {}
        self._lock = RLock()
        if read_only and not path.exists():
            raise StoreError(f"{path}: there is no store yet; it is made by the first `andon run`")
        with self._errors():
            self._db = sqlite3.connect(
                uri_of(path, "ro" if read_only else "rwc"),
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._ladder = Ladder(self._db, keep, now)
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
            found = self._by_series(points, int(self._one("SELECT arrivals FROM progress")))
            fresh = sum(len(rows) - self._known(series, rows) for series, rows in found.items())
            gone = self._ladder.put({series: self._settled(series, rows) for series, rows in found.items()})
            self._db.execute(
                "UPDATE progress SET next_offset = ?, arrivals = arrivals + ?, kept = kept + ?",
                (next_offset, len(points), fresh - gone),
            )
        return len(points) - fresh

    def read(
        self,
        asset: str | None = None,
        metric: str | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
    ) -> Iterator[Point]:
        """Points in order of time, asset, arrival, merged from a page of each series."""
        with self._errors(), self._lock:
            series = self._db.execute(SERIES, {"asset": asset, "metric": metric}).fetchall()
        page = min(LARGEST_PAGE, max(1, ROWS_IN_MEMORY // max(1, len(series))))
        span = EARLIEST if start is None else start, LATEST if end is None else end
        if len(series) == 1:
            ((found, name, signal),) = series
            for at, _, value, text, status in self._pages(found, span, page):
                yield from map(Point, repeat(name), repeat(signal), at, value, text, *_judged(status))
            return
        for at, name, _, signal, *rest in heapq.merge(*(self._tagged(*row, span=span, page=page) for row in series)):
            yield Point(name, signal, at, *rest)

    def series(self, asset: str, metric: str, start: Instant, end: Instant, every: Duration) -> Iterator[Bucket]:
        """Buckets out of the widest rollups that fit, out of the readings where none do."""
        if every <= 0:
            raise StoreError("a bucket lasts at least a nanosecond: ask for an `every` above 0")
        with self._errors(), self._lock:
            found = self._db.execute(SERIES, {"asset": asset, "metric": metric}).fetchone()
        if found is None:
            return
        since, until = start_of(max(start, EARLIEST), every), min(-(-end // every) * every, LATEST)
        level = next((level for level in self._ladder.levels if not every % level.width), None)
        if level is None:
            pages = self._pages(found[0], (since, until), LARGEST_PAGE)
            rows = chain.from_iterable(of_readings(page, every) for page in pages)
        elif every == level.width:
            for columns in self._windows(found[0], level, since, until):
                yield from buckets_of(columns)
            return
        else:
            windows = self._windows(found[0], level, since, until)
            rows = chain.from_iterable(zip(*columns, strict=True) for columns in windows)
        for row in of_buckets(rows, every):
            yield from buckets_of([(item,) for item in row])

    def latest(self, asset: str) -> list[Point]:
        """The latest point of each metric: one seek per series."""
        with self._errors(), self._lock:
            rows = self._db.execute(LATEST_POINTS, (asset,)).fetchall()
        return [Point(name, metric, at, value, text, s % LATE, s >= LATE) for name, metric, at, value, text, s in rows]

    def marks(self, asset: str) -> dict[str, Instant]:
        """The latest time of each metric, of those that came first if they are very many."""
        with self._errors(), self._lock:
            return dict(self._db.execute(MARKS, (asset, MOST_MARKS)).fetchall())

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _by_series(self, points: Sequence[Point], arrivals: int) -> dict[int, list[Row]]:
        """Rows by series and in order of time, of several with one time only the last."""
        found: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
        for arrival, p in enumerate(points, arrivals):
            found[p.asset, p.metric].append((p.at, arrival, p.value, p.text, p.quality + LATE if p.late else p.quality))
        return {self._series(*names): _ordered(rows) for names, rows in found.items()}

    def _known(self, series: int, rows: list[Row]) -> int:
        """How many of the rows, which are about to be written, replace one."""
        newest = self._newest.get(series)
        if newest is None:
            newest = self._ladder.readings.newest(series)
        self._newest[series] = rows[-1][0] if newest is None else max(newest, rows[-1][0])
        if newest is None or rows[0][0] > newest:
            return 0
        return self._ladder.readings.known(series, [row[0] for row in rows])

    def _settled(self, series: int, rows: list[Row]) -> list[Row]:
        """The rows, none of them late that was in time before: such a one is a repeat."""
        late = [row[0] for row in rows if row[-1] >= LATE]
        if not late:
            return rows
        known = {at for at, status in self._ladder.readings.last(series, late).items() if status < LATE}
        return [_in_time(row) if row[0] in known else row for row in rows]

    def _pages(self, series: int, span: tuple[Instant, Instant], page: int) -> Iterator[Columns]:
        since, until = span
        while True:
            with self._errors(), self._snapshot():
                columns = self._ladder.readings.page(series, since, until, page)
            yield columns
            if len(columns[0]) < page:
                return
            since = columns[0][-1] + 1

    def _tagged(
        self, series: int, asset: str, metric: str, *, span: tuple[Instant, Instant], page: int
    ) -> Iterator[tuple[Any, ...]]:
        for at, arrival, value, text, status in self._pages(series, span, page):
            yield from zip(at, repeat(asset), arrival, repeat(metric), value, text, *_judged(status))

    def _windows(self, series: int, level: Level, since: Instant, until: Instant) -> Iterator[Columns]:
        while since < until:
            with self._errors(), self._snapshot():
                columns, since = self._ladder.window(series, level, since, until)
            yield columns

    def _prepare(self, read_only: bool) -> None:
        version = int(self._one("PRAGMA user_version"))
        if version > VERSION:
            raise StoreError(f"{self._path}: written by a newer version of Andon; update this one to open it")
        if read_only:
            if not version:
                raise StoreError(f"{self._path}: not a store, or its first writer has not begun yet")
            if version < VERSION:
                raise StoreError(f"{self._path}: written by an older version of Andon; the next `andon run` updates it")
            return
        if not version:
            self._db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        with self._transaction():
            for statement in ";".join(MIGRATIONS[int(self._one("PRAGMA user_version")) :]).split(";"):
                self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            self._ladder.reload()

    def _series(self, asset: str, metric: str) -> int:
        found = self._ids.get((asset, metric))
        if found is None:
            if len(self._ids) >= MOST_SERIES:
                self._ids.clear()
                self._newest.clear()
            self._db.execute("INSERT OR IGNORE INTO series (asset, metric) VALUES (?, ?)", (asset, metric))
            found = int(self._one("SELECT id FROM series WHERE asset = ? AND metric = ?", asset, metric))
            self._ids[asset, metric] = found
        return found

    def _one(self, query: str, *values: object) -> Any:
        with self._errors(), self._lock:
            return self._db.execute(query, values).fetchone()[0]

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._ids.clear()
                self._newest.clear()
                with suppress(sqlite3.Error):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    self._ladder.reload()
                raise

    @contextmanager
    def _snapshot(self) -> Generator[None]:
        """One state of the file for all that is read inside: sealing moves rows from one table to another."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                if self._db.in_transaction:
                    self._db.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, DamagedError) as problem:
            raise StoreError(f"{self._path}: {problem}{_hint(problem)}") from problem


def uri_of(path: Path, mode: str) -> str:
    """What SQLite opens a file by."""
    return f"{path.absolute().as_uri()}?mode={mode}"


def _hint(problem: Exception) -> str:
    damaged = isinstance(problem, DamagedError) or getattr(problem, "sqlite_errorcode", 0) & 0xFF in DAMAGED
    return f"; the file is damaged: {HOW_TO_MEND}" if damaged else ""


def _judged(statuses: Sequence[int]) -> tuple[Sequence[int], ...]:
    """Qualities, and if any reading came late, which ones did."""
    if max(statuses, default=0) < LATE:
        return (statuses,)
    return [status % LATE for status in statuses], [status >= LATE for status in statuses]


def _ordered(rows: list[Row]) -> list[Row]:
    times = [row[0] for row in rows]
    if all(map(lt, times, times[1:])):
        return rows
    found: dict[Instant, Row] = {}
    for row in rows:
        before = found.get(row[0])
        found[row[0]] = _in_time(row) if before and before[-1] < LATE else row
    return sorted(found.values())


def _in_time(row: Row) -> Row:
    return (*row[:-1], row[-1] % LATE)
