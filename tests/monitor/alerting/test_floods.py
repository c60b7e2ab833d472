"""In a flood a team gets few messages for many alarms; what matters most still comes singly."""

from __future__ import annotations

import json
from datetime import UTC

import pytest

from monitor.alerting.floods import BUNDLE_EVERY, FIRST_BUNDLE, FloodControl
from monitor.alerting.policy import Why, fingerprint
from monitor.database.records import Notification, Purpose
from monitor.settings import Notify
from rules.alarms import Kind, Priority, State
from rules.events import SECOND
from tests.monitor.alerting.making import MILL, T0, Facts, transition

TEAMS = Notify.model_validate(
    {
        "teams": {"maintenance": {"channels": ["json://one", "json://two"]}, "quality": {"channels": ["json://three"]}},
        "routes": [{"match": {"kind": "quality"}, "to": "quality"}, {"match": {"kind": "*"}, "to": "maintenance"}],
    }
)


class Storm:
    """Alarms, one a second, each of a machine of its own."""

    def __init__(self) -> None:
        self.control = FloodControl(TEAMS)
        self.sent: list[Notification] = []
        self.why: list[Why] = []
        self.second = 0

    def alarms(self, count: int, **more: object) -> Storm:
        for _ in range(count):
            self.second += 1
            self.alarm(f"m{self.second}", "raised", **more)
        return self

    def alarm(self, asset: str, event: str, to: State = State.UNACKNOWLEDGED, **more: object) -> None:
        told = transition(event, to, second=self.second, asset=asset, **{"priority": Priority.MEDIUM, **more})
        decision = self.control.decide(told, Facts(), MILL)
        self.why.append(decision.why)
        self.sent += decision.notifications

    def wait(self, seconds: int) -> list[Notification]:
        self.second += seconds
        return self.control.advance(T0 + self.second * SECOND)


def test_ten_alarms_come_singly_and_the_next_are_bundled() -> None:
    storm = Storm().alarms(3000)
    assert len(storm.sent) == 10 * 2
    assert storm.why == [Why.ROUTED] * 10 + [Why.FLOOD] * 2990
    assert storm.control.due() == T0 + 11 * SECOND + FIRST_BUNDLE
    bundles = storm.wait(60)
    assert [(b.purpose, b.team) for b in bundles] == [(Purpose.SUMMARY, "maintenance")] * 2
    assert "2990 more alarms" in bundles[0].title
    assert len({b.key for b in bundles}) == 2


@pytest.mark.parametrize(
    "more",
    [{"priority": Priority.HIGH}, {"priority": Priority.CRITICAL}, {"kind": Kind.SAFETY, "priority": Priority.LOW}],
)
def test_high_critical_and_safety_come_singly_all_the_same(more: dict[str, object]) -> None:
    storm = Storm().alarms(50)
    sent = len(storm.sent)
    storm.alarms(5, **more)
    assert len(storm.sent) == sent + 10


def test_each_team_has_floods_of_its_own() -> None:
    storm = Storm().alarms(50)
    sent = len(storm.sent)
    storm.alarms(3, kind=Kind.QUALITY)
    assert [n.team for n in storm.sent[sent:]] == ["quality"] * 3


def test_while_a_flood_lasts_bundles_are_few_and_the_last_says_that_it_is_over() -> None:
    storm = Storm().alarms(40)
    assert len(storm.wait(60)) == 2
    storm.alarms(100)
    assert storm.wait(0) == []
    assert len(storm.wait(BUNDLE_EVERY // SECOND)) == 2
    storm.alarms(3)
    (last, _) = storm.wait(3_600)
    assert "FLOOD OVER" in last.title
    assert storm.wait(3_600) == []
    sent = len(storm.sent)
    assert len(storm.alarms(1).sent) == sent + 2


def test_who_got_a_bundle_is_not_told_of_each_end() -> None:
    storm = Storm().alarms(20)
    sent = len(storm.sent)
    for n in range(1, 21):
        storm.alarm(f"m{n}", "cleared", State.RETURNED_UNACKNOWLEDGED)
    assert len(storm.sent) == sent + 10 * 2
    assert storm.why[-1] is Why.NOBODY_WAS_TOLD


def test_a_bundle_goes_to_the_addresses_that_its_team_has_by_then() -> None:
    storm = Storm().alarms(20)
    teams = {"maintenance": {"channels": ["json://one", "json://new"]}}
    storm.control.replace(TEAMS.model_validate({**TEAMS.model_dump(), "teams": teams}), UTC)
    bundles = storm.wait(60)
    assert [b.channel for b in bundles] == [fingerprint("json://one"), fingerprint("json://new")]
    assert [b.key for b in bundles] == [f"flood:{bundles[0].transition}@{b.channel}" for b in bundles]


def test_a_restart_in_a_flood_changes_nothing() -> None:
    storm, other = Storm().alarms(30), Storm().alarms(30)
    body = json.dumps(other.control.snapshot())
    other.control = FloodControl(TEAMS)
    other.control.restore(json.loads(body))
    assert other.alarms(30).wait(60) == storm.alarms(30).wait(60)
    assert other.sent == storm.sent
    assert other.control.snapshot() == storm.control.snapshot()
