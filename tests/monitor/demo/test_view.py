"""What a demonstration shows: a line for every transition, what is active, and a summary."""

import io
import json

import pytest
from rich.console import Console

from monitor.demo.figures import Figures
from monitor.demo.tally import Tally
from monitor.demo.view import View
from monitor.transitions_file import to_json_line, write_transitions
from rules.alarms import Kind, Priority, State, Transition
from rules.events import SECOND

AT = 1_750_000_000 * SECOND


def transition(event, seconds, alarm="demo/pump:vibration:1:0", **changes):
    raised = event == "raised"
    return Transition(
        **{
            "id": f"{alarm}:{event}",
            "alarm": alarm,
            "at": AT + int(seconds * SECOND),
            "received": AT + int(seconds * SECOND) + 7,
            "asset": "demo/pump",
            "rule": "vibration",
            "part": None,
            "kind": Kind.EQUIPMENT,
            "priority": Priority.MEDIUM,
            "event": event,
            "from_": State.NORMAL if raised else State.UNACKNOWLEDGED,
            "to": State.UNACKNOWLEDGED if raised else State.RETURNED_UNACKNOWLEDGED,
            "value": 5.1,
            "reason": {"text": "vibration 5.1 mm/s > 4.5"},
            "by": "",
            "mode": "live",
            "title": "Bearing vibration high",
            **changes,
        }
    )


def shown(*transitions, terminal=False, figures=None):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, highlight=False, width=140)
    with View(console, {"demo/pump": "Cooling water pump"}.get) as view:
        for one in transitions:
            view.show(one)
        if figures:
            view.summarise(figures)
    return text.getvalue()


def test_each_transition_is_one_plain_line_where_there_is_no_terminal():
    lines = shown(transition("raised", 0.25), transition("cleared", 9)).splitlines()

    assert len(lines) == 2
    words = "15:06:40.2 RAISED equipment medium Cooling water pump: Bearing vibration high vibration 5.1 mm/s > 4.5"
    assert " ".join(lines[0].split()) == words
    assert "CLEARED" in lines[1]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_also_shows_what_is_active_now():
    text = shown(transition("raised", 0), terminal=True)

    assert "Active now: 1" in text


def test_markup_in_a_reason_is_shown_as_it_is():
    assert "[red]1 < [/red]" in shown(transition("raised", 0, reason={"text": "[red]1 <\n[/red]"}))


def test_the_summary_says_rates_kinds_quarantine_notifications_and_durations():
    figures = Figures(10 * SECOND, 1230, 456, {"not-json": 2}, {"sent": 3})
    text = shown(transition("raised", 0), transition("cleared", 9), figures=figures)

    assert "1230 readings in 456 messages over 10 s: 123 readings/s" in text
    assert "equipment: 1 raised, 1 cleared" in text
    assert "safety: 0 raised, 0 cleared" in text
    assert "quarantined: 2 not-json" in text
    assert "notifications: 3 sent" in text
    assert "9.0 s" in text


def test_the_tally_follows_an_alarm_from_raised_over_its_worst_to_cleared():
    tally = Tally()
    tally.add(transition("raised", 0))
    tally.add(transition("raised_priority", 1, priority=Priority.CRITICAL))
    tally.add(transition("raised", 2, alarm="other"))
    assert [alarm.priority for alarm in tally.active] == [Priority.MEDIUM, Priority.CRITICAL]

    tally.add(transition("cleared", 5))
    first = next(iter(tally.alarms.values()))
    assert (first.priority, first.lasted) == (Priority.CRITICAL, 5 * SECOND)
    assert len(tally.active) == 1
    assert tally.events[Kind.EQUIPMENT, "raised"] == 2


def test_a_json_line_has_the_contract_s_names_and_exact_times():
    line = json.loads(to_json_line(transition("raised", 0, at=AT + 1, part="vibration")))

    names = "id alarm at asset rule kind priority event from to value reason by part title mode received"
    assert " ".join(line) == names
    assert line["at"] == "2025-06-15T15:06:40.000000001Z"
    assert (line["from"], line["to"], line["kind"], line["priority"]) == ("A", "B", "equipment", "medium")


@pytest.mark.parametrize("value", [5.1, "open", None, True])
def test_values_keep_their_type(value):
    assert json.loads(to_json_line(transition("raised", 0, value=value)))["value"] == value


def test_a_file_is_overwritten_with_one_line_each(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("something older\n" * 9)

    assert write_transitions(path, [transition("raised", 0), transition("cleared", 1)]) == 2
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["raised", "cleared"]
    assert write_transitions(path, []) == 0
    assert path.read_text() == ""
