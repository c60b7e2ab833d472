"""What is watched of a safety function."""

from __future__ import annotations

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Link, Revision
from rules.register import Function, functions
from tests.rules.plant import T0, refused, seen, set_back, tick, watching

CURTAIN = (
    "{type: safety_function, demand: 'beam == false', bypass: 'muted == true', max_bypass: 60s, "
    "proof_test: 30d, tested: 'test == true', discrepancy: 'ch1 != ch2', max_discrepancy: 1s}"
)
DAY = 86400


def curtain() -> AssetMonitor:
    m = watching(CURTAIN, kind="safety")
    m.handle(seen(0, beam=True, muted=False, test=False, ch1=True, ch2=True))
    return m


def parts(m: AssetMonitor, *events: object) -> list[tuple[str | None, float, str]]:
    return [(t.part, (t.at - T0) / SECOND, t.event) for e in events for t in m.handle(e)]  # type: ignore[arg-type]


def test_each_demand_is_told_at_once_and_counted():
    m = curtain()
    (first,) = m.handle(seen(1, beam=False))
    assert (first.part, first.event) == ("demand", "raised")
    assert first.reason["count"] == 1
    m.handle(seen(2, beam=True))
    for second, act in ((3, "acknowledge"), (4, "reset")):
        m.handle(Command(T0 + second * SECOND, act, "m", first.id, "kim"))
    (second_time,) = m.handle(seen(5, beam=False))
    assert second_time.reason["count"] == 2
    assert second_time.reason["total"] == 1


def test_a_bypass_may_last_for_so_long_and_no_longer():
    assert parts(curtain(), seen(10, muted=True), seen(60, muted=False), seen(61, muted=True), tick(120)) == []
    assert parts(curtain(), seen(10, muted=True), tick(70)) == [("bypass", 70, "raised")]


def test_the_reason_of_a_bypass_says_how_often_and_how_long_in_all():
    m = curtain()
    parts(m, seen(10, muted=True), seen(30, muted=False), seen(100, muted=True))
    (raised,) = m.handle(tick(160))
    assert (raised.reason["count"], raised.reason["total"], raised.reason["limit"]) == (2, 80, 60)
    assert "is bypassed for longer than 1m" in raised.reason["text"]


def test_a_proof_test_is_due_after_its_interval_and_done_when_tested():
    m = curtain()
    assert parts(m, seen(10 * DAY, test=True), seen(10 * DAY + 60, test=False), tick(40 * DAY - 1)) == []
    assert parts(m, tick(40 * DAY)) == [("proof_test", 40 * DAY, "raised")]
    (due,) = parts(curtain(), tick(30 * DAY))
    assert due == ("proof_test", 30 * DAY, "raised")


def test_a_proof_test_is_due_though_its_signal_is_never_heard_of():
    m = watching(CURTAIN, kind="safety")
    assert parts(m, seen(0, other=1), tick(30 * DAY - 1)) == []
    assert parts(m, tick(30 * DAY)) == [("proof_test", 30 * DAY, "raised")]


def test_without_a_signal_for_tests_a_demand_is_one():
    m = watching("{type: safety_function, demand: 'stop == true', proof_test: 1d}", kind="equipment")
    m.handle(seen(0, stop=False))
    assert parts(m, seen(DAY / 2, stop=True))[0][0] == "demand"
    assert parts(m, seen(DAY / 2 + 1, stop=False), tick(DAY * 1.4))[0][2] == "cleared"
    assert parts(m, tick(DAY * 1.6))[0] == ("proof_test", DAY * 1.5, "raised")


@pytest.mark.parametrize(("told_by", "due"), [("tested", 15), ("demand", 10)])
def test_a_test_counts_also_while_the_rule_is_not_armed_and_a_demand_does_not(told_by: str, due: float):
    detect = f"{{type: safety_function, {told_by}: 'test == true', proof_test: 10s}}"
    m = watching(detect, kind="safety", more=", when: 'auto == true'")
    assert parts(m, seen(0, auto=True, test=False), seen(1, auto=False), seen(5, test=True), seen(6, test=False)) == []
    assert parts(m, seen(7, auto=True), seen(20, auto=True)) == [("proof_test", due, "raised")]


