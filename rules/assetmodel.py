"""assets.yaml: what is known of machines. Nothing here is needed: assets that are not named still work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from math import isfinite
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, model_validator

from rules.calendar import Calendar
from rules.events import Value
from rules.expressions import Expression, FormulaField
from rules.problems import InputError, Problem, closest, errors, quoted, unknown
from rules.validation import Section, validated
from rules.yamltext import Document, read_yaml, scalar

STATE: Final = "state"
"""The signal that `states` makes."""

NOT_DECLARED: Final[Mapping[str, str]] = {}


class SignalSpec(Section):
    """What is known of a signal. A number outside `range` (ends belong to it) or among `sentinels` is bad quality."""

    unit: str = ""
    range: tuple[float, float] | None = None
    sentinels: tuple[float, ...] = ()
    report: Literal["periodic", "on_change"] = "periodic"
    type: Literal["number", "text", "boolean"] = "number"

    @property
    def delivered(self) -> str:
        """What a gateway may deliver of it; what is a number only because nothing is said may be true and false."""
        says_number = self.unit or self.range or self.sentinels or "type" in self.model_fields_set
        return self.type if says_number else "number or boolean"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.range is not None and self.range[0] > self.range[1]:
            raise InputError("the range's lower end is above its upper end", "write range: [low, high]")
        if self.type != "number" and (self.range is not None or self.sentinels):
            raise InputError(f"range and sentinels are for numbers, this is a {self.type}", "remove them")
        return self


class StateMap(NamedTuple):
    """The signal that tells the machine's mode, and the state that each of its values stands for."""

    signal: str
    table: dict[Value, str]


class States(Section):
    """`states` as written."""

    signal: str
    map: dict[str, str] = Field(min_length=1)


class AssetType(Section):
    """A kind of machine. `counts` names the signals that count its good parts and its scrap.

    The signals that `states` and `context` name are known by that, and may be numbers or texts unless declared.
    """

    signals: dict[str, SignalSpec] = {}
    states: States | None = None
    context: dict[str, str] = {}
    derived: dict[str, FormulaField] = {}
    counts: dict[Literal["good", "scrap"], str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.states is not None and STATE in self.signals:
            raise InputError("the signal `state` is made by `states` and cannot be declared as well", "rename one")
        assert self.state_map or not self.states
        for name in self.derived:
            self._check_derived(name)
        if self.known is not None:
            for signal in self.counts.values():
                if signal not in self.known:
                    raise unknown("signal", signal, self.known)
        return self

    def _check_derived(self, name: str) -> None:
        if name in self.signals or name == STATE:
            raise InputError(f"the signal {quoted(name)} is declared and computed", "remove one")
        if self.derived[name].foreign:
            raise InputError(f"{quoted(name)} is computed from other assets", "write a rule with `scope: plant`")
        above = [other for other in self.derived if list(self.derived).index(other) < list(self.derived).index(name)]
        for signal in sorted(self.derived[name].signals):
            if signal in self.derived and signal not in above:
                hint = "it may name only those that stand above it"
                raise InputError(f"{quoted(name)} is computed from {quoted(signal)}, which comes later", hint)
            if self.signals and signal not in {*self.signals, *above, *self._named}:
                raise unknown("signal", signal, {*self.signals, *above, *self._named})

    @property
    def _named(self) -> frozenset[str]:
        """The signals that need no declaration."""
        states = {STATE, self.states.signal} if self.states else set()
        return frozenset(states | set(self.context.values()))

    @cached_property
    def state_map(self) -> StateMap | None:
        """The states by the values that the signal delivers."""
        if self.states is None:
            return None
        spec = self.signals.get(self.states.signal)
        convert = _KEYS[spec.type if spec else None]
        return StateMap(self.states.signal, {convert(key): state for key, state in self.states.map.items()})

    @cached_property
    def delivered(self) -> dict[str, str]:
        """What a gateway may deliver of each declared signal."""
        return {name: spec.delivered for name, spec in self.signals.items()}

    @cached_property
    def known(self) -> frozenset[str] | None:
        """Every signal there is; None if no signals were declared."""
        if not self.signals:
            return None
        return frozenset(self.signals) | frozenset(self.derived) | self._named


def _any_value(key: str) -> Value:
    """A key of a signal whose type is not declared: 3 is a number, true a truth value, everything else text."""
    found = scalar(key)
    if isinstance(found, bool):
        return found
    return float(found) if isinstance(found, (int, float)) and isfinite(found) else key


def _number(key: str) -> Value:
    found = _any_value(key)
    if not isinstance(found, float):
        raise InputError(f"the signal of `states` is a number and is never {quoted(key)}", "correct the map")
    return found


def _boolean(key: str) -> Value:
    found = {"true": True, "1": True, "false": False, "0": False}.get(key.lower())
    if found is None:
        raise InputError(f"the signal of `states` is true or false and never {quoted(key)}", "correct the map")
    return found


_KEYS: Final[dict[str | None, Callable[[str], Value]]] = {
    "number": _number,
    "boolean": _boolean,
    "text": str,
    None: _any_value,
}
"""How the keys of `map` become values, by the type of the signal."""


class AssetEntry(Section):
    """One machine. `values` are numbers of its own that rules may name as limits.

    `bind` says which of the gateway's metrics delivers a signal, where that has another name.
    """

    ELSEWHERE: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("signals", "states", "context", "derived", "counts"), "the asset's type, under `types`"
    )

    type: str | None = None
    name: str = ""
    area: str = ""
    parent: str = ""
    gateway: str = ""
    expected: bool = False
    bind: dict[str, str] = {}
    values: dict[str, float] = {}

    @model_validator(mode="after")
    def _one_signal_per_metric(self) -> Self:
        metrics = list(self.bind.values())
        for metric in metrics:
            if metrics.count(metric) > 1:
                raise InputError(
                    f"two signals are bound to the metric {quoted(metric)}", "remove one, or use `derived`"
                )
        return self

    @cached_property
    def bound(self) -> dict[str, str]:
        """Signals by the metrics that deliver them."""
        return {metric: signal for signal, metric in self.bind.items()}


