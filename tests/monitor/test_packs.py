"""Every pack that ships is whole: accepted without a word, with causes, responses and sources, and proven by scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.packs import Pack, UnknownPackError, all_packs, pack_texts
from monitor.scaffold import write_site
from monitor.scenarios import read_scenarios, scenario_files
from monitor.site import Site, load_site
from rules.alarms import Kind
from rules.assetmodel import load_assets
from rules.scenarios.comparing import judge
from rules.scenarios.loading import SourcedScenario

PACKS = all_packs()
WANTED = {
    "equipment": {"spindle", "motor", "pump", "compressor", "gearbox", "conveyor", "oven", "press", "filler",
                  "hydraulic-unit", "cabinet-climate", "utilities"},
    "safety": {"gas", "guards", "emergency-stop", "pressure-relief"},
    "quality": {"dimension", "defects"},
}  # fmt: skip
TEXTS = ("title", "cause", "consequence", "response")
LIMIT_OF_A_LINE = 120


def site_with(tmp_path: Path, *names: str) -> Site:
    write_site(tmp_path / "site", names)
    loaded = load_site(tmp_path / "site", {})
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.site is not None
    return loaded.site


def normal(entry: SourcedScenario) -> bool:
    """Whether no alarm is expected; that limits were learned may be told."""
    expected = entry.scenario.expect.exactly
    return expected is not None and {e.event for e in expected} <= {"commented"}


def test_the_packs_that_a_plant_needs_are_there() -> None:
    for kind, names in WANTED.items():
        assert names <= {name for name, pack in PACKS.items() if pack.kind == kind}


@pytest.mark.parametrize("name", PACKS)
def test_a_pack_is_accepted_without_a_word_and_its_scenarios_pass(tmp_path: Path, name: str) -> None:
    site = site_with(tmp_path, name)
    scenarios, problems = read_scenarios(scenario_files(tmp_path / "site"), site.ruleset)
    assert [str(problem) for problem in problems] == []
    assert {s.scenario.name: verdict for s in scenarios if (verdict := judge(s).complaints)} == {}
    expected = [e for s in scenarios for e in s.scenario.expect.all]
    ended = {e.rule for e in expected if e.event in {"cleared", "latched"}}
    raised = {e.rule for e in expected if e.event == "raised"}
    rules = {rule.id for rule in site.ruleset.rules}
    assert rules - raised == set(), "no scenario in which it is raised"
    assert rules - ended == set(), "no scenario in which it ends"
    assert any(map(normal, scenarios)), "no scenario of a normal run"


@pytest.mark.parametrize("name", PACKS)
def test_every_rule_says_why_what_to_do_by_when_and_where_its_limits_come_from(tmp_path: Path, name: str) -> None:
    for rule in site_with(tmp_path, name).ruleset.rules:
        assert [text for text in TEXTS if not getattr(rule, text)] == [], rule.id
        assert rule.time_to_respond, rule.id
        assert len(rule.labels["source"]) > 10, rule.id
        assert rule.id not in rule.title


@pytest.mark.parametrize("name", [name for name, pack in PACKS.items() if pack.kind == "safety"])
def test_a_safety_pack_latches_and_tells_when_it_is_blind(tmp_path: Path, name: str) -> None:
    rules = [rule for rule in site_with(tmp_path, name).ruleset.rules if rule.kind is Kind.SAFETY]
    assert all(rule.latch and rule.on_bad_quality == "alarm" for rule in rules)
    assert any(getattr(rule.detect, "type", "") == "silence" for rule in rules)
    assert "none of them: it protects nobody" in PACKS[name].text("rules.yaml")


def test_all_packs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    site = site_with(tmp_path, *PACKS)
    for name, pack in PACKS.items():
        own = {rule.id for rule in site.ruleset.rules if f"  - id: {rule.id}\n" in pack.text("rules.yaml")}
        (asset,) = load_assets("x", pack.text("assets.yaml"))[0].assets  # type: ignore[union-attr]
        assert {rule.id for rule in site.ruleset.for_asset(asset)} == own | {"machine-silent"}, name
    scenarios, _ = read_scenarios(scenario_files(tmp_path / "site"), site.ruleset)
    usual = list(filter(normal, scenarios))
    assert len(usual) >= len(PACKS)
    assert [s.scenario.name for s in usual if judge(s).complaints] == []


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_a_pack_says_in_a_line_what_it_watches_and_names_a_machine(pack: Pack) -> None:
    assert 20 < len(pack.about) <= LIMIT_OF_A_LINE
    assert pack.about.count(":") == 1
    text = pack.text("assets.yaml")
    assert text.count("\ntypes:\n") == text.count("\nassets:\n") == 1


def test_a_pack_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(UnknownPackError, match="unknown pack `pmup`, did you mean `pump`") as refused:
        pack_texts(["motor", "pmup"])
    assert all(name in str(refused.value) for name in PACKS)


def test_a_pack_that_is_named_twice_comes_once() -> None:
    assert pack_texts(["pump", "pump"]) == pack_texts(["pump"])
