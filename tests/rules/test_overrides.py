"""Limits that a person puts in the place of those of the files: in force at once, for a while, over everything else."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Revision
from rules.ruleset import RuleSet
from tests.rules.plant import T0, rules_of, seen, set_back, story, tick, told

HOUR = 3600
RULE = "  - {{id: r, kind: {kind}, title: {title}, assets: m, detect: {{type: limits, signal: t, high: {high}, high_high: 95, deadband: 2}}}}\n"
RECIPES = "types: {x: {context: {product: p}}}\nassets: {m: {type: x}}\n"
BY_PRODUCT = (
    "  - {id: r, kind: quality, assets: m, detect: {type: limits, signal: t, high: {by: product, A7: 85, B2: 70}}}\n"
)


def rules(*, kind: str = "equipment", title: str = "Too hot", high: float = 80) -> RuleSet:
    return rules_of(RULE.format(kind=kind, title=title, high=high))


def act(
    second: float, action: str = "override", *, hours: float | None = 8, by: str = "kim", comment: str = "trial", **limits: float
) -> Command:  # fmt: skip
    at = T0 + round(second * SECOND)
    until = None if hours is None else at + round(hours * HOUR * SECOND)
    return Command(at, action, "m", "m:r", by, comment, until, limits)


def restarted(monitor: AssetMonitor, ruleset: RuleSet) -> AssetMonitor:
    return AssetMonitor.restore(ruleset, json.loads(json.dumps(monitor.snapshot())))


@pytest.mark.parametrize("restart", [False, True])
def test_an_override_is_in_force_until_its_end_and_says_who_why_and_until_when(restart: bool) -> None:
    m = AssetMonitor("m", rules())
    (record,) = m.handle(act(0, high=90))
    assert (record.event, record.by, record.from_, record.to) == ("limits_overridden", "kim", "A", "A")
    assert record.reason["text"] == "override by kim (high 90 instead of 80, 8h): trial"
    assert record.reason["override"] == {
        "limits": {"high": {"limit": 90.0, "filed": 80.0}},
        "until": T0 + 8 * HOUR * SECOND,
        "by": "kim",
        "comment": "trial",
    }
    m = restarted(m, rules()) if restart else m
    assert told(m, seen(10, t=85)) == []
    (raised,) = m.handle(seen(20, t=91))
    assert raised.reason["text"] == "t 91 above high limit 90 (overridden by kim: trial; the files say 80)"
    assert (raised.reason["limit"], raised.reason["override"]["until"]) == (90.0, T0 + 8 * HOUR * SECOND)
    m.handle(seen(30, t=85))
    assert m.next_deadline() == T0 + 8 * HOUR * SECOND
    over, again = m.handle(tick(8 * HOUR))
    assert (over.event, over.by, over.reason["why"]) == ("limits_restored", "andon", "time_up")
    assert over.reason["text"] == "the time of the override is up: the limits of the files hold again (high 80)"
    assert (again.event, again.at) == ("raised", over.at)
    assert "override" not in again.reason


def test_what_follows_from_other_limits_follows_at_once() -> None:
    m = AssetMonitor("m", rules())
    assert told(m, seen(0, t=85), act(1, high=90), act(2, high=70)) == [
        ("r", 0, "raised"), ("r", 1, "limits_overridden"), ("r", 1, "cleared"),
        ("r", 2, "limits_overridden"), ("r", 2, "raised"),
    ]  # fmt: skip


def test_somebody_may_end_it_before_its_time() -> None:
    m = AssetMonitor("m", rules())
    assert told(m, act(0, high=90), seen(1, t=85), act(2, "restore", hours=None, by="lee")) == [
        ("r", 0, "limits_overridden"), ("r", 2, "limits_restored"), ("r", 2, "raised"),
    ]  # fmt: skip
    assert "nothing to restore" in (m.refusal(act(3, "restore", hours=None)) or "")
    assert m.next_deadline() is None


def test_the_band_in_which_nobody_looks_is_that_of_the_limits_in_force() -> None:
    m = AssetMonitor("m", rules())
    told(m, seen(0, t=10), act(1, high=20))
    assert told(m, seen(2, t=30)) == [("r", 2, "raised")]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (act(0), "name a limit and its new value"),
        (act(0, low=1), "there is no limit `low` here; there is high_high, high"),
        (act(0, high=float("nan")), "finite"),
        (act(0, high=float("inf")), "finite"),
        (act(0, high=96), "must rise in the order"),
        (act(0, high_high=75), "must rise in the order"),
        (act(0, high=90, comment=" "), "needs a comment"),
        (act(0, high=90, hours=None), "needs an end"),
        (act(0, high=90, hours=7 * 24 + 1), "ends within 7d"),
        (act(0, high=90, hours=-1), "in the past"),
        (act(0, "shelve", high=90), "with `override` alone"),
        (act(0, "restore", hours=None), "nothing to restore"),
    ],
)
def test_what_cannot_be_in_force_is_refused_with_the_reason_and_changes_nothing(command: Command, why: str) -> None:
    m = AssetMonitor("m", rules())
    before = m.snapshot()
    assert why in (m.refusal(command) or "")
    assert told(m, command) == []
    assert m.snapshot()["watches"] == before["watches"]


def test_a_rule_without_limits_is_refused_by_name() -> None:
    m = AssetMonitor("m", rules_of("  - {id: r, kind: equipment, assets: m, detect: {type: silence, after: 9s}}\n"))
    assert "no high and low limits" in (m.refusal(act(0, high=1)) or "")


def test_a_deviation_has_limits_too() -> None:
    m = AssetMonitor(
        "m", rules_of("  - {id: r, kind: equipment, assets: m, detect: {type: deviation, signal: t, from: 50, high: 5}}\n")
    )  # fmt: skip
    assert told(m, act(0, high=10), seen(1, t=58), seen(2, t=61)) == [("r", 0, "limits_overridden"), ("r", 2, "raised")]


def test_each_signal_of_a_rule_has_its_own() -> None:
    m = AssetMonitor(
        "m", rules_of("  - {id: r, kind: equipment, assets: m, detect: {type: limits, each: [t, u], high: 5}}\n")
    )  # fmt: skip
    one = Command(T0, "override", "m", "m:r:t", "kim", "trial", T0 + HOUR * SECOND, {"high": 9.0})
    assert told(m, one, seen(1, t=8, u=8)) == [("r", 0, "limits_overridden"), ("r", 1, "raised")]


# -- products -------------------------------------------------------------------------------------------------------


def test_a_limit_by_product_is_overridden_for_the_product_that_is_made() -> None:
    m = AssetMonitor("m", rules_of(BY_PRODUCT, RECIPES))
    assert "not known now" in (m.refusal(act(0, high=90)) or "")
    told(m, seen(1, p="A7", t=10))
    (record,) = m.handle(act(2, high=90))
    assert record.reason["override"]["rows"] == {"high": "A7"}
    assert told(m, seen(3, t=88), seen(4, p="B2")) == [("r", 4, "raised")]
    assert told(m, seen(5, p="A7")) == [("r", 5, "cleared")]


# -- other rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [rules(title="Oven"), rules(high=82)], ids=["other words", "another limit"])
def test_new_files_leave_it_in_force(after: RuleSet) -> None:
    m = AssetMonitor("m", rules())
    told(m, act(0, high=90), Revision(T0 + SECOND, after))
    assert told(m, seen(2, t=85)) == []
    m = restarted(m, after)
    assert told(m, seen(3, t=86), tick(8 * HOUR)) == [
        ("r", 8 * HOUR, "limits_restored"), ("r", 8 * HOUR, "raised")]  # fmt: skip


@pytest.mark.parametrize(
    "after",
    [
        rules_of("  - {id: other, kind: equipment, assets: m, detect: {type: limits, signal: t, high: 80}}\n"),
        rules_of("  - {id: r, kind: equipment, assets: m, detect: {type: limits, signal: t, low: 5}}\n"),
        rules_of("  - {id: r, kind: equipment, assets: m, detect: {type: limits, signal: pressure, high: 3}}\n"),
        rules_of(BY_PRODUCT, RECIPES),
        rules_of("  - {id: r, kind: equipment, assets: m, detect: {type: silence, after: 9h}}\n"),
        rules(kind="safety"),
    ],
    ids=["the rule is gone", "the limit is gone", "another signal", "by product now", "another detector", "safety now"],
)
def test_it_ends_with_what_it_belongs_to_and_that_is_said(after: RuleSet) -> None:
    m = AssetMonitor("m", rules())
    m.handle(act(0, high=90))
    (over, *_) = m.handle(Revision(T0 + SECOND, after))
    assert (over.event, over.reason["why"]) == ("limits_restored", "rule_changed")
    assert m.next_deadline() is None or after.rule("r") is not None


def test_one_for_a_product_does_not_become_one_for_all() -> None:
    mixed = BY_PRODUCT.replace("high: {", "low: {by: product, A7: 1, B2: 2}, high: {")
    m = AssetMonitor("m", rules_of(mixed, RECIPES))
    told(m, seen(1, p="A7", t=10), act(2, high=90))
    plain = rules_of(mixed.replace("high: {by: product, A7: 85, B2: 70}", "high: 70"), RECIPES)
    assert told(m, Revision(T0 + 3 * SECOND, plain)) == [("r", 3, "limits_restored")]
    assert told(m, seen(4, t=80)) == [("r", 4, "raised")]


# -- safety ---------------------------------------------------------------------------------------------------------


def test_of_a_safety_rule_two_persons_override_the_same_limit_for_a_shift_at_most() -> None:
    m = AssetMonitor("m", rules(kind="safety"))
    assert "ends within 8h" in (m.refusal(act(0, high=85, hours=8.1)) or "")
    (asked,) = m.handle(act(0, high=85))
    assert asked.event == "commented"
    assert asked.reason["request"]["limits"] == {"high": 85.0}
    assert "kim asks for override (high 85 instead of 80, 8h): trial" in asked.reason["text"]
    assert story(m.handle(act(1, high=86, by="lee"))) == [("r", 1, "commented")], "another limit is another request"
    assert story(m.handle(act(2, high=86, by="Lee"))) == [("r", 2, "commented")], "the same person"
    m = restarted(m, rules(kind="safety"))
    (granted,) = m.handle(act(3, high=86, by="kim", hours=1, comment="permit 7"))
    assert granted.event == "limits_overridden"
    assert (granted.reason["override"]["by"], granted.reason["override"]["until"]) == (
        "Lee and kim",
        T0 + (3 + HOUR) * SECOND,
    )


def test_what_nobody_grants_expires_and_the_limit_stays() -> None:
    m = AssetMonitor("m", rules(kind="safety"))
    assert told(m, act(0, high=85), tick(1000), seen(1001, t=82)) == [
        ("r", 0, "commented"), ("r", 900, "commented"), ("r", 1001, "raised"),
    ]  # fmt: skip


def test_one_person_ends_it() -> None:
    m = AssetMonitor("m", rules(kind="safety"))
    told(m, act(0, high=85), act(1, high=85, by="lee"), seen(2, t=82))
    assert told(m, act(3, "restore", hours=None, by="max")) == [("r", 3, "limits_restored"), ("r", 3, "raised")]


def test_it_lasts_as_long_though_the_clock_is_set_back() -> None:
    m = AssetMonitor("m", rules())
    told(m, seen(2 * HOUR, t=20), act(2 * HOUR, hours=1, high=90))
    assert [*set_back(m, 2 * HOUR, t=20), *told(m, tick(3 * HOUR - 1))] == []
    (watch,) = m.watching("r")
    assert watch.alarm.override is not None
    assert watch.alarm.override.since == T0 + HOUR * SECOND
    assert told(m, tick(3 * HOUR)) == [("r", 2 * HOUR, "limits_restored")]
