"""First-out: which alarm of a group came first, when one trip pulls others after it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from rules.alarms import ACTIVE, Transition
from rules.durations import format_duration
from rules.events import SECOND, Duration, Instant
from rules.grouping.tree import underneath
from rules.ruleset import RuleSet

QUIET: Final[Duration] = 10 * SECOND
"""An event of a group is over once none of its alarms is active and none was raised for so long."""
MOST_MEMBERS: Final = 10_000


class _Trip(msgspec.Struct, array_like=True):
    """One event: the alarm that was first, when, when the last one came, and who is still active."""

    first: str
    name: str
    began: Instant
    last: Instant
    active: dict[str, None]


class FirstOut:
    """The running event of every group, by the group's name with its placeholders filled in."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._trips: dict[str, _Trip] = {}

    def raised(self, t: Transition) -> dict[str, Any] | None:
        """What the reason of a raise says of its group; None if its rule has none. Call in the order of time."""
        group = self._group(t)
        if group is None:
            return None
        trip, name = self._trips.get(group), _name(t)
        if trip is None or not (trip.active or t.at - trip.last <= QUIET):
            trip = self._trips[group] = _Trip(t.alarm, name, t.at, t.at, {})
        trip.last = max(trip.last, t.at)
        if len(trip.active) < MOST_MEMBERS:
            trip.active[name] = None
        told = {"group": group, "first": trip.first, "after": t.at - trip.began}
        if trip.first == t.alarm:
            return {"text": f"first out of {group}", "first_out": told}
        later = format_duration(max(0, t.at - trip.began))
        return {"text": f"{later} after {trip.name}, the first out of {group}", "first_out": told}

    def changed(self, t: Transition) -> None:
        """Any transition: whoever is not active any more holds its event open no longer."""
        if underneath(t) not in ACTIVE and (group := self._group(t)) is not None and group in self._trips:
            self._trips[group].active.pop(_name(t), None)

    def snapshot(self) -> dict[str, Any]:
        """Every event, as JSON."""
        trips: dict[str, Any] = msgspec.to_builtins(self._trips)
        return trips

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._trips = msgspec.convert(data, dict[str, _Trip])

    def _group(self, t: Transition) -> str | None:
        rule = self.rules.rule(t.rule)
        if rule is None or not rule.group:
            return None
        assets = self.rules.assets
        names = {"asset": t.asset, "parent": assets.parent(t.asset) or "", "area": assets.area(t.asset) or ""}
        found = rule.group
        for key, name in names.items():
            found = found.replace(f"{{{key}}}", name)
        return found


def _name(t: Transition) -> str:
    return ":".join(filter(None, (t.asset, t.rule, t.part)))
