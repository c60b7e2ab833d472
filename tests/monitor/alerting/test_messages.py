"""What a person reads."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from monitor.alerting import messages
from monitor.alerting.messages import AssetFacts
from monitor.database.records import Purpose
from rules.alarms import Kind, Priority, State
from rules.events import SECOND
from tests.monitor.alerting.making import MILL, T0, Facts, transition

BERLIN = ZoneInfo("Europe/Berlin")


def test_an_alert_says_which_machine_what_how_much_since_when_and_what_to_do() -> None:
    rule = Facts(cause="Coolant lost", consequence="Bearing damage", time_to_respond=600 * SECOND)
    alarm = transition(
        reason={"text": "spindle 91.25degC above high limit 85degC", "quality": {"spindle": "uncertain"}}
    )
    assert messages.title(alarm, rule, MILL, Purpose.ALERT) == "HIGH Mill 3: Spindle too hot"
    assert messages.body(alarm, rule, MILL, Purpose.ALERT, BERLIN).splitlines() == [
        "Machine: Mill 3 (line1/mill3), area A",
        "spindle 91.25degC above high limit 85degC",
        "Quality: spindle uncertain",
        "Since: 2023-11-14 23:13:20 CET",
        "What to do: Check the coolant flow.",
        "Cause: Coolant lost",
        "Consequence: Bearing damage",
        "Time to respond: 10m",
        f"Alarm: {alarm.alarm}",
    ]


def test_a_recovery_says_how_long_it_lasted_and_whether_somebody_has_seen_it() -> None:
    over = transition(
        "cleared", State.RETURNED_UNACKNOWLEDGED, second=754, reason={"text": "spindle 80 no longer above 85"}
    )
    assert messages.title(over, Facts(), MILL, Purpose.RECOVERY) == "CLEARED Mill 3: Spindle too hot"
    lines = messages.body(over, Facts(), MILL, Purpose.RECOVERY).splitlines()
    assert "Until: 2023-11-14 22:25:54 UTC, lasted 12m34s" in lines
    assert "Nobody has acknowledged it yet." in lines
    assert not [line for line in lines if line.startswith("What to do")]


def test_a_latched_alarm_asks_for_a_reset() -> None:
    gone = transition("latched", State.LATCHED_UNACKNOWLEDGED, second=5)
    assert messages.title(gone, Facts(), MILL, Purpose.LATCHED).startswith("RESET NEEDED")
    assert "until somebody resets it" in messages.body(gone, Facts(), MILL, Purpose.LATCHED)


def test_headlines_tell_safety_escalation_and_notices_apart() -> None:
    def headline(event: str = "raised", *, notice: bool = False, **changes: object) -> str:
        return messages.title(transition(event, **changes), Facts(notice=notice), MILL, Purpose.ALERT).split(" Mill")[0]

    assert headline(kind=Kind.SAFETY) == "SAFETY HIGH"
    assert headline("raised_priority", priority=Priority.CRITICAL) == "NOW CRITICAL"
    assert headline("re_alarmed") == "STILL HIGH"
    assert headline(notice=True) == "NOTICE"


def test_a_machine_nobody_described_is_called_by_its_id() -> None:
    unknown = AssetFacts()
    assert messages.title(transition(part="x"), None, unknown, Purpose.ALERT) == "HIGH line1/mill3: Spindle too hot [x]"
    assert messages.body(transition(), None, unknown, Purpose.ALERT).startswith("Machine: line1/mill3\n")


def test_value_and_limit_are_told_when_the_text_does_not_hold_them() -> None:
    body = messages.body(
        transition(reason={"text": "too hot", "limit": 85.0, "values": {"a": 91.25, "b": True}}),
        None,
        MILL,
        Purpose.ALERT,
    )
    assert "Value: 91.25, limit 85" in body
    assert "Values: a 91.25, b true" in body


def test_what_is_decided_late_says_so() -> None:
    assert "Late:" in messages.body(transition(reason={"text": "x", "late": True}), None, MILL, Purpose.ALERT)


def test_instants_beyond_the_calendar_are_still_written() -> None:
    assert messages.moment(2**62 * 100) == f"{2**62 * 100} ns"
    assert messages.moment(T0 + 1, BERLIN) == "2023-11-14 23:13:20 CET"


def test_what_to_do_about_this_very_fault_stands_before_what_the_rule_says() -> None:
    alarm = transition(reason={"text": "Emergency stop (faults 0)", "response": "Find out who pressed it."})
    lines = messages.body(alarm, Facts(), MILL, Purpose.ALERT).splitlines()
    assert "What to do: Find out who pressed it." in lines
