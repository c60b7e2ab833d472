"""Scenario files to scenarios: every problem of a file at once, with its line and a hint."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import Field

from rules.builtin import BUILTIN
from rules.problems import Problem, errors, unknown
from rules.ruleset import RuleSet, load_rules
from rules.scenarios.scenario import Scenario
from rules.validation import Section, validated
from rules.yamltext import Document, Path, read_yaml

RULES: Final = ("version", "rules")
ASSETS: Final = ("types", "assets")
MOST_SCENARIOS: Final = 1_000
"""In a file."""


class SourcedScenario(NamedTuple):
    """A scenario, the rules that it is about, and where it stands."""

    document: Document
    path: Path
    rules: RuleSet
    scenario: Scenario

    def problem(self, path: Path, message: str, hint: str = "") -> Problem:
        """A problem at a path within the scenario."""
        return self.document.problem((*self.path, *path), message, hint)

    def line(self, *path: str | int) -> int:
        """Where something stands."""
        return self.problem(path, "").line


class LoadedScenarios(NamedTuple):
    """What came of reading: the scenarios that are right, and everything that is not."""

    scenarios: list[SourcedScenario]
    problems: list[Problem]


class _ScenarioFile(Section):
    version: Literal[1] = 1
    rules: list[Any] | None = None
    types: dict[str, Any] | None = None
    assets: dict[str, Any] | None = None
    scenarios: Annotated[list[Any], Field(min_length=1, max_length=MOST_SCENARIOS)]


def load_scenarios(file: str, text: str, site: RuleSet | None) -> LoadedScenarios:
    """The scenarios of a file, over the rules and machines that it brings along, else over those of the site."""
    document, problems = read_yaml(file, text)
    if problems or validated(_ScenarioFile, document, (), document.data, problems) is None:
        return LoadedScenarios([], problems)
    rules = _rules(document, site, problems)
    found = []
    for number, item in enumerate(document.data["scenarios"]):
        path: Path = ("scenarios", number)
        scenario = validated(Scenario, document, path, item, problems)
        if scenario is not None and rules is not None:
            found.append(SourcedScenario(document, path, rules, scenario))
            problems.extend(_unknown_rules(found[-1]))
    problems.sort(key=lambda problem: problem.line)
    return LoadedScenarios([] if errors(problems) else found, problems)


def _rules(document: Document, site: RuleSet | None, problems: list[Problem]) -> RuleSet | None:
    if document.data.get("rules") is not None:
        loaded = load_rules({document.file: document.part(RULES)}, (document.file, document.part(ASSETS)))
        problems.extend(errors(loaded.problems))
        return loaded.ruleset
    brought = next((key for key in ASSETS if document.data.get(key) is not None), None)
    if brought is not None:
        hint = "bring `rules` along too, or leave it to assets.yaml"
        problems.append(document.problem((brought,), "machines of its own need rules of its own", hint))
    elif site is None:
        problems.append(document.problem((), "there are no rules to try", "bring `rules` along, or name the site"))
    return site


def _unknown_rules(entry: SourcedScenario) -> list[Problem]:
    known = {rule.id for rule in entry.rules.rules} | set(BUILTIN)
    scenario = entry.scenario
    named: list[tuple[Path, str]] = [(("only", number), rule) for number, rule in enumerate(scenario.only)]
    named += [(("do", number, "alarm"), deed.alarm.partition(":")[0]) for number, deed in enumerate(scenario.do)]
    expected = enumerate(scenario.expect.all)
    key = ("expect",) if scenario.expect.exactly is not None else ("expect", "at_least")
    named += [((*key, number, "rule"), expectation.rule) for number, expectation in expected]
    mistakes = ((path, unknown("rule", rule, known)) for path, rule in named if rule not in known)
    return [entry.problem(path, mistake.message, mistake.hint) for path, mistake in mistakes]
