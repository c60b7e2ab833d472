"""All that watches one asset under a rule set: its signals, gates and watches, wired to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rules.alarms import Kind
from rules.builtin import (
    BROKER_LOST,
    FAULTS,
    OWN_ASSET,
    Flag,
    InstrumentFault,
    Noticed,
    broker_lost,
    clock_ahead,
    instrument_fault,
)
from rules.clock import AssetClock
from rules.derived import Derived
from rules.detectors.base import Detector
from rules.events import Duration, Quality, Value
from rules.expressions import Expression
from rules.gate import Gate
from rules.rule import former_key
from rules.ruleset import Rule, RuleSet, detection_key
from rules.sight import Sight
from rules.signals import Reads, Signal, certain, delivered, usable
from rules.watch import Watch


class Roster:
    """`watches` are in the order in which they are asked; `vigil` are those that want to see every observation.

    `curious` are those that may want signals that no rule names. `metrics` are the signals by the names under which
    they are delivered; `values`, `certain` and `last_values` mirror them for expressions: without what is bad, without
    what is uncertain either, and whatever its quality. `clock_flag` is told of stamps from the future.
    """

    def __init__(self, asset: str, rules: RuleSet, clock: AssetClock) -> None:
        self.asset = asset
        self.rules = rules
        self.clock = clock
        self.values: dict[str, Value] = {}
        self.certain: dict[str, Value] = {}
        self.last_values: dict[str, Value] = {}
        self.signals: dict[str, Signal] = {}
        self.metrics: dict[str, Signal] = {}
        self.gates: dict[str, Gate] = {}
        self.watches: list[Watch] = []
        self.vigil: list[Watch] = []
        self.curious: list[Watch] = []
        self._links: dict[str, Watch] = {}
        self._faults: dict[tuple[str, str | None], Watch] = {}
        written = () if asset == OWN_ASSET else rules.for_asset(asset)
        for rule in written:
            gate, suppressor = self._gate(rule, rule.when), self._gate(rule, rule.suppress_when)
            for detector in rule.detect.build(_Bindings(self, rule)):
                self._add(rule, detector, gate, suppressor)
        for rank, gate in enumerate(self.gates.values(), -len(self.gates)):
            gate.rank = rank
        self._context = {key: self.signal(name) for key, name in rules.assets.context(asset).items()}
        used = [(rule.fault_after, tuple(rule.signals)) for rule in written]
        used += [(patience, (name,)) for name, patience in rules.instruments.get(asset, {}).items()]
        for name, patience in _patience(used, self._delivered).items():
            self._add(instrument_fault(patience), InstrumentFault(self.signal(name)))
        self.clock_flag = Flag(None, "its stamps lie in the future", "its stamps are right again")
        self.clock_watch = self._add(clock_ahead(), self.clock_flag)
        self._wire()

    def signal(self, name: str) -> Signal:
        """The asset's signal of that name, kept from now on."""
        signal = self.signals.get(name)
        if signal is None:
            assets = self.rules.assets
            signal = self.signals[name] = Signal(name, assets.signal(self.asset, name))
            if (formula := assets.derived(self.asset, name)) is not None:
                self._derive(signal, formula)
                return signal
            self.metrics[assets.metric(self.asset, name)] = signal
            if name == "state" and (states := assets.states(self.asset)) is not None:
                self.signal(states.signal).maps = (signal, states.table)
        return signal

    def unnamed(self, name: str) -> Signal | None:
        """A signal that no rule names, if any watch still wants to meet such."""
        return self.signal(name) if any(watch.detector.curious for watch in self.curious) else None

    def meet(self, signal: Signal) -> None:
        """A signal gave a reading: who is curious and does not know it may watch it from now on."""
        for watch in self.curious:
            detector = watch.detector
            if detector.curious and signal not in detector.inputs and detector.adopt(signal):
                signal.watches = (*signal.watches, watch)
                signal.refresh()

    def _derive(self, signal: Signal, formula: Expression) -> None:
        inputs = tuple(self.signal(name) for name in sorted(formula.signals))
        derived = Derived(signal, formula, inputs)
        for source in inputs:
            source.feeds = (*source.feeds, derived)

    def _delivered(self, name: str) -> frozenset[str]:
        """The signals that a signal is made of in the end: itself, unless it is computed."""
        formula = self.rules.assets.derived(self.asset, name)
        if formula is None:
            return frozenset({name})
        return frozenset().union(*(self._delivered(source) for source in formula.signals))

    def context(self) -> dict[str, Value]:
        """What is being made now, with which tool: the last known values of the signals that the type names."""
        return {key: signal.known for key, signal in self._context.items() if signal.known is not None}

    def note(self, signal: Signal) -> None:
        """Mirror a signal's new value."""
        self.values[signal.name] = signal.value
        self.certain[signal.name] = None if signal.quality is Quality.UNCERTAIN else signal.value
        self.last_values[signal.name] = signal.last

    def link(self, broker: str) -> tuple[Watch, Flag]:
        """The watch over our own connection to a broker."""
        watch = self._links.get(broker)
        if watch is None:
            on, off = f"the connection to broker {broker} is lost", f"the connection to broker {broker} is back"
            watch = self._links[broker] = self._add(broker_lost(), Flag(broker, on, off))
        assert isinstance(watch.detector, Flag)
        return watch, watch.detector

    def fault(self, rule: str, part: str | None) -> tuple[Watch, Noticed]:
        """The watch over a fault of the monitor itself, of a rule in `FAULTS`."""
        watch = self._faults.get((rule, part))
        if watch is None:
            watch = self._faults[rule, part] = self._add(FAULTS[rule], Noticed(part))
        assert isinstance(watch.detector, Noticed)
        return watch, watch.detector

    def find(self, alarm: str) -> Watch | None:
        """The watch of an alarm, by the id of its last occurrence or by its name: `asset:rule` or `asset:rule:part`."""
        return next((w for w in self.watches if alarm in (w.alarm.occurrence, alarm_name(self.asset, *w.key))), None)

    def looked(self, watch: Watch) -> None:
        """After a watch has looked: the quiet bands of its signals, and whether it wants to see everything."""
        band = _band(watch)
        if band != watch.last_band:
            watch.last_band = band
            for signal in watch.inputs:
                signal.refresh()
        if watch.may_be_vigilant and watch.vigilant is not (watch in self.vigil):
            self.vigil = [w for w in self.watches if w.vigilant]

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        for signal in self.signals.values():
            signal.shift(delta)
        for gate in self.gates.values():
            gate.shift(delta)
        for watch in self.watches:
            watch.shift(delta)

    def snapshot(self) -> dict[str, Any]:
        """The state of all of it, as JSON."""
        return {
            "signals": {name: signal.snapshot() for name, signal in self.signals.items()},
            "gates": {text: gate.snapshot() for text, gate in self.gates.items()},
            "watches": [[*identity(watch), watch.snapshot()] for watch in self.watches],
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`, as far as the same things are watched in the same way."""
        self._restore_signals(data["signals"])
        for text, saved in data["gates"].items():
            if (gate := self.gates.get(text)) is not None:
                gate.restore(saved)
        self._restore_watches(data["watches"])
        for signal in self.signals.values():
            if signal.at is not None:
                self.meet(signal)
        if self.curious:
            self._wire()
        for watch in self.watches:
            self.looked(watch)

    def _restore_signals(self, saved: dict[str, list[Any]]) -> None:
        for name, state in saved.items():
            if name in self.signals or self.curious:
                self.signal(name).restore(state)
        for signal in self.signals.values():
            signal.map_anew()
        for signal in self.signals.values():
            self.note(signal)

    def _restore_watches(self, saved: list[list[Any]]) -> None:
        for rule, part, _, _ in saved:
            if rule == BROKER_LOST:
                self.link(part)
            elif rule in FAULTS:
                self.fault(rule, part)
        watches = {identity(watch, key): watch for key in (former_key, detection_key) for watch in self.watches}
        heirs = {watch.key: watch for watch in self.watches}
        for rule, part, key, state in saved:
            if (watch := watches.get((rule, part, key))) is not None:
                watch.restore(state)
            elif (heir := heirs.get((rule, part))) is not None:
                heir.detector.inherit(state["detector"])

    def _gate(self, rule: Rule, expression: Expression | None) -> Gate | None:
        """Shared by all rules that are as strict."""
        if expression is None:
            return None
        name = f"{rule.kind}: {expression.text}" if rule.kind is Kind.SAFETY else expression.text
        gate = self.gates.get(name)
        if gate is None:
            gate = self.gates[name] = Gate(Sight(expression, _View(self, rule)))
        return gate

    def _add(self, rule: Rule, detector: Detector, gate: Gate | None = None, suppressor: Gate | None = None) -> Watch:
        watch = Watch(rule, detector, gate, rank=len(self.watches), suppressor=suppressor)
        self.watches.append(watch)
        for one in dict.fromkeys((gate, suppressor)):
            if one is not None:
                one.watches.append(watch)
        return watch

    def _wire(self) -> None:
        lookers: dict[str, list[Gate | Watch]] = {name: [] for name in self.signals}
        every: list[Gate | Watch] = [*self.gates.values(), *self.watches]
        for looker in every:
            for signal in looker.inputs:
                lookers[signal.name].append(looker)
        for name, signal in self.signals.items():
            signal.watches = tuple(lookers[name])
        for signal in self.signals.values():
            signal.named = bool(signal.feeds) or any(looker.restless(signal) for looker in signal.watches)
            signal.refresh()
        for watch in self.watches:
            watch.last_band = _band(watch)
        self.vigil = [watch for watch in self.watches if watch.vigilant]
        self.curious = [watch for watch in self.watches if watch.detector.curious]


def _band(watch: Watch) -> tuple[float, float] | None:
    inputs = watch.detector.inputs
    return watch.band(inputs[0]) if inputs else None


def alarm_name(asset: str, rule: str, part: str | None) -> str:
    """What an alarm is called between its occurrences."""
    return ":".join(filter(None, (asset, rule, part)))


def identity(watch: Watch, key: Callable[[Rule], str] = detection_key) -> tuple[str, str | None, str]:
    """Rule, part, and what the rule detects by: equal identities may hand their state on."""
    rule = watch.rule
    levels = f":{','.join(watch.detector.levels)}" if rule.varies else ""
    return (*watch.key, "" if rule.kind is Kind.SYSTEM else key(rule) + watch.detector.basis + levels)


def _patience(
    used: Iterable[tuple[Duration, tuple[str, ...]]], delivered: Callable[[str], frozenset[str]]
) -> dict[str, Duration]:
    """For each delivered signal that rules use, how long the least patient of them lets it be bad."""
    after: dict[str, Duration] = {}
    for patience, signals in used:
        for name in sorted(frozenset().union(*map(delivered, signals))):
            after[name] = min(after.get(name, patience), patience)
    return after


class _View:
    """An asset as a rule's gates look at it: by what can be trusted, and for safety that is only what is certain."""

    def __init__(self, roster: Roster, rule: Rule) -> None:
        strict = rule.kind is Kind.SAFETY
        self.values = roster.certain if strict else roster.values
        self.reads: Reads = certain if strict else usable
        self.signal = roster.signal


class _Bindings(_View):
    """An asset as one rule's detectors may take hold of it."""

    def __init__(self, roster: Roster, rule: Rule) -> None:
        super().__init__(roster, rule)
        self.asset = roster.asset
        self.clock = roster.clock
        self._context = roster.rules.assets.context(roster.asset)
        self.ignore_quality = rule.on_bad_quality == "ignore"
        if self.ignore_quality:
            self.values, self.reads = roster.last_values, delivered
        self._assets = roster.rules.assets
        self.working = roster.rules.working
        self._roster = roster

    def beside(self, signal: Signal) -> tuple[Watch, ...]:
        """The watches that judge the signal."""
        return tuple(watch for watch in self._roster.watches if watch.inputs[:1] == (signal,))

    def number(self, name: str) -> float | None:
        """The asset's own value of that name."""
        return self._assets.value(self.asset, name)

    def context(self, key: str) -> Signal | None:
        """The signal that tells a key of the asset's context."""
        name = self._context.get(key)
        return None if name is None else self.signal(name)
