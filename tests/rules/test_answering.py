"""Classes of alarms that nobody has to acknowledge: at all, or once they are over."""

from __future__ import annotations

import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Event, Revision
from rules.ruleset import load_rules
from tests.rules.plant import T0, refused, rules_of, seen, tick, watching

LIMITS = "{type: limits, signal: t, high: 80, high_high: 90}"


def hot(second: float, value: float = 85) -> Event:
    return seen(second, t=value)


def command(second: float, action: str, **more: object) -> Command:
    return Command(T0 + round(second * SECOND), action, "m", "m:r", "kim", "why", **more)  # type: ignore[arg-type]


def steps(monitor: AssetMonitor, *events: Event) -> list[tuple[str, str, str, str]]:
    return [_step(t) for event in events for t in monitor.handle(event)]


def _step(t: Transition) -> tuple[str, str, str, str]:
    return t.event, t.from_, t.to, t.by


def test_an_automatic_alarm_is_told_and_waits_for_nobody() -> None:
    m = watching(LIMITS, more=", acknowledge: automatic")
    assert steps(m, hot(0)) == [("raised", "A", "B", "andon"), ("acknowledged", "B", "C", "andon")]
    assert steps(m, hot(1, 20)) == [("cleared", "C", "A", "andon")]


def test_its_acknowledgement_says_that_nobody_was_asked() -> None:
    _, acknowledged = watching(LIMITS, more=", acknowledge: automatic").handle(hot(0))
    assert acknowledged.reason["text"].startswith("acknowledged by the rule (automatic): nobody has to; t 85")
    assert acknowledged.reason["automatic"] is True


def test_a_higher_level_is_told_anew_and_acknowledged_again() -> None:
    m = watching(LIMITS, more=", acknowledge: automatic, priority: {high: low, high_high: high}")
    steps(m, hot(0))
    assert steps(m, hot(1, 95)) == [("raised_priority", "C", "B", "andon"), ("acknowledged", "B", "C", "andon")]


def test_what_latches_waits_for_its_reset_alone() -> None:
    m = watching(LIMITS, more=", acknowledge: automatic, latch: true")
    assert [step[0] for step in steps(m, hot(0), hot(1, 20))] == ["raised", "acknowledged", "latched"]
    assert steps(m, command(2, "reset")) == [("reset", "F", "A", "kim"), ("cleared", "A", "A", "kim")]


def test_on_return_a_person_is_called_while_it_is_active_and_not_after() -> None:
    m = watching(LIMITS, more=", acknowledge: on_return")
    assert steps(m, hot(0), hot(5, 20)) == [
        ("raised", "A", "B", "andon"),
        ("cleared", "B", "D", "andon"),
        ("acknowledged", "D", "A", "andon"),
    ]
    assert steps(m, hot(6), command(7, "acknowledge"), hot(8, 20)) == [
        ("raised", "A", "B", "andon"),
        ("acknowledged", "B", "C", "kim"),
        ("cleared", "C", "A", "andon"),
    ]
    latching = watching(LIMITS, more=", acknowledge: on_return, latch: true")
    assert steps(latching, hot(0), hot(5, 20))[1:] == [
        ("latched", "B", "E", "andon"),
        ("acknowledged", "E", "F", "andon"),
    ]


def test_what_is_suppressed_is_shown_and_told_before_it_is_acknowledged() -> None:
    m = watching(LIMITS, more=", acknowledge: automatic, suppress_when: 'cleaning == true'")
    assert steps(m, seen(0, cleaning=True, t=85)) == [("suppressed", "A", "H", "andon"), ("raised", "H", "H", "andon")]
    assert steps(m, seen(1, cleaning=False)) == [
        ("unsuppressed", "H", "B", "andon"),
        ("acknowledged", "B", "C", "andon"),
    ]


def test_after_a_shelf_the_rule_acknowledges_and_not_who_unshelved() -> None:
    m = watching(LIMITS, more=", acknowledge: automatic")
    steps(m, command(0, "shelve", until=T0 + 60 * SECOND), hot(1))
    assert steps(m, command(2, "unshelve")) == [("unshelved", "G", "B", "kim"), ("acknowledged", "B", "C", "andon")]
    steps(m, hot(3, 20), command(4, "shelve", until=T0 + 60 * SECOND), hot(5))
    assert steps(m, tick(60)) == [("unshelved", "G", "B", "andon"), ("acknowledged", "B", "C", "andon")]


def test_a_rule_that_becomes_automatic_acknowledges_what_stands() -> None:
    rule = f"  - {{id: r, kind: equipment, assets: m, detect: {LIMITS}}}\n"
    m = AssetMonitor("m", rules_of(rule))
    steps(m, hot(0))
    changed = rules_of(rule.replace("assets: m", "assets: m, acknowledge: automatic"))
    assert steps(m, Revision(T0 + 5 * SECOND, changed)) == [("acknowledged", "B", "C", "andon")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("acknowledge: automatic, re_alarm_after: 4h", "`re_alarm_after` waits for people"),
        ("acknowledge: automatic, ack_expires: 4h", "`ack_expires` waits for people"),
        ("acknowledge: automatic, escalate: [{after: 5m, priority: high}]", "`escalate` waits for people"),
        ("acknowledge: never", "unknown acknowledge `never`"),
    ],
)
def test_contradictions_are_refused(more: str, expected: str) -> None:
    assert expected in refused(LIMITS, more=f", {more}")


@pytest.mark.parametrize("how", ["automatic", "on_return"])
def test_a_safety_alarm_is_acknowledged_by_a_person(how: str) -> None:
    text = f"rules: [{{id: r, kind: safety, acknowledge: {how}, detect: {LIMITS}}}]"
    assert "a safety alarm is acknowledged by a person" in str(load_rules({"a.yaml": text}).problems[0])