def test_two_channels_that_disagree_for_too_long_are_told():
    assert parts(curtain(), seen(5, ch1=False), seen(5.5, ch2=False), tick(9)) == []
    assert parts(curtain(), seen(5, ch1=False), tick(9)) == [("discrepancy", 6, "raised")]


def test_the_loss_of_a_signal_is_an_alarm_of_its_part():
    m = curtain()
    lost = [t for t in m.handle(seen(1, beam=None)) if t.rule == "r"]
    assert [(t.part, t.reason["level"]) for t in lost] == [("demand", "bad_quality")]


@pytest.mark.parametrize(
    "keys", ["", ", max_bypass: 5s", ", proof_test: 30d", ", demand: 'a == 1', tested: 'b == 1'"], ids=str
)
def test_what_watches_nothing_is_refused(keys: str):
    assert refused(f"{{type: safety_function{keys}}}")


def test_without_a_longest_time_a_bypass_is_told_at_once_and_a_contradiction_after_half_a_second():
    m = watching("{type: safety_function, bypass: 'muted == true', discrepancy: 'ch1 != ch2'}")
    assert parts(m, seen(5, muted=True, ch1=True, ch2=False), tick(9)) == [
        ("bypass", 5, "raised"), ("discrepancy", 5.5, "raised"),
    ]  # fmt: skip


def test_the_end_is_told_with_how_often_it_was():
    m = curtain()
    parts(m, seen(10, muted=True), tick(70))
    (over,) = m.handle(seen(80, muted=False))
    assert (
        over.reason["text"] == "over: muted == true no longer holds (muted False), 0 demands meanwhile; 1 times so far"
    )
    assert (over.reason["count"], over.reason["total"]) == (1, 70)
    (first,) = m.handle(seen(90, beam=False))
    assert first.reason["text"] == "the safety function was demanded: beam == false (beam False); 1 times so far"
    assert "demands" not in first.reason


def test_a_proof_test_is_told_with_the_time_of_the_last_one():
    m = curtain()
    (due,) = m.handle(tick(30 * DAY))
    assert due.reason["text"] == "the safety function has not been tested for 30d: test == true"
    assert (due.reason["limit"], due.reason["last_test"]) == (30 * DAY, None)
    (done,) = m.handle(seen(31 * DAY, test=True))
    assert done.reason["text"] == "the safety function was tested; the next test is due in 30d: test == true"
    assert done.reason["last_test"] == T0 + 31 * DAY * SECOND


def test_what_holds_while_the_rule_is_not_armed_does_not_count():
    m = watching("{type: safety_function, bypass: 'muted == true', max_bypass: 10s}", more=", when: 'run == true'")
    assert parts(m, seen(0, run=True, muted=False), seen(1, muted=True), seen(5, run=False), seen(20, run=True)) == []
    (raised,) = m.handle(tick(30))
    assert (raised.at, raised.reason["count"], raised.reason["total"]) == (T0 + 30 * SECOND, 2, 14)


def test_a_bypass_that_is_held_while_the_rule_is_disarmed_is_still_too_long_afterwards():
    m = watching("{type: safety_function, bypass: 'muted == true', max_bypass: 10s}", more=", when: 'run == true'")
    assert parts(m, seen(0, run=True, muted=True), tick(10)) == [("bypass", 10, "raised")]
    assert parts(m, seen(20, run=False), seen(30, run=True)) == []
    assert parts(m, seen(31, muted=False)) == [("bypass", 31, "cleared")]


