"""The register of safety functions: what is bypassed since when, how often it was called upon, when a test is due."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Command
from rules.register import Function, altered, functions, requests
from tests.rules.plant import T0, rules_of, seen, tick

DAY = 86_400
RULES = rules_of("""
  - id: curtain
    kind: safety
    title: Light curtain
    assets: m
    detect: {type: safety_function, demand: 'beam == false', bypass: 'muted == true', max_bypass: 60s, proof_test: 30d, tested: 'test == true'}
  - {id: pressure, kind: safety, assets: m, detect: {type: limits, signal: p, high: 6}}
""")


def curtain(*events: object) -> AssetMonitor:
    m = AssetMonitor("m", RULES)
    for event in (seen(0, beam=True, muted=False, test=False, p=1), *events):
        m.handle(event)  # type: ignore[arg-type]
    return m


def at(second: float) -> int:
    return T0 + round(second * SECOND)


def entry(m: AssetMonitor, second: float) -> Function:
    (found,) = functions(m, at(second))
    return found


@pytest.mark.parametrize("restart", [False, True])
def test_a_bypass_that_lasts_says_since_when_what_is_left_and_how_often_the_function_was_needed(restart: bool) -> None:
    m = curtain(
        seen(5, beam=False), seen(6, beam=True), seen(10, muted=True), seen(20, beam=False), seen(21, beam=True)
    )
    m = AssetMonitor.restore(RULES, json.loads(json.dumps(m.snapshot()))) if restart else m
    found = entry(m, 30)
    assert (found.title, found.heard) == ("Light curtain", at(21))
    bypass, demand = found.bypass, found.demand
    assert bypass is not None
    assert demand is not None
    assert (bypass.active, bypass.since, bypass.limit, bypass.left) == (True, at(10), 60 * SECOND, 40 * SECOND)
    assert (bypass.what, bypass.values) == ("muted == true", {"muted": True})
    assert (bypass.count, bypass.total, bypass.demands, bypass.state) == (1, 20 * SECOND, 1, "A")
    assert (demand.active, demand.count, demand.total, demand.since, demand.left) == (False, 2, 2 * SECOND, None, None)


def test_one_that_lasts_too_long_is_over_its_time_and_its_alarm_stands() -> None:
    bypass = entry(curtain(seen(10, muted=True), tick(70)), 100).bypass
    assert bypass is not None
    assert (bypass.left, bypass.state) == (-30 * SECOND, "B")


def test_before_the_first_bypass_nothing_was_demanded_meanwhile() -> None:
    bypass = entry(curtain(seen(5, beam=False), seen(6, beam=True)), 10).bypass
    assert bypass is not None
    assert (bypass.active, bypass.count, bypass.demands) == (False, 0, 0)


def test_after_a_bypass_its_demands_are_kept_and_later_ones_do_not_count() -> None:
    m = curtain(seen(10, muted=True), seen(20, beam=False), seen(21, beam=True), seen(30, muted=False))
    m.handle(seen(40, beam=False))
    bypass = entry(m, 50).bypass
    assert bypass is not None
    assert (bypass.active, bypass.since, bypass.demands, bypass.total) == (False, None, 1, 20 * SECOND)


def test_after_a_bypass_of_a_state_that_counted_no_demands_there_were_none() -> None:
    state = curtain(seen(10, muted=True), seen(20, muted=False)).snapshot()
    for rule, _, _, saved in state["watches"]:
        if rule == "curtain":
            saved["detector"] = saved["detector"][:4]
    bypass = entry(AssetMonitor.restore(RULES, state), 30).bypass
    assert bypass is not None
    assert (bypass.count, bypass.demands) == (1, 0)


def test_a_demand_that_lasts_as_the_bypass_begins_counts() -> None:
    bypass = entry(curtain(seen(5, beam=False), seen(10, muted=True)), 11).bypass
    assert bypass is not None
    assert bypass.demands == 1


def test_a_bypass_that_was_not_looked_at_for_a_while_counts_its_demands_on() -> None:
    detect = "{type: safety_function, demand: beam == false, bypass: muted == true, max_bypass: 10s}"
    gated = rules_of(f"  - {{id: g, kind: safety, assets: m, when: on == true, detect: {detect}}}\n")
    m = AssetMonitor("m", gated)
    for second in range(0, 10, 2):
        m.handle(seen(second, on=True, muted=False, beam=False))
        m.handle(seen(second + 1, beam=True))
    for event in (seen(20, muted=True), seen(21, beam=False), seen(22, beam=True), seen(31, muted=True)):
        m.handle(event)
    m.handle(seen(32, on=False))
    m.handle(seen(33, on=True))
    for demands in (1, 2):
        bypass = entry(m, 40).bypass
        assert bypass is not None
        assert (bypass.state, bypass.count, bypass.demands) == ("B", 1, demands)
        m.handle(seen(41, beam=False))


def test_the_alarm_of_a_bypass_tells_the_demands_meanwhile() -> None:
    m = curtain(seen(10, muted=True), seen(20, beam=False), seen(21, beam=True))
    raised = next(t for t in m.handle(tick(70)) if t.part == "bypass")
    assert raised.reason["demands"] == 1
    assert "1 demands meanwhile" in raised.reason["text"]


def test_a_signal_that_cannot_be_trusted_leaves_open_whether_it_is_bypassed() -> None:
    bypass = entry(curtain(seen(10, muted=True), seen(20, muted=True, bad=("muted",))), 30).bypass
    assert bypass is not None
    assert (bypass.active, bypass.since) == (None, at(10))


def test_a_proof_test_says_when_it_was_when_it_is_due_and_by_how_much_it_is_overdue() -> None:
    test = entry(curtain(seen(DAY, test=True), seen(DAY + 60, test=False)), 2 * DAY).proof_test
    assert test is not None
    assert (test.what, test.interval) == ("test == true", 30 * DAY * SECOND)
    assert (test.last, test.due, test.left) == (at(DAY), at(31 * DAY), 29 * DAY * SECOND)
    overdue = entry(curtain(tick(31 * DAY)), 31 * DAY).proof_test
    assert overdue is not None
    assert (overdue.last, overdue.left, overdue.state) == (None, -DAY * SECOND, "B")


def test_what_waits_for_a_second_person_and_other_limits_are_listed() -> None:
    m = curtain(Command(at(1), "shelve", "m", "m:curtain:demand", "kim", "permit 7", at(3601)))
    (asked,) = requests(m, at(900))
    assert (asked.rule, asked.part, asked.action, asked.by, asked.comment) == (
        "curtain",
        "demand",
        "shelve",
        "kim",
        "permit 7",
    )
    assert asked.expires == at(901)
    assert not requests(m, at(901))
    for second, by in ((2, "kim"), (3, "lee")):
        m.handle(Command(at(second), "override", "m", "m:pressure", by, "permit 8", at(3600), {"high": 7.0}))
    (other,) = altered(m, at(3599))
    assert (other.rule, other.limits, other.by, other.until) == ("pressure", {"high": 7.0}, "kim and lee", at(3600))
    assert not altered(m, at(3600))
