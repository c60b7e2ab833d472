"""The line's pen: everything that one step decided becomes durable in one transaction, together with its offset.

A transition, notification or reject that is already there is left as it is, so that a step may be committed again after
a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from monitor import clock
from monitor.database.gaps import Gap, Why, write_gaps
from monitor.database.migrate import full_told, open_for_writing
from monitor.database.quarantine import ROOM, Fed, Insert, QuarantineRow, QuarantineTable, Room
from monitor.database.records import Notification, Purpose, Recipient, began
from monitor.database.schema import (
    alarms,
    gaps,
    outbox,
    positions,
    revisions,
    snapshots,
    stages,
    transitions,
)
from monitor.journal.entries import Offset
from rules.alarms import SUPPRESSIONS, Identity, State, Transition
from rules.events import Instant

NEXT: Final = "next"
FLOOR: Final = "floor"
HELD: Final = "held"
"""The transition before the first one that is held; there only while something is."""

AT_ONCE: Final = 500
"""Transitions in one statement."""
INSERTS: Final[dict[str, Callable[[Table], Insert]]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass
class Step:
    """What the line did up to `next_offset`, the first journal entry that it has not handled.

    `floor` is the smallest offset that recovery has to start from. `verdicts` says by transition id why somebody
    or nobody was told, `released` the same of transitions that were held before; `holding` is whether any still is.
    `stages` are snapshots by name of what is decided above the assets, as (name, offset, body), `revision` is (offset,
    hash, texts by file name).
    """

    next_offset: Offset
    floor: Offset
    transitions: Sequence[Transition] = ()
    notifications: Sequence[Notification] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)
    released: Mapping[str, str] = field(default_factory=dict)
    holding: bool = False
    snapshots: Sequence[tuple[str, Offset, bytes]] = ()
    stages: Sequence[tuple[str, Offset, bytes]] = ()
    revision: tuple[Offset, str, Mapping[str, str]] | None = None
    rejects: Sequence[QuarantineRow] = ()
    fed: Sequence[Fed] = ()
    gaps: Sequence[Gap] = ()


class Ledger:
    """The alarm database's single writer of decisions. Synchronous; never called by two threads at once."""

    def __init__(self, path: Path, now: Callable[[], Instant] = clock.now, room: Room = ROOM) -> None:
        """Open or make the database, with so much room for quarantine.

        Raises:
            AlarmDatabaseError: it cannot be opened.
        """
        self._engine = open_for_writing(path)
        self._connection = self._engine.connect()
        self._now = now
        self._insert = INSERTS[self._engine.dialect.name]
        self._statements = _Statements(self._insert)
        self._quarantine = QuarantineTable(self._insert, room)
        with self._connection.begin():
            self._quarantine.recount(self._connection)
        self._position = self._offset(NEXT)
        self._holding = bool(self._read(_position_of(HELD)))

    def give_room(self, room: Room) -> None:
        """From the next commit on, quarantine has so much."""
        self._quarantine.room = room

    def close(self) -> None:
        """Let go of the file; nothing is pending."""
        self._connection.close()
        self._engine.dispose()

    def commit(self, step: Step) -> int:
        """Make the step durable, all of it or nothing; it is on disk on return.

        Gives how many rejects quarantine dropped for want of room.

        Raises:
            AlarmDatabaseFullError: there is no room; nothing was written, and it may be tried again.
        """
        connection = self._connection
        with full_told(), connection.begin():
            self._mark_held(step.holding)
            self._add_transitions(step.transitions, step.verdicts)
            self._add_verdicts(step.released)
            self._add_notifications(step.notifications)
            self._add_snapshots(step.snapshots)
            self._add_stages(step.stages)
            self._add_revision(step.revision)
            dropped = self._quarantine.add(connection, [row for row in step.rejects if row.offset >= self._position])
            self._quarantine.settle(connection, step.fed)
            write_gaps(connection, self._insert, step.gaps)
            connection.execute(
                self._statements.position, [_position(NEXT, step.next_offset), _position(FLOOR, step.floor)]
            )
        self._position, self._holding = step.next_offset, step.holding
        return dropped

    def position(self) -> Offset:
        """The first journal entry that no commit covers; 0 in a new database."""
        return self._position

    def floor(self) -> Offset:
        """The journal entry that recovery starts from, and that retention must not delete; 0 in a new database."""
        return self._offset(FLOOR)

    def snapshots(self) -> Iterator[tuple[str, Offset, bytes]]:
        """For each asset the latest snapshot and the offset up to which it counts everything in."""
        for row in self._read(select(snapshots).order_by(snapshots.c.asset)):
            yield row.asset, row.offset, row.body

    def stages(self) -> dict[str, tuple[Offset, bytes]]:
        """The latest snapshots of what is decided above the assets, by name; each with its offset."""
        return {row.name: (row.offset, row.body) for row in self._read(select(stages))}

    def revision_at(self, offset: Offset) -> tuple[Offset, str, dict[str, str]] | None:
        """The rules in force at an offset: since when, their hash and texts; None before the first."""
        wanted = select(revisions).where(revisions.c.offset <= offset).order_by(revisions.c.offset.desc()).limit(1)
        for row in self._read(wanted):
            return row.offset, row.hash, msgspec.json.decode(row.texts, type=dict[str, str])
        return None

    def known_holes(self) -> dict[Offset, Offset]:
        """Where the holes in the journal that were recorded begin, and where each ends."""
        wanted = select(gaps.c.start, gaps.c.messages).where(gaps.c.why == Why.UNREADABLE.value)
        return {row.start: row.start + row.messages for row in self._read(wanted)}

    def last_revision(self) -> str | None:
        """The hash of the newest rules that were decided by; None in a new database."""
        rows = self._read(select(revisions.c.hash).order_by(revisions.c.offset.desc()).limit(1))
        return str(rows[0][0]) if rows else None

    def recent_texts(self, count: int) -> list[dict[str, str]]:
        """The configurations last decided by, newest first."""
        rows = self._read(select(revisions.c.texts).order_by(revisions.c.offset.desc()).limit(count))
        return [msgspec.json.decode(row.texts, type=dict[str, str]) for row in rows]

    def active(self) -> dict[Identity, tuple[str, State]]:
        """Every alarm that is not normal: its id and its state."""
        wanted = select(alarms).where(alarms.c.state != State.NORMAL.value)
        return {(r.asset, r.rule, r.part or None): (r.alarm, State(r.state)) for r in self._read(wanted)}

    def held(self, verdict: str) -> list[Transition]:
        """The transitions with this verdict that people have yet to be told of, oldest first."""
        if not self._holding:
            return []
        wanted = select(transitions.c.body).where(transitions.c.seq > self._offset(HELD), transitions.c.told == verdict)
        rows = self._read(wanted.order_by(transitions.c.seq))
        return [msgspec.json.decode(row.body, type=Transition) for row in rows]

    def told(self) -> dict[Identity, list[Recipient]]:
        """For each alarm that is not normal, who was alerted and has not heard yet that it is over.

        Where it came out of sight, that may have been of an earlier occurrence that had ended out of sight, too.
        """
        hidden = transitions.alias()
        came_hidden = exists().where(hidden.c.id == alarms.c.alarm, hidden.c.to_state.in_([*SUPPRESSIONS]))
        return self._told(transitions.c.alarm == alarms.c.alarm) | self._told(_same(alarms, transitions) & came_hidden)

    def _told(self, which: ColumnElement[bool]) -> dict[Identity, list[Recipient]]:
        ended, over = transitions.alias(), outbox.alias()
        heard = exists().where(
            _same(ended, transitions),
            over.c.transition == ended.c.id,
            over.c.purpose == Purpose.RECOVERY.value,
            over.c.seq > outbox.c.seq,
        )
        columns = (alarms.c.asset, alarms.c.rule, alarms.c.part, outbox.c.team, outbox.c.channel)
        wanted = (
            select(*columns)
            .select_from(alarms)
            .join(transitions, which)
            .join(outbox, outbox.c.transition == transitions.c.id)
            .where(alarms.c.state != State.NORMAL.value, outbox.c.purpose == Purpose.ALERT.value, ~heard)
            .group_by(*columns)
            .order_by(func.min(outbox.c.seq))
        )
        found: dict[Identity, list[Recipient]] = {}
        for row in self._read(wanted):
            found.setdefault((row.asset, row.rule, row.part or None), []).append(Recipient(row.team, row.channel))
        return found

    def _read(self, wanted: Any) -> Sequence[Row[Any]]:
        with self._connection.begin():
            return self._connection.execute(wanted).all()

    def _offset(self, name: str) -> Offset:
        rows = self._read(_position_of(name))
        return int(rows[0][0]) if rows else 0

    def _add_transitions(self, decided: Sequence[Transition], verdicts: Mapping[str, str]) -> None:
        """Those that are new; what was decided again changes nothing."""
        for start in range(0, len(decided), AT_ONCE):
            new = {transition.id: transition for transition in decided[start : start + AT_ONCE]}
            for known in self._connection.scalars(self._statements.known, {"ids": [*new]}).all():
                del new[known]
            if new:
                rows = [_transition_row(transition, verdicts.get(id_, "")) for id_, transition in new.items()]
                self._connection.execute(self._statements.transition, rows)
                self._connection.execute(self._statements.alarm, [_alarm_row(one) for one in new.values()])

    def _mark_held(self, holding: bool) -> None:
        """Before the first held transition: where those who look for it may begin."""
        if self._holding and not holding:
            self._connection.execute(delete(positions).where(positions.c.name == HELD))
        elif holding and not self._holding:
            last = self._connection.execute(select(func.coalesce(func.max(transitions.c.seq), 0))).scalar_one()
            self._connection.execute(self._statements.position, [_position(HELD, last)])

    def _add_verdicts(self, released: Mapping[str, str]) -> None:
        if released:
            rows = [{"released": id_, "verdict": str(verdict)} for id_, verdict in released.items()]
            self._connection.execute(self._statements.verdict, rows)

    def _add_notifications(self, notifications: Sequence[Notification]) -> None:
        if notifications:
            created = self._now()
            self._connection.execute(self._statements.notification, [_outbox_row(n, created) for n in notifications])

    def _add_snapshots(self, rows: Sequence[tuple[str, Offset, bytes]]) -> None:
        if rows:
            named = [{"asset": asset, "offset": offset, "body": body} for asset, offset, body in rows]
            self._connection.execute(self._statements.snapshot, named)

    def _add_stages(self, rows: Sequence[tuple[str, Offset, bytes]]) -> None:
        if rows:
            named = [{"name": name, "offset": offset, "body": body} for name, offset, body in rows]
            self._connection.execute(self._statements.stage, named)

    def _add_revision(self, revision: tuple[Offset, str, Mapping[str, str]] | None) -> None:
        if revision is not None:
            offset, digest, texts = revision
            row = {"offset": offset, "hash": digest, "texts": msgspec.json.encode(texts).decode()}
            self._connection.execute(self._insert(revisions).on_conflict_do_nothing(), row)


