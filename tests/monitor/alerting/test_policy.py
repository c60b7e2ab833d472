"""Who is told, and why or why not."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerting.floods import FloodControl
from monitor.alerting.policy import CONSOLE, Notifier, Why, decide, fingerprint
from monitor.database.records import Purpose, Recipient
from monitor.settings import Notify
from rules.alarms import Kind, Priority, State, Transition
from tests.monitor.alerting.making import HOOK, MAIL, MILL, Facts, decided, notify, told_on, transition
from tests.rules.plant import rules_of

TEAMS = {"maintenance": [MAIL], "quality": [HOOK], "default": ["json://127.0.0.1:2/"]}


def teams_of(decision: object) -> list[str]:
    return [n.team for n in decision.notifications]


@pytest.mark.parametrize("event", ["raised", "raised_priority", "re_alarmed"])
def test_what_needs_a_person_goes_to_the_team_of_its_route(event: str) -> None:
    decision = decided(transition(event), notify(({"kind": "equipment"}, "maintenance"), **TEAMS))
    assert decision.why is Why.ROUTED
    assert [(n.team, n.channel, n.purpose) for n in decision.notifications] == [
        ("maintenance", fingerprint(MAIL), Purpose.ALERT)
    ]


@pytest.mark.parametrize(
    "event", ["acknowledged", "shelved", "suppressed", "out_of_service", "reset", "lowered_priority", "commented"]
)
def test_other_events_notify_nobody(event: str) -> None:
    decision = decided(transition(event, State.ACKNOWLEDGED), told=told_on(MAIL))
    assert (decision.why, decision.notifications) == (Why.QUIET_EVENT, ())


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        ({}, True),
        ({"kind": "equipment"}, True),
        ({"kind": "quality"}, False),
        ({"priority": "high"}, True),
        ({"area": "A"}, True),
        ({"area": "B"}, False),
        ({"asset": "line1/*"}, True),
        ({"asset": "*mill*"}, True),
        ({"asset": "line2/*"}, False),
        ({"asset": "line1"}, False),
        ({"rule": "too-hot"}, True),
        ({"rule": "too.hot"}, False),
        ({"discipline": "mechanical"}, True),
        ({"discipline": "electrical"}, False),
        ({"nobody-set-this": "*"}, False),
        ({"kind": "equipment", "area": "B"}, False),
    ],
)
def test_a_route_matches_when_all_its_keys_do(match: dict[str, str], hit: bool) -> None:
    decision = decided(transition(), notify((match, "quality"), **TEAMS), labels={"discipline": "mechanical"})
    assert teams_of(decision) == (["quality"] if hit else ["default"])


def test_every_matching_team_is_told_each_channel_once() -> None:
    settings = notify(({}, "a"), ({"kind": "equipment"}, "b"), ({}, "a"), a=[MAIL, HOOK], b=[HOOK, "json://x"])
    decision = decided(transition(), settings)
    assert [(n.team, n.channel) for n in decision.notifications] == [
        ("a", fingerprint(MAIL)),
        ("a", fingerprint(HOOK)),
        ("b", fingerprint("json://x")),
    ]


@pytest.mark.parametrize("settings", [Notify(), notify(({}, "empty"), empty=[]), notify(({}, "unknown"))])
def test_what_reaches_no_channel_goes_to_the_console(settings: Notify) -> None:
    decision = decided(transition(), settings)
    assert (decision.why, [n.channel for n in decision.notifications]) == (Why.UNROUTED, [fingerprint(CONSOLE)])


@pytest.mark.parametrize("to", [State.SHELVED, State.SUPPRESSED_BY_DESIGN, State.OUT_OF_SERVICE])
@pytest.mark.parametrize("event", ["raised", "cleared", "raised_priority", "latched"])
def test_under_suppression_nobody_is_told(event: str, to: State) -> None:
    decision = decided(transition(event, to), told=told_on(MAIL))
    assert (decision.why, decision.notifications) == (Why.SUPPRESSED, ())


@pytest.mark.parametrize("event", ["unshelved", "unsuppressed", "returned_to_service"])
def test_leaving_suppression_alerts_if_the_condition_still_holds(event: str) -> None:
    assert [n.purpose for n in decided(transition(event, State.UNACKNOWLEDGED)).notifications] == [Purpose.ALERT]
    assert decided(transition(event, State.ACKNOWLEDGED)).why is Why.QUIET_EVENT


def test_an_alarm_that_acknowledged_itself_out_of_sight_is_told_when_it_comes_to_light() -> None:
    alone = msgspec.structs.replace(
        transition("unsuppressed", State.ACKNOWLEDGED), reason={"text": "x", "automatic": True}
    )
    assert [n.purpose for n in decided(alone).notifications] == [Purpose.ALERT]


@pytest.mark.parametrize("event", ["unshelved", "unsuppressed", "returned_to_service"])
def test_a_trip_that_latched_out_of_sight_is_told_when_it_comes_to_light(event: str) -> None:
    settings = notify(({}, "maintenance"), **TEAMS)
    latched = decided(transition(event, State.LATCHED_UNACKNOWLEDGED), settings)
    assert {n.purpose for n in latched.notifications} == {Purpose.ALERT}
    assert decided(transition(event, State.LATCHED_ACKNOWLEDGED), settings).why is Why.NOBODY_WAS_TOLD


@pytest.mark.parametrize("event", ["re_alarmed", "raised_priority"])
def test_people_are_called_again_and_when_the_priority_steps_up(event: str) -> None:
    again = decided(transition(event, State.UNACKNOWLEDGED), notify(({}, "maintenance"), **TEAMS))
    assert {n.purpose for n in again.notifications} == {Purpose.ALERT}


def test_shadow_rules_notify_nobody() -> None:
    assert decided(transition(mode="shadow")).why is Why.NOT_LIVE


def test_a_notice_goes_out_with_low_priority_unless_it_is_about_safety() -> None:
    assert decided(transition(), notice=True).notifications[0].priority is Priority.LOW
    safety = decided(transition(kind=Kind.SAFETY), notice=True).notifications[0]
    assert (safety.priority, safety.safety) == (Priority.HIGH, True)


def test_those_who_were_told_hear_that_it_is_over_and_only_they() -> None:
    over = transition("cleared", State.RETURNED_UNACKNOWLEDGED, second=9)
    settings = notify(({}, "maintenance"), **TEAMS)
    told = decided(over, settings, told_on(HOOK))
    assert told.why is Why.THOSE_TOLD
    assert [(n.purpose, n.channel) for n in told.notifications] == [(Purpose.RECOVERY, fingerprint(HOOK))]
    assert decided(over, settings).why is Why.NOBODY_WAS_TOLD


def test_the_notifier_remembers_over_escalation_latching_and_shelving() -> None:
    settings = notify(({"priority": "critical"}, "quality"), ({"priority": "high"}, "maintenance"), **TEAMS)
    notifier = Notifier(settings)

    def step(event: str, to: State, second: int, **changes: object) -> list[tuple[str, str]]:
        made = notifier.decide(transition(event, to, second=second, **changes), Facts(), MILL).notifications
        return [(n.team, n.purpose.value) for n in made]

    assert step("raised", State.UNACKNOWLEDGED, 0) == [("maintenance", "alert")]
    assert step("raised_priority", State.UNACKNOWLEDGED, 1, priority=Priority.CRITICAL) == [("quality", "alert")]
    assert step("shelved", State.SHELVED, 2) == []
    assert step("cleared", State.SHELVED, 3) == []
    assert step("unshelved", State.NORMAL, 4) == [("maintenance", "recovery"), ("quality", "recovery")]
    assert step("raised", State.UNACKNOWLEDGED, 5) == [("maintenance", "alert")]
    assert step("latched", State.LATCHED_UNACKNOWLEDGED, 6) == [("maintenance", "latched")]
    assert step("cleared", State.NORMAL, 7) == [("maintenance", "recovery")]
    assert step("cleared", State.NORMAL, 8) == []


def test_the_notifier_takes_up_what_was_told_before_a_restart() -> None:
    recipient = Recipient("maintenance", fingerprint(MAIL))
    notifier = Notifier(notify(**TEAMS), told={("line1/mill3", "too-hot", None): [recipient]})
    decision = notifier.decide(transition("cleared", State.NORMAL), Facts(), MILL)
    assert [(n.team, n.channel) for n in decision.notifications] == [recipient]


def test_after_a_restart_with_another_address_the_team_hears_there_that_it_is_over() -> None:
    told = {("line1/mill3", "too-hot", None): told_on("json://old/token", HOOK)}
    notifier = Notifier(notify(all=[HOOK, MAIL]), told=told)
    decision = notifier.decide(transition("cleared", State.NORMAL), Facts(), MILL)
    assert [n.channel for n in decision.notifications] == [fingerprint(HOOK), fingerprint(MAIL)]
    unknown = Notifier(notify(other=[MAIL]), told=told).decide(transition("cleared", State.NORMAL), Facts(), MILL)
    assert unknown.why is Why.NOBODY_WAS_TOLD


def test_a_key_names_transition_and_channel_and_never_changes() -> None:
    first, second = (decided(transition(), notify(({}, "a"), a=[MAIL])).notifications[0] for _ in range(2))
    assert first == second
    assert first.key == f"{transition().id}@{fingerprint(MAIL)}"


def test_safety_is_sent_before_everything_then_by_priority() -> None:
    def rank(kind: Kind, priority: Priority) -> int:
        return decided(transition(kind=kind, priority=priority)).notifications[0].rank

    wanted = [(kind, priority) for kind in (Kind.SAFETY, Kind.QUALITY) for priority in reversed(Priority)]
    assert sorted(wanted, key=lambda pair: rank(*pair)) == wanted


def test_a_rule_of_a_file_tells_its_own_advice() -> None:
    rules = rules_of(
        """
  - id: too-hot
    kind: equipment
    response: Check the coolant.
    labels: {discipline: mechanical}
    detect: {type: limits, signal: a, high: 85}
