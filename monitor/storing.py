"""The store process: moves the journal's readings into the store, under the configuration each was received under."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy import select

from monitor.codecs import Decoder
from monitor.database.migrate import open_for_reading
from monitor.database.schema import positions, revisions
from monitor.decoding import decoder_for
from monitor.journal.entries import Offset, RevisionEntry
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalGap, segment_offsets
from monitor.stores.opening import open_store
from monitor.stores.writer import run_writer

if TYPE_CHECKING:
    from monitor.settings import Settings

LAST_WORDS_SECONDS: Final = 2.0
"""How long the batch at hand may still take once the process is told to stop."""
SCAN: Final = 1_000
"""Journal entries looked at in one go."""


async def run_store(settings: Settings, stop: asyncio.Event) -> None:
    """Store until `stop` is set; what is not stored by then is read from the journal again.

    A server that does not answer is not waited for: what it may have taken is written again.

    Raises:
        StoreError, JournalError, AlarmDatabaseError: something cannot be opened; trying again later may help.
    """
    ended = threading.Event()
    writing = _in_thread(partial(_write, settings, ended))
    stopping = asyncio.create_task(stop.wait())
    try:
        either: set[asyncio.Future[Any]] = {writing, stopping}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        ended.set()
    done, _ = await asyncio.wait({writing}, timeout=LAST_WORDS_SECONDS)
    if done:
        await writing


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run work in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 - raised again where it is awaited
            error = problem
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name="store", daemon=True).start()
    return future


def _write(settings: Settings, ended: threading.Event) -> None:
    journal = settings.data_dir / "journal"
    with closing(open_store(settings)) as store:
        start = store.offset()
        texts = texts_before(settings.data_dir, max(start, min(segment_offsets(journal), default=0)))
        decoder = decoder_for(texts) if texts else Decoder((), lambda _, __: False)
        with JournalReader(journal, start) as reader:
            run_writer(reader, store, decoder, decoder_for, ended)


def texts_before(data_dir: Path, offset: Offset) -> dict[str, str]:
    """The configuration in force just before a journal offset; empty at the beginning of the journal.

    The alarm database knows the revisions that the line has worked off; those after it the journal still holds.
    """
    if not offset:
        return {}
    position, texts = _known(data_dir / "alarms.db", offset)
    with JournalReader(data_dir / "journal", min(position, offset)) as reader:
        while reader.position < offset:
            try:
                entries = reader.read(SCAN)
            except JournalGap:
                continue
            if not entries:
                break
            found = (entry.texts for at, entry in entries if isinstance(entry, RevisionEntry) and at < offset)
            texts = [texts, *found][-1]
    return texts


def _known(database: Path, offset: Offset) -> tuple[Offset, dict[str, str]]:
    """Up to where the alarm database knows all revisions, and the last one of them before the offset."""
    latest = select(revisions.c.texts).where(revisions.c.offset < offset).order_by(revisions.c.offset.desc()).limit(1)
    engine = open_for_reading(database)
    try:
        with engine.connect() as connection, connection.begin():
            position = connection.execute(select(positions.c.offset).where(positions.c.name == "next")).scalar()
            texts = connection.execute(latest).scalar()
    finally:
        engine.dispose()
    return position or 0, msgspec.json.decode(texts, type=dict[str, str]) if texts else {}
