"""All assets of a site: hands each event to the monitors it concerns, and knows whose deadline comes next."""

from __future__ import annotations

import heapq
from typing import Any, Final

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.builtin import OWN_ASSET
from rules.events import Command, Event, Fault, Instant, Observation, Refed, Revision, Tick
from rules.problems import quoted
from rules.ruleset import RuleSet

MOST_ASSETS: Final = 100_000
"""Names beyond this many are somebody's mistake or attack: they are counted in `refused` and not watched."""


FOREVER: Final[Instant] = 2**63 - 1


class Fleet:
    """The monitors of a site, made as assets speak up; those that rules or assets.yaml name are there from the start.

    `offsets` says for each asset up to which journal entry it has been told. `touched` says which entry was the first
    to change an asset since somebody last removed it there (oldest first). What a restored asset knew already it is
    not told again.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.monitors: dict[str, AssetMonitor] = {}
        self.offsets: dict[str, int] = {}
        self.touched: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._all_new = 0
        self.refused = 0
        self._due: list[tuple[Instant, str]] = []
        self._queued: dict[str, Instant] = {}
        self._unborn: set[str] = set()
        self._declare()

    def handle(self, event: Event, offset: int = -1) -> list[Transition]:
        """Take an event in; the transitions of all assets it concerns."""
        if type(event) is Observation:
            monitor = self.monitors.get(event.asset) or self._monitor(event.asset)
            return [] if monitor is None else self._tell(monitor, event, offset)
        if isinstance(event, Refed):
            monitor = self._monitor(event.observation.asset)
            return [] if monitor is None else self._tell(monitor, event, offset)
        if isinstance(event, Revision):
            self.rules = event.rules
            self._declare()
        out: list[Transition] = []
        for monitor in self._concerned(event):
            out += self._tell(monitor, event, offset)
        return out

    def refusal(self, command: Command) -> str | None:
        """Why a command would be refused now; None if it would not. Changes nothing."""
        monitor = self.monitors.get(command.asset)
        return f"there is no asset {quoted(command.asset)}" if monitor is None else monitor.refusal(command)

    def next_due(self, until: Instant = FOREVER) -> Instant | None:
        """When, in time of receipt and not after `until`, a Tick would matter to somebody."""
        while self._due and self._due[0][0] <= until:
            due, asset = self._due[0]
            known = self._queued.get(asset) == due
            if known and self.monitors[asset].next_due() == due:
                return due
            heapq.heappop(self._due)
            if known:
                del self._queued[asset]
                self._look_up(self.monitors[asset])
        return None

    def adopt(self, rules: RuleSet, snapshot: dict[str, Any], offset: int) -> AssetMonitor:
        """Take a monitor over from its snapshot, as of the entry `offset`; one never told of anything still waits."""
        monitor = AssetMonitor.restore(rules, snapshot)
        self.monitors[monitor.asset] = monitor
        (self._unborn.add if monitor.clock.start is None else self._unborn.discard)(monitor.asset)
        self.offsets[monitor.asset] = self._known[monitor.asset] = offset
        self._all_new = max(self._all_new, offset + 1)
        self.touched.pop(monitor.asset, None)
        self._queued.pop(monitor.asset, None)
        self._look_up(monitor)
        return monitor

    def _declare(self) -> None:
        for asset in (OWN_ASSET, *self.rules.declared()):
            self._monitor(asset)

    def _monitor(self, asset: str) -> AssetMonitor | None:
        monitor = self.monitors.get(asset)
        if monitor is None:
            if len(self.monitors) >= MOST_ASSETS:
                self.refused += 1
                return None
            monitor = self.monitors[asset] = AssetMonitor(asset, self.rules)
            self._unborn.add(asset)
        return monitor

    def _concerned(self, event: Event) -> list[AssetMonitor]:
        if isinstance(event, Command):
            return [monitor] if (monitor := self.monitors.get(event.asset)) is not None else []
        if isinstance(event, Fault):
            return [self.monitors[OWN_ASSET]]
        if not isinstance(event, Tick):
            return [self.monitors[asset] for asset in sorted(self.monitors)]
        return [self.monitors[asset] for asset in (*sorted(self._unborn), *self._take_due(event.received))]

    def _take_due(self, received: Instant) -> list[str]:
        """The assets with a deadline up to then, in the order of their deadlines."""
        taken = []
        while self.next_due(received) is not None:
            _, asset = heapq.heappop(self._due)
            del self._queued[asset]
            taken.append(asset)
        return taken

    def _tell(self, monitor: AssetMonitor, event: Event, offset: int) -> list[Transition]:
        asset = monitor.asset
        if offset >= 0:
            if offset < self._all_new and self._known.get(asset, -1) >= offset:
                self._look_up(monitor)
                return []
            self.offsets[asset] = offset
        if asset not in self.touched:
            self.touched[asset] = offset
            self._unborn.discard(asset)
        out = monitor.handle(event)
        if (earliest := monitor.earliest()) is not None:
            self._schedule(asset, earliest)
        return out

    def _look_up(self, monitor: AssetMonitor) -> None:
        due = monitor.next_due()
        if due is not None:
            self._schedule(monitor.asset, due)

    def _schedule(self, asset: str, earliest: Instant) -> None:
        """Queue an asset no later than its next deadline; `next_due` looks closer when its turn comes."""
        queued = self._queued.get(asset)
        if queued is None or earliest < queued:
            self._queued[asset] = earliest
            heapq.heappush(self._due, (earliest, asset))
