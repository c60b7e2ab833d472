"""What is not known is neither true nor false: what follows, place by place, as the rule reference states it."""

from __future__ import annotations

import pytest

from rules.asset import AssetMonitor
from rules.delay import Delay
from rules.events import SECOND, Event, Observation, Quality, Reading
from tests.rules.plant import T0, seen, tick, told, watching

CONDITION = "{type: condition, expression: x > 5}"
LIMITS = "{type: limits, signal: t, high: 5}"
PATIENT = ", fault_after: 1d"


def bad(second: float, **values: object) -> Event:
    return seen(second, bad=tuple(values), **values)


def uncertain(second: float, metric: str, value: float) -> Event:
    at = T0 + round(second * SECOND)
    return Observation("m", at, at, (Reading(metric, value, Quality.UNCERTAIN),))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("hold", []),
        ("alarm", [("r", 1, "raised"), ("r", 2, "cleared")]),
        ("ignore", [("r", 1, "raised"), ("r", 2, "cleared")]),
    ],
)
def test_bad_quality_follows_the_policy_of_the_rule(policy: str, expected: list[object]) -> None:
    m = watching(CONDITION, more=f", on_bad_quality: {policy}{PATIENT}")
    assert told(m, seen(0, x=1), bad(1, x=9), seen(2, x=1)) == expected


@pytest.mark.parametrize("policy", ["hold", "alarm", "ignore"])
def test_an_alarm_that_stands_is_not_ended_by_not_knowing(policy: str) -> None:
    m = watching(CONDITION, more=f", on_bad_quality: {policy}{PATIENT}")
    assert ("r", 1, "cleared") not in told(m, seen(0, x=9), bad(1, x=9))[1:]


DELAYED = "{type: limits, signal: t, high: 5, on_delay: 10s, off_delay: 10s}"


def test_a_delay_waits_while_nothing_can_be_told() -> None:
    m = watching(DELAYED, more=PATIENT)
    assert told(m, seen(0, t=9), bad(4, t=9), tick(60)) == [], "after four seconds of the ten"
    assert told(m, seen(60, t=9), tick(70)) == [("r", 66, "raised")]
    assert told(m, seen(80, t=1), bad(84, t=1), tick(200)) == [], "no more does it end"
    assert told(m, seen(200, t=1), tick(210)) == [("r", 206, "cleared")]


def test_what_is_otherwise_after_not_knowing_begins_anew() -> None:
    m = watching(DELAYED, more=PATIENT)
    assert told(m, seen(0, t=9), bad(4, t=9), seen(60, t=1), seen(61, t=9), tick(72)) == [("r", 71, "raised")]


def test_a_delay_that_waits_is_kept_over_a_restart_and_moves_with_the_timeline() -> None:
    delay = Delay(10, 10)
    delay.feed(True, 0)
    delay.feed(None, 4)
    other = Delay(10, 10)
    other.restore(delay.snapshot())
    other.shift(100)
    other.feed(True, 160)
    assert (delay.deadline, other.deadline) == (None, 166)


@pytest.mark.parametrize("policy", ["hold", "alarm", "ignore"])
def test_a_signal_that_never_came_neither_raises_nor_clears(policy: str) -> None:
    m = watching("{type: condition, expression: x > 5 and y > 5}", more=f", on_bad_quality: {policy}{PATIENT}")
    assert told(m, seen(0, x=9), seen(1, x=9)) == []
    assert told(m, seen(2, y=9)) == [("r", 2, "raised")]


@pytest.mark.parametrize(
    ("expression", "raised"),
    [
        ("x > 5 or y > 5", True),
        ("x > 5 and y > 5", False),
        ("not (x < 5 and y > 5)", True),
        ("(x if y else x) > 5", True),
    ],
)
def test_what_is_certain_in_spite_of_an_unknown_signal_counts(expression: str, raised: bool) -> None:
    m = watching(f"{{type: condition, expression: '{expression}'}}", more=PATIENT)
    assert bool(told(m, bad(0, y=9), seen(1, x=9))) is raised


