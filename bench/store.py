"""Both stores: writing, bytes a point, and the questions people ask of them, beside a plain SQLite table of rows.

python bench/store.py [--days 7] [--fast 12] [--slow 1000] [--influxdb-fast 2]

InfluxDB is the real one that .ci/install-influxdb builds; without it, only the embedded store is measured.

The data: `--fast` series at 1 Hz for `--days` days, values rounded to two decimals with noise; `--slow` series of 500
points each, a few of each in every batch. Medians; the yardstick runs in the same process on the same points.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from monitor.stores.base import Point, Store
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.influx import InfluxStore

sys.path.append(str(Path(__file__).parents[1]))
from tests.services.influxdb import found as influxd
from tests.services.influxdb import influxdbs

SECOND = 1_000_000_000
START = 1_772_344_800 * SECOND
BATCH = 10_000
REPEAT = 7
SERIES = ("line0", "m0")
TABLE = """
    CREATE TABLE series (id INTEGER PRIMARY KEY, asset TEXT, metric TEXT, UNIQUE (asset, metric));
    CREATE TABLE reading (series INTEGER, at INTEGER, arrival INTEGER, value REAL, text TEXT, quality INTEGER,
        PRIMARY KEY (series, at)) WITHOUT ROWID;
"""


class Rows:
    """The yardstick: a table of series and a row for each point, durable and in WAL mode as the store is."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + TABLE)
        self._ids: dict[tuple[str, str], int] = {}
        self._arrival = 0

    def write(self, points: list[Point], _: int) -> None:
        """One transaction."""
        rows = []
        self._db.execute("BEGIN")
        for p in points:
            self._arrival += 1
            series = self._ids.get((p.asset, p.metric)) or self._new(p.asset, p.metric)
            rows.append((series, p.at, self._arrival, p.value, p.text, p.quality))
        self._db.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def _new(self, asset: str, metric: str) -> int:
        found = self._db.execute("INSERT INTO series (asset, metric) VALUES (?, ?)", (asset, metric)).lastrowid
        assert found
        return self._ids.setdefault((asset, metric), found)

    def last(self, start: int, end: int) -> list[Point]:
        """Points of one series in a span."""
        query = "SELECT at, value, text, quality FROM reading WHERE series = ? AND at >= ? AND at < ? ORDER BY at"
        return [Point(*SERIES, *row) for row in self._db.execute(query, (self._ids[SERIES], start, end))]

    def by_minute(self, start: int, end: int) -> list[tuple[object, ...]]:
        """Least, most, mean and count of each minute."""
        query = """SELECT at / 60000000000, min(value), max(value), avg(value), count(*) FROM reading
            WHERE series = ? AND at >= ? AND at < ? GROUP BY 1"""
        return self._db.execute(query, (self._ids[SERIES], start, end)).fetchall()

    def close(self) -> None:
        """Put all into the one file."""
        self._db.close()


