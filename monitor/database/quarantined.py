"""What stands in quarantine, for other processes: read-only, also while nothing runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import ColumnElement, select

from monitor.database.access import Reader
from monitor.database.schema import quarantine, quarantine_counts
from monitor.journal.entries import Offset
from rules.events import Instant
from rules.patterns import matcher

PAGE: Final = 1_000

Place: TypeAlias = tuple[Offset, Instant]
"""What names a message: its journal entry, and when it was received."""


class Wanted(msgspec.Struct, frozen=True):
    """Which deliveries: all that are set must fit. `topic` is a pattern (`*` crosses levels), `since` when received."""

    ids: tuple[int, ...] = ()
    gateway: str | None = None
    reason: str | None = None
    topic: str | None = None
    since: Instant | None = None
    before: Instant | None = None


class Group(msgspec.Struct, frozen=True):
    """The deliveries of one gateway that were refused for one reason.

    `refused` since the beginning, of which `kept` (in `size` bytes) stand there now, `read` were read when fed again,
    `expired` were too old or deleted, and for `dropped` there was no room.
    """

    gateway: str
    reason: str
    kept: int
    size: int
    refused: int
    read: int
    expired: int
    dropped: int


class Quarantined(msgspec.Struct, frozen=True):
    """One delivery that could not be read; `entry` is its place in the journal, `size` that of its whole payload."""

    id: int
    entry: Offset
    received: Instant
    gateway: str
    broker: str
    topic: bytes
    reason: str
    detail: str
    asset: str
    metric: str
    partly: bool
    size: int


class Message(msgspec.Struct, frozen=True):
    """A message to be fed again: `payload` as far as it is kept, `size` the whole; `metrics` if only these are wanted.

    `entry` is its place in the journal, which it may share with others of another `received`.
    """

    entry: Offset
    received: Instant
    broker: str
    topic: bytes
    payload: bytes
    size: int
    metrics: tuple[str, ...]


class QuarantineReader(Reader):
    """Reads the alarm database's quarantine while the line writes it."""

    def groups(self) -> list[Group]:
        """All gateways and reasons there ever were, those that keep most first."""
        counts = quarantine_counts.c
        rows = self._rows(select(quarantine_counts).order_by(counts.rows.desc(), counts.gateway, counts.reason))
        return [Group(r.gateway, r.reason, r.rows, r.bytes, r.count, r.fed, r.expired, r.dropped) for r in rows]

    def find(self, wanted: Wanted) -> Iterator[Quarantined]:
        """The deliveries that fit, oldest first."""
        columns = [c for c in quarantine.c if c.name not in {"payload", "kept", "ordinal"}]
        fits = matcher("*" if wanted.topic is None else wanted.topic)
        last = 0
        while True:
            page = select(*columns).where(*_fitting(wanted), quarantine.c.seq > last).order_by(quarantine.c.seq)
            rows = self._rows(page.limit(PAGE))
            for row in rows:
                if fits(row.topic.decode(errors="replace")):
                    yield _quarantined(row)
            if len(rows) < PAGE:
                return
            last = rows[-1].seq

    def payload(self, number: int) -> bytes | None:
        """The payload of a delivery as far as it is kept; None if there is none of this number."""
        rows = self._rows(select(quarantine.c.payload).where(quarantine.c.seq == number))
        return bytes(rows[0][0]) if rows else None

    def messages(self, ids: Sequence[int]) -> Iterator[Message]:
        """The messages that these deliveries came from, each once, in the order of their arrival."""
        place = (quarantine.c.offset, quarantine.c.received)
        for entry, received in self._rows(select(*place).where(quarantine.c.seq.in_(ids)).distinct().order_by(*place)):
            its = (quarantine.c.offset == entry, quarantine.c.received == received)
            rows = self._rows(select(quarantine).where(*its).order_by(quarantine.c.ordinal))
            if rows:
                first, partly = rows[0], all(row.partly for row in rows)
                metrics = tuple(dict.fromkeys(row.metric for row in rows)) if partly else ()
                payload = bytes(first.payload)
                yield Message(entry, received, first.broker, first.topic, payload, first.size, metrics)

    def reasons(self, places: Sequence[Place]) -> dict[Place, str]:
        """Of these messages those that stand here, each with a reason."""
        columns = (quarantine.c.offset, quarantine.c.received, quarantine.c.reason)
        named = quarantine.c.offset.in_({offset for offset, _ in places})
        found: dict[Place, str] = {}
        for row in self._rows(select(*columns).where(named).order_by(quarantine.c.seq)):
            found.setdefault((row.offset, row.received), row.reason)
        return {place: found[place] for place in places if place in found}


def _fitting(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.ids:
        yield quarantine.c.seq.in_(wanted.ids)
    if wanted.gateway is not None:
        yield quarantine.c.gateway == wanted.gateway
    if wanted.reason is not None:
        yield quarantine.c.reason == wanted.reason
    if wanted.since is not None:
        yield quarantine.c.received >= wanted.since
    if wanted.before is not None:
        yield quarantine.c.received < wanted.before


def _quarantined(row: Any) -> Quarantined:
    return Quarantined(
        id=row.seq,
        entry=row.offset,
        received=row.received,
        gateway=row.gateway,
        broker=row.broker,
        topic=bytes(row.topic),
        reason=row.reason,
        detail=row.detail,
        asset=row.asset,
        metric=row.metric,
        partly=row.partly,
        size=row.size,
    )
