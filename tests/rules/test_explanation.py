"""Why nothing came, step by step, from what a monitor was told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from rules.asset import AssetMonitor
from rules.events import SECOND
from rules.explanation import Answer, Step, Way, ways
from tests.properties import streams
from tests.rules.plant import T0, rules_of, seen, tick

HOT = "{type: limits, signal: t, high: 80, on_delay: 10s}"


def told(*events: object, more: str = "", detect: str = HOT) -> AssetMonitor:
    rules = rules_of(f"  - {{id: r, kind: equipment, assets: m, detect: {detect}{more}}}\n")
    monitor = AssetMonitor("m", rules)
    for event in events:
        monitor.handle(event)  # type: ignore[arg-type]
    return monitor


def at(monitor: AssetMonitor, second: float, rule: str = "r") -> list[Way]:
    return ways(monitor, rule, T0 + round(second * SECOND))


def ended(monitor: AssetMonitor) -> Step | None:
    (way,) = at(monitor, 20)
    return way.ended


@pytest.mark.parametrize(
    ("monitor", "name", "text"),
    [
        (told(tick(0)), "signal t", "no reading of `t` came"),
        (told(seen(0, t=70), tick(5)), "condition high", "t 70 is not above 80"),
        (told(seen(15, t=90)), "on_delay high", "has held for 5s of 10s"),
        (told(seen(15, t=90, bad=("t",))), "signal t", "90.0, bad, 5s old: the alarm stays as it was"),
        (
            told(seen(0, t=90, run=False), tick(20), more=", when: run == true"),
            "when",
            "run == true does not hold: the rule is not armed (run False)",
        ),
        (
            told(seen(0, t=90, run=True), tick(20), more=", when: run == true, settle: 60s"),
            "settle",
            "armed for 20s of 1m: 40s are left",
        ),
        (
            told(seen(0, t=90), tick(20), more=", mode: shadow"),
            "mode",
            "the rule is in shadow mode: it decides and notifies nobody",
        ),
        (
            told(seen(0, t=90, c=True), tick(20), more=", suppress_when: c == true"),
            "suppress_when",
            "suppressed by design: c == true",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_the_step_that_let_nothing_through_is_named(monitor: AssetMonitor, name: str, text: str) -> None:
    step = ended(monitor)
    assert step is not None
    assert (step.name, step.answer is not Answer.PASSES) == (name, True)
    assert step.text.startswith(text.split(" is not above", maxsplit=1)[0])


def test_what_lets_everything_through_has_no_end() -> None:
    monitor = told(seen(0, t=90), tick(11))
    assert ended(monitor) is None
    assert at(monitor, 20)[0].raised


def test_a_rule_that_has_settled_says_since_when_it_is_armed() -> None:
    monitor = told(seen(0, t=90, run=True), tick(70), more=", when: run == true, settle: 60s")
    step = next(step for step in at(monitor, 70)[0].steps if step.name == "settle")
    assert (step.answer, step.text) == (Answer.PASSES, "armed for 1m10s")


def test_every_signal_of_a_rule_for_each_has_a_way_of_its_own() -> None:
    monitor = told(seen(0, a=90, b=10), tick(20), detect="{type: limits, each: [a, b], high: 80}")
    assert [(way.part, way.raised) for way in at(monitor, 20)] == [("a", True), ("b", False)]


def test_a_rule_that_does_not_watch_has_no_way() -> None:
    assert at(told(tick(0)), 0, "other") == []


@settings(max_examples=15, deadline=None)
@given(streams.streams())
def test_whatever_was_told_can_be_explained_and_nothing_changes_by_it(events: list[object]) -> None:
    rules = rules_of(streams.RULES, streams.MACHINES)
    monitors = {asset: AssetMonitor(asset, rules) for asset in streams.ASSETS}
    for event in events:
        for monitor in monitors.values():
            if getattr(event, "asset", monitor.asset) == monitor.asset:
                monitor.handle(event)  # type: ignore[arg-type]
    for monitor in monitors.values():
        before = monitor.snapshot()
        for rule in rules.rules:
            assert all(step.text for way in at(monitor, 1000, rule.id) for step in way.steps)
        assert monitor.snapshot() == before


@pytest.mark.parametrize(("value", "text"), [("True", "'True', good"), (True, "true, good"), (90, "90.0, good")])
def test_a_text_is_told_from_what_it_looks_like(value: object, text: str) -> None:
    (way,) = at(told(seen(20, t=value)), 20)
    assert way.steps[0].text.startswith(text)
