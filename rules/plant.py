"""Rules over several assets, and gateways as a whole: one monitor for each name under which their alarms are shown.

It is an asset's monitor like any other: its signals are those of other assets, under the names that expressions give
them. So delays, life cycle, commands and snapshots are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from rules.alarms import Kind, Transition
from rules.asset import AssetMonitor
from rules.assetmodel import STATE, AssetModel, SignalSpec
from rules.builtin import GATEWAY_SILENT, comms_lost
from rules.events import (
    SECOND,
    Command,
    Duration,
    Event,
    Fault,
    Instant,
    Observation,
    Reading,
    Refed,
    Revision,
    Tick,
    Value,
)
from rules.expressions import Expression, ForeignSignal
from rules.ruleset import Rule, RuleSet

NEVER: Final[Duration] = 36_500 * 86_400 * SECOND
"""Instrument faults are the affair of the asset that the signal belongs to, which watches it for the rule."""


class Plant:
    """The monitors by the names of their alarms."""

    def __init__(self, rules: RuleSet) -> None:
        self.monitors: dict[str, AssetMonitor] = {}
        self._adopt(rules)

    def handle(self, event: Event) -> list[Transition]:
        """Take an event in; returns what changed. Observations are the assets' own, as they were delivered.

        What is fed again long after is not held against the present of other assets.
        """
        if isinstance(event, Observation):
            return self._observe(event)
        if isinstance(event, Refed):
            return []
        if isinstance(event, Revision):
            return self._revise(event)
        return [t for monitor in self._concerned(event) for t in monitor.handle(event)]

    def silent(self, gateway: str, silent: bool, at: Instant, received: Instant) -> list[Transition]:
        """A gateway fell silent or is heard again, even if by its machines' clocks it was before it fell silent."""
        monitor = self.monitors.get(gateway)
        if monitor is None:
            return []
        clock = monitor.clock
        moment = clock.reads(received) if clock.trusted and at < clock.latest else at
        return monitor.handle(Observation(gateway, moment, received, (Reading(GATEWAY_SILENT, silent),)))

    @property
    def assets(self) -> frozenset[str]:
        """All that rules over several assets name."""
        return frozenset(self._routes)

    def monitor_of(self, command: Command) -> AssetMonitor | None:
        """Whose alarm a command is about, if it is one of these."""
        monitor = self.monitors.get(command.asset)
        rule = command.alarm[len(command.asset) + 1 :].partition(":")[0]
        return monitor if any(rule == hosted.id for hosted in self.rules.for_asset(command.asset)) else None

    def next_due(self) -> Instant | None:
        """When, in time of receipt, a Tick would matter."""
        return min((due for m in self.monitors.values() if (due := m.next_due()) is not None), default=None)

    def snapshot(self) -> dict[str, Any]:
        """All monitors, by name."""
        return {name: monitor.snapshot() for name, monitor in self.monitors.items()}

    def restore(self, data: Mapping[str, Any]) -> None:
        """The reverse of `snapshot`, under the same rules."""
        for name, saved in data.items():
            self.monitors[name] = AssetMonitor.restore(self.rules, saved)

    def _observe(self, event: Observation) -> list[Transition]:
        out: list[Transition] = []
        at = min(event.at, event.received)
        for name, keys in self._routes.get(event.asset, {}).items():
            readings = tuple(
                Reading(keys[r.metric], r.value, r.quality, r.text) for r in event.readings if r.metric in keys
            )
            if readings:
                out += self.monitors[name].handle(Observation(name, at, event.received, readings))
        return out

    def _concerned(self, event: Event) -> list[AssetMonitor]:
        if isinstance(event, Fault):
            return []
        if isinstance(event, Command):
            return [] if (monitor := self.monitor_of(event)) is None else [monitor]
        monitors = [self.monitors[name] for name in sorted(self.monitors)]
        if not isinstance(event, Tick):
            return monitors
        return [monitor for monitor in monitors if _wants(monitor, event.received)]

    def _revise(self, event: Revision) -> list[Transition]:
        before = set(self.monitors)
        self._adopt(event.rules)
        told = Revision(event.received, self.rules)
        out = [t for name in sorted(before) for t in self.monitors[name].handle(told)]
        for gone in before - set(self.rules.hosted):
            del self.monitors[gone]
        return out

    def _adopt(self, rules: RuleSet) -> None:
        self.rules = PlantRules(rules)
        for name in self.rules.hosted:
            if name not in self.monitors:
                self.monitors[name] = AssetMonitor(name, self.rules)
        self._routes = self.rules.routes()


def _wants(monitor: AssetMonitor, received: Instant) -> bool:
    due = monitor.next_due()
    return monitor.clock.start is None or (due is not None and due <= received)


