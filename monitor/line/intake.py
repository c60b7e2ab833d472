"""The journal as the line's tasks use it: whatever happened is on disk before anybody acts on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import structlog

from monitor import clock, telemetry
from monitor.collectors.acks import BATCH_MESSAGES
from monitor.journal import rescue
from monitor.journal.entries import (
    Entry,
    FaultEntry,
    LinkEntry,
    Message,
    Offset,
    RevisionEntry,
    TickEntry,
    UnkeptEntry,
)
from monitor.journal.segments import JournalDamagedError, JournalFullError
from monitor.journal.writer import JournalWriter, in_order
from monitor.line.room import Room
from monitor.line.unkept import Unkept
from rules.events import EVERY_BROKER, Duration, Instant

T = TypeVar("T")

log = structlog.get_logger()


class Intake:
    """Appends entries in one worker thread, in the order they were given, and wakes whoever waits for more to read.

    `pressed` is when a broker last had more for us than a batch holds, by the steady clock.

    Where there is no room for messages, `when_full` says what becomes of them: `decide` leaves them in `unkept` under
    the offset of the entry that stands for them, until they are decided on; `hold` leaves them to the broker. It may be
    changed.
    """

    def __init__(
        self,
        writer: JournalWriter,
        stamp: clock.Stamper,
        room: Room,
        when_full: Literal["decide", "hold"] = "decide",
    ) -> None:
        self.unkept: dict[Offset, Unkept] = {}
        self._writer = writer
        self._stamp = stamp
        self._room = room
        self.when_full = when_full
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._turn = asyncio.Lock()
        self._mending = asyncio.Lock()
        self._stuck = ""
        self._grown = asyncio.Event()
        self._lost: dict[str, Instant] = {}
        self.pressed: Instant | None = None

    @property
    def head(self) -> Offset:
        """The offset that the next entry will get."""
        return self._writer.head

    def now(self) -> Instant:
        """The time as the next entry will have it."""
        return self._stamp.now()

    def stamp(self) -> Instant:
        """The `received` of an entry that is appended at once."""
        return self._stamp()

    async def append(self, entries: Sequence[Entry]) -> None:
        """On disk when it returns.

        Raises:
            JournalFullError: there is no room, not even in the reserve.
        """
        if self._stuck:
            raise JournalFullError(self._stuck)
        async with self._turn:
            await self._in_worker(self._writer.append, entries)
        self._grown.set()

    async def messages(self, messages: list[Message]) -> None:
        """A batch from a broker; may be acknowledged on return."""
        if len(messages) >= BATCH_MESSAGES:
            self.pressed = clock.elapsed()
        while not await self._kept(messages):
            if self.when_full == "decide":
                await self._decided(messages)
                return
            await self._room.pause()

    async def link(self, broker: str, up: bool) -> None:
        """A broker connection came or went."""
        now = self._stamp()
        since = self._lost.pop(broker, now) if up else self._lost.setdefault(broker, now)
        await self._insist([LinkEntry(now, broker, up, since)])
        telemetry.LINK_UP.labels(broker).set(up)

    def step(self) -> Duration:
        """How far the host's clock has stepped away from the stamps; 0 if it has not."""
        return self._stamp.step()

    async def skip(self) -> None:
        """Follow a step forward of the host's clock: nobody was silent in the time that is left out."""
        before = self._stamp()
        self._stamp.follow()
        after = self._stamp()
        await self._insist(
            [LinkEntry(before, EVERY_BROKER, False, before), LinkEntry(after, EVERY_BROKER, True, after)]
        )

    async def fault(self, rule: str, part: str | None, active: bool, text: str) -> None:
        """The monitor noticed a fault of its own (a rule of `rules.builtin.FAULTS`), or that it is over."""
        await self._insist([FaultEntry(self._stamp(), rule, part, active, text)])

    async def tick(self) -> None:
        """A deadline has come due."""
        await self._insist([TickEntry(self._stamp())])

    async def begin(self, revision: tuple[str, dict[str, str]] | None, brokers: Sequence[str]) -> None:
        """What stands in the journal before anything new arrives: the rules, if they changed, and that we were away."""
        away_since = self._writer.last_received
        now = self._stamp()
        self._lost = dict.fromkeys(brokers, away_since or now)
        entries: list[Entry] = [] if revision is None else [RevisionEntry(now, *revision)]
        entries += [LinkEntry(now, broker, False, since) for broker, since in self._lost.items()]
        await self._insist(entries)

    async def wait_beyond(self, offset: Offset) -> None:
        """Return as soon as the journal holds the entry `offset`."""
        while self.head <= offset:
            self._grown.clear()
            if self.head <= offset:
                await self._grown.wait()

    async def prune(self, budget: int, needed: Offset, before: Instant = 0) -> int:
        """Delete segments beyond the budget, or from before a moment, that nobody needs any more; how many went."""
        return await self._in_worker(self._writer.prune, budget, needed, before)

    async def size(self) -> int:
        """Bytes of the journal."""
        return await self._in_worker(self._writer.size)

    async def set_aside(self, directory: Path, first: Offset) -> Path | None:
        """Put a damaged segment aside, with nobody writing to it; see `rescue.set_aside`. Writing goes on meanwhile."""
        async with self._mending:
            await self._in_worker(self._leave, first)
            return await asyncio.to_thread(rescue.set_aside, directory, first)

    def close(self) -> None:
        """Finish what was given, then let go of the files."""
        self._worker.shutdown(wait=True)
        self._writer.close()

    async def _kept(self, messages: list[Message]) -> bool:
        """Whether the messages are in the journal; if not there is no room for them."""
        if self._room.full:
            return False
        try:
            await self.append(messages)
        except JournalFullError as error:
            self._room.ran_out(str(error))
            return False
        telemetry.JOURNALLED.inc(len(messages))
        return True

    async def _decided(self, messages: list[Message]) -> None:
        """Have the messages decided on without keeping them: durable, in what follows from them, on return."""
        unkept = Unkept(messages, asyncio.get_running_loop().create_future())
        async with self._turn:
            await self._until_written(self._stand_in, unkept)
        self._grown.set()
        await unkept.decided

    def _stand_in(self, unkept: Unkept) -> None:
        """One small entry instead of many; the reader of that entry finds the messages where it was promised."""
        offset = self._writer.head
        unkept.messages, last = in_order(unkept.messages, self._writer.last_received)
        first = unkept.messages[0]
        self.unkept[offset] = unkept
        try:
            self._writer.append([UnkeptEntry(last, first.broker, len(unkept.messages), first.received)])
        except BaseException:
            del self.unkept[offset]
            raise

    async def _insist(self, entries: Sequence[Entry]) -> None:
        """On disk when it returns, however long that takes."""
        async with self._turn:
            await self._until_written(self._writer.append, entries)
        self._grown.set()

    async def _until_written(self, write: Callable[..., T], *arguments: Any) -> T:
        try:
            while True:
                try:
                    return await self._in_worker(write, *arguments)
                except JournalFullError as error:
                    self._stuck = str(error)
                    self._room.ran_out(self._stuck)
                    await self._room.pause()
        finally:
            self._stuck = ""

    def _leave(self, first: Offset) -> None:
        with suppress(JournalDamagedError):
            self._writer.leave(first)

    async def _in_worker(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)
