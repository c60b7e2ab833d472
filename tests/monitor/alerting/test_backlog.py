"""What came late is held; then the present is told, and the past in one summary."""

from __future__ import annotations

from monitor.alerting.backlog import LONGEST_HOLD, MOST_HELD, Backlog, is_late
from monitor.alerting.policy import Notifier, Why, fingerprint
from monitor.database.records import Notification, Purpose, Recipient
from rules.alarms import Kind, Priority, State, Transition
from rules.clock import GRACE, MISSED
from rules.events import SECOND
from tests.monitor.alerting.making import HOOK, MAIL, MILL, T0, Facts, notify, transition

TEAMS = notify(({"rule": "too-*"}, "maintenance"), ({}, "quality"), maintenance=[MAIL, HOOK], quality=[HOOK])
HOUR = 3600 * SECOND
IDENTITY = ("line1/mill3", "too-hot", None)


def backlog(told: tuple[Recipient, ...] = ()) -> Backlog:
    return Backlog(Notifier(TEAMS, told={IDENTITY: told}), lambda _: (Facts(), MILL))


def late(event: str = "raised", to: State = State.UNACKNOWLEDGED, second: int = 0, **changes: object) -> Transition:
    return transition(event, to, second=second, reason={"text": "hot", "late": True}, **changes)


def over(second: int, **changes: object) -> Transition:
    return late("cleared", State.NORMAL, second, **changes)


def fed(held: Backlog, *story: Transition) -> list[Why]:
    return [held.decide(one, T0, 0).why for one in story]


def told(notifications: list[Notification]) -> list[tuple[str, str, str]]:
    return [(n.team, n.purpose.value, n.transition) for n in notifications]


def test_what_came_late_is_told_once_the_backlog_is_worked_off() -> None:
    held, alarm = backlog(), late()
    decision = held.decide(alarm, T0, 5)
    assert (decision.why, decision.notifications, held.holding) == (Why.HELD, (), True)
    assert not held.due(5 + GRACE, caught_up=False)
    assert not held.due(4 + GRACE, caught_up=True)
    assert held.due(5 + GRACE, caught_up=True)
    notifications, verdicts = held.release()
    assert [n.purpose for n in notifications] == [Purpose.ALERT] * 2
    assert all("Late:" in n.body for n in notifications)
    assert verdicts == {alarm.id: Why.ROUTED}
    assert not held.holding


def test_what_is_on_time_is_told_at_once() -> None:
    held = backlog()
    assert fed(held, transition()) == [Why.ROUTED]
    assert not held.holding


def test_late_is_what_says_so_and_what_waited_for_long_in_the_journal() -> None:
    assert is_late(late(), T0)
    assert not is_late(transition(), T0 + MISSED)
    assert is_late(transition(), T0 + MISSED + 1)


def test_what_waited_in_the_journal_is_marked_late_too() -> None:
    held = backlog()
    held.decide(transition(), T0 + HOUR, 0)
    assert all("Late:" in n.body for n in held.release().notifications)


def test_of_a_long_story_only_its_end_is_told() -> None:
    held = backlog()
    story = [late(), over(1), late(second=2), over(3), late(second=4)]
    assert fed(held, *story) == [Why.HELD] * 5
    notifications, verdicts = held.release()
    assert told(notifications) == [("maintenance", "alert", story[-1].id)] * 2
    assert [verdicts[t.id] for t in story] == [Why.OVERTAKEN] * 4 + [Why.ROUTED]


def test_what_came_and_went_is_one_summary_per_team_and_channel() -> None:
    held = backlog()
    fed(held, late(), late(rule="too-loud", priority=Priority.LOW), over(7), over(9, rule="too-loud"))
    fed(held, late(rule="drift"), over(5, rule="drift"), late(second=8, rule="drift"), over(9, rule="drift"))
    notifications, verdicts = held.release()
    assert [(n.team, n.channel, n.purpose) for n in notifications] == [
        ("maintenance", fingerprint(MAIL), Purpose.SUMMARY),
        ("maintenance", fingerprint(HOOK), Purpose.SUMMARY),
        ("quality", fingerprint(HOOK), Purpose.SUMMARY),
    ]
    first, _, last = notifications
    assert first.title == "SUMMARY 2 alarms came and went unannounced; none of them is active"
    assert first.body.splitlines()[1:] == [
        "HIGH Mill 3: Spindle too hot: 2023-11-14 22:13:20 UTC to 2023-11-14 22:13:27 UTC",
        "LOW Mill 3: Spindle too hot: 2023-11-14 22:13:20 UTC to 2023-11-14 22:13:29 UTC",
    ]
    assert last.body.endswith("22:13:29 UTC, 2 times")
    assert first.priority is Priority.HIGH
    assert len({n.key for n in notifications}) == 3
    assert all(verdict.startswith(Why.SUMMARISED) for verdict in verdicts.values())