class _Statements:
    """What every commit runs, built once so that SQLAlchemy finds it compiled."""

    def __init__(self, insert: Callable[[Table], Insert]) -> None:
        self.known = select(transitions.c.id).where(transitions.c.id.in_(bindparam("ids", expanding=True)))
        self.transition = insert(transitions)
        self.notification = insert(outbox).on_conflict_do_nothing(index_elements=["key"])
        self.verdict = (
            update(transitions).where(transitions.c.id == bindparam("released")).values(told=bindparam("verdict"))
        )
        self.position = _upsert(insert(positions), ["name"], ["offset"])
        self.snapshot = _upsert(insert(snapshots), ["asset"], ["offset", "body"])
        self.stage = _upsert(insert(stages), ["name"], ["offset", "body"])
        self.alarm = _upsert_alarm(insert(alarms))


def _upsert(insert: Insert, key: list[str], values: list[str]) -> Insert:
    return insert.on_conflict_do_update(index_elements=key, set_={name: insert.excluded[name] for name in values})


def _upsert_alarm(insert: Insert) -> Insert:
    new = insert.excluded
    copied = ("alarm", "state", "priority", "kind", "mode", "at", "title", "transition")
    since = case((alarms.c.alarm == new.alarm, alarms.c.since), else_=new.since)
    changes = {**{name: new[name] for name in copied}, "since": since, "revision": alarms.c.revision + 1}
    return insert.on_conflict_do_update(index_elements=["asset", "rule", "part"], set_=changes)


