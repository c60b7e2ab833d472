"""What is exported reads back the same, and a file appears only when it is whole."""

from __future__ import annotations

import gzip
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.codecs.base import EXACT_INTEGER
from monitor.collectors.files import read_tidy
from monitor.stores.base import Point, StoreError, points_of, reading_of
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.export import ExportError, export
from rules.events import SECOND, Observation, Quality, Reading, Value

NOW = 1_772_344_800_000_000_000

names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12)
large = st.integers(-(2**1000), 2**1000).filter(lambda number: abs(number) > EXACT_INTEGER)
texts = st.text(st.characters(exclude_categories=("Cs",))) | st.sampled_from(
    ["", "true", "12.5", '"', "a,b", "x\r\ny", "nan"]
)
plain: st.SearchStrategy[Value] = st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts
qualities = st.sampled_from(Quality)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    metric = draw(names)
    if draw(st.booleans()):
        return Reading(metric, draw(plain), draw(qualities))
    if draw(st.booleans()):
        return Reading(metric, None, Quality.BAD)
    number = draw(large)
    return Reading(metric, float(number), draw(qualities), str(number))


observations = st.builds(
    lambda asset, at, found: Observation(asset, at, NOW, tuple(found)),
    names,
    st.integers(-(10**18), NOW + SECOND),
    st.lists(readings(), min_size=1, max_size=4, unique_by=lambda reading: reading.metric),
)


@given(
    st.lists(observations, max_size=5, unique_by=lambda o: (o.asset, o.at)), st.sampled_from(["out.csv", "out.csv.gz"])
)
@settings(deadline=None, max_examples=60)
def test_what_is_exported_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, given_in: list[Observation], name: str
) -> None:
    directory = tmp_path_factory.mktemp("export")
    store = EmbeddedStore(directory / "store.db")
    for offset, observation in enumerate(given_in, 1):
        store.write(points_of(observation, 5 * SECOND), offset)

    rows = export(store, directory / name)
    store.close()
    file = read_tidy(directory / name)
    back = list(file)

    assert (file.bad, rows) == (0, sum(len(o.readings) for o in given_in))
    expected = sorted(given_in, key=lambda o: (o.at, o.asset))
    assert [(o.asset, o.at, o.readings) for o in back] == [(o.asset, o.at, o.readings) for o in expected]
    for found, wanted in zip(back, expected, strict=True):
        assert [type(r.value) for r in found.readings] == [type(r.value) for r in wanted.readings]


@given(readings())
def test_a_reading_survives_being_a_point(reading: Reading) -> None:
    (point,) = points_of(Observation("press", NOW, NOW, (reading,)), 0)
    assert reading_of(point) == reading
    assert type(reading_of(point).value) is type(reading.value)
    assert point.value is None or math.isfinite(point.value)


def test_a_stamp_too_far_ahead_becomes_received_and_uncertain() -> None:
    ahead = Observation("press", NOW + 6 * SECOND, NOW, (Reading("a", 1.0), Reading("b", None, Quality.BAD)))
    assert points_of(ahead, 5 * SECOND) == [
        Point("press", "a", NOW, 1.0, None, 1),
        Point("press", "b", NOW, None, None, 2),
    ]
    assert points_of(ahead, 6 * SECOND)[0] == Point("press", "a", NOW + 6 * SECOND, 1.0, None, 0)


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    opened = EmbeddedStore(tmp_path / "store.db")
    opened.write(
        [Point("press", m, NOW + i * SECOND, 1.5, None, i) for i, m in enumerate(["force", "mode", "mode"])], 3
    )
    return opened


def test_the_file_is_tidy_csv(store: EmbeddedStore, tmp_path: Path) -> None:
    assert export(store, tmp_path / "out.csv") == 3
    assert (tmp_path / "out.csv").read_bytes() == (
        b"timestamp,asset,metric,value,quality\n"
        b"2026-03-01T06:00:00Z,press,force,1.5,good\n"
        b"2026-03-01T06:00:01Z,press,mode,1.5,uncertain\n"
        b"2026-03-01T06:00:02Z,press,mode,1.5,bad\n"
    )


def test_only_what_is_asked_for_is_exported(store: EmbeddedStore, tmp_path: Path) -> None:
    assert export(store, tmp_path / "out.csv.gz", asset="press", metric="mode", start=NOW, end=NOW + 2 * SECOND) == 1
    assert gzip.decompress((tmp_path / "out.csv.gz").read_bytes()).count(b"\n") == 2


@pytest.mark.parametrize("name", ["out.feather", "out.gz", "out"])
def test_an_unknown_ending_is_refused_with_those_there_are(store: EmbeddedStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExportError, match=r"\.csv, \.csv\.gz, \.parquet"):
        export(store, tmp_path / name)


def test_a_file_that_cannot_be_written_is_named(store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"nowhere/out\.csv: cannot be written: No such file"):
        export(store, tmp_path / "nowhere" / "out.csv")


def test_a_failed_export_leaves_the_earlier_file(store: EmbeddedStore, tmp_path: Path) -> None:
    export(store, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    store.close()
    with pytest.raises(StoreError):
        export(store, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == before
    assert [path.name for path in tmp_path.glob(".*")] == []


@given(st.lists(observations, max_size=5, unique_by=lambda o: (o.asset, o.at)))
@settings(deadline=None, max_examples=30)
def test_parquet_holds_the_points_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, given_in: list[Observation]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    directory = tmp_path_factory.mktemp("export")
    store = EmbeddedStore(directory / "store.db")
    for offset, observation in enumerate(given_in, 1):
        store.write(points_of(observation, 5 * SECOND, {"b"}), offset)
    rows = export(store, directory / "out.parquet")
    table = parquet.read_table(directory / "out.parquet")
    found = [column.to_pylist() for column in table.set_column(0, "at", table["timestamp"].cast("int64")).columns]
    expected = [
        (p.at, p.asset, p.metric, p.value, p.text, Quality(p.quality).name.lower(), p.late) for p in store.read()
    ]
    store.close()
    assert list(zip(*found, strict=True)) == expected
    assert rows == len(expected)
    assert str(table.schema.field("timestamp").type) == "timestamp[ns, tz=UTC]"


def test_parquet_is_written_in_groups_of_bounded_size(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr("monitor.stores.parquet.ROW_GROUP", 2)
    export(store, tmp_path / "out.parquet")
    file = parquet.ParquetFile(tmp_path / "out.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 1]


def test_parquet_without_pyarrow_says_what_to_install(
    store: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"out\.parquet: Parquet needs pyarrow.*pip install 'andon\[export\]'"):
        export(store, tmp_path / "out.parquet")
    assert list(tmp_path.glob("*.parquet*")) == []


@pytest.mark.parametrize("name", ["nowhere/out.parquet", "nowhere/out.csv.gz"])
def test_whatever_the_format_a_file_that_cannot_be_written_is_named(
    store: EmbeddedStore, tmp_path: Path, name: str
) -> None:
    with pytest.raises(ExportError, match=r"nowhere/out\..*: cannot be written: "):
        export(store, tmp_path / name)
