"""Rule files to a RuleSet: every problem of all files at once, with file, line and a hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

from pydantic import ValidationError

from rules.alarms import Kind
from rules.assetmodel import AssetModel, read_assets
from rules.detectors import CONFIGS
from rules.detectors.base import DetectorConfig
from rules.digest import digest
from rules.events import SECOND, Duration
from rules.groupchecks import check_foreign, check_inhibitors
from rules.patterns import PatternIndex, is_literal
from rules.problems import Problem, errors, quoted, unknown
from rules.rule import NoDetector, Rule, detection_key
from rules.rulechecks import (
    SourcedRule,
    check_calendar,
    check_contexts,
    check_fits,
    check_heard,
    check_order,
    check_rows,
    check_signals,
    check_site,
    check_states,
    check_types,
    check_values,
)
from rules.tables import ENDING as TABLE
from rules.tables import fill_tables
from rules.validation import Section, validated
from rules.workingtime import ALL_TIME, Working, WorkingTime
from rules.yamltext import Document, Path, read_yaml
from rules.zone import UTC, Zone

__all__ = ["EMPTY", "Loaded", "Rule", "RuleSet", "detection_key", "load_rules"]

MAX_AHEAD: Final[Duration] = 5 * SECOND
NOTHING_KNOWN: Final = AssetModel()
OF_ASSETS: Final = (check_signals, check_values, check_order, check_rows, check_fits, check_contexts, check_calendar)
OF_ALL: Final = (check_foreign, check_types, check_states)
"""What is looked at against the asset model, in the rules of single assets and in all."""


@dataclass(frozen=True, eq=False)
class RuleSet:
    """Rules, and what they know of assets: all that deciding depends on. Never changes.

    `rules` are kept with safety rules first, otherwise in the order given. Stamps more than `max_ahead` in front of
    their receipt are not believed. `zone` is what the clock on the wall shows, for rules that go by the calendar.
    """

    rules: tuple[Rule, ...] = ()
    assets: AssetModel = NOTHING_KNOWN
    max_ahead: Duration = MAX_AHEAD
    zone: Zone = UTC

    def __post_init__(self) -> None:
        ordered = sorted(self.rules, key=lambda rule: rule.kind is not Kind.SAFETY)
        object.__setattr__(self, "rules", tuple(ordered))

    @cached_property
    def revision(self) -> str:
        """A hash of all that matters: equal revisions decide alike and say the same."""
        rules = [rule.model_dump(mode="json") for rule in self.rules]
        zone = [[self.zone.changes, self.zone.offsets]] if self.by_calendar else []
        return digest([rules, self.assets.model_dump(mode="json"), self.max_ahead, *zone])

    @cached_property
    def by_calendar(self) -> bool:
        """Whether any rule goes by the calendar, so that the time zone matters."""
        return any(rule.detect.calendar_parts for rule in self.rules)

    def working(self, parts: tuple[str, ...]) -> Working:
        """The time that counts by parts of the calendar; all of it if none is named."""
        if not parts:
            return ALL_TIME
        if parts not in self._working:
            self._working[parts] = WorkingTime(self.assets.calendar, parts, self.zone)
        return self._working[parts]

    @cached_property
    def _working(self) -> dict[tuple[str, ...], Working]:
        return {}

    def for_asset(self, asset: str) -> tuple[Rule, ...]:
        """The rules that watch an asset, in order; those that are off do not."""
        return tuple(self.rules[number] for number in self._index.find(asset))

    def declared(self) -> tuple[str, ...]:
        """The assets that are there though they never spoke: named in rules, or expected."""
        named = (p for rule in filter(_by_asset, self.rules) for p in rule.assets if is_literal(p))
        return tuple(dict.fromkeys((*named, *self.assets.expected)))

    def rule(self, name: str) -> Rule | None:
        """The rule with an id."""
        return self._by_id.get(name)

    @cached_property
    def plant_wide(self) -> tuple[Rule, ...]:
        """The rules over several assets, in order; not those that are off."""
        return tuple(rule for rule in self.rules if rule.plant_wide and rule.mode != "off")

    @cached_property
    def instruments(self) -> dict[str, dict[str, Duration]]:
        """By asset, the signals that rules over several assets use, and how long the least patient lets each be bad."""
        found: dict[str, dict[str, Duration]] = {}
        for rule in self.plant_wide:
            watched = rule.detect.signals()
            for foreign in rule.foreign:
                signals = found.setdefault(foreign.asset, {}) if foreign.key in watched else {}
                signals[foreign.signal] = min(signals.get(foreign.signal, rule.fault_after), rule.fault_after)
        return found

    @cached_property
    def _index(self) -> PatternIndex:
        live = ((number, rule) for number, rule in enumerate(self.rules) if _by_asset(rule))
        return PatternIndex((pattern, number) for number, rule in live for pattern in rule.assets)

    @cached_property
    def _by_id(self) -> dict[str, Rule]:
        return {rule.id: rule for rule in self.rules}


def _by_asset(rule: Rule) -> bool:
    return rule.mode != "off" and not rule.plant_wide


EMPTY: Final = RuleSet()
"""No rules, and nothing known."""


class Loaded(NamedTuple):
    """What came of reading: no rule set if there is any error; warnings alone do not prevent one."""

    ruleset: RuleSet | None
    problems: list[Problem]


class _RuleFile(Section):
    version: Literal[1] = 1
    rules: list[Any] = []


def load_rules(
    files: Mapping[str, str | Document],
    assets: tuple[str, str | Document] | None = None,
    site: bool = False,
    max_ahead: Duration = MAX_AHEAD,
    zone: Zone = UTC,
) -> Loaded:
    """The rule set of rule files (name to text, taken in the order of their names) and of assets.yaml (name, text).

    What was read already may stand for its text. Files whose names end with `.csv` are tables that the rule files
    beside them may name. `site` adds warnings about what a plant in service should have. `zone` is the site's.
    """
    model, problems = read_assets(*assets) if assets else (NOTHING_KNOWN, [])
    tables = {name: text for name, text in files.items() if isinstance(text, str) and name.endswith(TABLE)}
    found = [rule for name in sorted(files) if name not in tables for rule in _read_file(name, files, tables, problems)]
    problems.extend(_repeated(found))
    problems.extend(check_inhibitors(found))
    if model is not None:
        by_asset = [entry for entry in found if not entry.rule.plant_wide]
        for entries, checks in ((by_asset, OF_ASSETS), (found, OF_ALL)):
            for check in checks:
                problems.extend(check(entries, model))
    if site:
        problems.extend(check_site(found))
    if site and model is not None:
        problems.extend(check_heard(found, model))
    problems.sort(key=lambda problem: (problem.file, problem.line))
    if errors(problems) or model is None:
        return Loaded(None, problems)
    return Loaded(RuleSet(tuple(entry.rule for entry in found), model, max_ahead, zone), problems)


def _read_file(
    name: str, files: Mapping[str, str | Document], tables: Mapping[str, str], problems: list[Problem]
) -> Iterable[SourcedRule]:
    document, unreadable = read_yaml(name, files[name])
    problems.extend(unreadable)
    if document.data is None:
        return
    fill_tables(document, tables, problems)
    validated(_RuleFile, document, (), document.data, problems)
    items = document.data.get("rules") if isinstance(document.data, dict) else None
    for number, item in enumerate(items if isinstance(items, list) else ()):
        path: Path = ("rules", number)
        if isinstance(item, dict):
            rule = _rule(document, path, item, problems)
            if rule is not None:
                yield SourcedRule(document, path, item, rule)
        else:
            problems.append(document.problem(path, "a rule must be key: value pairs", "begin with - id: my-rule"))


def _rule(document: Document, path: Path, item: dict[str, Any], problems: list[Problem]) -> Rule | None:
    """The rule, or what of a wrong one its names can be checked by."""
    data = dict(item)
    if "detect" in item:
        detect = _detector(document, (*path, "detect"), item["detect"], problems)
        data["detect"] = detect or NoDetector()
    return validated(Rule, document, path, data, problems) or _sketch(data)


def _sketch(data: dict[str, Any]) -> Rule | None:
    """Of a wrong rule the detector, and the gate and assets as far as they are right."""
    for keys in (("when", "assets"), ("assets",)):
        given = {key: data[key] for key in keys if key in data}
        try:
            return Rule(id="wrong", kind=Kind.SYSTEM, notice=True, detect=data.get("detect", NoDetector()), **given)
        except ValidationError:
            continue
    return None


def _detector(document: Document, path: Path, data: Any, problems: list[Problem]) -> DetectorConfig | None:
    if not isinstance(data, dict) or not isinstance(data.get("type"), str):
        hint = "for example: detect: {type: limits, signal: temperature, high: 80}"
        problems.append(document.problem((*path, "type"), "`detect` must have a `type`", hint))
        return None
    config = CONFIGS.get(data["type"])
    if config is not None:
        return validated(config, document, path, data, problems)
    mistake = unknown("detector", data["type"], CONFIGS)
    problems.append(document.problem((*path, "type"), mistake.message, mistake.hint))
    return None


def _repeated(found: Iterable[SourcedRule]) -> Iterable[Problem]:
    first: dict[str, SourcedRule] = {}
    for entry in found:
        name = entry.item.get("id")
        if isinstance(name, str) and first.setdefault(name, entry) is not entry:
            other = first[name].problem(("id",), "")
            yield entry.problem(
                ("id",), f"the id {quoted(name)} is used twice", f"first used in {other.file}:{other.line}"
            )