def _same(one: FromClause, other: FromClause) -> ColumnElement[bool]:
    return and_(*(one.c[key] == other.c[key] for key in ("asset", "rule", "part")))


def _position_of(name: str) -> Select[Any]:
    return select(positions.c.offset).where(positions.c.name == name)


def _position(name: str, offset: Offset) -> dict[str, Any]:
    return {"name": name, "offset": offset}


def _transition_row(transition: Transition, told: str) -> dict[str, Any]:
    return {
        "id": transition.id,
        "alarm": transition.alarm,
        "at": transition.at,
        "received": transition.received,
        "asset": transition.asset,
        "rule": transition.rule,
        "part": transition.part or "",
        "kind": transition.kind.value,
        "priority": transition.priority.value,
        "event": transition.event,
        "from_state": transition.from_.value,
        "to_state": transition.to.value,
        "mode": transition.mode,
        "told": str(told),
        "body": msgspec.json.encode(transition).decode(),
    }


def _alarm_row(transition: Transition) -> dict[str, Any]:
    return {
        "asset": transition.asset,
        "rule": transition.rule,
        "part": transition.part or "",
        "alarm": transition.alarm,
        "state": transition.to.value,
        "priority": transition.priority.value,
        "kind": transition.kind.value,
        "mode": transition.mode,
        "since": began(transition),
        "at": transition.at,
        "title": transition.title,
        "transition": transition.id,
        "revision": 1,
        "published": 0,
    }


def _outbox_row(notification: Notification, created: Instant) -> dict[str, Any]:
    return {
        "key": notification.key,
        "transition": notification.transition,
        "alarm": notification.alarm,
        "purpose": notification.purpose.value,
        "safety": notification.safety,
        "rank": notification.rank,
        "team": notification.team,
        "channel": notification.channel,
        "message": msgspec.json.encode(notification).decode(),
        "state": "pending",
        "attempts": 0,
        "next_attempt": created,
        "received": notification.received,
        "created": created,
    }
