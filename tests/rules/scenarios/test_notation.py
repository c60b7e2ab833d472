"""What a maintenance engineer writes of a signal's course, and the readings that it stands for."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rules.events import SECOND, Quality
from rules.problems import InputError
from rules.scenarios.course import CourseField
from rules.scenarios.notation import Sample, parse_piece, parse_sample, written
from rules.scenarios.stamps import parse_stamp
from rules.yamltext import read_yaml

EPOCH, LAST = dt.datetime(1970, 1, 1), dt.datetime(2261, 12, 31)  # noqa: DTZ001 - UTC, as the notation has it
COURSE: TypeAdapter[Any] = TypeAdapter(CourseField)


def sent(data: object, every: float = 1, end: float = 60) -> list[tuple[float, object]]:
    """The readings of a course: seconds and values, with the quality where it is not good."""
    course = COURSE.validate_python(data)
    found = list(course.sent(round(every * SECOND), 0, round(end * SECOND)))
    assert len(found) == course.count(round(every * SECOND), round(end * SECOND))
    return [(r.at / SECOND, r.sample.value if r.sample.quality is Quality.GOOD else tuple(r.sample)) for r in found]


@pytest.mark.parametrize(
    ("course", "readings"),
    [
        (["70 for 3s"], [(0, 70.0), (1, 70.0), (2, 70.0)]),
        (["70 for 2s every 500ms"], [(0, 70.0), (0.5, 70.0), (1, 70.0), (1.5, 70.0)]),
        (["10 to 20 over 4s", 20], [(0, 10.0), (1, 12.5), (2, 15.0), (3, 17.5), (4, 20.0)]),
        ([1, "nothing for 5s", 2], [(0, 1.0), (6, 2.0)]),
        (["bad for 2s", "7 bad", "8 uncertain"], [(0, (None, 2)), (1, (None, 2)), (2, (7.0, 2)), (3, (8.0, 1))]),
        (["running for 2s", "'12 A'", '"say \\"hi\\""', True, "off"], [(0, "running"), (1, "running"), (2, "12 A"), (3, 'say "hi"'), (4, True), (5, "off")]),
        ([{"repeat": 2, "of": [1, "2 for 2s"]}, 3], [(0, 1.0), (1, 2.0), (2, 2.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 3.0)]),
        ({"repeat": 2, "of": [{"repeat": 2, "of": [1]}, 2]}, [(0, 1.0), (1, 1.0), (2, 2.0), (3, 1.0), (4, 1.0), (5, 2.0)]),
        ({"1500ms": 5, "0s": "bad", "3s": "x uncertain"}, [(0, (None, 2)), (1.5, 5.0), (3, ("x", 1))]),
        (["1 every 3s", 2], [(0, 1.0), (3, 2.0)]),
        ("5 for 2s", [(0, 5.0), (1, 5.0)]),
        (["2.5 for 2500ms", 1], [(0, 2.5), (1, 2.5), (2, 2.5), (2.5, 1.0)]),
        (["-1e3"], [(0, -1000.0)]),
    ],
)  # fmt: skip
def test_a_course_is_as_it_reads(course: object, readings: list[tuple[float, object]]) -> None:
    assert sent(course) == readings


def test_a_bare_value_holds_all_the_time() -> None:
    assert sent(True, every=20) == [(0, True), (20, True), (40, True)]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("70 fr 5m", "is no piece of a course"),
        ("70 for 5", "is not a duration"),
        ("70 for 0s", "which is nothing"),
        ("nothing", "does not say for how long"),
        ("none for 5m", "is no value"),
        ("12 A for 5m", "is no piece of a course"),
        ("on to off over 5m", "only numbers can rise or fall"),
        ("1 to 2", "is no piece of a course"),
        ("bad to 3 over 5s", "only numbers can rise or fall"),
        (".inf for 5s", "is no value"),
        ("'12", "is no piece of a course"),
        ("", "is no piece of a course"),
        ([1], "is no value"),
        (10**400, "is no value"),
    ],
)
def test_what_is_no_piece_is_refused_with_a_hint(text: object, what: str) -> None:
    with pytest.raises(InputError, match=what) as refused:
        parse_piece(text)
    assert refused.value.hint


@pytest.mark.parametrize("course", [[], {"repeat": 0, "of": [1]}, {"repeat": 2}, {"x": 1}, {"repeat": 2, "of": []}])
def test_what_is_no_course_is_refused(course: object) -> None:
    with pytest.raises(ValidationError):
        COURSE.validate_python(course)


def test_a_course_of_a_hundred_years_and_more_is_counted_without_being_made() -> None:
    deep: object = [1]
    for _ in range(8):
        deep = [{"repeat": 1_000_000, "of": deep}]
    course = COURSE.validate_python(deep)
    assert course.count(SECOND, SECOND) == 10**48
    assert course.length(SECOND) == 36_500 * 86_400 * SECOND


values = (
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False, min_value=-1e299, max_value=1e299)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
    | st.sampled_from(["bad", "nothing", "12", "true", "x bad", "a for 5m", "'", '"', "null", "", "manual mode"])
)


@settings(deadline=None)
@given(values, st.sampled_from(Quality))
def test_what_is_written_reads_back_the_same(value: object, quality: Quality) -> None:
    sample = Sample(value, Quality.BAD if value is None else quality)  # type: ignore[arg-type]
    document, problems = read_yaml("x.yaml", f"x:\n  0s: {written(sample)}\n")
    assert problems == []
    assert parse_sample(document.data["x"]["0s"]) == sample


@settings(deadline=None)
@given(st.datetimes(EPOCH, LAST))
def test_a_stamp_is_the_calendars(moment: dt.datetime) -> None:
    since = moment - EPOCH
    assert parse_stamp(f"{moment.isoformat()}Z") == (since // dt.timedelta(microseconds=1)) * 1000


@pytest.mark.parametrize("text", ["2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T24:00:00Z", 5, "1969-12-31T00:00:00Z"])  # fmt: skip
def test_what_is_no_moment_is_refused(text: object) -> None:
    with pytest.raises(InputError):
        parse_stamp(text)
