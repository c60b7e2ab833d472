"""Line protocol says exactly what the client library's own `Point` would say, for every reading there can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client import Point as ClientPoint

from monitor.stores import influx_lines
from monitor.stores.base import Point
from monitor.stores.influx_lines import LineEncoder, carried, named

NOW = 1_772_344_800_000_000_000

names = st.text(max_size=40)
texts = st.none() | st.text(max_size=60)
values = st.none() | st.floats(allow_nan=False, allow_infinity=False)
points = st.builds(
    Point, names, names, st.integers(-(2**63), 2**63 - 1), values, texts, st.integers(0, 2), st.booleans()
)


def line(point: Point) -> str:
    (found,) = LineEncoder().lines([point]).values()
    return found


def of_the_client(point: Point) -> str:
    said = ClientPoint("telemetry").tag("asset", carried(point.asset)).tag("metric", carried(point.metric))
    said.field("late", point.late or None).field("quality", point.quality).field("text", point.text).field(
        "value", point.value
    ).time(point.at)
    return str(said.to_line_protocol())


@given(points)
def test_a_line_is_what_the_client_library_writes(point: Point) -> None:
    assert line(point) == of_the_client(point)


@given(names)
def test_a_carried_name_comes_back_and_holds_nothing_that_ends_a_line(name: str) -> None:
    assert named(carried(name)) == name
    assert carried(name).isprintable()
    assert not carried(name).endswith("\\")


@given(st.text("%0123456789ABCDEFabcdef\\ ,=", max_size=20))
def test_names_that_look_carried_already_come_back_too(name: str) -> None:
    assert named(carried(name)) == name


@pytest.mark.parametrize("name", ["linie 1/Fräse", "状態", "a,b=c d", "50%", "a\\b", "it's", "%zz"])
def test_names_stay_readable_where_they_can(name: str) -> None:
    assert carried(name) == name


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (Point("press 1", "force", NOW, 1.5, None, 0), rf"telemetry,asset=press\ 1,metric=force quality=0i,value=1.5 {NOW}"),
        (Point("p", "f", 0, 3.0, None, 1), "telemetry,asset=p,metric=f quality=1i,value=3 0"),
        (Point("p", "f", -5, 1.0, "true", 0), 'telemetry,asset=p,metric=f quality=0i,text="true",value=1 -5'),
        (Point("p", "f", 0, None, 'a "b" \\ c\nd', 0), 'telemetry,asset=p,metric=f quality=0i,text="a \\"b\\" \\\\ c\nd" 0'),
        (Point("p", "f", 0, None, None, 2), "telemetry,asset=p,metric=f quality=2i 0"),
        (Point("p", "f", 0, 2.0**53, "9007199254740993", 0), 'telemetry,asset=p,metric=f quality=0i,text="9007199254740993",value=9007199254740992 0'),
        (Point("p", "f", 0, 3.0, None, 0, True), "telemetry,asset=p,metric=f late=true,quality=0i,value=3 0"),
        (Point("", "f\n\\", 0, 1e308, None, 0), "telemetry,metric=f%0A%5C quality=0i,value=1e+308 0"),
    ],
)  # fmt: skip
def test_what_a_reading_looks_like(point: Point, expected: str) -> None:
    assert line(point) == expected


def test_of_several_points_with_one_key_the_last_counts() -> None:
    lines = LineEncoder().lines([Point("p", "f", 1, 1.0, None, 0), Point("p", "f", 1, None, "off", 0)])
    assert list(lines.values()) == ['telemetry,asset=p,metric=f quality=0i,text="off" 1']


def test_beginnings_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_lines, "MOST_SERIES", 10)
    encoder = LineEncoder()
    lines = encoder.lines(Point(f"p{i % 25}", "f", i, 1.0, None, 0) for i in range(100))
    assert len(lines) == 100
    assert len(encoder._heads) <= 10