class PlantAssets(AssetModel):
    """The site's assets as expressions with `asset(...)` name their signals."""

    site: AssetModel
    foreign: dict[str, ForeignSignal]

    def signal(self, asset: str, metric: str) -> SignalSpec | None:
        """What is known of a signal."""
        del asset
        named = self.foreign.get(metric)
        return None if named is None else self.site.signal(*named)

    def metric(self, asset: str, signal: str) -> str:
        """The name under which a signal is handed on."""
        del asset
        named = self.foreign.get(signal)
        return signal if named is None else ForeignSignal(named.asset, self.site.metric(*named)).key

    def context(self, asset: str) -> dict[str, str]:
        """Several assets make several products."""
        del asset
        return {}

    def derived(self, asset: str, signal: str) -> Expression | None:
        """The formula of a signal that is computed, also of a mapped `state`."""
        del asset
        named = self.foreign.get(signal)
        if named is None:
            return None
        formula = self.site.derived(*named)
        return self._state(named) if formula is None else _renamed(formula, named.asset)

    def _state(self, named: ForeignSignal) -> Expression | None:
        states = self.site.states(named.asset) if named.signal == STATE else None
        if states is None:
            return None
        key, table = ForeignSignal(named.asset, states.signal).key, states.table
        return Expression(named.key, frozenset({key}), lambda values: table.get(values.get(key)), lambda _: None)


def _renamed(formula: Expression, asset: str) -> Expression:
    keys = {name: ForeignSignal(asset, name).key for name in formula.signals}

    def evaluate(values: Mapping[str, Value]) -> Value:
        return formula.evaluate({name: values.get(key) for name, key in keys.items()})

    return Expression(formula.text, frozenset(keys.values()), evaluate, lambda _: None)


class PlantRules(RuleSet):
    """The rules over several assets, and one for each gateway; `site` are all rules."""

    site: RuleSet

    def __init__(self, site: RuleSet) -> None:
        rules = tuple(rule.model_copy(update={"fault_after": NEVER}) for rule in site.plant_wide)
        assets = PlantAssets.model_construct(
            types=site.assets.types,
            assets=site.assets.assets,
            site=site.assets,
            foreign=_every_signal(rules, site.assets),
        )
        super().__init__(rules, assets, site.max_ahead, site.zone)
        object.__setattr__(self, "site", site)

    @cached_property
    def revision(self) -> str:
        """That of all rules."""
        return self.site.revision

    @cached_property
    def hosted(self) -> dict[str, tuple[Rule, ...]]:
        """The rules by the name under which their alarms are shown."""
        found: dict[str, tuple[Rule, ...]] = {}
        for rule in self.rules:
            found[rule.host] = (*found.get(rule.host, ()), rule)
        for gateway, assets in self.site.assets.gateways.items():
            found[gateway] = (*found.get(gateway, ()), comms_lost(len(assets), tuple(self._blind(assets))))
        return found

    def for_asset(self, asset: str) -> tuple[Rule, ...]:
        """The rules whose alarms are shown under a name."""
        return self.hosted.get(asset, ())

    def routes(self) -> dict[str, dict[str, dict[str, str]]]:
        """By asset, and by the name of a monitor: under which key each metric is handed on."""
        assets = self.assets
        assert isinstance(assets, PlantAssets)
        found: dict[str, dict[str, dict[str, str]]] = {}
        for name, rules in self.hosted.items():
            for named in (
                signal for rule in rules for signal in _named(rule, assets.site) if not _made_of(signal, assets.site)
            ):
                metric = assets.site.metric(*named)
                keys = found.setdefault(named.asset, {}).setdefault(name, {})
                keys[metric] = ForeignSignal(named.asset, metric).key
        return found

    def _blind(self, assets: Iterable[str]) -> Iterator[str]:
        """The safety functions that see nothing without these assets: machine and title."""
        for asset in assets:
            yield from (f"{asset}: {rule.title}" for rule in self.site.for_asset(asset) if rule.kind is Kind.SAFETY)
        for rule in self.rules:
            if rule.kind is Kind.SAFETY and not {named.asset for named in rule.foreign}.isdisjoint(assets):
                yield f"{rule.host}: {rule.title}"


def _every_signal(rules: Iterable[Rule], site: AssetModel) -> dict[str, ForeignSignal]:
    return {named.key: named for rule in rules for named in _named(rule, site)}


def _named(rule: Rule, site: AssetModel) -> Iterator[ForeignSignal]:
    """Every signal that a rule names, and all that those are made of."""
    ahead = list(rule.foreign)
    while ahead:
        named = ahead.pop()
        ahead += [ForeignSignal(named.asset, part) for part in sorted(_made_of(named, site))]
        yield named


def _made_of(named: ForeignSignal, site: AssetModel) -> frozenset[str]:
    formula = site.derived(*named)
    states = site.states(named.asset) if named.signal == STATE else None
    return formula.signals if formula is not None else frozenset() if states is None else frozenset({states.signal})