def test_arithmetic_without_a_result_is_as_unknown_as_a_bad_signal() -> None:
    m = watching("{type: condition, expression: x / y > 5}", more=", on_bad_quality: alarm" + PATIENT)
    assert told(m, seen(0, x=9, y=0), seen(1, y=9)) == [("r", 0, "raised"), ("r", 1, "cleared")]


def test_uncertain_counts_as_good_but_not_for_safety() -> None:
    assert told(watching(CONDITION), uncertain(0, "x", 9)) == [("r", 0, "raised")]
    safety = watching(CONDITION, kind="safety")
    (raised,) = safety.handle(uncertain(0, "x", 1))
    assert raised.reason["level"] == "bad_quality"


@pytest.mark.parametrize(("kind", "expected"), [("equipment", [("r", 3, "raised")]), ("safety", [("r", 0, "raised")])])
def test_a_gate_that_was_never_known_arms_safety_rules_alone(kind: str, expected: list[object]) -> None:
    m = watching(LIMITS, kind=kind, more=", when: 'run == 1'")
    assert told(m, seen(0, t=9), bad(1, run=1), seen(3, run=1)) == expected


@pytest.mark.parametrize("known", [True, False])
def test_a_gate_that_is_not_known_any_more_stays_as_it_was(known: bool) -> None:
    m = watching(LIMITS, more=", when: 'run == 1'")
    assert bool(told(m, seen(0, run=1 if known else 0, t=1), bad(1, run=1), seen(2, t=9))) is known


def test_what_is_not_certain_suppresses_nothing() -> None:
    m = watching(LIMITS, more=", suppress_when: 'cleaning == 1'")
    assert told(m, bad(0, cleaning=1), seen(1, t=9)) == [("r", 1, "raised")]
    m = watching(LIMITS, more=", suppress_when: 'cleaning == 1'")
    assert [event for _, _, event in told(m, seen(0, cleaning=1, t=9), bad(1, cleaning=1))] == [
        "suppressed",
        "raised",
        "unsuppressed",
    ]


def test_what_is_lost_is_an_alarm_though_another_signal_never_came() -> None:
    m = watching("{type: condition, expression: x > 5 or y > 5}", more=", on_bad_quality: alarm" + PATIENT)
    assert told(m, seen(0, x=1)) == []
    assert told(m, bad(1, x=1)) == [("r", 1, "raised")]


def test_what_came_about_before_something_was_unknown_is_not_counted_twice() -> None:
    m = watching("{type: count, expression: x > 5, at_least: 2, within: 60s}", more=PATIENT)
    assert told(m, seen(0, x=1), seen(1, x=9), bad(2, x=1), seen(3, x=9)) == []
    assert told(m, seen(4, x=1), seen(5, x=9)) == [("r", 5, "raised")]


def test_time_in_use_is_not_counted_while_it_is_unknown() -> None:
    m = watching("{type: usage, while: run == 1, every: 10s, reset_by: serviced == 1}", more=PATIENT)
    assert told(m, seen(0, run=1), bad(4, run=0), seen(12, run=1), tick(17)) == []
    assert told(m, tick(18)) == [("r", 18, "raised")]


@pytest.mark.parametrize("word", ["err", True])
@pytest.mark.parametrize("kind", ["safety", "quality"])
def test_what_does_not_fit_the_rule_is_over_with_the_next_value_that_does(word: object, kind: str) -> None:
    m = watching("{type: limits, signal: t, high: 80}", kind=kind, more=", on_bad_quality: alarm, latch: false")
    told(m, seen(0, t=20), seen(1, t=20))
    assert told(m, seen(2, t=word), seen(3, t=20), seen(4, t=20)) == [("r", 2, "raised"), ("r", 3, "cleared")]


def test_it_is_over_after_a_restart_too() -> None:
    m = watching("{type: limits, signal: t, high: 80}", more=", on_bad_quality: alarm")
    told(m, seen(0, t=20), seen(1, t="err"))
    m = AssetMonitor.restore(m.rules, m.snapshot())
    assert told(m, seen(2, t=20)) == [("r", 2, "cleared")]