class AssetModel(Section):
    """All that is known. Asks by the asset's name; for what is not known the answers are None, empty, or the name."""

    types: dict[str, AssetType] = {}
    assets: dict[str, AssetEntry] = {}
    calendar: Calendar = Calendar()

    def signal(self, asset: str, metric: str) -> SignalSpec | None:
        """What is known of a signal."""
        kind = self._type(asset)
        return None if kind is None else kind.signals.get(metric)

    def kind(self, asset: str) -> str | None:
        """The name of its type, if it has one."""
        entry = self.assets.get(asset)
        return None if entry is None else entry.type

    def signal_type(self, asset: str, signal: str) -> str:
        """`number`, `text` or `boolean`; empty where that is not known."""
        spec = self.signal(asset, signal)
        if spec is not None:
            return spec.type
        return "text" if signal == STATE and self.states(asset) is not None else ""

    def known_signals(self, asset: str) -> frozenset[str] | None:
        """The signals that the asset has; None where that is not known, and so nothing is unknown."""
        kind = self._type(asset)
        return None if kind is None else kind.known

    def states(self, asset: str) -> StateMap | None:
        """How the asset's mode becomes its signal `state`."""
        kind = self._type(asset)
        return None if kind is None else kind.state_map

    def counts(self, asset: str) -> dict[str, str]:
        """The signals that count good parts and scrap."""
        kind = self._type(asset)
        return {} if kind is None else {str(sort): signal for sort, signal in kind.counts.items()}

    def metric(self, asset: str, signal: str) -> str:
        """The name under which the gateway delivers a signal."""
        entry = self.assets.get(asset)
        return entry.bind.get(signal, signal) if entry else signal

    def context(self, asset: str) -> dict[str, str]:
        """What belongs to every alarm of the asset: product, lot, tool; each with the signal that tells it."""
        kind = self._type(asset)
        return {} if kind is None else kind.context

    def derived(self, asset: str, signal: str) -> Expression | None:
        """The formula of a signal that is computed."""
        kind = self._type(asset)
        return None if kind is None else kind.derived.get(signal)

    def display_name(self, asset: str) -> str:
        """The asset in words."""
        entry = self.assets.get(asset)
        return entry.name if entry and entry.name else asset

    def area(self, asset: str) -> str | None:
        """Where it stands."""
        entry = self.assets.get(asset)
        return entry.area or None if entry else None

    def gateway(self, asset: str) -> str | None:
        """The gateway that it speaks through."""
        entry = self.assets.get(asset)
        return entry.gateway or None if entry else None

    def parent(self, asset: str) -> str | None:
        """What it belongs to: its `parent`, or else what its name says before the last slash."""
        entry = self.assets.get(asset)
        return (entry.parent if entry and entry.parent else asset.rpartition("/")[0]) or None

    @cached_property
    def gateways(self) -> dict[str, tuple[str, ...]]:
        """The assets that are known to speak through each gateway."""
        found: dict[str, list[str]] = {}
        for name, entry in self.assets.items():
            if entry.gateway:
                found.setdefault(entry.gateway, []).append(name)
        return {gateway: tuple(assets) for gateway, assets in found.items()}

    def value(self, asset: str, name: str) -> float | None:
        """A number of the asset's own."""
        entry = self.assets.get(asset)
        return entry.values.get(name) if entry else None

    def declared(self, asset: str) -> Mapping[str, str]:
        """What the gateway may deliver of the asset's declared signals, by its own names for them."""
        return self._declared.get(asset, NOT_DECLARED)

    @cached_property
    def _declared(self) -> dict[str, Mapping[str, str]]:
        return {
            name: kind.delivered | {metric: kind.delivered.get(signal, "") for metric, signal in entry.bound.items()}
            for name, entry in self.assets.items()
            if (kind := self._type(name)) is not None and kind.signals
        }

    def areas(self) -> tuple[str, ...]:
        """Every area there is, each once, in the file's order."""
        return tuple(dict.fromkeys(entry.area for entry in self.assets.values() if entry.area))

    @property
    def expected(self) -> tuple[str, ...]:
        """The assets that must be heard of, in the file's order."""
        return tuple(name for name, entry in self.assets.items() if entry.expected)

    def _type(self, asset: str) -> AssetType | None:
        entry = self.assets.get(asset)
        return self.types.get(entry.type) if entry and entry.type else None


