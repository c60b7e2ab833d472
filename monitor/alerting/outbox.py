"""The dispatcher's side of the outbox: what is due, what came of each attempt. Synchronous, for a thread of its own."""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, func, insert, or_, select, update

from monitor.alerting.channels.base import Message
from monitor.alerting.policy import Directory, readdressed
from monitor.database.access import Clerk
from monitor.database.records import Notification, Recipient
from monitor.database.schema import attempts, outbox
from rules.events import SECOND, Duration, Instant

LONGEST_WAIT: Final[Duration] = 300 * SECOND
"""Between two attempts of one message. What is due later than that was written before the host's clock stepped back."""


class State(enum.StrEnum):
    """How far a notification got."""

    PENDING = "pending"
    SENT = "sent"
    GIVEN_UP = "given_up"
    READDRESSED = "readdressed"


class Outcome(enum.StrEnum):
    """What came of one attempt."""

    SENT = "sent"
    FAILED = "failed"
    REFUSED = "refused"
    NO_ANSWER = "no_answer"
    NO_CHANNEL = "no_channel"


class Pending(msgspec.Struct, frozen=True):
    """A notification to be sent now."""

    key: str
    team: str
    channel: str
    attempts: int
    created: Instant
    message: Message


class Attempt(msgspec.Struct, frozen=True):
    """What came of a send, the state it leaves the notification in, and when to try again if it is pending."""

    at: Instant
    outcome: Outcome
    answer: str
    state: State
    next_attempt: Instant | None = None


class Stranded(NamedTuple):
    """A notification whose channel is gone, and the channels that have it in its place; none: it is given up."""

    key: str
    channel: str
    heirs: list[str]


_WAITS: Final = outbox.c.state == State.PENDING.value


class Outbox(Clerk):
    """Reads and updates the notifications that the line committed."""

    def next_due(self, channel: str, now: Instant) -> Pending | None:
        """The most urgent notification of a channel whose time has come: safety first, then priority, then age."""
        due = or_(outbox.c.next_attempt <= now, outbox.c.next_attempt > now + LONGEST_WAIT)
        row = self._first(_pending(select(outbox), channel).where(due).order_by(outbox.c.rank, outbox.c.seq).limit(1))
        if row is None:
            return None
        message = msgspec.json.decode(row.message, type=Message)
        return Pending(row.key, row.team, row.channel, row.attempts, row.created, message)

    def next_attempt(self, channel: str) -> Instant | None:
        """When the next notification of a channel becomes due; None if there is none."""
        row = self._first(_pending(select(func.min(outbox.c.next_attempt)), channel))
        return None if row is None or row[0] is None else int(row[0])

    def record(self, key: str, channel: str, attempt: Attempt) -> Pending | None:
        """Write down one attempt and what it made of the notification; what the channel is to send next."""
        changes = {
            "state": attempt.state.value,
            "attempts": outbox.c.attempts + 1,
            "next_attempt": attempt.next_attempt or attempt.at,
        }
        with self._notes.begin() as connection:
            connection.execute(update(outbox).where(outbox.c.key == key).values(changes))
            connection.execute(insert(attempts), _attempt_row(key, attempt))
        return self.next_due(channel, attempt.at)

    def strand(self, directory: Directory, at: Instant) -> list[Stranded]:
        """Hand what waits for a channel that is gone to those that its team has now; give it up if there is none."""
        addressed = select(outbox.c.team, outbox.c.channel).where(_WAITS).distinct()
        waiting = [Recipient(row.team, row.channel) for row in self._rows(addressed)]
        heirs = {recipient: directory.present([recipient]) for recipient in waiting}
        gone = {recipient: found for recipient, found in heirs.items() if found != [recipient]}
        if not gone:
            return []
        with self._notes.begin() as connection:
            return [one for recipient, found in gone.items() for one in _stranded(connection, recipient, found, at)]

    def _first(self, wanted: Select[Any]) -> Any:
        return next(iter(self._rows(wanted)), None)


def _attempt_row(key: str, attempt: Attempt) -> dict[str, Any]:
    return {"key": key, "at": attempt.at, "outcome": attempt.outcome.value, "answer": attempt.answer}


def _pending(wanted: Select[Any], channel: str) -> Select[Any]:
    return wanted.where(_WAITS, outbox.c.channel == channel)


def _stranded(connection: Connection, lost: Recipient, heirs: list[Recipient], at: Instant) -> list[Stranded]:
    """All that waits for one channel that is gone."""
    mine = _WAITS & (outbox.c.team == lost.team) & (outbox.c.channel == lost.channel)
    rows = connection.execute(select(outbox).where(mine).order_by(outbox.c.seq)).all()
    for row in rows:
        for heir in heirs:
            _hand_over(connection, dict(row._mapping), heir, at)  # noqa: SLF001 - SQLAlchemy's documented name
    names = [heir.channel for heir in heirs]
    state = State.READDRESSED if heirs else State.GIVEN_UP
    answer = f"no longer configured{': goes to ' + ', '.join(names) if names else ''}"
    attempt = Attempt(at, Outcome.NO_CHANNEL, answer, state)
    connection.execute(insert(attempts), [_attempt_row(row.key, attempt) for row in rows])
    connection.execute(update(outbox).where(mine).values(state=state.value, next_attempt=at))
    return [Stranded(row.key, row.channel, names) for row in rows]


def _hand_over(connection: Connection, row: dict[str, Any], heir: Recipient, at: Instant) -> None:
    """A row for the heir, unless it has or had one of its own for the same transition."""
    made = readdressed(msgspec.json.decode(row.pop("message"), type=Notification), heir)
    again = {"state": State.PENDING.value, "attempts": 0, "next_attempt": at, "created": at}
    known = connection.execute(select(outbox.c.state).where(outbox.c.key == made.key)).scalar()
    if known is None:
        del row["seq"]
        text = msgspec.json.encode(made).decode()
        new = {**row, **again, "key": made.key, "team": made.team, "channel": made.channel, "message": text}
        connection.execute(insert(outbox), new)
    elif known == State.READDRESSED.value:
        connection.execute(update(outbox).where(outbox.c.key == made.key).values(again))
