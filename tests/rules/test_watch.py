"""From what a detector says to the alarm: which level is told, at which priority, and what a gate and bad quality do."""

from __future__ import annotations

import pytest

from rules.asset import AssetMonitor
from tests.rules.plant import T0, seen, told, watching

LIMITS = "{type: limits, signal: x, low: 1, high: 5, high_high: 8}"


def levels(m: AssetMonitor, *events: object) -> list[tuple[str, str, str]]:
    """Event, level and priority of each transition."""
    return [(t.event, t.reason["level"], str(t.priority)) for event in events for t in m.handle(event)]  # type: ignore[arg-type]


def test_of_two_levels_with_one_priority_the_severer_is_told():
    m = watching(LIMITS)
    assert levels(m, seen(0, x=9)) == [("raised", "high_high", "medium")]
    assert [event for event, level, _ in levels(m, seen(1, x=6)) if level == "high"] == ["lowered_priority"]


def test_of_two_levels_the_one_of_higher_priority_is_told():
    m = watching(LIMITS, more=", priority: {high: high, high_high: low, low: medium}")
    assert levels(m, seen(0, x=9)) == [("raised", "high", "high")]
    assert levels(m, seen(1, x=3)) == [("cleared", "high", "high")]


def test_another_level_gives_the_reason_that_it_would_have_been_raised_for():
    m = watching(LIMITS)
    m.handle(seen(0, x=9))
    (changed,) = m.handle(seen(1, x=6))
    (raised,) = watching(LIMITS).handle(seen(1, x=6))
    assert changed.event == "lowered_priority"
    assert {**changed.reason, "why": None} == {**raised.reason, "why": None}


def test_since_when_it_held_is_told_where_it_had_to_hold_for_a_while_and_only_when_it_comes():
    (raised,) = watching(LIMITS).handle(seen(0, x=9))
    assert "began" not in raised.reason
    m = watching("{type: limits, signal: x, high: 5, on_delay: 10s}")
    m.handle(seen(0, x=9))
    came, went = m.handle(seen(12, x=9)) + m.handle(seen(20, x=1))
    assert (came.reason["began"], "began" in went.reason) == (T0, False)


def test_a_level_that_a_table_of_priorities_leaves_out_has_the_highest_of_them():
    m = watching(LIMITS, more=", priority: {high: low, high_high: high}")
    assert levels(m, seen(0, x=0)) == [("raised", "low", "high")]


@pytest.mark.parametrize(("kind", "told_while_unknown"), [("safety", ["raised"]), ("equipment", [])])
def test_an_unknown_gate_arms_what_is_for_safety_alone(kind: str, told_while_unknown: list[str]):
    m = watching(LIMITS, kind=kind, more=", when: 'run == true', when_false: clear, latch: false")
    assert [event for _, _, event in told(m, seen(0, x=6))] == told_while_unknown
    assert [event for _, _, event in told(m, seen(1, run=True))] == ([] if told_while_unknown else ["raised"])
    assert [event for _, _, event in told(m, seen(2, run=False))] == ["cleared"]
    assert told(m, seen(3, x=9)) == []


def test_what_held_before_stays_while_the_quality_is_bad():
    m = watching(LIMITS, kind="safety", more=", latch: false")
    assert levels(m, seen(0, x=6)) == [("raised", "high", "medium")]
    assert told(m, seen(1, x=6, bad=("x",)), seen(2, x=6)) == []
    assert levels(m, seen(3, x=3)) == [("cleared", "high", "medium")]


def test_it_is_told_that_signals_can_be_trusted_again():
    m = watching(LIMITS, kind="safety", more=", latch: false")
    assert [t.reason["text"] for t in m.handle(seen(0, x=3, bad=("x",)))] == ["cannot tell: x is bad"]
    assert [(t.event, t.reason["text"]) for t in m.handle(seen(1, x=3))] == [
        ("cleared", "the signals can be trusted again")
    ]


def test_a_delay_that_ends_as_a_window_moves_on_is_seen_at_once():
    m = watching("{type: condition, expression: 'count(t, 10s) > 0', on_delay: 10s}")
    assert told(m, seen(0, t=9), seen(4, t=9), seen(8, t=9), seen(9, t=9)) == []
    assert told(m, seen(30, t=9))[:1] == [("r", 10, "raised")]


def test_what_a_window_saw_before_the_rule_was_armed_does_not_count():
    m = watching("{type: condition, expression: 'count(t, 60s) >= 3'}", more=", when: 'run == true', when_false: clear")
    assert told(m, seen(0, t=1, run=True), seen(1, t=2), seen(2, run=False), seen(10, run=True), seen(11, t=3)) == []
    assert told(m, seen(12, t=4), seen(13, t=5)) == [("r", 13, "raised")]
