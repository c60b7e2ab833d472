"""Every problem of a scenario file is told at once, with its line and how to mend it."""

from __future__ import annotations

import pytest

from rules.scenarios.loading import load_scenarios
from tests.rules.plant import rules_of

SITE = rules_of("  - {id: hot, kind: equipment, detect: {type: limits, signal: t, high: 80}}\n")


def problems(text: str) -> list[str]:
    loaded = load_scenarios("x.yaml", text, SITE)
    assert not loaded.scenarios
    return [str(problem) for problem in loaded.problems]


def test_all_problems_come_at_once_each_with_its_line() -> None:
    text = """\
rules:
  - {id: hot, kind: equipment, detect: {type: limit, signal: t}}
scenarios:
  - name: a
    asset: m
    evry: 5s
    series:
      t:
        - 70 for 1m
        - 70 fr 1m
        - {repeat: 0, of: [1 for 3]}
      u: {0s: 70, 5x: 3}
    do: [{at: 1s, command: acknowlege, alarm: hot}]
    expect:
      - {at: 1s, rule: hot, event: raise}
  - name: b
    asset: m
    series: {t: 70}
    expect: nothing
  - name: c
    expect: noting
"""
    found = problems(text)
    places = [line.split(":")[1] for line in found]
    assert places == ["2", "6", "10", "11", "11", "12", "13", "15", "16", "21"]
    assert all("(hint: " in line for line in found if "must be" not in line)
    assert any("did you mean `raised`?" in line for line in found)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("series: {t: 70}", "does not say how long it lasts"),
        ("series: {t: [70 for 30d]}, every: 1s", "makes 2,592,000 readings, more than 1,000,000"),
        ("series: {t: [{repeat: 1000000, of: [{repeat: 1000000, of: [1]}]}]}", "more than 1,000,000"),
        ("until: 5s, expect: [{at: 6s, rule: hot, event: raised}]", "the scenario is over then"),
        ("until: 5s, expect: [{at: 5s, rule: hto, event: raised}]", "unknown rule `hto`, did you mean `hot`?"),
        ("until: 5s, expect: {at_least: [{at: 5s, rule: hto, event: raised}]}", "unknown rule `hto`"),
        ("until: 5s, only: [hto]", "unknown rule `hto`"),
        ("until: 5s, do: [{at: 1s, command: reset, alarm: 'hto:x'}]", "unknown rule `hto`"),
        ("until: 5s, every: 0s", "greater than 0"),
        ("until: 5s, start: yesterday", "is not a date and time"),
        ("until: 5s, expect: {}", "says neither what comes nor `nothing`"),
        ("until: 5s, series: {t: []}", "the course is empty"),
    ],
)
def test_what_cannot_be_is_refused(keys: str, what: str) -> None:
    given = keys if "expect" in keys else f"{keys}, expect: nothing"
    found = problems(f"scenarios:\n  - {{name: a, asset: m, {given}}}\n")
    assert len(found) == 1
    assert what in found[0]
    assert found[0].startswith("x.yaml:2:")


@pytest.mark.parametrize("text", ["", "scenarios: []", "scenarios: {}", "- 1", "scenarios: [5]", "nonsense: 1"])
def test_what_is_no_scenario_file_is_refused(text: str) -> None:
    assert problems(text)


def test_series_belong_to_a_machine() -> None:
    (found,) = problems("scenarios: [{name: a, until: 5s, series: {t: 1}, expect: nothing}]")
    assert "does not say whose signals these are" in found


def test_machines_need_rules_of_their_own_or_are_left_to_the_site() -> None:
    text = "types: {x: {}}\nscenarios: [{name: a, asset: m, until: 5s, expect: nothing}]"
    (found,) = problems(text)
    assert found.startswith("x.yaml:1: error: machines of its own need rules of its own")
    loaded = load_scenarios("x.yaml", "scenarios: [{name: a, asset: m, until: 5s, expect: nothing}]", None)
    assert "there are no rules to try" in str(loaded.problems[0])


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("machines: {m: {t: 1}}, expect: [{at: 1s, rule: hot, event: raised}]", "does not say which machine"),
        ("asset: m, series: {t: 1}, machines: {m: {u: 1}}, expect: nothing", "the signals of `m` stand in two places"),
    ],
)
def test_whose_signals_and_alarms_are_meant_is_never_guessed(keys: str, what: str) -> None:
    (found,) = problems(f"scenarios: [{{name: a, until: 5s, {keys}}}]")
    assert what in found


def test_a_file_that_is_json_is_as_good() -> None:
    text = '{"scenarios": [{"name": "a", "asset": "m", "until": "5s", "expect": "nothing"}]}'
    assert len(load_scenarios("x.json", text, SITE).scenarios) == 1
    own = '{"rules": [{"id": "r", "kind": "equipment", "detect": {"type": "silence", "after": "1s"}}], "scenarios": [{"name": "a", "asset": "m", "until": "5s", "expect": "nothing"}]}'
    (entry,) = load_scenarios("x.json", own, SITE).scenarios
    assert [rule.id for rule in entry.rules.rules] == ["r"]
