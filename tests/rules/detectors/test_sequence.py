"""One thing after another."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Link
from tests.rules.plant import T0, seen, set_back, tick, told, watching

VALVE = "{type: sequence, first: 'command == true', then: 'open == true', within: 5s, missing: true}"
REACH = "{type: sequence, first: 'door == true', then: 'motion == true', within: 5s}"


def test_a_command_without_feedback_is_an_alarm_at_the_deadline_and_ends_with_the_feedback():
    m = watching(VALVE)
    assert told(m, seen(0, command=False, open=False), seen(1, command=True), tick(5.9)) == []
    assert told(m, tick(6), seen(9, open=True)) == [("r", 6, "raised"), ("r", 9, "cleared")]


def test_feedback_in_time_or_already_there_is_fine():
    m = watching(VALVE)
    assert told(m, seen(0, command=False, open=False), seen(1, command=True), seen(4, open=True), tick(60)) == []
    m = watching(VALVE)
    assert told(m, seen(0, command=False, open=True), seen(1, command=True), tick(60)) == []


def test_feedback_exactly_at_the_end_comes_too_late():
    m = watching(VALVE)
    events = (seen(0, command=False, open=False), seen(1, command=True), seen(6, open=True))
    assert told(m, *events) == [("r", 6, "raised"), ("r", 6, "cleared")]


def test_the_next_attempt_ends_the_alarm_and_waits_anew():
    m = watching(VALVE)
    told(m, seen(0, command=False, open=False), seen(1, command=True), tick(6))
    assert told(m, seen(10, command=False), seen(11, command=True), tick(20)) == [
        ("r", 11, "cleared"), ("r", 16, "raised"),
    ]  # fmt: skip


def test_while_our_own_link_is_down_nothing_is_missing_and_the_wait_stands_still():
    m = watching(VALVE)
    down = Link(T0 + 3 * SECOND, "main", False, T0 + 3 * SECOND)
    up = Link(T0 + 60 * SECOND, "main", True, T0 + 3 * SECOND)
    assert told(m, seen(0, command=False, open=False), seen(1, command=True), down, tick(30)) == []
    m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    assert told(m, up, tick(62)) == []
    assert told(m, tick(70)) == [("r", 63, "raised")]


def test_what_came_while_our_own_link_was_down_was_not_missing():
    m = watching(VALVE)
    down = Link(T0 + 3 * SECOND, "main", False, T0 + 3 * SECOND)
    up = Link(T0 + 60 * SECOND, "main", True, T0 + 3 * SECOND)
    told(m, seen(0, command=False, open=False), seen(1, command=True), down, up)
    assert told(m, seen(4, late=57, command=True, open=True), tick(90)) == []


def test_one_thing_soon_after_another_is_an_alarm_while_the_second_holds():
    m = watching(REACH)
    assert told(m, seen(0, door=False, motion=False), seen(1, door=True), seen(3, motion=True)) == [("r", 3, "raised")]
    assert told(m, seen(9, motion=False)) == [("r", 9, "cleared")]


def test_too_late_or_the_wrong_way_round_is_not_that_sequence():
    assert told(watching(REACH), seen(0, door=False, motion=False), seen(1, door=True), seen(6, motion=True)) == []
    assert told(watching(REACH), seen(0, door=False, motion=False), seen(1, motion=True), seen(2, door=True)) == []


def test_an_unknown_feedback_is_neither_there_nor_missing():
    m = watching(VALVE, more=", on_bad_quality: alarm")
    (raised,) = [
        t for e in (seen(0, command=False, open=False), seen(1, command=True), seen(2, open=None)) for t in m.handle(e)
    ]
    assert raised.reason["level"] == "bad_quality"


def test_the_reason_names_both():
    m = watching(VALVE)
    told(m, seen(0, command=False, open=False), seen(1, command=True))
    (raised,) = m.handle(tick(6))
    assert raised.reason["text"].startswith("command == true was not followed by open == true within 5s")
    m = watching(REACH)
    told(m, seen(0, door=False, motion=False), seen(1, door=True))
    (raised,) = m.handle(seen(2, motion=True))
    assert raised.reason["text"].startswith("door == true was followed by motion == true within 5s: door True")


def test_the_wait_is_as_long_though_the_clock_is_set_back():
    m = watching(VALVE.replace("5s", "60s"))
    told(m, seen(3999, command=False, open=False), seen(4000, command=True))
    assert [*set_back(m, 4000, command=True), *told(m, tick(4059))] == []
    assert told(m, tick(4060)) == [("r", 460, "raised")]


@pytest.mark.parametrize("began", [1, 3], ids=["armed", "not-armed"])
def test_a_sequence_that_began_before_the_rule_was_armed_does_not_count(began: int):
    m = watching(REACH, more=", when: 'run == true'")
    story = {0: {"run": True, "door": False, "motion": False}, 2: {"run": False}, 4: {"run": True}, 5: {"motion": True}}
    assert told(m, *[seen(s, **values) for s, values in sorted((story | {began: {"door": True}}).items())]) == []


def test_what_was_cleared_as_the_rule_was_disarmed_does_not_come_back_by_arming_it():
    m = watching(REACH, more=", when: 'run == true', when_false: clear")
    events = (seen(0, run=True, door=False, motion=False), seen(1, door=True), seen(2, motion=True), seen(3, run=False))
    assert told(m, *events, seen(4, run=True)) == [("r", 2, "raised"), ("r", 3, "cleared")]


@pytest.mark.parametrize(
    ("detect", "end", "words"),
    [
        (REACH, {"motion": False}, "motion == true no longer holds: door True, motion False"),
        (VALVE, {"open": True}, "open == true holds: command False, open True"),
        (VALVE, {"command": True}, "command == true begins anew: command True, open False"),
    ],
)
def test_the_reason_says_how_it_ended(detect: str, end: dict[str, object], words: str):
    m = watching(detect)
    told(m, seen(0, door=False, motion=False, command=False, open=False), seen(1, door=True, command=True))
    told(m, seen(2, motion=True), tick(6), seen(7, command=False))
    (cleared,) = m.handle(seen(8, **end))
    assert cleared.event == "cleared"
    assert (cleared.reason["text"], cleared.reason["limit"]) == (words, 5)
