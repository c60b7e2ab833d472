"""What is wrong with rules that are right by themselves: names that no asset has, and what a plant in service needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Literal, NamedTuple

from rules.alarms import Kind
from rules.assetmodel import STATE, AssetModel
from rules.calendar import SHIFTS, WEEK, days_of
from rules.detectors.base import RISE, LevelledConfig, Limit
from rules.expressiontypes import Type, compared, mistake
from rules.limit_table import LimitTable
from rules.patterns import is_literal, matcher
from rules.problems import Problem, closest, quoted, unknown
from rules.rule import Rule
from rules.statetime import UNKNOWN
from rules.yamltext import Document, Path

SHOW: Final = ("detect", "show")
"""The only expression that is no condition."""


class SourcedRule(NamedTuple):
    """A rule, the data it was read from, and where that stands."""

    document: Document
    path: Path
    item: dict[str, Any]
    rule: Rule

    def problem(
        self, path: Path, message: str, hint: str = "", severity: Literal["error", "warning"] = "error"
    ) -> Problem:
        """A problem at a path within the rule."""
        return self.document.problem((*self.path, *path), message, hint, severity)

    def mentions(self, name: str) -> Path:
        """Where in the rule a signal or value is named."""
        detect = self.item.get("detect")
        items = detect.items() if isinstance(detect, dict) else ()
        keys = (("detect", key) for key, value in items if key != "type" and _within(name, value))
        gates = ((key, getattr(self.rule, key)) for key in ("when", "suppress_when"))
        named = next(((key,) for key, gate in gates if gate is not None and name in gate.signals), ("detect",))
        return next(keys, named)


def _within(name: str, value: Any) -> bool:
    return name in value if isinstance(value, (str, list)) else False


class _Scopes:
    """The listed assets that rules apply to, found once per pattern."""

    def __init__(self, model: AssetModel) -> None:
        self._model = model
        self._found: dict[str, list[str]] = {}

    def assets(self, rule: Rule) -> list[str]:
        """Those named, and those listed that match."""
        return list(dict.fromkeys(name for pattern in rule.assets for name in self._matching(pattern)))

    def _matching(self, pattern: str) -> list[str]:
        if is_literal(pattern):
            return [pattern]
        if pattern not in self._found:
            self._found[pattern] = list(filter(matcher(pattern), self._model.assets))
        return self._found[pattern]


def check_signals(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Signals that assets of a known type do not have.

    A rule must fit every asset that it names. One with a pattern must fit some asset that matches; where none has the
    signal that is an error if another name is close, else a warning, for assets that are not listed may match as well.
    """
    scopes = _Scopes(model)
    memory: dict[tuple[str, ...], tuple[list[frozenset[str]], frozenset[str]] | None] = {}
    for entry in entries:
        key = entry.rule.assets
        if key not in memory:
            memory[key] = _known(scopes.assets(entry.rule), model)
        known = memory[key]
        if known is not None:
            yield from _unknown_signals(entry, entry.rule, *known)


def _known(assets: list[str], model: AssetModel) -> tuple[list[frozenset[str]], frozenset[str]] | None:
    """The sets of signals of all typed assets, and their union; None if there is no typed one."""
    sets = list({known for asset in assets if (known := model.known_signals(asset)) is not None})
    return (sets, frozenset().union(*sets)) if sets else None


def _unknown_signals(
    entry: SourcedRule, rule: Rule, sets: list[frozenset[str]], union: frozenset[str]
) -> Iterator[Problem]:
    literal = all(map(is_literal, rule.assets))
    for signal in sorted(rule.signals):
        lacking = [known for known in sets if signal not in known]
        if not lacking or (not literal and len(lacking) < len(sets)):
            continue
        mistake = unknown("signal", signal, lacking[0] if literal else union)
        certain = literal or closest(signal, union) is not None
        yield entry.problem(entry.mentions(signal), mistake.message, mistake.hint, "error" if certain else "warning")


