"""The loss of a gateway is told once, with every safety function that it blinds: alarms which say the same again wait.

They are neither hidden nor suppressed. Whoever was not told of the loss is told of them at once, and everybody is told
of what is still not seen a while after the gateway came back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from rules.alarms import ACTIVE, Identity, Kind, State, Transition
from rules.builtin import COMMS_LOST
from rules.events import Instant
from rules.grouping.tree import Tree, underneath


class Covered(msgspec.Struct):
    """An alarm that the loss of `gateway` stands for; `until` is when it is told all the same, the loss being over."""

    gateway: str
    view: Transition
    until: Instant | None = None


class Covering:
    """`due` is when, in time of receipt, something is to be told; None: never."""

    def __init__(self) -> None:
        self.due: Instant | None = None
        self._lists: dict[str, list[str]] = {}
        self._covered: dict[Identity, Covered] = {}

    def follow(self, t: Transition, received: Instant, tree: Tree) -> None:
        """Take note of what an asset, or a gateway, decided."""
        if t.rule == COMMS_LOST:
            self._lost(t, received, tree)
        elif self._covered and t.to is not State.UNACKNOWLEDGED:
            self._covered.pop(t.identity, None)
            self._look()

    def covered(self, view: Transition, tree: Tree) -> Transition | None:
        """The same marked with the gateway whose loss says it already; None if none does. It is remembered."""
        if not self._lists or view.kind is not Kind.SAFETY or view.event != "raised":
            return None
        if view.to is not State.UNACKNOWLEDGED or not tree.is_blind(view):
            return None
        gateway = next((asset for asset in tree.above(view.asset) if self._names(asset, view)), None)
        if gateway is None:
            return None
        self._covered[view.identity] = Covered(gateway, view)
        return msgspec.structs.replace(view, reason=view.reason | {"covered": gateway})

    def take_due(self, received: Instant) -> Iterator[Transition]:
        """What is to be told up to then, and is not waited for any more."""
        if self.due is None or self.due > received:
            return
        for identity, one in list(self._covered.items()):
            if one.until is not None and one.until <= received:
                del self._covered[identity]
                yield one.view
        self._look()

    def snapshot(self) -> dict[str, Any]:
        """All state as JSON."""
        return {"lists": dict(self._lists), "covered": msgspec.to_builtins(list(self._covered.values()))}

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._lists = dict(data["lists"])
        found = msgspec.convert(data["covered"], list[Covered])
        self._covered = {one.view.identity: one for one in found}
        self._look()

    def _lost(self, t: Transition, received: Instant, tree: Tree) -> None:
        if t.event == "raised" and t.to is State.UNACKNOWLEDGED and t.reason.get("blind"):
            self._lists[t.asset] = [*t.reason["blind"]]
        elif underneath(t) in ACTIVE or self._lists.pop(t.asset, None) is None:
            return
        for one in self._covered.values():
            if one.gateway == t.asset:
                one.until = None if self._names(t.asset, one.view) else received + tree.lingers(one.view)
        self._look()

    def _names(self, gateway: str, view: Transition) -> bool:
        """Whether the loss of a gateway, as it is now, says the same."""
        return f"{view.asset}: {view.title}" in self._lists.get(gateway, ())

    def _look(self) -> None:
        self.due = min((one.until for one in self._covered.values() if one.until is not None), default=None)
