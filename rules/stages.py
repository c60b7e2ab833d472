"""Everything that decides, in order: each asset by itself, rules over several assets, the group over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from rules.alarms import Transition
from rules.events import Command, Event, GatewayLink, Instant, Link, Observation, Revision
from rules.fleet import FOREVER, Fleet
from rules.group import Group, Outcome
from rules.grouping.comms import Comms, Word
from rules.plant import Plant
from rules.ruleset import RuleSet

SNAPSHOT_VERSION: Final = 1
PLANT: Final = "plant"
GROUP: Final = "group"
"""Names of snapshots."""
ANSWERS: Final = frozenset({"acknowledge", "reset"})
"""Commands by which somebody says to have seen an alarm: so nobody gives them to one that is hidden."""
NOTHING: Final = Outcome()
"""What comes of most events. Nobody writes to it."""


class Stages:
    """The fleet and what stands above it. `handle` takes every event in the order of receipt.

    What stands above the fleet has snapshots by name, all good up to one offset. They must be taken whenever one of
    the fleet is, for what an asset knows already it does not say again. `touched` is the first entry not in them.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.fleet = Fleet(rules)
        self.touched: int | None = None
        self._grouped = False
        self._known = -1
        self._plant = Plant(rules)
        self._comms = Comms(rules)
        self._group = Group(rules)
        self._listened = self._comms.assets | self._plant.assets

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self.fleet.rules

    def handle(self, event: Event, offset: int = -1) -> Outcome:
        """Take an event in. `Outcome.shown` belongs to the event; `Outcome.told` may hold earlier transitions too."""
        decided = [] if isinstance(event, GatewayLink) else self.fleet.handle(event, offset)
        if 0 <= offset <= self._known:
            return NOTHING
        if not decided and type(event) is Observation and event.asset not in self._listened:
            due = self._group.due
            if due is None or due > event.received:
                return NOTHING
        out = Outcome()
        changed = self._group.advance(event.received, out)
        decided += self._above(event, decided)
        if isinstance(event, Revision):
            self._group.adopt(event.rules, event.received, out)
            self._listened = self._comms.assets | self._plant.assets
        if decided:
            self._group.take(decided, event.received, out)
        self._grouped = self._grouped or changed or bool(decided)
        self.touched = offset if self.touched is None else self.touched
        return out

    def _above(self, event: Event, decided: Iterable[Transition]) -> list[Transition]:
        """What rules over several assets make of the event, and of what the assets decided."""
        out: list[Transition] = []
        for word in self._words(event, decided):
            out += self._plant.silent(word.gateway, word.silent, word.at, event.received)
        return out if isinstance(event, GatewayLink) else out + self._plant.handle(event)

    def _words(self, event: Event, decided: Iterable[Transition]) -> Iterator[Word]:
        if isinstance(event, Revision):
            self._comms.adopt(event.rules)
        elif isinstance(event, Link):
            self._comms.link(event)
        elif isinstance(event, GatewayLink):
            yield from self._comms.told(event)
        elif isinstance(event, Observation) and self._comms.listens_to(event.asset):
            yield from self._comms.hear(event.asset, min(event.at, event.received), event.received)
        yield from self._comms.look(decided)

    # -- commands ---------------------------------------------------------------------------------------------------

    def refusal(self, command: Command) -> str | None:
        """Why a command would be refused now; None if it would not. Changes nothing."""
        if command.action in ANSWERS and (cause := self._group.hiding(command.asset, command.alarm)) is not None:
            return f"it is suppressed by design, {cause.text} is active: that has to end first"
        monitor = self._plant.monitor_of(command)
        return self.fleet.refusal(command) if monitor is None else monitor.refusal(command)

    def refused(self, command: Command) -> str | None:
        """Why a command that was just handled changed nothing; None if it did."""
        monitor = self._plant.monitor_of(command) or self.fleet.monitors.get(command.asset)
        return None if monitor is None else monitor.refused

    def asset_of(self, alarm: str) -> str | None:
        """The asset, or other name, that an alarm's id or name begins with."""
        ends = (alarm[:i] for i, sign in enumerate(alarm) if sign == ":")
        return next((name for name in ends if name in self.fleet.monitors or name in self._plant.monitors), None)

    # -- time and state ---------------------------------------------------------------------------------------------

    def next_due(self, until: Instant = FOREVER) -> Instant | None:
        """When, in time of receipt, a Tick would matter to somebody; exact as far as it is not after `until`."""
        dues = (self.fleet.next_due(until), self._plant.next_due(), self._group.due)
        return min((due for due in dues if due is not None), default=None)

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """The state of what stands above the fleet, as JSON, by name; without what is as it was."""
        plant = {"plant": self._plant.snapshot(), "comms": self._comms.snapshot()}
        found = {PLANT: plant, GROUP: self._group.snapshot()} if self._grouped else {PLANT: plant}
        self.touched, self._grouped = None, False
        return {name: {"version": SNAPSHOT_VERSION, **state} for name, state in found.items()}

    def restore(self, rules: RuleSet, saved: Mapping[str, dict[str, Any]], offset: int) -> None:
        """Go on from the latest snapshots of each name, taken under these rules; good up to the entry `offset`.

        Raises:
            ValueError: a snapshot's version is not ours.
        """
        plant, comms, group = Plant(rules), Comms(rules), Group(rules)
        for state in saved.values():
            if state.get("version") != SNAPSHOT_VERSION:
                raise ValueError(f"snapshot of version {state.get('version')}, this is version {SNAPSHOT_VERSION}")
        plant.restore(saved[PLANT]["plant"])
        comms.restore(saved[PLANT]["comms"])
        if GROUP in saved:
            group.restore(saved[GROUP])
        self._plant, self._comms, self._group, self._known = plant, comms, group, offset
        self._listened = comms.assets | plant.assets
