"""Every scenario of this folder, which brings its rules along, comes out as it says: they are written as users write theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.commands import ACTIONS
from rules.detectors import CONFIGS
from rules.scenarios.comparing import judge
from rules.scenarios.loading import SourcedScenario, load_scenarios
from rules.scenarios.scenario import EVENTS

FILES = sorted(Path(__file__).parent.glob("*.yaml"))
LOADED = {path.name: load_scenarios(path.name, path.read_text(encoding="utf-8"), None) for path in FILES}
ENTRIES = [entry for loaded in LOADED.values() for entry in loaded.scenarios]


def _name(entry: SourcedScenario) -> str:
    return f"{entry.document.file}: {entry.scenario.name}"


@pytest.mark.parametrize("file", LOADED)
def test_a_file_has_no_problems(file: str) -> None:
    assert [str(problem) for problem in LOADED[file].problems] == []


@pytest.mark.parametrize("entry", ENTRIES, ids=_name)
def test_what_comes_is_what_was_expected(entry: SourcedScenario) -> None:
    assert judge(entry).complaints == []


def test_there_is_a_scenario_for_every_detector_and_one_in_which_it_raises() -> None:
    raised = {
        getattr(rule.detect, "type", "")
        for entry in ENTRIES
        for expected in entry.scenario.expect.all
        if expected.event == "raised" and (rule := entry.rules.rule(expected.rule)) is not None
    }
    assert set(CONFIGS) - raised == set()


def test_there_is_a_scenario_for_every_command_and_every_event() -> None:
    done = {deed.command for entry in ENTRIES for deed in entry.scenario.do if not deed.refused}
    come = {expected.event for entry in ENTRIES for expected in entry.scenario.expect.all}
    assert set(ACTIONS) - done == set()
    assert EVENTS - come == set()
