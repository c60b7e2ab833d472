"""From what the alarm database saved back to a core that goes on: each asset from its own snapshot."""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec
import structlog

from monitor.alerting.floods import FloodControl
from monitor.codecs.decoder import Decoder
from monitor.database.ledger import Ledger
from monitor.decoding import NOTHING, Revisions
from monitor.journal.entries import Offset
from monitor.line.tally import Tally
from rules.fleet import Fleet
from rules.ruleset import RuleSet
from rules.stages import PLANT, Stages

REBUILT_FROM: Final = 1_000_000
"""So many journal entries before the present are decided again for an asset whose snapshot cannot be read."""
FLOODS: Final = "floods"
"""The name of the floods' snapshot, which every commit that changes it holds."""

log = structlog.get_logger()


class Recovered(NamedTuple):
    """The core as of the journal entry `next`; `begun_anew` are the assets whose snapshots could not be read."""

    next: Offset
    stages: Stages
    decoder: Decoder
    begun_anew: list[str]


def recovered(ledger: Ledger, revisions: Revisions, floods: FloodControl, tally: Tally) -> Recovered:
    """As of the first entry that is not in every snapshot; earlier where some asset has none that can be read."""
    found = _Recovery(ledger, revisions, floods, tally).at(ledger.floor())
    if not found.begun_anew:
        return found
    return _Recovery(ledger, revisions, floods, tally).at(max(0, found.next - REBUILT_FROM))


class _Recovery:
    def __init__(self, ledger: Ledger, revisions: Revisions, floods: FloodControl, tally: Tally) -> None:
        self._ledger = ledger
        self._revisions = revisions
        self._floods = floods
        self._tally = tally
        self._begun_anew: list[str] = []

    def at(self, start: Offset) -> Recovered:
        """Each asset may already know more than `start`; what stands above it knows at least as much as any asset."""
        found = self._ledger.revision_at(start - 1)
        meaning = NOTHING if found is None else self._revisions.of(found[1], found[2])
        stages = Stages(meaning.rules)
        for asset, offset, body in self._ledger.snapshots():
            self._adopt(stages.fleet, self._rules(offset, stages.rules), asset, offset, body)
        self._restore(stages)
        return Recovered(start, stages, meaning.decoder(), self._begun_anew)

    def _rules(self, offset: Offset, otherwise: RuleSet) -> RuleSet:
        """The rules that were in force at an offset."""
        since = self._ledger.revision_at(offset)
        return otherwise if since is None else self._revisions.of(since[1], since[2]).rules

    def _adopt(self, fleet: Fleet, rules: RuleSet, asset: str, offset: Offset, body: bytes) -> None:
        try:
            self._tally.know(fleet.adopt(rules, msgspec.json.decode(body), offset))
        except (ValueError, KeyError, TypeError) as error:
            self._begun_anew.append(asset)
            log.warning("snapshot_unreadable", asset=asset, error=str(error), hint="decided again from the journal")

    def _restore(self, stages: Stages) -> None:
        saved = self._ledger.stages()
        try:
            if FLOODS in saved:
                self._floods.restore(msgspec.json.decode(saved.pop(FLOODS)[1]))
            if PLANT in saved:
                offset = saved[PLANT][0]
                states = {name: msgspec.json.decode(body) for name, (_, body) in saved.items()}
                stages.restore(self._rules(offset, stages.rules), states, offset)
        except (ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
            log.warning("snapshot_unreadable", error=str(error), hint="what is decided above the assets begins anew")