def check_fits(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Detectors over signals that, by what is known of them, they cannot watch."""
    scopes = _Scopes(model)
    for entry in entries:
        named = [(asset, name) for asset in scopes.assets(entry.rule) for name in entry.rule.detect.signals()]
        specs = ((name, spec) for asset, name in named if (spec := model.signal(asset, name)) is not None)
        mistakes = (mistake for name, spec in specs if (mistake := entry.rule.detect.misfit(name, spec)) is not None)
        for message, hint in dict.fromkeys((mistake.message, mistake.hint) for mistake in mistakes):
            yield entry.problem(("detect",), message, hint)


def check_types(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Expressions that, by what is known of the signals, would be unknown or false for ever."""
    scopes = _Scopes(model)
    for entry in entries:
        expressions = entry.rule.expressions
        found = {
            path: wrong
            for types in (_types(entry.rule, scopes, model) if expressions else ())
            for path, expression in expressions.items()
            if (wrong := mistake(expression, types, condition=path != SHOW)) is not None
        }
        for path, wrong in found.items():
            yield entry.problem(path, wrong.message, wrong.hint)


def _types(rule: Rule, scopes: _Scopes, model: AssetModel) -> list[Mapping[str, Type]]:
    """What the rule's signals are on each sort of machine that it applies to."""
    if rule.plant_wide:
        return [{foreign.key: model.signal_type(*foreign) for foreign in rule.foreign}]
    kinds = {model.kind(asset): asset for asset in scopes.assets(rule)}
    return [{name: model.signal_type(asset, name) for name in rule.signals} for asset in kinds.values()]


def check_states(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """States that the `states` of no machine of the rule makes: what is said of them is never so, or always."""
    scopes = _Scopes(model)
    for entry in entries:
        for name, assets in _stateful(entry.rule, scopes).items():
            states = _states_of(assets, model)
            for path, state in _compared_states(entry.rule, name) if states else ():
                if state not in states:
                    wrong = unknown("state", state, states)
                    certain = entry.rule.plant_wide or all(map(is_literal, entry.rule.assets)) or closest(state, states)
                    yield entry.problem(path, wrong.message, wrong.hint, "error" if certain else "warning")


def _stateful(rule: Rule, scopes: _Scopes) -> dict[str, list[str]]:
    """By the name under which an expression has their state, the machines."""
    if rule.plant_wide:
        return {foreign.key: [foreign.asset] for foreign in rule.foreign if foreign.signal == STATE}
    return {STATE: scopes.assets(rule)} if STATE in rule.signals else {}


def _states_of(assets: list[str], model: AssetModel) -> frozenset[str]:
    """Every state that the machines may be in; none where that is not known of each."""
    found = {UNKNOWN}
    for asset in {model.kind(asset): asset for asset in assets}.values():
        known, states = model.known_signals(asset), model.states(asset)
        if states is None and (known is None or STATE in known):
            return frozenset()
        found.update(states.table.values() if states else ())
    return frozenset(found) if len(found) > 1 else frozenset()


def _compared_states(rule: Rule, name: str) -> Iterator[tuple[Path, str]]:
    for path, expression in rule.expressions.items():
        for signal, text in compared(expression) if name in expression.signals else ():
            if signal == name:
                yield path, text


def check_values(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Limits by name that assets have no value for."""
    scopes = _Scopes(model)
    for entry in entries:
        names: tuple[str, ...] = getattr(entry.rule.detect, "value_names", tuple)()
        assets = scopes.assets(entry.rule) if names else []
        for name in names:
            yield from _missing_values(entry, entry.rule, name, assets, model)


def _missing_values(
    entry: SourcedRule, rule: Rule, name: str, assets: list[str], model: AssetModel
) -> Iterator[Problem]:
    lacking = [asset for asset in assets if model.value(asset, name) is None]
    if len(lacking) == len(assets):
        known = {value for asset in assets if asset in model.assets for value in model.assets[asset].values}
        mistake = unknown("value", name, known)
        yield entry.problem(entry.mentions(name), mistake.message, "name one of the asset's `values` in assets.yaml")
        return
    for asset in lacking:
        known_signals = model.known_signals(asset)
        if asset in rule.assets or (known_signals and rule.signals <= known_signals):
            message = f"the asset {quoted(asset)} has no value {quoted(name)}: there the level is not watched"
            yield entry.problem(entry.mentions(name), message, "add it to `values` in assets.yaml", "warning")


def check_order(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Limits that, with the `values` of an asset, do not rise from level to level there."""
    scopes = _Scopes(model)
    for entry in entries:
        detect = entry.rule.detect
        if not isinstance(detect, LevelledConfig) or not detect.value_names():
            continue
        for asset in scopes.assets(entry.rule):
            if (broken := detect.fall(partial(_limit_on, model, asset))) is not None:
                yield entry.problem(("detect",), f"on the asset {quoted(asset)} {broken}", RISE)


def _limit_on(model: AssetModel, asset: str, limit: Limit | LimitTable) -> float | None:
    if isinstance(limit, LimitTable):
        return limit.at(asset) if limit.by == "asset" else None
    return model.value(asset, limit) if isinstance(limit, str) else limit


def check_rows(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Warnings: rows of tables by asset for assets that assets.yaml, which names some, does not know."""
    for entry in entries if model.assets else ():
        known = {*model.assets, *filter(is_literal, entry.rule.assets)}
        detect = entry.rule.detect
        for name, field in type(detect).model_fields.items():
            table = getattr(detect, name)
            by_asset = isinstance(table, LimitTable) and table.by == "asset"
            for row in table.limits if by_asset else ():
                if row not in known:
                    mistake = unknown("asset", row, known)
                    yield entry.problem(
                        ("detect", field.alias or name, row), mistake.message, "add it to assets.yaml", "warning"
                    )


def check_contexts(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Tables of limits that go by what no asset of the rule tells."""
    scopes = _Scopes(model)
    for entry in entries:
        keys: tuple[str, ...] = getattr(entry.rule.detect, "context_keys", tuple)()
        known = {key for asset in (scopes.assets(entry.rule) if keys else ()) for key in model.context(asset)}
        for key in keys:
            if key not in known:
                mistake = unknown("context", key, ("asset", *known))
                yield entry.problem(("detect",), mistake.message, mistake.hint or "name it in the type's `context`")


def check_calendar(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Shifts that the calendar does not have."""
    shifts = model.calendar.shifts
    for entry in entries:
        for part in entry.rule.detect.calendar_parts:
            if part == SHIFTS and not shifts:
                hint = 'add to assets.yaml: calendar: {shifts: {early: "06:00-14:00"}}, or name days: mon-fri'
                yield entry.problem(("detect", "calendar"), "the calendar has no shifts", hint)
            elif part != SHIFTS and days_of(part) is None and part not in shifts:
                wrong = unknown("shift", part, (*shifts, SHIFTS, *WEEK))
                yield entry.problem(("detect", "calendar"), wrong.message, wrong.hint)


def check_site(entries: Iterable[SourcedRule]) -> Iterator[Problem]:
    """Warnings: what a rule of a plant in service should have."""
    for entry in entries:
        rule, name = entry.rule, quoted(entry.item.get("id"))
        if not rule.response and not rule.notice:
            yield entry.problem((), f"{name} does not say what to do", "add a response, or notice: true", "warning")
        if rule.kind is Kind.SAFETY and not rule.latch:
            message = f"the safety rule {name} does not latch: its alarm goes by itself"
            yield entry.problem(("latch",), message, "remove latch: false", "warning")
        if rule.kind is Kind.SAFETY and rule.on_bad_quality != "alarm":
            message = f"the safety rule {name} says nothing when its signals cannot be trusted any more"
            hint = f"remove on_bad_quality: {rule.on_bad_quality}"
            yield entry.problem(("on_bad_quality",), message, hint, "warning")
        if (doubt := rule.detect.doubt) is not None:
            yield entry.problem(("detect",), doubt.message, doubt.hint, "warning")
        if rule.detector == "condition" and len(rule.detect.signals()) > 1 and not rule.detect.delays[0]:
            message = f"the condition of {name} is over several signals and has no on_delay"
            hint = "signals that come in separate messages never change together: add on_delay: 1s"
            yield entry.problem(("detect",), message, hint, "warning")


def check_heard(entries: Collection[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Warnings: safety rules over assets whose silence nobody would tell of, and so neither the loss of a gateway."""
    scopes = _Scopes(model)
    listening = [(frozenset(scopes.assets(e.rule)), frozenset(e.rule.detect.signals())) for e in entries if _listens(e)]
    for entry in entries:
        rule = entry.rule
        if rule.kind is not Kind.SAFETY or rule.mode != "live" or rule.detector == "silence" or rule.plant_wide:
            continue
        heard = {asset for assets, signals in listening if not signals or signals & rule.signals for asset in assets}
        unheard = [asset for asset in scopes.assets(rule) if asset not in heard]
        if unheard:
            more = f" and {len(unheard) - 1} more" if len(unheard) > 1 else ""
            message = f"nothing tells when the signals of {quoted(rule.id)} stop coming on {quoted(unheard[0])}{more}"
            hint = "add a rule for them with detect: {type: silence, after: 60s}, and without `when`"
            yield entry.problem(("detect",), message, hint, "warning")


def _listens(entry: SourcedRule) -> bool:
    """Whether the rule tells of silence at any time."""
    rule = entry.rule
    return rule.detector == "silence" and rule.mode == "live" and rule.when is None and rule.suppress_when is None
