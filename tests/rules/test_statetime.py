"""Time in states, parts counted, and stops with the alarm that was first up before them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.assetmodel import load_assets
from rules.events import SECOND
from rules.statetime import Raised, Stay, blinded, common, counted, joined, stays, stops, times, within

CHANGES = [(0, "running"), (60, "fault"), (70, "stopped"), (100, "running"), (130, None)]


def alarm(name: str, at: int, over: int | None = None) -> Raised:
    return Raised(name, name, name, at * SECOND, None if over is None else over * SECOND)


def test_states_fill_the_time_without_gaps() -> None:
    assert stays(CHANGES, 10, 150) == [
        Stay("running", 10, 60),
        Stay("fault", 60, 70),
        Stay("stopped", 70, 100),
        Stay("running", 100, 130),
        Stay("unknown", 130, 150),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["a", "b", None]))), st.integers(0, 100), st.integers(0, 99)
)
def test_all_the_time_is_in_some_state(changes: list[tuple[int, str | None]], start: int, length: int) -> None:
    found = stays(sorted(changes, key=lambda change: change[0]), start, start + length)
    assert sum(times(found).values()) == length
    assert all(one.end == other.start and one.state != other.state for one, other in pairwise(found))
    halves = [*within(found, start, start + length // 2), *within(found, start + length // 2, start + length)]
    assert times(halves) == times(found)


def test_time_that_nobody_saw_is_in_no_state_and_the_last_one_holds_again_behind_it() -> None:
    changes = [(0, "running"), (20, "fault"), (25, "running"), (50, "idle")]
    found = stays(blinded(changes, [(10, 15), (22, 40), (60, 100)]), 5, 80)
    assert [(stay.state, stay.start, stay.end) for stay in found] == [
        ("running", 5, 10), ("unknown", 10, 15), ("running", 15, 20), ("fault", 20, 22), ("unknown", 22, 40),
        ("running", 40, 50), ("idle", 50, 60), ("unknown", 60, 80),
    ]  # fmt: skip


def test_a_reading_at_the_edge_of_time_that_nobody_saw_counts_behind_it() -> None:
    found = stays(blinded([(0, "running"), (10, "idle"), (20, "fault")], [(10, 20), (20, 30)]), 0, 40)
    assert [(stay.state, stay.start) for stay in found] == [("running", 0), ("unknown", 10), ("fault", 30)]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))),
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))),
)
def test_spans_are_joined_and_cut_as_sets_of_moments_are(
    one: list[tuple[int, int]], two: list[tuple[int, int]]
) -> None:
    def moments(spans: list[tuple[int, int]]) -> set[int]:
        return {moment for start, end in spans for moment in range(start, end)}

    assert moments(joined(one)) == moments(one)
    assert all(before[1] < after[0] for before, after in pairwise(joined(one)))
    assert moments(common(joined(one), joined(two))) == moments(one) & moments(two)


@pytest.mark.parametrize(
    ("readings", "made"),
    [
        ([(0, 100.0), (15, 104.0), (25, 110.0)], 10),
        ([(0, 100.0), (15, 3.0), (25, 5.0)], 5),
        ([(0, 100.0), (15, 99.5), (25, 101.0)], 1.5),
        ([(0, 100.0), (15, 50.0), (25, 51.0)], 1),
        ([(0, 100.0), (15, 49.0), (25, 51.0)], 51),
        ([(15, 7.0), (25, 9.0)], 2),
        ([(0, 100.0), (15, 101.0), (30, 150.0)], 1),
        ([], 0),
    ],
)
def test_a_counter_counts_what_it_rose_and_begins_again_after_a_reset(
    readings: list[tuple[int, float]], made: float
) -> None:
    assert counted(readings, 10, 30) == made


@pytest.mark.parametrize(
    ("alarms", "first"),
    [
        ([alarm("jam", 58), alarm("cascade", 59)], "jam"),
        ([alarm("over", 20, over=40), alarm("jam", 58)], "jam"),
        ([alarm("late", 64)], "late"),
        ([alarm("too-late", 66)], None),
        ([alarm("of-the-run-before", -5)], None),
    ],
)
def test_a_stop_names_the_alarm_that_was_first_up_before_it(alarms: list[Raised], first: str | None) -> None:
    listed = stays([(at * SECOND, state) for at, state in CHANGES], 0, 150 * SECOND)
    (stop,) = stops(listed, alarms)
    assert (stop.state, stop.start, stop.end) == ("fault", 60 * SECOND, 100 * SECOND)
    assert (stop.alarm.alarm if stop.alarm else None) == first


def calendar(text: str):
    model, problems = load_assets("assets.yaml", f"calendar: {text}\n")
    return model.calendar if model else "\n".join(map(str, problems))


def test_shifts_of_a_day_stand_in_order_and_may_run_over_midnight() -> None:
    found = calendar(
        '{shifts: {night: "22:00-06:00", early: "06:00-14:00", late: "14:00-24:00"}, holidays: ["2026-12-25"]}'
    )
    assert found.on("2026-12-24") == [("early", 360, 840), ("late", 840, 1440), ("night", 1320, 1800)]
    assert found.on("2026-12-25") == []


@pytest.mark.parametrize("span", ["6-14", "06:00-06:00", "24:00-06:00", "06:60-07:00", "x"])
def test_what_is_no_shift_is_refused_with_a_hint(span: str) -> None:
    assert "is no shift" in calendar(f'{{shifts: {{a: "{span}"}}}}')
    assert "is no day" in calendar("{holidays: [christmas]}")
