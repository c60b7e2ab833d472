"""When nobody could see a machine: Andon did not run, its link was down, the gateway was lost, the machine silent."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator
from functools import reduce

from monitor import clock, linesocket
from monitor.database.queries import AlarmReader
from monitor.errors import RefusedError, UnreachableError
from monitor.journal.reader import JournalReader, journal_end
from monitor.journal.segments import JournalError
from monitor.settings import Settings
from monitor.stores.base import Store
from rules.builtin import BROKER_LOST, COMMS_LOST, LINK_PATIENCE, OWN_ASSET
from rules.events import Instant
from rules.ruleset import RuleSet
from rules.statetime import Span, common, joined


def unseen(
    settings: Settings, store: Store, reader: AlarmReader, rules: RuleSet, asset: str, start: Instant, end: Instant
) -> list[Span]:
    """The times from start to end in which nobody saw the machine, in order and apart.

    What reached us of such a time afterwards was seen: it begins behind the last reading of the machine in it.
    """
    gateway = rules.assets.gateway(asset)
    spans = list(_away(reader, _brokers(settings, gateway), start, end))
    if gateway is not None:
        spans += reader.spans(gateway, COMMS_LOST, start, end)
    for rule in rules.for_asset(asset):
        spans += reader.spans(asset, rule.id, start, end) if rule.hears_all else ()
    found = [_behind_readings(store, asset, span) for span in common(joined(spans), [(start, end)])]
    return joined([*found, *common([(last_looked(settings), end)], [(start, end)])])


def last_looked(settings: Settings) -> Instant:
    """Until when anybody looked: now if the line runs, else as far as its journal goes; now if there is none."""
    directory = settings.journal_directory
    try:
        asyncio.run(linesocket.ask(settings.data_dir, "health"))
    except (UnreachableError, RefusedError):
        try:
            last = journal_end(directory) - 1
            with JournalReader(directory, max(0, last)) as journal:
                return next((entry.received for _, entry in journal.read(1)), clock.now())
        except JournalError:
            return clock.now()
    return clock.now()


def _brokers(settings: Settings, gateway: str | None) -> set[str]:
    """Those through which a machine may be heard: its gateway's, or all where that is not known."""
    return {one.broker for one in settings.gateways if gateway in (None, one.name)} or {"main"}


def _away(reader: AlarmReader, brokers: Collection[str], start: Instant, end: Instant) -> Iterable[Span]:
    """When none of the brokers could tell us anything."""
    absences = reader.absences(start, end)
    each = [joined(_lost(reader, broker, absences, start, end)) for broker in sorted(brokers)]
    return reduce(common, each)


def _lost(
    reader: AlarmReader, broker: str, absences: Iterable[tuple[str, Span]], start: Instant, end: Instant
) -> Iterator[Span]:
    yield from (span for name, span in absences if name == broker)
    for since, until in reader.spans(OWN_ASSET, BROKER_LOST, start, end, part=broker):
        yield since - LINK_PATIENCE, until


def _behind_readings(store: Store, asset: str, span: Span) -> Span:
    since, until = span
    for point in store.read(asset, None, since, until):
        since = point.at
    return since, until