def load_assets(file: str, text: str | Document) -> tuple[AssetModel | None, list[Problem]]:
    """The model of a text, or None and every problem of it."""
    model, problems = read_assets(file, text)
    return (None if errors(problems) else model), problems


def read_assets(file: str, text: str | Document) -> tuple[AssetModel | None, list[Problem]]:
    """Every problem of a text, and the model: of a wrong text what rules can be checked by, None if that is nothing."""
    document, problems = read_yaml(file, text)
    if problems:
        return None, problems
    model = validated(AssetModel, document, (), document.data, problems) or _sketch(document.data)
    if model is not None:
        problems.extend(_doubtful_modes(model, document))
        problems.extend(_unknown_types(model, document))
        problems.extend(_circles(model, document))
    return model, problems


def _sketch(data: Any) -> AssetModel | None:
    """What is right of wrong data; types and machines that are not are there, and nothing is known of them."""
    if not isinstance(data, dict):
        return None
    parts = {"types": _right(AssetType, data.get("types")), "assets": _right(AssetEntry, data.get("assets"))}
    try:
        return AssetModel.model_validate(parts)
    except ValidationError:
        return None


def _right(kind: type[Section], entries: Any) -> dict[str, Any]:
    return {str(name): _or_nothing(kind, entry) for name, entry in entries.items()} if isinstance(entries, dict) else {}


def _or_nothing(kind: type[Section], entry: Any) -> Any:
    try:
        kind.model_validate(entry)
    except ValidationError:
        return {}
    return entry


def _doubtful_modes(model: AssetModel, document: Document) -> list[Problem]:
    """Warnings: the signal of `states` needs no declaration, but is doubted where a declared one is called much alike.

    Such a slip leaves `state` unknown for ever, and every rule by it silent.
    """
    found = []
    for name, kind in model.types.items():
        declared = {*kind.signals, *kind.derived}
        if kind.states and kind.states.signal not in declared and closest(kind.states.signal, declared):
            mistake = unknown("signal", kind.states.signal, declared)
            hint = "correct it, or declare the signal; without it no rule by `state` is ever armed"
            found.append(document.problem(("types", name, "states", "signal"), mistake.message, hint, "warning"))
    return found


def _unknown_types(model: AssetModel, document: Document) -> list[Problem]:
    found = []
    for name, entry in model.assets.items():
        if entry.type is not None and entry.type not in model.types:
            mistake = unknown("type", entry.type, model.types)
            found.append(document.problem(("assets", name, "type"), mistake.message, mistake.hint))
        known = model.known_signals(name)
        for signal in entry.bind:
            if known is not None and signal not in known:
                mistake = unknown("signal", signal, known)
                found.append(document.problem(("assets", name, "bind", signal), mistake.message, mistake.hint))
    return found


def _circles(model: AssetModel, document: Document) -> list[Problem]:
    """Assets that are their own ancestors."""
    found = []
    for name in model.assets:
        above, seen = model.parent(name), {name}
        while above is not None and above not in seen:
            seen.add(above)
            above = model.parent(above)
        if above == name:
            hint = "a parent is what the machine is a part of"
            message = f"{quoted(name)} is its own ancestor"
            found.append(document.problem(("assets", name, "parent"), message, hint))
    return found
