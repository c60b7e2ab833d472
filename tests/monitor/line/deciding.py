"""The deciding part of a line on a site of its own, fed through the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from monitor import clock
from monitor.alerting.floods import FloodControl
from monitor.database.ledger import Ledger
from monitor.database.migrate import open_for_reading
from monitor.database.schema import outbox, transitions
from monitor.decoding import present
from monitor.journal.entries import Entry, LinkEntry, Message
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.line.room import Room
from monitor.site import Site, load_site
from rules.builtin import OWN_ASSET
from rules.events import SECOND, Instant

SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
notify: {teams: {default: {channels: ["console://"]}}}
"""


def site_of(directory: Path, rules: str) -> Site:
    """A site with one gateway and these rules."""
    (directory / "rules").mkdir()
    (directory / "andon.yaml").write_text(SITE)
    (directory / "rules" / "a.yaml").write_text(f"rules:\n{rules}")
    loaded = load_site(directory, {})
    assert loaded.site is not None, loaded.problems
    return loaded.site


def message(received: Instant, asset: str, at: Instant | None = None, **values: object) -> Message:
    """A message of one asset; without `at` it has no stamp."""
    fields = {**({} if at is None else {"timestamp": at}), **values}
    payload = ", ".join(f'"{key}": {value}' for key, value in fields.items())
    return Message(received, "main", f"plant/{asset}".encode(), f"{{{payload}}}".encode(), 1, False, False, 1)


def link(received: Instant, up: bool, since: Instant) -> LinkEntry:
    """The link to the broker came or went."""
    return LinkEntry(received, "main", up, since)


class Line:
    """What a test does to it: `feed` entries, wait until they are `decided`, look at what is told."""

    def __init__(self, site: Site, decider: Decider, intake: Intake) -> None:
        self.site = site
        self.decider = decider
        self.intake = intake

    async def feed(self, *entries: Entry) -> None:
        """Journal these and wait until they are decided and committed."""
        await self.intake.append(entries)
        await self.until(lambda: self.decider._committed >= self.intake.head)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something to become true."""
        deadline = clock.elapsed() + 20 * SECOND
        while not condition():
            assert clock.elapsed() < deadline, "waited in vain"
            await asyncio.sleep(0.02)

    def told(self) -> list[tuple[str, str, str]]:
        """As the function of this name."""
        return told(self.site)


def told(site: Site) -> list[tuple[str, str, str]]:
    """Purpose, asset and rule of every notification about a machine, in order."""
    rows = _rows(site, select(outbox.c.purpose, outbox.c.transition).order_by(outbox.c.seq))
    found = [(row.purpose, *row.transition.split(":")[:2]) for row in rows]
    return [one for one in found if one[1] != OWN_ASSET]


def verdicts(site: Site) -> list[tuple[str, str, str]]:
    """Rule, event and verdict of every transition, in order."""
    columns = (transitions.c.rule, transitions.c.event, transitions.c.told)
    return [tuple(row) for row in _rows(site, select(*columns).order_by(transitions.c.seq))]


def _rows(site: Site, wanted: Any) -> Sequence[Any]:
    engine = open_for_reading(site.settings.data_dir / "alarms.db")
    try:
        with engine.connect() as connection:
            return connection.execute(wanted).all()
    finally:
        engine.dispose()


@asynccontextmanager
async def deciding(site: Site, *, begin: bool = True, run: bool = True) -> AsyncIterator[Line]:
    """A decider, running unless told otherwise; `begin` journals the rules first, if they are new."""
    data = site.settings.data_dir
    data.mkdir(exist_ok=True)
    with closing(Ledger(data / "alarms.db")) as ledger:
        writer = JournalWriter(data / "journal")
        with closing(Intake(writer, clock.Stamper(writer.last_received), Room(data, 0))) as intake:
            notifier = FloodControl(site.settings.notify, ZoneInfo("UTC"), ledger.told())
            reader = partial(JournalReader, data / "journal")
            with closing(Decider(ledger, reader, notifier, partial(present, site))) as decider:
                if begin:
                    await intake.begin(site.revision_if_new(ledger.last_revision()), ())
                work = asyncio.create_task(decider.run(intake, lambda _: None) if run else asyncio.sleep(0))
                try:
                    yield Line(site, decider, intake)
                finally:
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
                    await asyncio.get_running_loop().shutdown_default_executor()
