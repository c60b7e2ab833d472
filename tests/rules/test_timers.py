"""What time does to an alarm: shelves end, people are called again, priorities step up, requests expire."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Revision
from tests.rules.plant import T0, rules_of, seen, set_back, tick, told

HOUR = 3600


def act(second: float, action: str, *, hours: float | None = None, by: str = "kim", comment: str = "why") -> Command:
    at = T0 + round(second * SECOND)
    return Command(at, action, "m", "m:r", by, comment, None if hours is None else at + round(hours * HOUR * SECOND))


def rules(extra: str = "", kind: str = "equipment") -> str:
    return f"  - {{id: r, kind: {kind}, assets: m, detect: {{type: limits, signal: t, high: 80}}{extra}}}\n"


def monitor(extra: str = "", kind: str = "equipment") -> AssetMonitor:
    return AssetMonitor("m", rules_of(rules(extra, kind)))


def test_a_shelf_ends_at_its_time_and_the_alarm_is_shown_again() -> None:
    m = monitor()
    m.handle(seen(0, t=99))
    (shelved,) = m.handle(act(10, "shelve", hours=2))
    assert shelved.reason["until"] == m.next_deadline() == T0 + (10 + 2 * HOUR) * SECOND
    assert shelved.reason["text"] == "shelve by kim (2h): why"
    assert shelved.by == "kim"
    assert told(m, tick(2 * HOUR)) == []
    (back,) = m.handle(tick(2 * HOUR + 60))
    assert (back.event, back.from_, back.to, back.at, back.by) == (
        "unshelved",
        "G",
        "B",
        shelved.reason["until"],
        "andon",
    )
    assert back.reason["text"] == "the time on the shelf is up: unacknowledged (B) follows; t 99 above high limit 80"
    assert (back.value, back.reason["why"]) == (99.0, "time_up")


def test_a_shelf_that_ends_as_the_condition_comes_ends_first() -> None:
    m = monitor()
    assert told(m, act(0, "shelve", hours=1), seen(HOUR, t=99)) == [
        ("r", 0, "shelved"), ("r", HOUR, "unshelved"), ("r", HOUR, "raised"),
    ]  # fmt: skip


def test_a_one_shot_shelf_ends_when_the_condition_goes_and_at_the_limit_at_the_latest() -> None:
    m = monitor()
    assert told(m, seen(0, t=99), act(1, "shelve"), seen(5, t=1))[1:] == [
        ("r", 1, "shelved"), ("r", 5, "cleared"), ("r", 5, "unshelved"),
    ]  # fmt: skip
    m = monitor(", max_shelve: 1h")
    assert told(m, seen(0, t=99), act(1, "shelve"), tick(2 * HOUR))[2:] == [("r", HOUR + 1, "unshelved")]


def test_a_shelf_may_be_renewed_but_never_beyond_the_limit_from_now() -> None:
    m = monitor(", max_shelve: 2h")
    told(m, seen(0, t=99), act(0, "shelve", hours=1))
    assert "within 2h" in (m.refusal(act(60, "shelve", hours=3)) or "")
    assert told(m, act(60, "shelve", hours=2), tick(4 * HOUR)) == [
        ("r", 60, "shelved"),
        ("r", 60 + 2 * HOUR, "unshelved"),
    ]


def test_what_leaves_service_comes_back_by_itself() -> None:
    m = monitor()
    assert told(m, seen(0, t=99), act(1, "out-of-service", hours=72), seen(5, t=1), tick(100 * HOUR))[1:] == [
        ("r", 1, "out_of_service"), ("r", 5, "cleared"), ("r", 1 + 72 * HOUR, "returned_to_service"),
    ]  # fmt: skip


def test_an_acknowledged_alarm_calls_again_period_by_period_while_it_lasts() -> None:
    m = monitor(", re_alarm_after: 4h")
    m.handle(seen(0, t=99))
    assert told(m, act(HOUR, "acknowledge"), tick(5 * HOUR)) == [
        ("r", HOUR, "acknowledged"), ("r", 4 * HOUR, "re_alarmed"),
    ]  # fmt: skip
    assert told(m, tick(11 * HOUR)) == []
    assert told(m, act(11 * HOUR, "acknowledge"), tick(13 * HOUR)) == [
        ("r", 11 * HOUR, "acknowledged"), ("r", 12 * HOUR, "re_alarmed"),
    ]  # fmt: skip


def test_who_is_called_again_is_told_why() -> None:
    m = monitor(", re_alarm_after: 4h, ack_expires: 6h")
    told(m, seen(0, t=99), act(1, "acknowledge"))
    (again,) = m.handle(tick(10 * HOUR))
    assert again.reason["why"] == "re_alarm_after"
    assert again.reason["text"] == "still not normal 4h after the last call: t 99 above high limit 80"


def test_an_acknowledgement_expires() -> None:
    m = monitor(", ack_expires: 8h")
    m.handle(seen(0, t=99))
    m.handle(act(HOUR, "acknowledge"))
    (again,) = m.handle(tick(10 * HOUR))
    assert (again.event, again.from_, again.to, again.at) == ("re_alarmed", "C", "B", T0 + 9 * HOUR * SECOND)
    assert again.reason["text"] == "acknowledged 8h ago and still not normal: t 99 above high limit 80"


def test_nobody_is_called_again_about_what_is_shelved_until_it_is_shown() -> None:
    m = monitor(", ack_expires: 1h")
    told(m, seen(0, t=99), act(1, "acknowledge"), act(2, "shelve", hours=3))
    assert told(m, tick(4 * HOUR)) == [("r", 2 + 3 * HOUR, "unshelved"), ("r", 2 + 3 * HOUR, "re_alarmed")]


STEPS = ", priority: low, escalate: [{after: 10m, priority: high}, {after: 1h, priority: critical}]"


def test_the_priority_steps_up_while_nobody_acknowledges() -> None:
    m = monitor(STEPS)
    m.handle(seen(0, t=99))
    up = [*m.handle(tick(700)), *m.handle(tick(9000))]
    assert [(t.event, t.at - T0, t.priority, t.to) for t in up] == [
        ("raised_priority", 600 * SECOND, "high", "B"), ("raised_priority", 3600 * SECOND, "critical", "B"),
    ]  # fmt: skip
    assert up[0].reason["text"] == "not acknowledged within 10m: t 99 above high limit 80"


@pytest.mark.parametrize("calm", [act(60, "acknowledge"), act(60, "shelve", hours=1), seen(60, t=1)])
def test_the_priority_does_not_step_up_once_somebody_acts_or_it_is_over(calm: object) -> None:
    m = monitor(STEPS)
    told(m, seen(0, t=99), calm)
    assert told(m, tick(HOUR)) == []


def test_time_on_the_shelf_does_not_count_for_escalation() -> None:
    m = monitor(STEPS)
    told(m, seen(0, t=99), act(60, "shelve", hours=1))
    assert told(m, tick(HOUR + 700)) == [("r", HOUR + 60, "unshelved"), ("r", HOUR + 660, "raised_priority")]


def test_a_new_occurrence_begins_with_its_own_priority() -> None:
    m = monitor(STEPS)
    told(m, seen(0, t=99), tick(700), seen(701, t=1))
    (again,) = m.handle(seen(702, t=99))
    assert again.priority == "low"


LEVELS = (
    "  - {id: r, kind: equipment, assets: m, priority: {high: low, high_high: medium}, ack_expires: 1h, "
    "escalate: [{after: 10m, priority: critical}], detect: {type: limits, signal: t, high: 80, high_high: 90}}\n"
)


def test_no_level_lowers_what_was_stepped_up_while_nobody_answers() -> None:
    m = AssetMonitor("m", rules_of(LEVELS))
    told(m, seen(0, t=85), tick(600))
    (up,) = m.handle(seen(700, t=95))
    (down,) = m.handle(seen(800, t=85))
    assert [(t.event, t.priority) for t in (up, down)] == [
        ("raised_priority", "critical"),
        ("lowered_priority", "critical"),
    ]
    assert told(m, tick(2000)) == []


def test_a_falling_level_has_its_own_priority_once_somebody_answered() -> None:
    m = AssetMonitor("m", rules_of(LEVELS))
    told(m, seen(0, t=95), tick(600), act(610, "acknowledge"))
    (down,) = m.handle(seen(700, t=85))
    assert (down.event, down.priority) == ("lowered_priority", "low")


def test_a_changing_level_does_not_put_off_what_a_missing_answer_brings() -> None:
    m = AssetMonitor("m", rules_of(LEVELS))
    told(m, seen(0, t=85), seen(200, t=95), seen(400, t=85), seen(599, t=95))
    assert told(m, tick(601)) == [("r", 600, "raised_priority")]


def test_timers_and_shelves_go_on_over_a_change_of_rules_that_decide_alike() -> None:
    extra = ", ack_expires: 2h"
    m = monitor(extra)
    told(m, seen(0, t=99), act(1, "acknowledge"), act(2, "shelve", hours=1))
    assert m.handle(Revision(T0 + 3 * SECOND, rules_of(rules(extra + ", title: Other words")))) == []
    assert told(m, tick(3 * HOUR)) == [("r", 2 + HOUR, "unshelved"), ("r", 1 + 2 * HOUR, "re_alarmed")]


@pytest.mark.parametrize(("was", "now"), [("shadow", "live"), ("live", "shadow")])
def test_an_alarm_ends_and_begins_anew_with_the_mode_of_its_rule(was: str, now: str) -> None:
    m = monitor(f", mode: {was}")
    told(m, seen(0, t=99), act(1, "acknowledge"))
    ended, begun = m.handle(Revision(T0 + 5 * SECOND, rules_of(rules(f", mode: {now}"))))
    assert (ended.event, ended.from_, ended.to, ended.mode) == ("cleared", "C", "A", was)
    assert (begun.event, begun.from_, begun.to, begun.mode) == ("raised", "A", "B", now)
    assert ended.reason["text"] == f"its rule was {was} and is {now} from here on"
    assert told(m, seen(6, t=20)) == [("r", 6, "cleared")]


def test_what_is_held_while_its_rule_is_not_armed_begins_anew_with_the_mode_too() -> None:
    m = monitor(", mode: shadow, when: run == true")
    told(m, seen(0, t=99, run=True), seen(1, run=False))
    changed = rules_of(rules(", mode: live, when: run == true"))
    assert told(m, Revision(T0 + 2 * SECOND, changed)) == [("r", 2, "cleared"), ("r", 2, "raised")]
    assert told(m, seen(3, t=20), seen(4, run=True)) == [("r", 4, "cleared")]


def test_a_mode_that_changes_says_nothing_of_what_is_normal_and_leaves_what_lies_over_it() -> None:
    m = monitor(", mode: shadow")
    changed = Revision(T0 + 5 * SECOND, rules_of(rules(", mode: live")))
    assert told(m, seen(0, t=20), act(1, "shelve", hours=1), changed) == [("r", 1, "shelved")]
    assert [(t.event, t.to) for t in m.handle(seen(6, t=99))] == [("raised", "G")]


def test_a_rule_that_goes_takes_its_suppressions_along() -> None:
    m = monitor()
    told(m, seen(0, t=99), act(1, "shelve", hours=1))
    gone = m.handle(Revision(T0 + 3 * SECOND, rules_of(rules().replace("high: 80", "high: 200"))))
    assert [(t.event, t.from_, t.to) for t in gone] == [("cleared", "G", "G"), ("unshelved", "G", "A")]
    assert m.next_deadline() is None


def test_suppression_by_design_ends_with_the_key_that_says_it() -> None:
    m = monitor(", suppress_when: cleaning == true")
    assert told(m, seen(0, t=99, cleaning=True)) == [("r", 0, "suppressed"), ("r", 0, "raised")]
    assert told(m, Revision(T0 + SECOND, rules_of(rules()))) == [("r", 1, "unsuppressed")]


def test_only_what_certainly_holds_suppresses_by_design() -> None:
    m = monitor(", suppress_when: cleaning == true")
    assert told(m, seen(0, t=99, cleaning=True)) == [("r", 0, "suppressed"), ("r", 0, "raised")]
    (shown,) = m.handle(seen(1, cleaning=None))
    assert shown.event == "unsuppressed"
    assert shown.reason["text"].startswith("it is not certain any more that cleaning == true: unacknowledged (B)")


def test_what_is_shown_again_says_what_does_not_hold_any_more() -> None:
    m = monitor(", suppress_when: cleaning == true")
    told(m, seen(0, t=99, cleaning=True))
    (shown,) = m.handle(seen(1, cleaning=False))
    assert shown.reason["text"].startswith("cleaning == true does not hold any more: unacknowledged (B) follows")


@pytest.mark.parametrize("before", [{}, {"mode": 0, "cleaning": False, "t": 20}])
def test_what_is_armed_and_suppressed_by_one_message_calls_nobody(before: dict[str, object]) -> None:
    m = monitor(", when: mode == 3, suppress_when: cleaning == true")
    assert told(m, seen(0, **before)) == []
    found = m.handle(seen(5, mode=3, cleaning=True, t=95))
    assert [(t.event, t.to) for t in found] == [("suppressed", "H"), ("raised", "H")]


def test_new_rules_that_arm_and_suppress_at_once_call_nobody() -> None:
    m = monitor(", when: mode == 4, suppress_when: cleaning == false")
    assert told(m, seen(0, mode=3, cleaning=True, t=95)) == []
    found = m.handle(Revision(T0 + SECOND, rules_of(rules(", when: mode == 3, suppress_when: cleaning == true"))))
    assert [(t.event, t.to) for t in found][-2:] == [("suppressed", "H"), ("raised", "H")]


@pytest.mark.parametrize(
    ("more", "changes"),
    [
        ("", {"t": 20}),
        (", when: mode == 3, when_false: clear", {"mode": 0}),
    ],
)
def test_what_is_over_as_its_suppression_ends_calls_nobody(more: str, changes: dict[str, object]) -> None:
    m = monitor(f"{more}, suppress_when: cleaning == true")
    told(m, seen(0, mode=3, cleaning=True, t=95))
    found = m.handle(seen(5, cleaning=False, **changes))
    assert [(t.event, t.to) for t in found] == [("cleared", "H"), ("unsuppressed", "D")]


def test_what_comes_as_its_suppression_ends_is_raised_in_sight() -> None:
    m = monitor(", suppress_when: cleaning == true")
    told(m, seen(0, cleaning=True, t=20))
    found = m.handle(seen(5, cleaning=False, t=95))
    assert [(t.event, t.to) for t in found] == [("unsuppressed", "A"), ("raised", "B")]


# -- safety: two persons --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "event"), [("shelve", "shelved"), ("out-of-service", "out_of_service")])
def test_a_safety_alarm_is_suppressed_by_two_persons_only(action: str, event: str) -> None:
    m = monitor(kind="safety")
    m.handle(seen(0, t=99))
    (asked,) = m.handle(act(1, action, hours=2, comment="test of the guard"))
    assert (asked.event, asked.from_, asked.to) == ("commented", "B", "B")
    assert asked.reason["request"]["by"] == "kim"
    assert "second person" in asked.reason["text"]
    assert m.handle(act(2, action, hours=2, by=" Kim "))[0].event == "commented"
    (granted,) = m.handle(act(3, action, hours=1, by="lee", comment="permit 7"))
    assert (granted.event, granted.by) == (event, "lee")
    assert granted.reason["until"] == T0 + (3 + HOUR) * SECOND
    assert granted.reason["text"] == f"{action} by Kim and lee (1h): why; permit 7"


@pytest.mark.parametrize("t", [99, 1], ids=["active", "normal"])
def test_a_request_that_nobody_grants_expires(t: float) -> None:
    m = monitor(kind="safety")
    m.handle(seen(0, t=t))
    m.handle(act(1, "shelve", hours=2))
    (over,) = m.handle(tick(1000))
    assert (over.event, over.at, over.by) == ("commented", T0 + 901 * SECOND, "andon")
    assert over.reason["text"] == "nobody granted in time what kim asked for: shelve"
    assert told(m, act(1001, "shelve", hours=1, by="lee")) == [("r", 1001, "commented")]


def test_asking_for_one_thing_grants_no_other() -> None:
    m = monitor(kind="safety")
    told(m, seen(0, t=99), act(1, "shelve", hours=1))
    assert told(m, act(2, "out-of-service", hours=1, by="lee")) == [("r", 2, "commented")]


def test_a_safety_alarm_is_out_of_sight_for_a_shift_at_most() -> None:
    m = monitor(kind="safety")
    assert m.refusal(act(0, "out-of-service", hours=8)) is None
    assert "within 8h" in (m.refusal(act(0, "out-of-service", hours=8.1)) or "")


def test_one_person_ends_the_suppression_of_a_safety_alarm() -> None:
    m = monitor(kind="safety")
    told(m, seen(0, t=99), act(1, "shelve", hours=1), act(2, "shelve", hours=1, by="lee"))
    assert told(m, act(3, "unshelve", by="max")) == [("r", 3, "unshelved")]


def test_a_request_survives_a_restart() -> None:
    ruleset = rules_of(rules(kind="safety"))
    m = AssetMonitor("m", ruleset)
    told(m, seen(0, t=99), act(1, "shelve", hours=1))
    m = AssetMonitor.restore(ruleset, json.loads(json.dumps(m.snapshot())))
    assert told(m, act(2, "shelve", hours=1, by="lee")) == [("r", 2, "shelved")]


# -- a clock that is set back ---------------------------------------------------------------------------------------


def test_a_shelf_lasts_as_long_though_the_clock_is_set_back() -> None:
    m = monitor()
    told(m, seen(2 * HOUR, t=99), act(2 * HOUR, "shelve", hours=1))
    assert set_back(m, 2 * HOUR, t=99) == []
    assert told(m, tick(3 * HOUR - 1)) == []
    assert told(m, tick(3 * HOUR)) == [("r", 2 * HOUR, "unshelved")]


def test_a_request_waits_as_long_though_the_clock_is_set_back() -> None:
    m = monitor(kind="safety")
    told(m, seen(2 * HOUR, t=99), act(2 * HOUR, "shelve", hours=1))
    assert set_back(m, 2 * HOUR, t=99) == []
    assert told(m, tick(2 * HOUR + 899)) == []
    assert told(m, tick(2 * HOUR + 900)) == [("r", HOUR + 900, "commented")]


def test_people_are_called_again_in_time_though_the_clock_is_set_back() -> None:
    m = monitor(", re_alarm_after: 25m")
    told(m, seen(2 * HOUR, t=99), act(2 * HOUR, "acknowledge"))
    assert set_back(m, 2 * HOUR, t=99) == []
    assert told(m, tick(2 * HOUR + 1499)) == []
    assert told(m, tick(2 * HOUR + 1500)) == [("r", HOUR + 1500, "re_alarmed")]
    m = monitor(", ack_expires: 30m")
    told(m, seen(2 * HOUR, t=99), act(2 * HOUR + 0.5, "acknowledge"))
    assert set_back(m, 2 * HOUR, t=99) == []
    assert told(m, tick(2.5 * HOUR)) == []
    assert told(m, tick(2.5 * HOUR + 1)) == [("r", 1.5 * HOUR + 0.5, "re_alarmed")]
