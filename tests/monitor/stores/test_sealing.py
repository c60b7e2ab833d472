"""Sealing, rollups and retention of the embedded store change nothing of what it answers: proved against a dictionary."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.codecs.timestamps import EARLIEST, LATEST
from monitor.settings import Keep
from monitor.stores import columns, ladder, tiers
from monitor.stores.base import Bucket, Point, StoreError
from monitor.stores.embedded import FIRST, FOREVER, EmbeddedStore
from rules.events import SECOND

MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
YEAR = 365 * DAY
NOW = 1_772_344_800_000_000_000
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of four rows: a handful of points seals, merges and splits them."""
    for name, value in (("CHUNK", 4), ("SMALL", 2), ("WORTH_SEALING", 2), ("MOST_AT_ONCE", 7)):
        monkeypatch.setattr(tiers, name, value)
    monkeypatch.setattr(ladder, "FRONT", 12)
    monkeypatch.setattr(ladder, "MOST_AT_ONCE", 7)
    monkeypatch.setattr(ladder, "WINDOW", 5)


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., EmbeddedStore]]:
    made: list[EmbeddedStore] = []

    def opened(kept: Keep = FOREVER) -> EmbeddedStore:
        path = tmp_path_factory.mktemp("store") / "store.db"
        made.append(EmbeddedStore(path, keep=kept, now=lambda: NOW + YEAR))
        made[-1]._db.execute("PRAGMA synchronous = OFF")
        return made[-1]

    yield opened
    for store in made:
        store.close()


def keep(**given: str) -> Keep:
    """What is not named is kept for ever."""
    return Keep.model_validate({"raw": "forever", "minutes": "forever", "hours": "forever"} | given)


times = st.integers(-60, 400).map(lambda step: NOW + step * 25 * SECOND) | st.sampled_from(
    [EARLIEST, EARLIEST + 1, -1, 0, 1, LATEST - 1]
)
numbers = st.none() | st.integers(-3, 3).map(float) | st.floats(-1e6, 1e6)
points = st.builds(
    Point, st.just("a"), st.sampled_from("xy"), times, numbers, st.none(), st.sampled_from([0, 0, 0, 1, 2])
)
batches = st.lists(st.lists(points, max_size=25), max_size=12)
Model = dict[tuple[str, str, int], Point]


def written(store: EmbeddedStore, batches: list[list[Point]]) -> Model:
    """What a dictionary makes of the batches; the store counts the same repeats."""
    model: Model = {}
    for offset, batch in enumerate(batches, 1):
        before = len(model)
        model |= {(p.asset, p.metric, p.at): p for p in batch}
        assert store.write(batch, offset) == len(batch) - (len(model) - before)
        assert store.count() == len(model)
    return model


