"""The figures of every hop, measured from outside: on disk, and by asking the other processes. Each may be missing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from monitor import clock
from monitor.database.quarantined import Group, QuarantineReader
from monitor.database.queries import AlarmReader, Undelivered
from monitor.errors import AndonError
from monitor.journal.disk import reserved_bytes
from monitor.journal.entries import Offset
from monitor.journal.reader import JournalReader, journal_end
from monitor.journal.segments import JournalGap, segment_bytes, segment_offsets, segment_path
from monitor.linesocket import ask
from monitor.settings import Settings
from monitor.stores.influx_rejects import Rejects
from monitor.stores.opening import stored_offset
from monitor.telemetry import (
    ASSETS,
    CHANNELS_FAILING,
    DISK_FREE,
    JOURNAL_BYTES,
    OLDEST_UNSTORED,
    OUTBOX_OLDEST,
    OUTBOX_PENDING,
    QUARANTINE_BYTES,
    QUARANTINE_ROWS,
    READER_LAG,
    READER_LAG_SECONDS,
    STORE_REJECTS,
    UNCOMMITTED,
)
from rules.events import SECOND, Duration, Instant

LATELY: Final[Duration] = 3_600 * SECOND
"""For so long it is told that a message was given up."""

T = TypeVar("T")


class Backlog(msgspec.Struct, frozen=True):
    """How many journal entries a reader has yet to work off, and how long ago the first was received (0: none)."""

    entries: int
    age: Duration


class Vitals(msgspec.Struct, frozen=True):
    """What could be measured; None where something could not be read or asked."""

    at: Instant
    line: Mapping[str, Any] | None
    store: Mapping[str, Any] | None
    disk_free: int | None
    journal_bytes: int | None
    undecided: Backlog | None
    unstored: Backlog | None
    outbox: Undelivered | None
    quarantine: tuple[Group, ...]
    rejects: int


async def measured(settings: Settings) -> Vitals:
    """Everything, now; raises nothing."""
    line, store, on_disk = await asyncio.gather(
        _asked(settings, "line"), _asked(settings, "store"), asyncio.to_thread(_on_disk, settings)
    )
    return Vitals(clock.now(), line, store, *on_disk)


async def _asked(settings: Settings, process: str) -> Mapping[str, Any] | None:
    try:
        return await ask(settings.data_dir, "health", process=process)
    except AndonError:
        return None


def _on_disk(settings: Settings) -> tuple[Any, ...]:
    data, journal, alarms = settings.data_dir, settings.journal_directory, settings.alarm_database
    return (
        _or_none(lambda: shutil.disk_usage(data).free + reserved_bytes(data)),
        _or_none(lambda: _bytes(journal)),
        _or_none(lambda: backlog(journal, _position(alarms))),
        _or_none(lambda: backlog(journal, stored_offset(settings))),
        _or_none(lambda: _undelivered(alarms)),
        tuple(_or_none(lambda: _quarantine(alarms)) or ()),
        _or_none(lambda: Rejects(data).counts()["kept"]) or 0,
    )


def _or_none(measure: Callable[[], T]) -> T | None:
    try:
        return measure()
    except (AndonError, OSError, sqlite3.Error, SQLAlchemyError):
        return None


def backlog(journal: Path, offset: Offset) -> Backlog:
    """What waits in a journal for a reader that has come to an offset.

    Raises:
        JournalError: it cannot be read.
    """
    entries = max(0, journal_end(journal) - offset)
    if not entries:
        return Backlog(0, 0)
    with JournalReader(journal, offset) as reader:
        try:
            first = reader.read(1)
        except JournalGap:
            first = reader.read(1)
    return Backlog(entries, max(0, clock.now() - first[0][1].received) if first else 0)


def _bytes(journal: Path) -> int:
    return sum(segment_bytes(segment_path(journal, first)) for first in segment_offsets(journal))


def _position(alarms: Path) -> Offset:
    with closing(AlarmReader(alarms)) as reader:
        return reader.position()


def _undelivered(alarms: Path) -> Undelivered:
    with closing(AlarmReader(alarms)) as reader:
        return reader.undelivered(clock.now() - LATELY)


def _quarantine(alarms: Path) -> list[Group]:
    with closing(QuarantineReader(alarms)) as reader:
        return reader.groups()


def publish(vitals: Vitals) -> None:
    """Set the gauges that nobody else sets; what could not be measured keeps its last value."""
    for gauge, figure in ((DISK_FREE, vitals.disk_free), (JOURNAL_BYTES, vitals.journal_bytes)):
        if figure is not None:
            gauge.set(figure)
    for reader, waiting in (("decide", vitals.undecided), ("store", vitals.unstored)):
        if waiting is not None:
            READER_LAG.labels(reader).set(waiting.entries)
            READER_LAG_SECONDS.labels(reader).set(clock.seconds(waiting.age))
    if vitals.unstored is not None:
        OLDEST_UNSTORED.set(clock.seconds(vitals.unstored.age))
    if vitals.outbox is not None:
        OUTBOX_PENDING.set(vitals.outbox.count)
        OUTBOX_OLDEST.set(waited(vitals))
        CHANNELS_FAILING.set(vitals.outbox.failing_channels)
    for group in vitals.quarantine:
        QUARANTINE_ROWS.labels(group.gateway, group.reason).set(group.kept)
    QUARANTINE_BYTES.set(sum(group.size for group in vitals.quarantine))
    STORE_REJECTS.set(vitals.rejects)
    _publish_line(vitals.line or {})


def _publish_line(line: Mapping[str, Any]) -> None:
    waiting = line.get("waiting")
    for broker, count in (waiting if isinstance(waiting, dict) else {}).items():
        UNCOMMITTED.labels(broker).set(count)
    if isinstance(assets := line.get("assets"), int):
        ASSETS.set(assets)


def waited(vitals: Vitals) -> float:
    """Seconds for which the oldest notification has waited; 0 if none does."""
    oldest = vitals.outbox.oldest if vitals.outbox is not None else None
    return 0.0 if oldest is None else max(0.0, clock.seconds(vitals.at - oldest))
