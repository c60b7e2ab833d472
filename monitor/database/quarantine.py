"""Quarantine: deliveries that could not be read, bounded in rows and bytes, fed again, expired; all of it counted.

Written inside the transactions of its callers. Where room is wanting, the oldest of the group (gateway and reason) that
takes most of it go first, so that a flood from one gateway pushes out its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from monitor.codecs.base import Decoded
from monitor.database.schema import quarantine, quarantine_counts
from monitor.journal.entries import FedEntry, Message, Offset
from rules.events import Instant

QUARANTINE_ROWS: Final = 10_000
QUARANTINE_PAYLOAD: Final = 1_048_576
"""Bytes kept of a payload; of a longer one the journal has the whole, as long as it keeps it."""
LONGEST_DETAIL: Final = 1_000
LONGEST_TOPIC: Final = 65_536
ROW_BYTES: Final = 256
"""What a row takes beside topic, detail and payload, about."""
STEP_BYTES: Final = 4 * 1024**2
"""No more goes into one transaction: the alarms that are committed with it must not wait for garbage."""
VICTIMS: Final = 500
"""Rows looked at in one go when room is made."""

Insert: TypeAlias = sqlite.Insert | postgresql.Insert
Group: TypeAlias = tuple[str, str]
"""Gateway and reason."""


class Room(NamedTuple):
    """How much is kept at most."""

    rows: int = QUARANTINE_ROWS
    size: int = 256_000_000


ROOM: Final = Room()


@dataclass(frozen=True)
class QuarantineRow:
    """A delivery that could not be read: where it stands in the journal, whose it was, and why.

    `partly` means that the rest of the message was read and only `metric` was not. Of the payload as it was delivered,
    `cut` bytes were not kept anywhere.
    """

    offset: Offset
    ordinal: int
    received: Instant
    gateway: str
    topic: bytes
    reason: str
    detail: str
    payload: bytes
    broker: str = "main"
    asset: str = ""
    metric: str = ""
    partly: bool = False
    cut: int = 0


class Fed(NamedTuple):
    """The message that was `received` then and stands at `offset` was fed again.

    Both name it: where there was no room one entry stands for many messages. `refused` is what could not be read this
    time either.
    """

    offset: Offset
    received: Instant
    refused: tuple[QuarantineRow, ...]


def rows_of(offset: Offset, message: Message | FedEntry, decoded: Decoded) -> tuple[QuarantineRow, ...]:
    """The rejects of a message as rows; one that was fed again keeps its first place and time."""
    if isinstance(message, FedEntry):
        offset, received, before = message.entry, message.first, bool(message.metrics)
    else:
        received, before = message.received, False
    return tuple(
        QuarantineRow(
            offset=offset,
            ordinal=ordinal,
            received=received,
            gateway=reject.gateway or "",
            topic=message.topic,
            reason=reject.reason,
            detail=reject.detail,
            payload=message.payload,
            broker=message.broker,
            asset=reject.asset or "",
            metric=reject.metric or "",
            cut=message.cut if isinstance(message, Message) else 0,
            partly=reject.metric is not None and bool(decoded.observations or before),
        )
        for ordinal, reject in enumerate(decoded.rejects)
    )


class QuarantineTable:
    """What is done to the table; every method runs within the transaction of the connection that it is given.

    `room` may be changed.
    """

    def __init__(self, insert: Callable[[Table], Insert], room: Room = ROOM) -> None:
        self.room = room
        self._reject = insert(quarantine).on_conflict_do_nothing(index_elements=["offset", "ordinal"])
        count = insert(quarantine_counts)
        added = {
            name: quarantine_counts.c[name] + count.excluded[name]
            for name in ("count", "rows", "bytes", "dropped", "expired", "fed")
        }
        self._count = count.on_conflict_do_update(index_elements=["gateway", "reason"], set_=added)

    def recount(self, connection: Connection) -> None:
        """Count rows and bytes anew."""
        connection.execute(update(quarantine_counts).values(rows=0, bytes=0))
        group = (quarantine.c.gateway, quarantine.c.reason)
        found = connection.execute(select(*group, func.count(), func.sum(quarantine.c.kept)).group_by(*group)).all()
        self._add(connection, ((tuple(row[:2]), {"rows": row[2], "bytes": int(row[3])}) for row in found))

    def add(self, connection: Connection, rows: Sequence[QuarantineRow]) -> int:
        """Keep rejects as far as there is room; how many, of these or older ones, were dropped for want of it."""
        if not rows:
            return 0
        self._add(connection, (((row.gateway, row.reason), {"count": 1}) for row in rows))
        kept, turned_away = self._admitted(rows)
        self._add(connection, (((row.gateway, row.reason), {"dropped": 1}) for row in turned_away))
        self._insert(connection, kept)
        return len(turned_away) + self._make_room(connection)

    def settle(self, connection: Connection, outcomes: Iterable[Fed]) -> None:
        """What was fed again leaves; what was refused again stays under its new reason."""
        for outcome in outcomes:
            its = (quarantine.c.offset == outcome.offset) & (quarantine.c.received == outcome.received)
            gone = self._delete(connection, its, "fed" if not outcome.refused else "")
            if gone and outcome.refused:
                owner, first = gone[0].gateway, _next_ordinal(connection, outcome.offset)
                again = [replace(r, gateway=r.gateway or owner, ordinal=first + r.ordinal) for r in outcome.refused]
                self._insert(connection, again)
        self._make_room(connection)

    def expire(self, connection: Connection, wanted: ColumnElement[bool], most: int) -> int:
        """Delete what fits, at most so many rows, oldest first; how many went."""
        oldest = select(quarantine.c.seq).where(wanted).order_by(quarantine.c.seq).limit(most)
        return len(self._delete(connection, quarantine.c.seq.in_(oldest), "expired"))

    def _admitted(self, rows: Sequence[QuarantineRow]) -> tuple[list[QuarantineRow], Sequence[QuarantineRow]]:
        """The newest that one transaction can take, oldest first; and the others."""
        size, first, most = 0, len(rows), min(STEP_BYTES, self.room.size)
        while first and len(rows) - first < self.room.rows:
            size += _bytes(rows[first - 1])
            if size > most:
                break
            first -= 1
        return list(rows[first:]), rows[:first]

    def _make_room(self, connection: Connection) -> int:
        dropped = 0
        while (excess := self._excess(connection)) != (0, 0):
            dropped += len(self._delete(connection, quarantine.c.seq.in_(_victims(connection, *excess)), "dropped"))
        return dropped

    def _excess(self, connection: Connection) -> tuple[int, int]:
        """Rows and bytes beyond what is allowed."""
        totals = select(func.sum(quarantine_counts.c.rows), func.sum(quarantine_counts.c.bytes))
        rows, size = connection.execute(totals).one()
        if not rows:
            return 0, 0
        return max(0, int(rows) - self.room.rows), max(0, int(size) - self.room.size)

    def _insert(self, connection: Connection, rows: Sequence[QuarantineRow]) -> None:
        if rows:
            connection.execute(self._reject, [_values(row) for row in rows])
            self._add(connection, (((row.gateway, row.reason), {"rows": 1, "bytes": _bytes(row)}) for row in rows))

    def _delete(self, connection: Connection, wanted: ColumnElement[bool], counted: str) -> Sequence[Any]:
        """Delete and count under a name (none: not counted); the gateway and reason of what went."""
        columns = (quarantine.c.gateway, quarantine.c.reason, quarantine.c.kept)
        gone = connection.execute(delete(quarantine).where(wanted).returning(*columns)).all()
        change = {counted: 1} if counted else {}
        self._add(connection, (((r.gateway, r.reason), {"rows": -1, "bytes": -r.kept, **change}) for r in gone))
        return gone

    def _add(self, connection: Connection, changes: Iterable[tuple[Any, dict[str, int]]]) -> None:
        sums: dict[Group, Counter[str]] = {}
        for group, change in changes:
            total = sums.setdefault(group, Counter())
            for name, number in change.items():
                total[name] += number
        for row in _counted(sums):
            connection.execute(self._count, row)


def _counted(sums: dict[Group, Counter[str]]) -> Iterator[dict[str, Any]]:
    names = ("count", "rows", "bytes", "dropped", "expired", "fed")
    for (gateway, reason), total in sums.items():
        yield {"gateway": gateway, "reason": reason, **{name: total[name] for name in names}}


def _next_ordinal(connection: Connection, offset: Offset) -> int:
    """The first that no other message of the entry has, nor any after it."""
    last = select(func.max(quarantine.c.ordinal)).where(quarantine.c.offset == offset)
    found = connection.execute(last).scalar()
    return 0 if found is None else int(found) + 1


def _victims(connection: Connection, rows: int, size: int) -> list[int]:
    """The oldest of the largest group, no more of them than must go."""
    counts = quarantine_counts.c
    order = counts.bytes if size else counts.rows
    group = connection.execute(select(counts.gateway, counts.reason).order_by(order.desc()).limit(1)).one()
    oldest = (
        select(quarantine.c.seq, quarantine.c.kept)
        .where(quarantine.c.gateway == group.gateway, quarantine.c.reason == group.reason)
        .order_by(quarantine.c.seq)
        .limit(VICTIMS)
    )
    found: list[int] = []
    for seq, kept in connection.execute(oldest):
        if len(found) >= rows and size <= 0:
            break
        found.append(seq)
        size -= kept
    return found


def _bytes(row: QuarantineRow) -> int:
    kept = min(len(row.payload), QUARANTINE_PAYLOAD) + len(row.topic) + min(len(row.detail), LONGEST_DETAIL)
    return kept + ROW_BYTES


def _values(row: QuarantineRow) -> dict[str, Any]:
    return {
        "offset": row.offset,
        "ordinal": row.ordinal,
        "received": row.received,
        "gateway": row.gateway,
        "topic": row.topic[:LONGEST_TOPIC],
        "reason": row.reason,
        "detail": row.detail[:LONGEST_DETAIL],
        "payload": row.payload[:QUARANTINE_PAYLOAD],
        "broker": row.broker,
        "asset": row.asset,
        "metric": row.metric,
        "partly": row.partly,
        "size": len(row.payload) + row.cut,
        "kept": _bytes(row),
    }
