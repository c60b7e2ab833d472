"""A line whose room for readings a test decides on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from monitor import clock
from monitor.alerting.floods import FloodControl
from monitor.database.ledger import Ledger
from monitor.database.queries import AlarmReader
from monitor.decoding import present
from monitor.journal.entries import Message
from monitor.journal.integrity import mended
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.line.retention import Retention
from monitor.line.room import Room
from monitor.line.watch import JournalWatch
from monitor.site import Site
from rules.alarms import Transition
from tests.monitor.journal.entries import read_all

SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways:
  - {name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}
  - {name: line2, format: json, topic: "hall/{machine}", asset: "hall/{machine}"}
notify: {teams: {default: {channels: ["console://"]}}}
"""
RULES = """\
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: x, high: 80}}
  - {id: long, kind: equipment, notice: true, detect: {type: limits, signal: x, high: 80, on_delay: 1h}}
"""
RESERVE = 1_000


class Line:
    """The part of a line between brokers and alarm database, on a disk whose room the test sets."""

    def __init__(self, data: Path, when_full: Literal["decide", "hold"]) -> None:
        self.data = data
        self.free = 1 << 40
        self.held: list[bool] = []
        self.room = Room(data, RESERVE, lambda _: self.free)
        self.when_full = when_full
        self.sent = 0

    async def see(self, *values: float, topic: str = "plant/oven", patience: float = 10) -> None:
        """A batch of messages; returns when it may be acknowledged."""
        batch = []
        for value in values:
            self.sent += 1
            payload = f'{{"x": {value}}}'.encode()
            batch.append(Message(self.intake.stamp(), "main", topic.encode(), payload, 1, False, False, self.sent))
        async with asyncio.timeout(patience):
            await self.intake.messages(batch)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    async def full(self, is_full: bool = True) -> None:
        """The disk fills, or is freed, and the line has noticed and told."""
        self.free = 0 if is_full else 1 << 40
        await self.until(lambda: self.watch._told is is_full)
        await self.settled()

    async def settled(self) -> None:
        await self.until(lambda: self.decider._committed == self.intake.head)

    def entries(self) -> list[Any]:
        with JournalReader(self.data / "journal") as reader:
            return [entry for _, entry in read_all(reader)]


@asynccontextmanager
async def line(site: Site, when_full: Literal["decide", "hold"] = "decide", **wishes: Any) -> AsyncIterator[Line]:
    data = site.settings.data_dir
    running = Line(data, when_full)
    with closing(Ledger(data / "alarms.db")) as ledger:
        mended(data / "journal", needed=ledger.floor(), known=ledger.position())
        writer = JournalWriter(data / "journal", at_least=ledger.position(), **wishes)
        stamp = clock.Stamper(writer.last_received)
        with closing(Intake(writer, stamp, running.room, when_full)) as intake:
            notifier = FloodControl(site.settings.notify, ZoneInfo("UTC"), ledger.told())
            reader = partial(JournalReader, data / "journal")
            with closing(Decider(ledger, reader, notifier, partial(present, site))) as decider:
                running.intake, running.decider = intake, decider
                retention = Retention(intake, decider, site.settings)
                running.watch = JournalWatch(
                    intake,
                    decider,
                    retention,
                    running.room,
                    data / "journal",
                    when_full,
                    running.held.append,
                    ledger.known_holes(),
                )
                await intake.begin(site.revision_if_new(ledger.last_revision()), ())
                tasks = [asyncio.create_task(w) for w in (decider.run(intake, lambda _: None), running.watch.run())]
                try:
                    yield running
                finally:
                    running.room.close()
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await asyncio.get_running_loop().shutdown_default_executor()


def on(site: Site, script: Callable[[Line], Awaitable[Any]], **wishes: Any) -> Any:
    async def run() -> Any:
        async with line(site, **wishes) as running:
            return await script(running)

    return asyncio.run(run())


def alarms(site: Site) -> list[tuple[str, str]]:
    return [(t.rule, t.event) for t in transitions(site)]


def transitions(site: Site) -> list[Transition]:
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        return [t for _, t in reader.transitions_after(0)]