"""
    )
    settings = notify(({"discipline": "mechanical"}, "a"), a=[HOOK])
    (told,) = decide(transition(), rules.rule("too-hot"), settings, MILL).notifications
    assert (told.team, "What to do: Check the coolant." in told.body, "Cause" in told.body) == ("a", True, False)


@given(st.text(max_size=200))
def test_a_fingerprint_does_not_give_the_address_away(secret: str) -> None:
    address = f"mailto://user:{secret}@host"
    assert fingerprint(address).startswith("mailto#")
    assert len(fingerprint(address)) == len("mailto#") + 8
    assert len(fingerprint(secret)) <= 41


@given(st.text(max_size=300), st.text(max_size=300))
def test_hostile_names_and_texts_make_one_bounded_line_each(name: str, text: str) -> None:
    made = decided(transition(title=name, asset=name, reason={"text": text})).notifications[0]
    assert len(made.title.splitlines()) == 1
    assert len(made.title) <= 160
    assert all(len(line) <= 500 for line in made.body.splitlines())
    assert not any(ord(c) < 32 for c in made.body.replace("\n", ""))


def test_other_channels_are_told_from_now_on_also_that_it_is_over() -> None:
    def teams(address: str) -> Notify:
        return Notify.model_validate({"teams": {"default": {"channels": [address]}}})

    notifier = Notifier(teams(MAIL))
    notifier.decide(transition(), None, MILL)
    notifier.replace(teams(HOOK), UTC)
    over = notifier.decide(transition("cleared", State.RETURNED_UNACKNOWLEDGED, second=1), None, MILL)
    assert [notification.channel for notification in over.notifications] == [fingerprint(HOOK)]
    again = notifier.decide(transition(second=2, alarm="line1/mill3:too-hot:2:0"), None, MILL)
    assert [notification.channel for notification in again.notifications] == [fingerprint(HOOK)]


# -- the loss of a gateway ------------------------------------------------------------------------------------------


def test_other_hours_are_told_from_now_on() -> None:
    notifier = Notifier(Notify(), UTC)
    notifier.replace(Notify(), ZoneInfo("Asia/Tokyo"))
    (made,) = notifier.decide(transition("raised"), None, MILL).notifications
    assert " JST" in made.body


def lost_gateway(**changes: object) -> Transition:
    reason = {"text": "nothing is heard", "blind": ["line1/mill3: Guard"]}
    return transition(
        asset="gw", rule="system.comms-lost", kind=Kind.SYSTEM, priority=Priority.CRITICAL, reason=reason, **changes
    )


def test_the_loss_of_a_gateway_that_blinds_safety_goes_where_safety_goes_first_of_all() -> None:
    settings = notify(({"kind": "system"}, "maintenance"), ({"kind": "safety"}, "quality"), **TEAMS)
    decision = decided(lost_gateway(), settings)
    assert teams_of(decision) == ["maintenance", "quality"]
    assert all(n.safety and n.rank == 0 for n in decision.notifications)


def test_who_was_told_of_it_is_not_told_again_of_what_it_blinds_and_who_was_not_is() -> None:
    settings = notify(({"kind": "safety"}, "quality"), ({"rule": "guard-lost"}, "maintenance"), **TEAMS)
    notifier = Notifier(settings)
    blind = transition(rule="guard-lost", kind=Kind.SAFETY, reason={"text": "silent", "covered": "gw"})
    assert teams_of(notifier.decide(lost_gateway(), None, MILL)) == ["quality"]
    assert teams_of(notifier.decide(blind, Facts(), MILL)) == ["maintenance"]
    everybody = Notifier(notify(({}, "quality"), **TEAMS))
    everybody.decide(lost_gateway(), None, MILL)
    assert everybody.decide(blind, Facts(), MILL).why is Why.COVERED
    assert teams_of(Notifier(settings).decide(blind, Facts(), MILL)) == ["quality", "maintenance"]


def test_no_flood_bundles_it() -> None:
    flooded = FloodControl(notify(({}, "quality"), **TEAMS))
    for n in range(30):
        flooded.decide(transition(asset=f"m{n}", priority=Priority.LOW), Facts(), MILL)
    assert teams_of(flooded.decide(lost_gateway(second=1), None, MILL)) == ["quality"]


def test_it_names_all_that_is_blind_however_many_there_are() -> None:
    names = [f"line1/press{n}: Guard open" for n in range(80)]
    lost = lost_gateway()
    lost = msgspec.structs.replace(lost, reason={"text": "blind: " + ", ".join(names), "blind": names})
    (one, *_) = decided(lost).notifications
    assert all(name in one.body for name in names)
