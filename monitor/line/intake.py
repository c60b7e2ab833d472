"""The journal as the line's tasks use it: whatever happened is on disk before anybody acts on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from monitor import clock, telemetry
from monitor.journal.entries import Entry, FaultEntry, LinkEntry, Message, Offset, RevisionEntry, TickEntry
from monitor.journal.writer import JournalWriter
from rules.events import Instant


class Intake:
    """Appends entries in one worker thread, in the order they were given, and wakes whoever waits for more to read."""

    def __init__(self, writer: JournalWriter, stamp: clock.Stamper) -> None:
        self._writer = writer
        self._stamp = stamp
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._grown = asyncio.Event()
        self._lost: dict[str, Instant] = {}

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
        """On disk when it returns."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._writer.append, entries)
        self._grown.set()

    async def messages(self, messages: list[Message]) -> None:
        """A batch from a broker; may be acknowledged on return."""
        await self.append(messages)
        telemetry.JOURNALLED.inc(len(messages))

    async def link(self, broker: str, up: bool) -> None:
        """A broker connection came or went."""
        now = self._stamp()
        since = self._lost.pop(broker, now) if up else self._lost.setdefault(broker, now)
        await self.append([LinkEntry(now, broker, up, since)])
        telemetry.LINK_UP.labels(broker).set(up)

    async def fault(self, rule: str, part: str | None, active: bool, text: str) -> None:
        """The monitor noticed a fault of its own (a rule of `rules.builtin.FAULTS`), or that it is over."""
        await self.append([FaultEntry(self._stamp(), rule, part, active, text)])

    async def tick(self) -> None:
        """A deadline has come due."""
        await self.append([TickEntry(self._stamp())])

    async def begin(self, revision: tuple[str, dict[str, str]] | None, brokers: Sequence[str]) -> None:
        """What stands in the journal before anything new arrives: the rules, if they changed, and that we were away."""
        away_since = self._writer.last_received
        now = self._stamp()
        self._lost = dict.fromkeys(brokers, away_since or now)
        entries: list[Entry] = [] if revision is None else [RevisionEntry(now, *revision)]
        entries += [LinkEntry(now, broker, False, since) for broker, since in self._lost.items()]
        await self.append(entries)

    async def wait_beyond(self, offset: Offset) -> None:
        """Return as soon as the journal holds the entry `offset`."""
        while self.head <= offset:
            self._grown.clear()
            if self.head <= offset:
                await self._grown.wait()

    async def prune(self, budget: int, needed: Offset) -> None:
        """Delete segments beyond the budget that nobody needs any more."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._writer.prune, budget, needed)

    def close(self) -> None:
        """Finish what was given, then let go of the files."""
        self._worker.shutdown(wait=True)
        self._writer.close()
