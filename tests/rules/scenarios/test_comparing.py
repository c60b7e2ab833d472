"""A scenario passes when exactly that comes which it says; otherwise the words tell what came instead."""

from __future__ import annotations

import pytest

from rules.ruleset import RuleSet
from rules.scenarios.comparing import judge
from rules.scenarios.loading import SourcedScenario, load_scenarios
from tests.rules.plant import rules_of

RULES = """
  - {id: hot, kind: equipment, assets: [m, n], detect: {type: limits, signal: t, high: 80, on_delay: 10s}}
  - {id: other, kind: equipment, detect: {type: limits, signal: t, high: 85}}
  - {id: silent, kind: system, assets: [m, n], detect: {type: silence, after: 30s}}
"""
SERIES = "    series: {t: [70 for 10s, 90 for 20s, 70 for 10s]}\n"
ALL = """
      - {at: 10s, rule: other, event: raised}
      - {at: 20s, rule: hot, event: raised, priority: medium, to: B, value: 90, text: above}
      - {at: 30s, rule: hot, event: cleared, to: D}
      - {at: 30s, rule: other, event: cleared}
"""


def entry(rest: str, rules: RuleSet | None = None) -> SourcedScenario:
    text = f"scenarios:\n  - name: x\n    asset: m\n{SERIES}{rest}"
    loaded = load_scenarios("x.yaml", text, rules or rules_of(RULES))
    assert loaded.problems == []
    return loaded.scenarios[0]


def complaints(rest: str) -> list[str]:
    return judge(entry(rest)).complaints


def test_what_was_expected_came() -> None:
    verdict = judge(entry(f"    expect:{ALL}"))
    assert verdict.complaints == []
    assert (verdict.file, verdict.line, verdict.name, verdict.transitions) == ("x.yaml", 2, "x", 4)


def test_nothing_was_expected_and_something_came() -> None:
    found = complaints("    expect: nothing\n")
    assert len(found) == 4
    assert found[0] == "not expected: 10s m:other raised, priority medium, to B: t 90 above high limit 85"


def test_a_time_is_exact_unless_a_tolerance_is_given() -> None:
    late = "      - {at: TIME, rule: hot, event: raised}\n"
    only = "    only: [hot]\n    expect:\n      at_least:\n"
    assert complaints(only + late.replace("TIME", "21s +- 1s").replace("      -", "        -")) == []
    found = complaints(only + late.replace("TIME", "21s").replace("      -", "        -"))
    assert found == [
        "line 8: expected 21s m:hot raised",
        "    the nearest came at 20s: t 90 above high limit 80",
    ]


@pytest.mark.parametrize(
    ("key", "how"), [("priority: high", "priority medium"), ("to: A", "to B"), ("value: 91", "value 90"), ("text: below", "with another text"), ("part: t", "part None")]
)  # fmt: skip
def test_each_detail_that_is_given_has_to_be_right(key: str, how: str) -> None:
    found = complaints(f"    expect: {{at_least: [{{at: 20s, rule: hot, event: raised, {key}}}]}}\n")
    assert len(found) == 2
    assert f"the nearest came {how}" in found[1]


def test_one_transition_serves_one_expectation() -> None:
    found = complaints(
        "    expect: {at_least: [{at: 20s, rule: hot, event: raised}, {at: 20s +- 5s, rule: hot, event: raised}]}\n"
    )
    assert found[0] == "line 5: expected 20s +- 5s m:hot raised"
    assert found[1] == "    nothing like it came"


def test_machines_that_the_scenario_says_nothing_of_are_not_looked_at() -> None:
    assert (
        complaints(
            f"    until: 60s\n    expect:{ALL}      - {{at: 59s +- 10s, rule: silent, event: raised}}\n".replace(
                "59s +- 10s", "60s +- 10s"
            )
        )
        != []
    )
    named = f"    until: 69s\n    expect:{ALL}      - {{at: 69s, rule: silent, event: raised}}\n"
    assert complaints(named) == []
    other = named + "      - {at: 30s, rule: silent, event: raised, asset: n}\n"
    assert complaints(other) == []


def test_a_command_that_is_refused_against_expectation_fails_the_scenario_and_the_other_way_round() -> None:
    refused = "    do: [{at: 5s, command: acknowledge, alarm: hot}]\n"
    found = complaints(f"{refused}    expect:{ALL}")
    assert found == ["line 5: 5s acknowledge hot was refused: it is normal: there is nothing to acknowledge"]
    assert complaints(f"{refused.replace('alarm: hot', 'alarm: hot, refused: true')}    expect:{ALL}") == []
    taken = "    do: [{at: 25s, command: comment, alarm: hot, comment: hm, refused: true}]\n"
    assert "line 5: 25s comment hot was not refused" in complaints(f"{taken}    expect:{ALL}")


def test_the_end_is_part_of_it_and_time_goes_on_up_to_it() -> None:
    assert (
        complaints("    until: 69s\n    only: [silent]\n    expect: [{at: 69s, rule: silent, event: raised}]\n") == []
    )
    assert complaints("    until: 68s\n    only: [silent]\n    expect: nothing\n") == []


def test_a_flood_is_told_in_few_lines() -> None:
    rules = rules_of("  - {id: r, kind: equipment, detect: {type: limits, signal: t, high: 80}}\n")
    text = "scenarios:\n  - {name: x, asset: m, every: 1s, series: {t: {repeat: 500, of: [70, 90]}}, expect: nothing}\n"
    found = judge(load_scenarios("x.yaml", text, rules).scenarios[0]).complaints
    assert len(found) == 21
    assert found[-1] == "not expected: 979 more"


def test_two_plays_are_alike() -> None:
    assert judge(entry("    expect: nothing\n")) == judge(entry("    expect: nothing\n"))


def test_doubts_about_given_limits_need_not_be_expected_for_values_are_made_up() -> None:
    chart = "  - {id: chart, kind: quality, assets: m, detect: {type: ewma, signal: t, mean: 80, sigma: 10}}"

    def judged(expected: str) -> list[str]:
        loaded = load_scenarios(
            "x.yaml",
            "scenarios:\n  - name: x\n    asset: m\n"
            f"    series: {{t: {{repeat: 10, of: [76, 76, 84, 84]}}}}\n    expect: {expected}\n",
            rules_of(chart),
        )
        assert loaded.problems == []
        return judge(loaded.scenarios[0]).complaints

    assert judged("nothing") == []
    assert judged("[{at: 24s, rule: chart, event: commented, text: limits given}]") == []
    assert judged("[{at: 23s, rule: chart, event: commented, text: limits given}]") != []
