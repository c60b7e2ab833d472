"""Who may hide whom: by `inhibited_by`, by the asset tree, and what cannot be seen by whatever blinds it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import msgspec

from rules.alarms import Identity, Kind, Priority, State, Transition
from rules.builtin import COMMS_LOST, INSTRUMENT_FAULT, OWN_ASSET
from rules.events import SECOND, Duration
from rules.rule import PLANT, Rule
from rules.ruleset import RuleSet
from rules.watch import BAD_QUALITY

WAIT: Final[Duration] = SECOND
"""How long people are not told of what a cause that is still to come may hide."""
INSTRUMENT_PATIENCE: Final[Duration] = 60 * SECOND
LONGEST_LINGER: Final[Duration] = 600 * SECOND


def underneath(transition: Transition) -> State:
    """The state that the asset's alarm is in, below any suppression."""
    return State(transition.reason.get("underneath", transition.to))


class Cause(msgspec.Struct, frozen=True, array_like=True):
    """An active alarm that hides others: asset, rule, part, and the id of the occurrence."""

    asset: str
    rule: str
    part: str | None
    alarm: str

    @property
    def key(self) -> Identity:
        """Which alarm it is, whatever the occurrence."""
        return self.asset, self.rule, self.part

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.rule} of {self.asset}" + (f" ({self.part})" if self.part else "")


class Tree:
    """What the rules and assets say about inhibition.

    An alarm is inhibited by an active alarm of a rule that its rule names in `inhibited_by`, on its own asset or above:
    its parents, its gateway, the plant, the monitor itself. Silence, instrument faults and bad quality are inhibited
    also by `system.comms-lost` of their gateway and by the silence of an asset above them, without being told so.
    """

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._above: dict[str, tuple[str, ...]] = {}

    def above(self, asset: str) -> tuple[str, ...]:
        """The asset and all that it belongs to, nearest first."""
        found = self._above.get(asset)
        if found is None:
            found = self._above[asset] = tuple(dict.fromkeys(self._upwards(asset)))
        return found

    def _upwards(self, asset: str) -> Iterator[str]:
        model, name, seen = self.rules.assets, asset, {asset}
        yield name
        while (parent := model.parent(name)) is not None and parent not in seen:
            seen.add(parent)
            yield parent
            name = parent
        gateways = (model.gateway(one) for one in tuple(seen))
        yield from sorted(gateway for gateway in gateways if gateway)
        yield from (PLANT, OWN_ASSET)

    def inhibits(self, cause: Cause, transition: Transition, *, unseen: bool = False) -> bool:
        """Whether an active alarm hides this one; none hides a safety alarm, or itself.

        `unseen` says that this one was raised from old values, its asset's gateway being lost.
        """
        if transition.kind is Kind.SAFETY or (cause.asset, cause.rule) == (transition.asset, transition.rule):
            return False
        rule, above = self.rules.rule(transition.rule), self.above(transition.asset)
        if rule is not None and cause.rule in rule.inhibited_by:
            return cause.asset in above
        if unseen and self.loses(cause, transition.asset):
            return True
        return self.blinds(cause) and cause.asset in above[1:] and self._blind(transition, rule)

    def loses(self, cause: Cause, asset: str) -> bool:
        """Whether the cause is the loss of the gateway through which the asset speaks."""
        return cause.rule == COMMS_LOST and cause.asset == self.rules.assets.gateway(asset)

    def blinds(self, cause: Cause) -> bool:
        """Whether the cause is that something cannot be seen: it hides what comes new and leaves what stands."""
        return cause.rule == COMMS_LOST or cause.rule in self._silences

    def lingers(self, transition: Transition) -> Duration:
        """How long it stays hidden after its cause has gone: what was blind gets as long to be seen again as it may be
        unseen."""
        rule = self.rules.rule(transition.rule)
        if not self._blind(transition, rule):
            return WAIT
        patience = INSTRUMENT_PATIENCE if rule is None else getattr(rule.detect, "patience", rule.fault_after)
        return min(max(WAIT, patience), LONGEST_LINGER)

    def is_cause(self, transition: Transition) -> bool:
        """Whether an alarm of this rule can hide any other."""
        return transition.mode == "live" and transition.rule in self._causes

    def is_blind(self, transition: Transition) -> bool:
        """Whether the alarm says that something cannot be seen."""
        return self._blind(transition, self.rules.rule(transition.rule))

    def waits(self, transition: Transition, *, unseen: bool) -> bool:
        """Whether people are told of it only after the wait in which its cause may still come to light.

        The cause of what is `unseen` is known: it does not wait for long.
        """
        if transition.kind is Kind.SAFETY or transition.priority is Priority.CRITICAL:
            return False
        rule = self.rules.rule(transition.rule)
        return bool(unseen or (rule is not None and (rule.inhibited_by or rule.group)) or self._blind(transition, rule))

    def _blind(self, transition: Transition, rule: Rule | None) -> bool:
        """Whether the alarm says that something cannot be seen."""
        return (
            transition.rule == INSTRUMENT_FAULT
            or transition.reason.get("level") == BAD_QUALITY
            or (rule is not None and rule.detector == "silence")
        )

    @cached_property
    def _silences(self) -> frozenset[str]:
        """The rules by which a whole asset is silent."""
        return frozenset(rule.id for rule in self.rules.rules if rule.hears_all)

    @cached_property
    def _causes(self) -> frozenset[str]:
        named = (name for rule in self.rules.rules for name in rule.inhibited_by)
        return self._silences.union((COMMS_LOST,), named)