def test_a_summary_is_bounded() -> None:
    held = backlog()
    for number in range(300):
        fed(held, late(rule=f"too-{number}"), over(1, rule=f"too-{number}"))
    body = held.release().notifications[0].body.splitlines()
    assert (len(body), body[-1]) == (52, "and 250 more: `andon alarms --all` shows them")


def test_those_who_were_told_before_hear_that_it_is_over() -> None:
    mail = Recipient("maintenance", fingerprint(MAIL))
    held, end = backlog((mail,)), over(5)
    fed(held, end)
    assert told(held.release().notifications) == [("maintenance", "recovery", end.id)]


def test_what_stays_latched_is_called_and_asks_for_its_reset() -> None:
    held = backlog()
    fed(held, late(), late("latched", State.LATCHED_UNACKNOWLEDGED, 5))
    assert [n.purpose.value for n in held.release().notifications] == ["alert", "alert", "latched", "latched"]


def test_safety_and_critical_never_wait_and_are_marked_late() -> None:
    for change in ({"kind": Kind.SAFETY}, {"priority": Priority.CRITICAL}):
        held = backlog()
        decision = held.decide(late(**change), T0, 0)
        assert decision.why is Why.ROUTED
        assert "Late:" in decision.notifications[0].body
        assert not held.holding


def test_what_becomes_critical_overtakes_what_is_held_of_it() -> None:
    held, first = backlog(), late()
    worse = late("raised_priority", second=1, priority=Priority.CRITICAL)
    assert fed(held, first, worse) == [Why.HELD, Why.ROUTED]
    assert held.release() == ([], {first.id: Why.OVERTAKEN})


def test_what_is_on_time_waits_for_what_is_held_of_the_same_alarm() -> None:
    held = backlog()
    assert fed(held, late(), transition("cleared", State.NORMAL, second=1)) == [Why.HELD, Why.HELD]
    assert [n.purpose for n in held.release().notifications] == [Purpose.SUMMARY] * 2


def test_what_a_person_suppressed_meanwhile_is_told_to_nobody() -> None:
    held = backlog()
    assert fed(held, late(), transition("shelved", State.SHELVED, second=1)) == [Why.HELD, Why.QUIET_EVENT]
    assert held.release().notifications == []


def test_what_would_be_told_to_nobody_is_not_held() -> None:
    held = backlog()
    assert fed(held, late(mode="shadow"), late("raised", State.SHELVED), late("acknowledged", State.ACKNOWLEDGED)) == [
        Why.NOT_LIVE, Why.SUPPRESSED, Why.QUIET_EVENT,
    ]  # fmt: skip
    assert not held.holding


def test_a_backlog_without_end_is_told_in_parts() -> None:
    held = backlog()
    held.decide(late(), T0, 0)
    held.decide(late(second=9), T0, LONGEST_HOLD - 1)
    assert not held.due(LONGEST_HOLD - 1, caught_up=False)
    assert held.due(LONGEST_HOLD, caught_up=False)
    held.release()
    for second in range(MOST_HELD):
        held.decide(late(second=second), T0, 0)
    assert held.due(0, caught_up=False)


def test_a_restart_goes_on_holding() -> None:
    alarm, gone = late(), late(rule="too-loud")
    held = Backlog(Notifier(TEAMS), lambda _: (Facts(), MILL), [alarm, gone], {IDENTITY: State.ACKNOWLEDGED})
    assert held.holding
    assert not held.due(100, caught_up=True)
    assert held.due(100 + GRACE, caught_up=True)
    assert [n.purpose.value for n in held.release().notifications] == ["alert", "alert", "summary", "summary"]