def batches(fast: int, slow: int, seconds: int) -> Iterator[list[Point]]:
    """All points in order of time, `BATCH` at a time, as a backlog is worked off."""
    rng = random.Random(1)
    noise = [round(50 + rng.gauss(0, 3), 2) for _ in range(100_003)]
    every = max(1, seconds // 500)
    batch: list[Point] = []
    for second in range(seconds):
        at = START + second * SECOND
        batch += [Point("line0", f"m{i}", at, noise[(second * 31 + i) % 100_003], None, 0) for i in range(fast)]
        for i in range(second % every, slow, every):
            batch.append(Point(f"slow{i}", "level", at + i, noise[(second + i * 7) % 100_003], None, 0))
        while len(batch) >= BATCH:
            yield batch[:BATCH]
            batch = batch[BATCH:]
    yield batch


def round_robin(series: int, points: int, size: int) -> Iterator[list[Point]]:
    """Every series has a turn: the worst order for whatever is kept by series."""
    rng = random.Random(2)
    noise = [round(50 + rng.gauss(0, 3), 2) for _ in range(10_007)]
    for first in range(0, points, size):
        yield [
            Point(f"a{i % series // 50}", f"m{i % 50}", START + i // series * SECOND, noise[i % 10_007], None, 0)
            for i in range(first, first + size)
        ]


def filled(target: Store | Rows, batches: Iterator[list[Point]]) -> tuple[int, float, float]:
    """Points written, the seconds it took and those of them on the processor; making the points is not counted."""
    points, took, busy = 0, 0.0, 0.0
    for offset, batch in enumerate(batches, 1):
        begin, working = time.perf_counter(), time.process_time()
        target.write(batch, offset)
        took += time.perf_counter() - begin
        busy += time.process_time() - working
        points += len(batch)
    return points, took, busy


def written(name: str, stores: tuple[Store, Rows], make: Callable[[], Iterator[list[Point]]]) -> int:
    """Fill both with the same points; how many these were."""
    (count, took, busy), (_, theirs, their_busy) = (filled(store, make()) for store in stores)
    told(
        f"{name}, points/s", count / took, count / theirs, ">= 200000", points=count,
        per_cpu_second=round(count / busy), rows_per_cpu_second=round(count / their_busy),
    )  # fmt: skip
    return count


def timed(work: Callable[[], object]) -> float:
    """Median milliseconds, after one that does not count."""
    work()
    taken = []
    for _ in range(REPEAT):
        begin = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(taken)


def told(measure: str, store: float, rows: float, target: str, **more: object) -> None:
    """A line of JSON."""
    figures = {"measure": measure, "store": round(store, 3), "rows": round(rows, 3), "target": target}
    json.dump(figures | {"ratio": round(store / rows, 3)} | more, sys.stdout)
    print(flush=True)


def questions(name: str, store: Store, rows: Rows, end: int, days: int) -> None:
    """What a trend, a dashboard and a table ask."""
    hour, week = end - 3_600 * SECOND, end - days * 86_400 * SECOND
    for span, start, stop in (
        ("last hour", hour, end),
        ("hour of sealed points", hour - 7_200 * SECOND, hour - 3_600 * SECOND),
    ):
        assert list(store.read(*SERIES, start, stop)) == rows.last(start, stop)
        ours = timed(lambda: list(store.read(*SERIES, start, stop)))  # noqa: B023
        told(f"{name}: {span}, 3600 points, ms", ours, timed(lambda: rows.last(start, stop)), "< 2")  # noqa: B023
    ours = timed(lambda: list(store.series(*SERIES, week, end, 60 * SECOND)))
    found = len(list(store.series(*SERIES, week, end, 60 * SECOND)))
    told(
        f"{name}: {days} days by the minute, ms", ours, timed(lambda: rows.by_minute(week, end)), "< 20", buckets=found
    )
    ours = timed(lambda: list(store.series(*SERIES, week, end, 3_600 * SECOND)))
    told(f"{name}: {days} days by the hour, ms", ours, timed(lambda: rows.by_minute(week, end)), "-")
    told(
        f"{name}: latest of an asset, ms",
        timed(lambda: store.latest("line0")),
        timed(lambda: rows.last(end - SECOND, end)),
        "-",
    )


def main() -> None:
    """Print a line of JSON per measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--fast", type=int, default=12)
    parser.add_argument("--slow", type=int, default=1_000)
    parser.add_argument("--influxdb-fast", type=int, default=2)
    args = parser.parse_args()
    seconds = args.days * 86_400
    with tempfile.TemporaryDirectory() as directory:
        here = Path(directory)
        for series, size in ((50, 10_000), (5_000, 50_000)):
            with closing(EmbeddedStore(here / f"s{series}.db")) as store, closing(Rows(here / f"r{series}.db")) as rows:
                written(
                    f"embedded: writing {size} points at once, {series} series round robin",
                    (store, rows),
                    lambda: round_robin(series, 500_000, size),  # noqa: B023
                )
        with closing(EmbeddedStore(here / "store.db")) as store, closing(Rows(here / "rows.db")) as rows:
            count = written(
                "embedded: writing a backlog", (store, rows), lambda: batches(args.fast, args.slow, seconds)
            )
            questions("embedded", store, rows, START + seconds * SECOND, args.days)
        told("embedded: bytes a point, rollups included", *sizes(here / "store.db", here / "rows.db", count), "<= 10")
        if influxd():
            influxdb(here, args.influxdb_fast, args.slow, args.days)


def sizes(store: Path, rows: Path, count: int) -> tuple[float, float]:
    """Bytes a point of both as the disk has them, all files of a directory together."""
    files = [file for file in store.rglob("*") if file.is_file()] if store.is_dir() else [store]
    return sum(file.stat().st_blocks * 512 for file in files) / count, rows.stat().st_size / count


def influxdb(here: Path, fast: int, slow: int, days: int) -> None:
    """The same of a real InfluxDB, which soon writes out what it was given."""
    with influxdbs(here) as start:
        server = start(data=('cache-snapshot-write-cold-duration = "1s"',))
        with (
            closing(InfluxStore(server.database("bench"), here)) as store,
            closing(Rows(here / "influxdb-rows.db")) as rows,
        ):
            seconds = days * 86_400
            count = written("influxdb: writing a backlog", (store, rows), lambda: batches(fast, slow, seconds))
            questions("influxdb", store, rows, START + seconds * SECOND, days)
            wal = server.directory / "wal"
            end = time.monotonic() + 60
            while time.monotonic() < end and any(file.stat().st_size for file in wal.rglob("*.wal")):
                time.sleep(0.5)
            kept = sizes(server.directory / "data", here / "influxdb-rows.db", count)
            told("influxdb: bytes a point", *kept, "-")


if __name__ == "__main__":
    main()
