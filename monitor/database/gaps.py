"""What is missing from the stored readings, and why; when nobody listened: written with the decisions."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from monitor.database.schema import gaps
from monitor.journal.entries import Offset
from rules.events import Instant


class Why(enum.StrEnum):
    """What made a gap."""

    NO_ROOM = "no_room"
    """The disk was full: the messages were decided on and not kept."""
    UNREADABLE = "unreadable"
    """The journal was damaged: whether they were decided on and stored before is not known."""
    AWAY = "away"
    """Nobody listened to a broker: Andon did not run, or the link was down. What the broker kept came afterwards."""


class Gap(msgspec.Struct, frozen=True):
    """Messages of a gateway that are missing, received from `since` to `until`; `start` is where the journal says so.

    `gateway` is empty where the journal cannot tell it any more. For `AWAY` it is the broker,
    and no message needs to be missing.
    """

    why: Why
    gateway: str
    start: Offset
    since: Instant
    until: Instant
    messages: int


def write_gaps(
    connection: Connection, insert: Callable[[Table], sqlite.Insert | postgresql.Insert], rows: Sequence[Gap]
) -> None:
    """Keep gaps; one that grew replaces what was known of it."""
    if not rows:
        return
    new = insert(gaps)
    changed = {name: new.excluded[name] for name in ("since", "until", "messages")}
    statement = new.on_conflict_do_update(index_elements=["why", "gateway", "start"], set_=changed)
    connection.execute(statement, [msgspec.to_builtins(row) for row in rows])
