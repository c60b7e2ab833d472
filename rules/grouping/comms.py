"""Finds out that a whole gateway is silent: from its own word, or the first silence alarm of one of its assets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from rules.alarms import Kind, Transition
from rules.events import SECOND, Duration, GatewayLink, Instant, Link
from rules.ruleset import RuleSet

LEAST: Final[Duration] = SECOND
PAUSES: Final = 2
"""A gateway that says nothing for so many of its longest pauses is not just pausing."""
FORGETTING: Final = 1_000
"""With every word the longest pause shrinks by this part."""


class Word(NamedTuple):
    """What is new about a gateway, as of a time of its assets."""

    gateway: str
    silent: bool
    at: Instant


class _Gateway(msgspec.Struct, array_like=True):
    """`said`: its own word was that it is gone."""

    heard: Instant | None = None
    pause: Duration = 0
    silent: bool = False
    said: bool = False


def matters(rules: RuleSet, assets: tuple[str, ...]) -> bool:
    """Whether its loss says more than the silence of one asset does."""
    return len(assets) > 1 or any(rule.kind is Kind.SAFETY for asset in assets for rule in rules.for_asset(asset))


class Comms:
    """Listens to all assets of each gateway that has several, or one with a safety rule.

    A gateway is silent when an asset's silence alarm comes while nobody else of it speaks either: for half the patience
    of that alarm, or for twice the gateway's longest pause.
    """

    def __init__(self, rules: RuleSet) -> None:
        self._gateways: dict[str, _Gateway] = {}
        self.adopt(rules)

    def adopt(self, rules: RuleSet) -> None:
        """From here on these rules hold."""
        self._rules = rules
        shared = {name: assets for name, assets in rules.assets.gateways.items() if matters(rules, assets)}
        self._of = {asset: name for name, assets in shared.items() for asset in assets}
        self._gateways = {name: self._gateways.get(name) or _Gateway() for name in shared}

    def listens_to(self, asset: str) -> bool:
        """Whether the asset is known to speak through a gateway with others."""
        return asset in self._of

    @property
    def assets(self) -> frozenset[str]:
        """All that are known to speak through such a gateway."""
        return frozenset(self._of)

    def hear(self, asset: str, at: Instant, received: Instant) -> tuple[Word, ...]:
        """An asset spoke; a gateway that was silent is heard again."""
        name = self._of[asset]
        gateway = self._gateways[name]
        if gateway.heard is not None and not gateway.silent:
            gateway.pause = max(received - gateway.heard, gateway.pause - gateway.pause // FORGETTING)
        gateway.heard = received
        if not gateway.silent:
            return ()
        gateway.silent = gateway.said = False
        return (Word(name, silent=False, at=at),)

    def told(self, word: GatewayLink) -> tuple[Word, ...]:
        """The gateway's own word, or the broker's for it; nothing if that is known, or nobody is behind it.

        That it was there before it fell silent, as a broker repeats to whoever subscribes, does not bring it back.
        """
        gateway = self._gateways.get(word.gateway)
        if gateway is None or (word.up and word.kept and not gateway.said):
            return ()
        gateway.said = not word.up
        if gateway.silent is not word.up:
            return ()
        gateway.silent = not word.up
        return (Word(word.gateway, silent=gateway.silent, at=word.received),)

    def link(self, link: Link) -> None:
        """A link of our own is back: the time without it is none in which a gateway said nothing."""
        for gateway in self._gateways.values():
            if link.up and gateway.heard is not None:
                gateway.heard = min(link.received, gateway.heard + link.received - link.since)

    def look(self, transitions: Iterable[Transition]) -> list[Word]:
        """The gateways that these transitions show to be silent."""
        return [word for t in transitions if t.event == "raised" and (word := self._judge(t)) is not None]

    def _judge(self, t: Transition) -> Word | None:
        name, rule = self._of.get(t.asset), self._rules.rule(t.rule)
        after: Duration | None = getattr(rule.detect, "patience", None) if rule is not None else None
        if name is None or rule is None or after is None or rule.detect.signals():
            return None
        gateway = self._gateways[name]
        if gateway.silent or (
            gateway.heard is not None and t.received - gateway.heard < self._patience(gateway, after)
        ):
            return None
        gateway.silent = True
        return Word(name, silent=True, at=t.at)

    def _patience(self, gateway: _Gateway, after: Duration) -> Duration:
        return min(after // 2, max(LEAST, PAUSES * gateway.pause))

    def snapshot(self) -> dict[str, Any]:
        """Every gateway, as JSON."""
        gateways: dict[str, Any] = msgspec.to_builtins(self._gateways)
        return gateways

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        found = msgspec.convert(data, dict[str, _Gateway])
        self._gateways = {name: found.get(name) or fresh for name, fresh in self._gateways.items()}
