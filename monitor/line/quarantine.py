"""Quarantine as the line serves it: messages fed again on a person's word, old ones expired.

What is fed stands in the journal like anything else that happened; the decision whether it is read is committed with
its offset. Until then nothing else is fed, so that no message goes in twice, whatever dies in between.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from monitor import clock
from monitor.database.ledger import INSERTS
from monitor.database.migrate import open_for_writing
from monitor.database.quarantine import QuarantineTable
from monitor.database.quarantined import Message, Place, QuarantineReader
from monitor.database.schema import quarantine
from monitor.errors import AndonError, RefusedError
from monitor.journal import entries as journalled
from monitor.journal.entries import FedEntry, Offset
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalError
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.settings import Settings
from monitor.stores.influx_rejects import Rejects
from rules.events import SECOND, Duration, Instant

MOST_IDS: Final = 1_000
"""In one request."""
BATCH_BYTES: Final = 4 * 1024**2
"""About so much is journalled in one go."""
PATIENCE: Final[Duration] = 8 * SECOND
LOOK_EVERY: Final = 0.02
EXPIRE_EVERY: Final = 600.0
EXPIRE_ROWS: Final = 200
"""In one transaction: alarms are committed to the same database."""

log = structlog.get_logger()


class _Ids(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of the requests: numbers of deliveries."""

    ids: list[int]


class QuarantineDesk:
    """Answers `quarantine-feed` and `quarantine-expire`; `run` expires what is too old."""

    def __init__(self, decider: Decider, intake: Intake, settings: Settings) -> None:
        self._decider = decider
        self._intake = intake
        self._database = settings.alarm_database
        self._journal = settings.journal_directory
        self._rejects = Rejects(settings.data_dir)
        self._keep = settings.quarantine.keep
        self._feeding = asyncio.Lock()
        self._fed_until: Offset = intake.head

    def replace(self, settings: Settings) -> None:
        """From now on it is kept for so long."""
        self._keep = settings.quarantine.keep

    async def feed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Decide on messages again: `{read, again: {reason: n}, cut}` in messages, counted once it is durable.

        `cut` are those of which neither quarantine nor journal has the whole. What has left meanwhile is not counted.

        Raises:
            RefusedError: those are no numbers of deliveries.
            AndonError: the line is behind.
        """
        ids = _ids(arguments)
        async with self._feeding:
            await self._caught_up("the line is behind; feed again once it has caught up")
            given, cut = await self._give(ids)
            await self._caught_up("the line is behind; what was fed stands in the journal and is decided later")
            again = Counter((await asyncio.to_thread(self._reasons, given)).values())
        log.info("quarantine_fed", messages=len(given), refused=again.total(), cut=cut)
        return {"read": len(given) - again.total(), "again": dict(again), "cut": cut}

    async def expire(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Delete deliveries: `{expired}`.

        Raises:
            RefusedError: those are no numbers of deliveries.
        """
        ids = _ids(arguments)
        return {"expired": await asyncio.to_thread(self._expire, quarantine.c.seq.in_(ids))}

    async def run(self) -> None:
        """Expire what is older than the site wants to keep it, for ever."""
        while True:
            try:
                await self.tidy()
            except (SQLAlchemyError, AndonError) as error:
                log.warning("quarantine_not_expired", error=type(error).__name__)
            await asyncio.sleep(EXPIRE_EVERY)

    async def tidy(self) -> None:
        """Expire what is too old now."""
        before: Instant = clock.now() - self._keep
        messages = await asyncio.to_thread(self._expire, quarantine.c.received < before)
        readings = await asyncio.to_thread(self._rejects.expire, before)
        if messages or readings:
            log.info("quarantine_expired", messages=messages, readings=readings)

    async def _caught_up(self, otherwise: str) -> None:
        """Return once everything is decided that was ever fed."""
        try:
            async with asyncio.timeout(clock.seconds(PATIENCE)):
                while self._decider.committed < self._fed_until:  # noqa: ASYNC110 - commits wake nobody else
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            raise AndonError(otherwise) from None

    async def _give(self, ids: list[int]) -> tuple[list[Place], int]:
        """Put the messages into the journal; where they stood there first, and how many are cut."""
        given: list[Place] = []
        cut = 0
        batches = self._batches(ids)
        while (batch := await asyncio.to_thread(next, batches, None)) is not None:
            entries = [
                _entry(self._intake.stamp(), message) for message in batch if message.size == len(message.payload)
            ]
            cut += len(batch) - len(entries)
            try:
                await self._intake.append(entries)
            finally:
                self._fed_until = self._intake.head
            given += [(entry.entry, entry.first) for entry in entries]
        return given, cut

    def _batches(self, ids: list[int]) -> Iterator[list[Message]]:
        batch: list[Message] = []
        size = 0
        with closing(QuarantineReader(self._database)) as reader:
            for kept in reader.messages(ids):
                message = kept if kept.size == len(kept.payload) else _whole(kept, self._journal)
                batch.append(message)
                size += len(message.payload)
                if size >= BATCH_BYTES:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    def _reasons(self, given: list[Place]) -> dict[Place, str]:
        with closing(QuarantineReader(self._database)) as reader:
            return reader.reasons(given)

    def _expire(self, wanted: Any) -> int:
        engine = open_for_writing(self._database)
        expired = 0
        try:
            table = QuarantineTable(INSERTS[engine.dialect.name])
            while True:
                with engine.begin() as connection:
                    gone = table.expire(connection, wanted, EXPIRE_ROWS)
                expired += gone
                if gone < EXPIRE_ROWS:
                    return expired
        finally:
            engine.dispose()


def _ids(arguments: dict[str, Any]) -> list[int]:
    try:
        ids = msgspec.convert(arguments, _Ids).ids
    except msgspec.ValidationError as error:
        raise RefusedError(f"those are no numbers of deliveries: {error}") from None
    if len(ids) > MOST_IDS:
        raise RefusedError(f"at most {MOST_IDS} deliveries at a time")
    return ids


def _entry(received: Instant, message: Message) -> FedEntry:
    m = message
    return FedEntry(received, m.entry, m.received, m.broker, m.topic, m.payload, m.metrics)


def _whole(message: Message, journal: Path) -> Message:
    """The message with all of its payload, if the journal still has it."""
    try:
        with JournalReader(journal, message.entry) as reader:
            found = reader.read(1)
    except JournalError:
        return message
    if found and found[0][0] == message.entry and isinstance(found[0][1], journalled.Message):
        return msgspec.structs.replace(message, payload=found[0][1].payload)
    return message
