"""What every store of readings owes: each test runs against each implementation."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.stores.base import Bucket, Point, Store, StoreError
from monitor.stores.embedded import EmbeddedStore
from tests.services import influxdb

Opener: TypeAlias = Callable[[Path], Store]
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NOW = 1_772_344_800_000_000_000
MANY = 2_500
"""More than any store keeps in one piece."""

IMPLEMENTATIONS: dict[str, tuple[Opener, Opener, str]] = {
    "embedded": (
        EmbeddedStore,
        lambda path: EmbeddedStore(path, read_only=True),
        "from monitor.stores.embedded import EmbeddedStore as Store",
    ),
    "influxdb": (
        influxdb.store_at,
        lambda path: influxdb.store_at(path, read_only=True),
        "from tests.services.influxdb import store_at as Store",
    ),
}
"""Open to write, open to read beside a writer, and the line by which another process gets `Store`."""

OURS = {"embedded"}
"""Kept in a file of ours: keeps points and offset in one transaction, knows the order of arrival, counts all repeats."""


@pytest.fixture(params=IMPLEMENTATIONS)
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "influxdb":
        request.getfixturevalue("influxdb")
    return str(request.param)


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[Store]:
    opened = IMPLEMENTATIONS[kind][0](tmp_path / "store.db")
    yield opened
    opened.close()


def point(
    metric: str = "force", at: int = NOW, value: float | None = 1.0, text: str | None = None, asset: str = "press"
) -> Point:
    return Point(asset, metric, at, value, text, 0)


def child(kind: str, path: Path, program: str) -> subprocess.Popen[str]:
    prelude = [
        IMPLEMENTATIONS[kind][2],
        "from pathlib import Path",
        "from monitor.stores.base import Point",
        f"path = Path({str(path)!r})",
    ]
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join([*prelude, program])],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_new_store_begins_at_offset_0_with_nothing_in_it(store: Store) -> None:
    assert (store.offset(), store.count(), list(store.read()), store.latest("press")) == (0, 0, [], [])


def test_points_and_offset_are_there_after_opening_again(kind: str, tmp_path: Path) -> None:
    opener = IMPLEMENTATIONS[kind][0]
    first = opener(tmp_path / "again.db")
    assert first.write([point()], 7) == 0
    first.close()
    first.close()
    second = opener(tmp_path / "again.db")
    assert (second.offset(), list(second.read())) == (7, [point()])
    second.close()


def test_an_offset_may_move_without_points(store: Store) -> None:
    assert store.write([], 12) == 0
    assert (store.offset(), store.count()) == (12, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12.5, None), (-2.5, None), (1e308, None), (5e-324, None), (0.1 + 0.2, None), (2.0**53, "9007199254740993"),
        (1.0, "true"), (0.0, "false"), (None, "running"), (None, ""), (None, "12.5"), (None, "运行 😀"), (None, "a\0b"),
        (None, "two\nlines, \"quoted\" 'and' more"), (None, None),
    ],
)  # fmt: skip
def test_values_come_back_exactly(store: Store, value: float | None, text: str | None) -> None:
    store.write([point(value=value, text=text)], 1)
    (found,) = store.read()
    assert repr(found) == repr(point(value=value, text=text))


@pytest.mark.parametrize("name", ["linie 1/Fräse", "状態", "a,b=c d", "it's", '"', "%_*?", "x" * 255, " "])
def test_names_may_hold_any_text(store: Store, name: str) -> None:
    store.write([point(metric=name, asset=name), point()], 1)
    assert list(store.read(asset=name, metric=name)) == [point(metric=name, asset=name)]
    assert store.latest(name) == [point(metric=name, asset=name)]


def test_times_are_kept_to_the_nanosecond(store: Store) -> None:
    times = [-(10**18), -1, 0, 1, NOW, NOW + 1, 9_223_000_000_000_000_000]
    store.write([point(at=at, value=float(i)) for i, at in enumerate(times)], 1)
    assert [p.at for p in store.read()] == times


def test_quality_is_kept(store: Store) -> None:
    points = [Point("press", "force", NOW + quality, 1.0, None, quality) for quality in range(3)]
    store.write(points, 1)
    assert list(store.read()) == points


def test_what_came_late_is_marked_and_counts_in_buckets_as_any_other(store: Store) -> None:
    points = [Point("press", "force", NOW + i * SECOND, float(i), None, i % 3, i % 5 == 0) for i in range(MANY)]
    store.write(points, 1)
    assert list(store.read()) == points
    assert list(store.read("press", "force", NOW + MINUTE, NOW + 2 * MINUTE)) == points[60:120]
    assert store.latest("press") == [points[-1]]
    store.write([Point("press", "mode", NOW, None, "auto", 1, True)], 2)
    assert store.latest("press") == [points[-1], Point("press", "mode", NOW, None, "auto", 1, True)]
    for every in (7 * SECOND, MINUTE, HOUR):
        assert as_tuples(store.series("press", "force", NOW, NOW + HOUR, every)) == expected(points, every)


def test_what_was_in_time_does_not_come_late_by_a_repeat(kind: str, store: Store) -> None:
    points = [point(at=NOW + i * SECOND, value=float(i)) for i in range(MANY)]
    store.write(points, 1)
    late = [Point("press", "force", p.at, p.value, None, 0, True) for p in points[:50]]
    fresh = [Point("press", "force", p.at + 1, p.value, None, 0, True) for p in points[:50]]
    store.write([point("x"), Point("press", "x", NOW, 2.0, None, 1, True), *late, *fresh], 2)
    found = [p for p in store.read(metric="force") if p.late]
    assert found == (fresh if kind in OURS else sorted(late + fresh, key=lambda p: p.at))
    (last,) = store.read(metric="x")
    assert (last.value, last.quality, last.late) == (2.0, 1, kind not in OURS)


def test_how_far_a_metric_is_is_told_as_far_as_the_offset_goes(kind: str, store: Store) -> None:
    store.write([point("x", NOW + 5), point("x", NOW + 4), point("y"), point("z", asset="other")], 1)
    assert store.marks("press") == ({"x": NOW + 5, "y": NOW} if kind in OURS else {})
    assert store.marks("nobody") == {}


def test_a_repeat_replaces_and_is_counted(kind: str, store: Store) -> None:
    assert store.write([point(value=1.0), point(value=2.0), point(metric="other")], 1) == 1
    assert store.write([point(value=3.0), point(at=NOW + 1)], 2) == (kind in OURS)
    assert store.count() == 3
    assert [p.value for p in store.read(metric="force")] == [3.0, 1.0]


def test_the_same_batch_again_changes_nothing(kind: str, store: Store) -> None:
    batch = [point(at=NOW + i, metric=f"m{i % 3}") for i in range(100)]
    store.write(batch, 100)
    before = list(store.read())
    assert store.write(batch, 100) == (100 if kind in OURS else 0)
    assert (list(store.read()), store.count(), store.offset()) == (before, 100, 100)


def test_reading_is_in_order_of_time_then_asset_then_arrival(kind: str, store: Store) -> None:
    arrived = [
        point("z", NOW + 5, asset="b"),
        point("z", NOW, asset="b"),
        point("b", NOW, asset="a"),
        point("a", NOW, asset="a"),
        point("z", NOW - 1, asset="c"),
    ]
    store.write(arrived[:3], 3)
    store.write(arrived[3:], 5)
    ordered = [(p.at - NOW, p.asset, p.metric) for p in store.read()]
    together = [(0, "a", "b"), (0, "a", "a")] if kind in OURS else [(0, "a", "a"), (0, "a", "b")]
    assert ordered == [(-1, "c", "z"), *together, (0, "b", "z"), (5, "b", "z")]


def test_a_range_holds_its_start_and_not_its_end(store: Store) -> None:
    store.write([point(at=NOW + i) for i in range(10)], 10)
    assert [p.at - NOW for p in store.read(start=NOW + 3, end=NOW + 6)] == [3, 4, 5]
    assert [p.at - NOW for p in store.read(start=NOW + 8)] == [8, 9]
    assert [p.at - NOW for p in store.read(end=NOW + 2)] == [0, 1]
    assert list(store.read(start=NOW + 6, end=NOW + 3)) == []


def test_asset_and_metric_narrow_what_is_read(store: Store) -> None:
    points = [point(metric, NOW, asset=asset) for asset, metric in itertools.product("ab", "xy")]
    store.write(points, 1)
    assert [(p.asset, p.metric) for p in store.read(asset="a")] == [("a", "x"), ("a", "y")]
    assert [(p.asset, p.metric) for p in store.read(metric="y")] == [("a", "y"), ("b", "y")]
    assert list(store.read(asset="c")) == []


def test_latest_is_by_time_not_by_arrival(store: Store) -> None:
    store.write([point("y", NOW), point("x", NOW + 5, 5.0), point("x", NOW + 4, 4.0), point(asset="other")], 1)
    assert store.latest("press") == [point("x", NOW + 5, 5.0), point("y", NOW)]


def test_long_series_are_read_whole(store: Store) -> None:
    points = [point(f"m{i % 2}", NOW + i) for i in range(9_000)]
    store.write(points, 1)
    assert list(store.read()) == points


def test_repeats_and_late_points_among_many_replace_and_are_counted(kind: str, store: Store) -> None:
    model = {i: float(i) for i in range(0, 4 * MANY, 2)}
    for offset, first in enumerate(range(0, 4 * MANY, 1_000), 1):
        store.write([point(at=NOW + i, value=model[i]) for i in range(first, first + 1_000, 2)], offset)
    again = {i: -float(i) for i in range(1_000, 1_100)}
    assert store.write([point(at=NOW + i, value=value) for i, value in again.items()], 11) == 50 * (kind in OURS)
    assert store.write([point(at=NOW + i, value=value) for i, value in again.items()], 12) == 100 * (kind in OURS)
    model |= again
    assert store.count() == len(model)
    assert [(p.at - NOW, p.value) for p in store.read()] == sorted(model.items())
    assert [p.value for p in store.read(start=NOW + 1_098, end=NOW + 1_103)] == [-1098.0, -1099.0, 1100.0, 1102.0]


def test_latest_is_right_after_many_points(store: Store) -> None:
    points = [point("x", NOW + i * SECOND, float(i)) for i in range(MANY)]
    store.write(points, 1)
    assert store.latest("press") == [points[-1]]
    store.write(points[:10], 2)
    assert store.latest("press") == [points[-1]]
    store.write([point("x", points[-1].at, text="true")], 3)
    assert store.latest("press") == [point("x", points[-1].at, text="true")]


def expected(points: list[Point], every: int) -> list[tuple[object, ...]]:
    """What the contract says of buckets, word by word."""
    found = []
    for at, group in itertools.groupby(sorted(points, key=lambda p: p.at), lambda p: p.at // every * every):
        members = list(group)
        good = [p.value for p in members if p.value is not None and p.quality == 0]
        numbers = (min(good), max(good), pytest.approx(sum(good) / len(good)), good[-1]) if good else (None,) * 4
        found.append((at, *numbers, len(good), len(members) - len(good)))
    return found


def as_tuples(buckets: Iterator[Bucket]) -> list[tuple[object, ...]]:
    return [(b.at, b.min, b.max, b.mean, b.last, b.count, b.left_out) for b in buckets]


@pytest.mark.parametrize("every", [SECOND, 7 * SECOND, MINUTE, 5 * MINUTE, 90 * MINUTE, HOUR, 24 * HOUR])
def test_a_series_comes_in_buckets(store: Store, every: int) -> None:
    points = [
        Point("press", "force", NOW + i * 3 * SECOND + i % 5, (i * 37 % 101) / 4, None, (i % 50 == 0) + (i % 100 == 0))
        for i in range(MANY)
    ]
    for offset, first in enumerate(range(0, MANY, 700), 1):
        store.write(points[first : first + 700], offset)
    assert as_tuples(store.series("press", "force", NOW, NOW + 3 * HOUR, every)) == expected(points, every)


def test_buckets_follow_repeats_and_late_points(store: Store) -> None:
    points = {NOW + i * 2 * SECOND: float(i % 10) for i in range(MANY)}
    store.write([point(at=at, value=value) for at, value in points.items()], 1)
    changed = {NOW + i * SECOND: 50.0 + i for i in range(200, 400)}
    store.write([point(at=at, value=value) for at, value in changed.items()], 2)
    points |= changed
    for every in (SECOND, MINUTE, HOUR):
        found = store.series("press", "force", NOW, NOW + 2 * HOUR, every)
        assert as_tuples(found) == expected([point(at=at, value=v) for at, v in points.items()], every)


def test_the_buckets_at_both_ends_are_whole(store: Store) -> None:
    store.write([point(at=NOW + i * SECOND, value=float(i)) for i in range(600)], 1)
    found = list(store.series("press", "force", NOW + 90 * SECOND, NOW + 181 * SECOND, MINUTE))
    assert [(b.at - NOW, b.min, b.max, b.count) for b in found] == [
        (60 * SECOND, 60.0, 119.0, 60), (120 * SECOND, 120.0, 179.0, 60), (180 * SECOND, 180.0, 239.0, 60)
    ]  # fmt: skip
    assert [b.at - NOW for b in store.series("press", "force", NOW, NOW + MINUTE, MINUTE)] == [0]


def test_a_spike_shows_in_every_width(store: Store) -> None:
    points = [point(at=NOW + i * SECOND, value=20.0) for i in range(MANY)]
    points[1234] = point(at=points[1234].at, value=99.5)
    store.write(points, 1)
    for every in (10 * SECOND, MINUTE, HOUR, 24 * HOUR):
        assert max(b.max or 0 for b in store.series("press", "force", NOW, NOW + HOUR, every)) == 99.5


def test_texts_and_bad_readings_are_counted_apart(store: Store) -> None:
    store.write(
        [
            point(at=NOW, value=None, text="running"), point(at=NOW + 1, value=1.0, text="true"),
            point(at=NOW + 2, value=0.0, text="false"), point(at=NOW + 3, value=None),
            Point("press", "force", NOW + 4, 7.0, None, 1), Point("press", "force", NOW + 5, 8.0, None, 2),
            point(at=NOW + MINUTE, value=None, text="fault"),
        ],
        1,
    )  # fmt: skip
    assert list(store.series("press", "force", NOW, NOW + HOUR, MINUTE)) == [
        Bucket(NOW, 0.0, 1.0, 0.5, 0.0, 2, 4),
        Bucket(NOW + MINUTE, None, None, None, None, 0, 1),
    ]


def test_an_unknown_series_has_no_buckets(store: Store) -> None:
    store.write([point()], 1)
    assert list(store.series("press", "nothing", NOW, NOW + HOUR, MINUTE)) == []
    assert list(store.series("press", "force", NOW + HOUR, NOW + 2 * HOUR, MINUTE)) == []
    assert list(store.series("press", "force", NOW + HOUR, NOW, MINUTE)) == []


@pytest.mark.parametrize("every", [0, -1])
def test_a_bucket_needs_a_width(store: Store, every: int) -> None:
    store.write([point()], 1)
    with pytest.raises(StoreError):
        list(store.series("press", "force", NOW, NOW + HOUR, every))


def test_reading_goes_on_while_the_same_store_is_written(store: Store) -> None:
    store.write([point(at=NOW + i) for i in range(9_000)], 1)
    reading = store.read()
    first = next(reading)
    store.write([point(at=NOW - 1), point(at=NOW)], 2)
    assert [first.at, *(p.at for p in reading)] == list(range(NOW, NOW + 9_000))


def test_a_failed_write_leaves_nothing_behind(kind: str, tmp_path: Path) -> None:
    IMPLEMENTATIONS[kind][0](tmp_path / "store.db").close()
    reader = IMPLEMENTATIONS[kind][1](tmp_path / "store.db")
    with pytest.raises(StoreError, match=r"store\.db|opened to read"):
        reader.write([point()], 1)
    assert (reader.offset(), reader.count()) == (0, 0)
    reader.close()


def test_another_process_reads_while_this_one_writes(kind: str, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store.write([point()], 1)
    writer = child(
        kind,
        path,
        "store = Store(path)\n"
        "for i in range(2, 400):\n"
        f"    store.write([Point('press', 'force', {NOW} + i, float(i), None, 0)], i)\n"
        "store.close()\n",
    )
    reader = IMPLEMENTATIONS[kind][1](path)
    seen = [len(list(reader.read()))]
    while writer.poll() is None:
        seen.append(len(list(reader.read())))
        assert [p.at for p in reader.latest("press")]
    assert writer.communicate()[0] == ""
    assert writer.returncode == 0
    assert seen == sorted(seen)
    assert (len(list(reader.read())), reader.offset()) == (399, 399)
    reader.close()


def test_another_process_sees_every_point_while_many_are_moved_about(kind: str, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store.write([point(at=NOW)], 1)
    writer = child(
        kind,
        path,
        "store = Store(path)\n"
        "for i in range(1, 8_000, 200):\n"
        f"    points = [Point('press', 'force', {NOW} + n * {SECOND}, float(n), None, 0) for n in range(i, i + 200)]\n"
        "    store.write(points + points[:5], i)\n"
        "store.close()\n",
    )
    reader = IMPLEMENTATIONS[kind][1](path)
    seen = [1]
    while writer.poll() is None:
        found = [int(p.value or 0) for p in reader.read("press", "force", start=NOW + 1)]
        assert found == list(range(1, len(found) + 1))
        buckets = list(reader.series("press", "force", NOW, NOW + 3 * HOUR, MINUTE))
        assert sum(b.count for b in buckets) >= len(found) + 1
        assert all(b.count == 60 for b in buckets[:-1])
        assert reader.latest("press")[0].at >= NOW + len(found) * SECOND
        seen.append(len(found))
    assert writer.wait() == 0
    assert writer.communicate()[0] == ""
    assert seen[1:] == sorted(seen[1:])
    assert len(list(reader.read())) == reader.count() == 8_001
    reader.close()


@pytest.mark.parametrize("width", [20, 300])
def test_a_killed_writer_leaves_points_and_offset_that_agree(kind: str, tmp_path: Path, width: int) -> None:
    path = tmp_path / "killed.db"
    program = (
        "store = Store(path)\n"
        "print('ready', flush=True)\n"
        "for i in range(store.offset(), 10**9):\n"
        f"    at = {NOW} + i * {width // 10}\n"
        f"    store.write([Point('press', f'm{{j % 10}}', at + j // 10, float(i), None, 0) for j in range({width})], i + 1)\n"
    )
    last = 0
    for target in (5, 60, 120):
        process = child(kind, path, program)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        reader = IMPLEMENTATIONS[kind][1](path)
        while reader.offset() < last + target:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        offset, points = reader.offset(), list(reader.read())
        assert offset >= last + target
        ahead = 0 if kind in OURS else 1
        assert width * offset <= reader.count() == len(points) <= width * (offset + ahead)
        stored, hurried = (set(range(n * width // 10)) for n in (offset, offset + ahead))
        assert stored <= {p.at - NOW for p in points} <= hurried
        last = offset
        reader.close()


keys = st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(-3, 3))
batches = st.lists(st.lists(st.tuples(keys, st.floats(allow_nan=False, allow_infinity=False)), max_size=6), max_size=6)


@given(batches=batches)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_behaves_as_a_dictionary_by_key(
    kind: str, tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[tuple[str, str, int], float]]]
) -> None:
    store = IMPLEMENTATIONS[kind][0](tmp_path_factory.mktemp("store") / "store.db")
    model: dict[tuple[str, str, int], tuple[int, float]] = {}
    arrivals = itertools.count()
    for offset, batch in enumerate(batches, 1):
        fresh = len({key for key, _ in batch} - (model.keys() if kind in OURS else set()))
        model |= {key: (next(arrivals), value) for key, value in batch}
        replaced = store.write([Point(a, m, at, value, None, 0) for (a, m, at), value in batch], offset)
        assert replaced == len(batch) - fresh
    expected = sorted((at, a, arrival, m, value) for (a, m, at), (arrival, value) in model.items())
    if kind not in OURS:
        expected.sort(key=lambda row: (row[0], row[1], row[3]))
    assert [(p.at, p.asset, p.metric, p.value) for p in store.read()] == [(at, a, m, v) for at, a, _, m, v in expected]
    assert (store.count(), store.offset()) == (len(model), len(batches))
    store.close()