def test_a_bypass_and_a_proof_test_last_as_long_though_the_clock_is_set_back():
    m = curtain()
    parts(m, seen(4000, test=True), seen(4001, test=False), seen(4010, muted=True))
    assert set_back(m, 4010, muted=True) == []
    assert parts(m, tick(4069)) == []
    (bypass,) = m.handle(tick(4070))
    assert (bypass.part, bypass.at, bypass.reason["total"]) == ("bypass", T0 + 470 * SECOND, 60)
    assert parts(m, tick(30 * DAY + 3999)) == []
    assert parts(m, tick(30 * DAY + 4000)) == [("proof_test", 30 * DAY + 400, "raised")]


def revised(m: AssetMonitor, second: float, *change: str) -> list[tuple[str | None, float, str]]:
    rules = watching(CURTAIN.replace(*change), kind="safety").rules
    return parts(m, Revision(T0 + round(second * SECOND), rules))


def figures(m: AssetMonitor, second: float) -> Function:
    (found,) = functions(m, T0 + round(second * SECOND))
    return found


def test_another_longest_time_or_interval_keeps_the_counts_and_the_last_test():
    m = curtain()
    parts(m, seen(10, beam=False), seen(11, beam=True, test=True), seen(12, test=False))
    parts(m, seen(20, muted=True), seen(30, muted=False), seen(40, muted=True), seen(41, beam=False))
    before = figures(m, 50)
    revised(m, 50, "max_bypass: 60s", "max_bypass: 90s")
    after = figures(m, 50)
    assert after.bypass
    assert before.bypass
    assert after.proof_test
    assert after.demand
    assert (after.bypass.count, after.bypass.total, after.bypass.demands) == (2, 20 * SECOND, 1)
    assert (after.bypass.since, after.demand.count) == (before.bypass.since, 2)
    assert after.proof_test.last == T0 + 11 * SECOND
    assert parts(m, tick(129)) == []
    assert parts(m, tick(130)) == [("bypass", 130, "raised")]
    revised(m, 131, "30d", "20d")
    (due,) = parts(m, tick(20 * DAY + 11))
    assert due == ("proof_test", 20 * DAY + 11, "raised")


def test_a_bypass_that_already_lasts_too_long_for_the_new_rule_is_told_at_once():
    m = curtain()
    parts(m, seen(10, muted=True))
    assert revised(m, 40, "max_bypass: 60s", "max_bypass: 20s") == [("bypass", 40, "raised")]


def test_what_is_watched_by_another_expression_begins_anew():
    m = curtain()
    parts(m, seen(10, muted=True, beam=False), seen(20, test=True), seen(21, test=False))
    revised(m, 30, "beam == false", "light == false")
    changed = figures(m, 30)
    assert changed.demand
    assert changed.bypass
    assert (changed.demand.count, changed.bypass.count, changed.bypass.demands) == (0, 1, 0)
    revised(m, 31, "test == true", "tried == true")
    begun = figures(m, 31)
    assert begun.proof_test
    assert begun.proof_test.last is None


def test_a_rule_that_is_not_armed_when_it_changes_holds_nothing():
    bypass = "{type: safety_function, bypass: 'muted == true', max_bypass: 10s}"
    m = watching(bypass)
    parts(m, seen(0, run=False, muted=True))
    rules = watching(bypass, more=", when: 'run == true'").rules
    assert parts(m, Revision(T0 + 5 * SECOND, rules), tick(100), seen(101, run=True), tick(110)) == []
    (raised,) = m.handle(tick(111))
    assert (raised.reason["count"], raised.reason["total"]) == (2, 15)


def test_time_in_which_nobody_sees_it_is_in_no_total_and_still_part_of_how_long_it_may_last():
    m = curtain()
    parts(m, seen(10, muted=True), seen(20, muted=None), seen(40, muted=True))
    down, up = (Link(T0 + second * SECOND, "main", up, T0 + 45 * SECOND) for second, up in ((45, False), (60, True)))
    parts(m, down, up)
    (raised,) = [t for t in m.handle(tick(70)) if t.part == "bypass"]
    assert (raised.at, raised.reason["total"]) == (T0 + 70 * SECOND, 10 + 5 + 10)
