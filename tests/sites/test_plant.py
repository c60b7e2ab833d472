"""A worked site: the rules that a real plant asks for, accepted without a word, each proven by a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.scenarios import read_scenarios, scenario_files
from monitor.site import load_site
from rules.alarms import Transition
from rules.scenarios.comparing import judge
from rules.scenarios.loading import SourcedScenario
from rules.scenarios.playing import play

SITE = Path(__file__).parent / "plant"
LOADED = load_site(SITE, {})
assert LOADED.site is not None
RULES = LOADED.site.ruleset
SCENARIOS, MISTAKES = read_scenarios(scenario_files(SITE), RULES)
WANTED = {
    "spindle-hot": "limits",
    "oven-off-setpoint": "deviation",
    "press-fault": "alarm_table",
    "bearing-hot": "limits",
    "gateway-silent": "silence",
    "pump-vibration": "vibration_zone",
    "mill-grease": "usage",
    "guard-open-running": "condition",
    "curtain-bypassed": "safety_function",
    "guards-blind": "silence",
    "conveyor-no-feedback": "sequence",
    "level-stuck": "stuck",
    "weight-off": "limits",
    "part-out-of-specification": "limits",
    "line-starved": "condition",
    "coolant-lost": "limits",
}


def _named(entry: SourcedScenario) -> str:
    return entry.scenario.name


def told(name: str) -> list[Transition]:
    (entry,) = [entry for entry in SCENARIOS if entry.scenario.name.startswith(name)]
    return play(entry.rules, entry.scenario).transitions


def expected(*events: str) -> Iterator[str]:
    return (e.rule for entry in SCENARIOS for e in entry.scenario.expect.all if e.event in events)


def test_the_site_is_accepted_without_a_word() -> None:
    result = CliRunner().invoke(app, ["check", "--site", str(SITE)])
    assert result.exit_code == 0, result.output
    assert [str(problem) for problem in (*LOADED.problems, *MISTAKES)] == []
    assert "0 errors, 0 warnings" in result.output


def test_its_scenarios_are_what_andon_test_tries() -> None:
    result = CliRunner().invoke(app, ["test", "--site", str(SITE)])
    assert result.exit_code == 0, result.output
    assert result.output.count(": passed: ") == len(SCENARIOS)


@pytest.mark.parametrize("entry", SCENARIOS, ids=_named)
def test_what_comes_is_what_was_expected(entry: SourcedScenario) -> None:
    assert judge(entry).complaints == []


def test_every_rule_that_was_asked_for_is_there_and_comes_and_goes() -> None:
    assert {rule.id: rule.detect.model_dump()["type"] for rule in RULES.rules} == WANTED
    assert set(expected("raised")) == set(WANTED)
    assert set(expected("cleared", "latched")) == set(WANTED)


def test_the_press_has_two_hundred_codes_and_twelve_bearings_have_an_alarm_each() -> None:
    press, rolls = RULES.rule("press-fault"), RULES.rule("bearing-hot")
    assert press is not None
    assert rolls is not None
    assert len(press.detect.model_dump()["table"]) == 200
    assert len(rolls.detect.signals()) == 12


def test_a_part_out_of_specification_is_told_by_its_serial_number() -> None:
    raised, cleared = told("The third part")
    assert raised.reason["context"] == {"part": "P1003"}
    assert cleared.reason["context"] == {"part": "P1004"}


def test_the_product_that_a_weight_was_judged_by_is_told() -> None:
    weights = [(t.reason["context"]["product"], t.reason["limit"]) for t in told("Each product") if t.event == "raised"]
    assert weights == [("A500", 495.0), ("A1000", 990.0)]


def test_a_trip_does_not_take_its_own_cause_out_of_sight() -> None:
    """The machine trips and the flow comes back while it stands: nothing is cleared before it cuts again."""
    story = told("Coolant is lost")
    assert [t.event for t in story] == ["raised", "acknowledged", "cleared"]
    assert story[-1].reason["why"] == "gate"
    assert "coolant_flow 20" in story[-1].reason["text"]
