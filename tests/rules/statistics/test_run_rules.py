"""Run rules on hand-made sequences, and against a brute-force reading of the rules over the last points."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.statistics.run_rules import LONGEST_RUN, RULES, RunRules, Signal

ALL = tuple(RULES)


def fired(rule: str, points: list[float]) -> list[int]:
    rules = RunRules([rule])
    return [i for i, z in enumerate(points, 1) if rules.feed(z)]


def last_run(rule: str, points: list[float]) -> tuple[int, ...]:
    rules = RunRules([rule])
    return [signal for z in points for signal in rules.feed(z)][-1].points


SEQUENCES = [
    ("nelson_1", [0, 3.0, 3.01, -3.0, -3.01, 0], [3, 5]),
    ("western_electric_1", [2.9, 3.1], [2]),
    ("nelson_2", [0.1] * 8 + [-0.1], []),
    ("nelson_2", [0.1] * 11, [9, 10, 11]),
    ("nelson_2", [-1.0] + [0.1] * 9, [10]),
    ("nelson_2", [0.1] * 5 + [0.0] + [0.1] * 8, []),
    ("nelson_2", [0.1] * 5 + [0.0] + [0.1] * 9, [15]),
    ("western_electric_4", [-0.1] * 8, [8]),
    ("western_electric_4", [0.1] * 4 + [0.0] + [0.1] * 4, []),
    ("nelson_3", [0, 1, 2, 3, 4, 5], [6]),
    ("nelson_3", [5, 4, 3, 2, 1, 0, -1], [6, 7]),
    ("nelson_3", [0, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6], []),
    ("nelson_3", [0, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], [9]),
    ("nelson_3", [0, 1, 2, 3, 4, 3, 2, 1, 0, -1], [10]),
    ("nelson_4", [0, 1] * 7, [14]),
    ("nelson_4", [0, 1] * 6 + [0, 0, 1], []),
    ("nelson_4", [0, 1, 2] + [1, 2] * 6, [15]),
    ("nelson_5", [2.1, 0, 2.1], [3]),
    ("nelson_5", [2.1, 0, 0, 2.1], []),
    ("nelson_5", [2.1, -2.1, 0], []),
    ("nelson_5", [2.1, 2.1, 0, 0, 2.1], [2]),
    ("nelson_5", [2.0, 2.0, 2.0], []),
    ("nelson_5", [-2.1, -2.2, -2.3], [2, 3]),
    ("western_electric_2", [2.5, -1, 2.5, 1], [3]),
    ("nelson_6", [1.1, 1.1, 0, 1.1, 1.1], [5]),
    ("nelson_6", [1.1, 1.1, 1.1, 1.1, 0], [4]),
    ("nelson_6", [1.1, 1.1, 1.1, 0, 0, 1.1], []),
    ("nelson_6", [1.1, -1.1, 1.1, 1.1, -1.1, 1.1, 1.1], [7]),
    ("nelson_6", [1.0, 1.1, 1.1, 1.1, 0], []),
    ("western_electric_3", [-1.1, -1.1, 0.5, -1.1, -1.1], [5]),
    ("nelson_7", [0.9, -0.9] * 7 + [0.0], [15]),
    ("nelson_7", [0.5] * 14 + [1.0] + [0.5] * 14, []),
    ("nelson_8", [1.5, -1.5] * 4, [8]),
    ("nelson_8", [1.5] * 8, []),
    ("nelson_8", [1.5] * 8 + [-1.5], [9]),
    ("nelson_8", [-1.5] + [1.5] * 8, [8]),
    ("nelson_8", [1.5, -1.5] * 3 + [1.0, 1.5, -1.5], []),
]


@pytest.mark.parametrize(("rule", "points", "at"), SEQUENCES)
def test_a_rule_signals_exactly_at(rule: str, points: list[float], at: list[int]) -> None:
    assert fired(rule, points) == at


@pytest.mark.parametrize(("rule", "points", "at"), SEQUENCES)
def test_a_rule_knows_no_up_and_down(rule: str, points: list[float], at: list[int]) -> None:
    assert fired(rule, [-z for z in points]) == at


def test_the_points_of_a_run_are_steps_back_from_the_newest() -> None:
    assert last_run("nelson_1", [0, 4]) == (0,)
    assert last_run("nelson_2", [0.1] * 12) == tuple(range(9))
    assert last_run("nelson_3", [0, 1, 2, 3, 4, 5]) == tuple(range(6))
    assert last_run("nelson_5", [2.1, 0, 2.1]) == (0, 2)
    assert last_run("nelson_5", [-2.1, 2.5, -2.1]) == (0, 2)
    assert last_run("nelson_6", [1.1, 1.1, 0, 1.1, 1.1]) == (0, 1, 3, 4)
    assert last_run("nelson_6", [1.1] * 6) == (0, 1, 2, 3, 4)


def test_every_rule_that_holds_signals_and_says_what_it_says() -> None:
    rules = RunRules(["nelson_1", "nelson_2", "western_electric_2"])
    for z in (0.5,) * 7 + (2.5,):
        assert rules.feed(z) == ()
    found = rules.feed(3.5)
    assert found == (
        Signal("nelson_1", (0,)),
        Signal("nelson_2", tuple(range(9))),
        Signal("western_electric_2", (0, 1)),
    )
    assert [signal.text for signal in found] == [
        "1 point beyond 3 sigma",
        "9 points in a row on one side of the centre line",
        "2 of 3 points beyond 2 sigma on the same side",
    ]


def test_only_chosen_rules_signal() -> None:
    assert RunRules(["nelson_2"]).feed(10) == ()
    assert RunRules([]).feed(10) == ()


@pytest.mark.parametrize(("rule", "points", "at"), [case for case in SEQUENCES if case[2]])
def test_after_a_restart_a_run_must_be_complete_again(rule: str, points: list[float], at: list[int]) -> None:
    rules = RunRules([rule])
    for z in points[: at[0] - 1]:
        assert rules.feed(z) == ()
    rules.restart()
    fresh = RunRules([rule])
    again = points[at[0] - 1 :] + points
    assert [rules.feed(z) for z in again] == [fresh.feed(z) for z in again]


def test_a_value_that_is_no_number_breaks_every_run() -> None:
    rules = RunRules(ALL)
    for z in [0.5] * 7 + [math.nan] + [0.5] * 7:
        assert rules.feed(z) == ()


def test_infinite_points_leave_a_state_that_is_json() -> None:
    rules = RunRules(ALL)
    for z in (math.inf, -math.inf, math.inf):
        assert rules.feed(z)
    assert json.loads(json.dumps(rules.snapshot(), allow_nan=False)) == rules.snapshot()


def test_an_unknown_rule_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'nelson_9'"):
        RunRules(["nelson_1", "nelson_9"])


def in_a_row(points: list[float], length: int) -> list[float] | None:
    return points[-length:] if len(points) >= length else None


def one_side(points: list[float]) -> bool:
    return all(z > 0 for z in points) or all(z < 0 for z in points)


def steady(points: list[float]) -> bool:
    return all(b > a for a, b in pairwise(points)) or all(b < a for a, b in pairwise(points))


def alternating(points: list[float]) -> bool:
    return all((b - a) * (c - b) < 0 for a, b, c in zip(points, points[1:], points[2:], strict=False))


def most(points: list[float], least: int, among: int, level: float) -> bool:
    newest = 1 if points[-1] > 0 else -1
    beyond = [z * newest > level for z in points[-among:]]
    return beyond[-1] and sum(beyond) >= least


def holds(rule: str, points: list[float]) -> bool:
    number = rule.rpartition("_")[2] if rule.startswith("nelson") else {"1": "1", "2": "5", "3": "6"}.get(rule[-1], "2")
    row = {
        "2": 9 if rule.startswith("nelson") else 8,
        "3": 6,
        "4": 14,
        "7": 15,
        "8": 8,
    }
    check = {
        "2": one_side,
        "3": steady,
        "4": alternating,
        "7": lambda r: all(abs(z) < 1 for z in r),
        "8": lambda r: all(abs(z) > 1 for z in r) and min(r) < 0 < max(r),
    }
    if number in row:
        run = in_a_row(points, row[number])
        return run is not None and check[number](run)
    return {
        "1": lambda: abs(points[-1]) > 3,
        "5": lambda: most(points, 2, 3, 2),
        "6": lambda: most(points, 4, 5, 1),
    }[number]()


SERIES = st.lists(
    st.one_of(
        st.sampled_from([-3.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]),
        st.floats(-1, 1),
        st.floats(1, 4),
    ),
    max_size=60,
)
REPEATED = st.builds(
    lambda parts: [z for value, times in parts for z in [value, *([-value] if times > 20 else [value])] * (times % 10)],
    st.lists(st.tuples(st.sampled_from([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]), st.integers(0, 39)), max_size=6),
)


@given(st.one_of(SERIES, REPEATED))
def test_one_at_a_time_is_as_reading_the_last_points_anew(points: list[float]) -> None:
    rules = RunRules(ALL)
    for i, z in enumerate(points):
        window = points[max(0, i + 1 - LONGEST_RUN) : i + 1]
        assert {signal.rule for signal in rules.feed(z)} == {rule for rule in ALL if holds(rule, window)}


@given(st.one_of(SERIES, REPEATED), st.data())
def test_a_state_kept_as_json_anywhere_changes_nothing(points: list[float], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(points)))
    whole, first, second = RunRules(ALL), RunRules(ALL), RunRules(reversed(ALL))
    expected = [set(whole.feed(z)) for z in points]
    found = [set(first.feed(z)) for z in points[:cut]]
    second.restore(json.loads(json.dumps(first.snapshot(), allow_nan=False)))
    assert found + [set(second.feed(z)) for z in points[cut:]] == expected


def test_a_rule_without_state_in_the_snapshot_begins_anew() -> None:
    rules = RunRules(["nelson_2", "nelson_3"])
    for z in (0.1, 0.2, 0.3, 0.4, 0.5):
        rules.feed(z)
    rules.restore({"nelson_2": rules.snapshot()["nelson_2"]})
    assert rules.feed(0.6) == ()
    assert rules.snapshot()["nelson_2"] == [6]