def buckets(points: list[Point], every: int) -> list[Bucket]:
    """The contract, word by word."""
    found = []
    for at, group in itertools.groupby(sorted(points, key=lambda p: p.at), lambda p: p.at // every * every):
        members = list(group)
        good = [p.value for p in members if p.value is not None and p.quality == 0]
        numbers = (min(good), max(good), sum(good) / len(good), good[-1]) if good else (None,) * 4
        found.append(Bucket(max(at, EARLIEST), *numbers, len(good), len(members) - len(good)))
    return found


def alike(found: list[Bucket], expected: list[Bucket]) -> bool:
    """Equal but for the rounding of sums."""
    means = [bucket.mean or 0 for bucket in found] == pytest.approx([b.mean or 0 for b in expected], rel=1e-6, abs=1e-6)
    return means and [(b.at, b.min, b.max, b.last, b.count, b.left_out) for b in found] == [
        (b.at, b.min, b.max, b.last, b.count, b.left_out) for b in expected
    ]


@given(batches=batches)
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@pytest.mark.usefixtures("small_chunks")
def test_any_writes_give_what_a_dictionary_holds(
    make: Callable[..., EmbeddedStore], batches: list[list[Point]]
) -> None:
    store = make()
    model = written(store, batches)
    for metric in "xy":
        expected = sorted((p for p in model.values() if p.metric == metric), key=lambda p: p.at)
        assert list(store.read("a", metric)) == expected
        assert list(store.read("a", metric, NOW, NOW + HOUR)) == [p for p in expected if NOW <= p.at < NOW + HOUR]
    assert store.latest("a") == [
        max((p for p in model.values() if p.metric == m), key=lambda p: p.at) for m in sorted({m for _, m, _ in model})
    ]


@given(batches=batches, every=st.sampled_from([SECOND, 50 * SECOND, MINUTE, 5 * MINUTE, 90 * MINUTE, HOUR, 6 * HOUR]))
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@pytest.mark.usefixtures("small_chunks")
def test_buckets_are_those_of_all_readings(
    make: Callable[..., EmbeddedStore], batches: list[list[Point]], every: int
) -> None:
    near = [[p for p in batch if p.at not in {EARLIEST, EARLIEST + 1, LATEST - 1}] for batch in batches]
    store = make()
    model = written(store, near)
    expected = buckets([p for p in model.values() if p.metric == "x"], every)
    assert alike(
        list(store.series("a", "x", NOW - 10**18, NOW + 10**18, every)), [b for b in expected if b.at > 1000 * HOUR]
    )
    inside = [b for b in expected if NOW - every < b.at < NOW + HOUR]
    assert alike(list(store.series("a", "x", NOW, NOW + HOUR, every)), inside)


@given(batches=batches)
@settings(max_examples=40, deadline=None, suppress_health_check=QUIET)
@pytest.mark.usefixtures("small_chunks")
def test_retention_takes_only_what_is_old(make: Callable[..., EmbeddedStore], batches: list[list[Point]]) -> None:
    store = make(keep(raw="1h"))
    model: dict[int, Point] = {}
    for offset, batch in enumerate(batches, 1):
        ours = [p for p in batch if p.metric == "x" and p.at > NOW - HOUR and p.at < LATEST - 1]
        store.write(ours, offset)
        model |= {p.at: p for p in ours}
    kept = {p.at: p for p in store.read()}
    assert store.count() == len(kept)
    assert kept.items() <= model.items()
    assert all(at in kept for at in model if at >= max(model) - HOUR)


@pytest.mark.usefixtures("small_chunks")
def test_rollups_outlive_readings(make: Callable[..., EmbeddedStore]) -> None:
    store = make(keep(raw="1h", minutes="2h"))
    every_ten_seconds = [Point("a", "x", NOW + i * 10 * SECOND, float(i), None, 0) for i in range(6 * 360)]
    for offset in range(0, len(every_ten_seconds), 7):
        store.write(every_ten_seconds[offset : offset + 7], offset + 1)
    raw = list(store.read())
    assert NOW + 2 * HOUR - 5 * MINUTE < raw[0].at <= NOW + 2 * HOUR
    minutes = list(store.series("a", "x", NOW, NOW + 6 * HOUR, MINUTE))
    assert NOW + HOUR - 5 * MINUTE < minutes[0].at <= NOW + HOUR
    hours = list(store.series("a", "x", NOW, NOW + 6 * HOUR, HOUR))
    assert alike(hours, buckets(every_ten_seconds, HOUR))
    assert alike(list(store.series("a", "x", NOW, NOW + 6 * HOUR, 3 * HOUR)), buckets(every_ten_seconds, 3 * HOUR))


@pytest.mark.usefixtures("small_chunks")
def test_a_straggler_is_added_to_rollups_whose_readings_are_gone(make: Callable[..., EmbeddedStore]) -> None:
    store = make(keep(raw="1h"))
    usual = [Point("a", "x", NOW + i * MINUTE, 1.0, None, 0) for i in range(300)]
    for offset in range(0, 300, 5):
        store.write(usual[offset : offset + 5], offset + 5)
    late = [Point("a", "x", NOW + i * MINUTE + 1, 9.0, None, 0) for i in range(3)]
    store.write(late, 301)
    for expected in (late, late):
        first = list(store.series("a", "x", NOW, NOW + HOUR, HOUR))
        assert (first[0].count, first[0].max, first[0].last) == (60 + len(expected), 9.0, 1.0)
        store.write([Point("a", "x", NOW + (300 + i) * MINUTE, 1.0, None, 0) for i in range(20)], 302)


def test_the_latest_of_each_signal_is_never_too_old(make: Callable[..., EmbeddedStore]) -> None:
    store = make(keep(raw="1h", minutes="1h", hours="1h"))
    old = [Point("a", "x", i, 1.0, None, 0) for i in range(3_000)]
    store.write(old, 1)
    store.write([Point("a", "y", NOW + i, 1.0, None, 0) for i in range(3_000)], 2)
    assert store.latest("a")[0] == old[-1]
    assert list(store.read("a", "x")) == old


def rows_of(begin: int, count: int, step: int = 10 * SECOND) -> list[Point]:
    return [Point("a", "x", begin + i * step, 1.0, None, 0) for i in range(count)]


def write_all(store: EmbeddedStore, rows: list[Point], at_once: int = 200) -> None:
    for offset in range(0, len(rows), at_once):
        store.write(rows[offset : offset + at_once], offset + 1)


@pytest.mark.parametrize("ahead", [100 * DAY, 20 * YEAR])
@pytest.mark.parametrize("count", [1, 3, 700], ids="{} wrong".format)
def test_readings_that_a_wrong_clock_stamps_delete_nothing(
    make: Callable[..., EmbeddedStore], ahead: int, count: int
) -> None:
    store = make(keep(raw="90d", minutes="730d", hours="3650d"))
    history = rows_of(NOW - 80 * DAY, 10_000)
    wrong = rows_of(NOW + ahead, count, SECOND)
    correct = rows_of(NOW, 4_000, SECOND)
    for rows in (history, wrong, correct):
        write_all(store, rows)
    assert store.count() == 14_000 + count
    assert list(store.read()) == [*history, *correct, *wrong]
    hours = list(store.series("a", "x", NOW - YEAR, NOW + DAY, HOUR))
    assert sum(bucket.count for bucket in hours) == 14_000


def test_what_lies_beyond_the_present_never_makes_anything_old(make: Callable[..., EmbeddedStore]) -> None:
    store = make(keep(raw="90d"))
    history, ahead = rows_of(NOW - 80 * DAY, 2_000), rows_of(NOW + 2 * YEAR, 2_000, HOUR)
    for rows in (history, ahead, correct := rows_of(NOW, 2_000, SECOND)):
        write_all(store, rows)
    assert list(store.read()) == [*history, *correct, *ahead]


def test_what_is_really_old_goes_although_one_stamp_was_wrong(make: Callable[..., EmbeddedStore]) -> None:
    store = make(keep(raw="1d"))
    for rows in ([Point("a", "x", NOW + 20 * YEAR, 1.0, None, 0)], rows_of(NOW - 10 * DAY, 10 * 24 * 60, MINUTE)):
        write_all(store, rows)
    kept = [point.at for point in store.read()]
    assert NOW - DAY - 24 * HOUR < kept[0] <= NOW - DAY
    assert kept[-1] == NOW + 20 * YEAR


def test_a_recording_of_long_ago_is_kept_and_its_own_past_goes(make: Callable[..., EmbeddedStore]) -> None:
    store, long_ago = make(keep(raw="90d")), NOW - 22 * YEAR
    write_all(store, rows_of(long_ago, 24 * 200, HOUR))
    first = next(iter(store.read())).at
    assert long_ago + 60 * DAY < first <= long_ago + 110 * DAY


@given(hours=st.lists(st.integers(0, 60), max_size=60), until=st.integers(0, 60), most=st.integers(1, 8))
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
@pytest.mark.usefixtures("small_chunks")
def test_the_newest_hours_are_found_wherever_they_lie(
    make: Callable[..., EmbeddedStore], hours: list[int], until: int, most: int
) -> None:
    store = make()
    tier = store._ladder.levels[0].tier
    for series in range(0, len(hours), 5):
        rows = {hour: (hour * HOUR, 1.0, 1.0, 1.0, 1.0, 1, 0) for hour in sorted(hours[series : series + 5])}
        tier.put({1: list(rows.values())})
        if series % 2:
            tier.seal(1)
    expected = sorted({hour * HOUR for hour in hours if hour <= until}, reverse=True)[:most]
    assert tier.newest_times(1, until * HOUR, most) == expected


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    rows = [(1, NOW + i * SECOND, i, float(i % 7), None, 0) for i in range(5_000)]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(FIRST + "PRAGMA user_version = 1;")
        db.execute("INSERT INTO series VALUES (1, 'a', 'x')")
        db.execute("BEGIN")
        db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.execute("UPDATE progress SET next_offset = 7, arrivals = 5000, kept = 5000")
        db.execute("COMMIT")
    with pytest.raises(StoreError, match=r"older version of Andon; the next `andon run` updates it"):
        EmbeddedStore(path, read_only=True)
    store = EmbeddedStore(path)
    expected = [Point("a", "x", at, value, None, 0) for _, at, _, value, _, _ in rows]
    assert (store.offset(), store.count(), list(store.read())) == (7, 5_000, expected)
    more = [Point("a", "x", NOW + 4_999 * SECOND, 9.0, None, 0), Point("a", "x", NOW + 5_000 * SECOND, 8.0, None, 0)]
    assert store.write(more, 8) == 1
    expected[-1:] = more
    assert list(store.read()) == expected
    assert alike(list(store.series("a", "x", NOW, NOW + 2 * HOUR, MINUTE)), buckets(expected, MINUTE))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM reading").fetchone() == (1,)
    store.close()


def test_a_damaged_chunk_is_an_error_that_names_the_file(make: Callable[..., EmbeddedStore], tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store.db")
    store.write([Point("a", "x", NOW + i, float(i), None, 0) for i in range(3_000)], 1)
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        db.execute("UPDATE reading_chunk SET data = x'00'")
        db.commit()
    reader = EmbeddedStore(tmp_path / "store.db", read_only=True)
    with pytest.raises(StoreError, match=r"store\.db: a chunk cannot be read"):
        list(reader.read())
    reader.close()
    store.close()


@pytest.mark.usefixtures("small_chunks")
def test_of_what_lies_between_two_late_readings_nothing_is_read(
    make: Callable[..., EmbeddedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    points = [Point("m", "x", NOW + n * SECOND, float(n), None, 0) for n in range(400)]
    store.write(points, 1)
    store._ladder.reload()
    read = []

    def counted(*given: Any) -> columns.Columns:
        read.append(given)
        return columns.unpacked(*given)

    monkeypatch.setattr(tiers, "unpacked", counted)
    late = [
        Point("m", "x", NOW + at, 1.0, None, 0, True) for at in (SECOND, SECOND // 2, 390 * SECOND + 1, 398 * SECOND)
    ]
    store.write(late, 2)
    assert len(read) < 50, "of a hundred chunks"
    assert [p.at for p in store.read() if p.late] == [NOW + SECOND // 2, NOW + 390 * SECOND + 1]
