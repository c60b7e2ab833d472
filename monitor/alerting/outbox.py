"""The dispatcher's side of the outbox: what is due, what came of each attempt. Synchronous, for a thread of its own."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, insert, or_, select, update

from monitor.alerting.channels.base import Message
from monitor.database.access import Clerk
from monitor.database.schema import attempts, outbox
from rules.events import SECOND, Duration, Instant

LONGEST_WAIT: Final[Duration] = 300 * SECOND
"""Between two attempts of one message. What is due later than that was written before the host's clock stepped back."""


class State(enum.StrEnum):
    """How far a notification got."""

    PENDING = "pending"
    SENT = "sent"
    GIVEN_UP = "given_up"


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

    def strand(self, channels: Iterable[str], at: Instant) -> list[tuple[str, str]]:
        """Give up what waits for a channel that the configuration no longer names; the (key, channel) of each."""
        lost = (outbox.c.state == State.PENDING.value) & outbox.c.channel.not_in(list(channels))
        with self._notes.begin() as connection:
            found = [
                (row.key, row.channel) for row in connection.execute(select(outbox.c.key, outbox.c.channel).where(lost))
            ]
            if found:
                gone = Attempt(at, Outcome.NO_CHANNEL, "no longer configured", State.GIVEN_UP)
                connection.execute(insert(attempts), [_attempt_row(key, gone) for key, _ in found])
                connection.execute(update(outbox).where(lost).values(state=State.GIVEN_UP.value))
        return found

    def _first(self, wanted: Select[Any]) -> Any:
        return next(iter(self._rows(wanted)), None)


def _attempt_row(key: str, attempt: Attempt) -> dict[str, Any]:
    return {"key": key, "at": attempt.at, "outcome": attempt.outcome.value, "answer": attempt.answer}


def _pending(wanted: Select[Any], channel: str) -> Select[Any]:
    return wanted.where(outbox.c.state == State.PENDING.value, outbox.c.channel == channel)
