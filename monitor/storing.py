"""The store process: moves the journal's readings into the store, under the configuration each was received under."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import select

from monitor import clock, linesocket
from monitor.codecs import Decoder
from monitor.database.migrate import open_for_reading
from monitor.database.schema import positions, revisions
from monitor.decoding import Meaning, meaning_or, present
from monitor.errors import ConfigurationError, RefusedError, UnreachableError
from monitor.journal.disk import free_bytes
from monitor.journal.entries import Entry, Offset, RevisionEntry
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalDamagedError, JournalGap, segment_offsets
from monitor.settings import ALARMS, JOURNAL, Settings
from monitor.site import load_site
from monitor.stores.base import Store, StoreError, StoreRestarted
from monitor.stores.opening import open_to_fill
from monitor.stores.writer import Condition, run_writer
from rules.events import SECOND, Duration
from rules.problems import errors

log = structlog.get_logger()

LAST_WORDS_SECONDS: Final = 2.0
"""How long the batch at hand may still take once the process is told to stop."""
MENDING: Final[Duration] = 60 * SECOND
"""How long the line may take to set a damaged segment aside."""
SCAN: Final = 1_000
"""Journal entries looked at in one go."""


async def run_store(settings: Settings, stop: asyncio.Event) -> None:
    """Store until `stop` is set; what is not stored by then is read from the journal again.

    A server that does not answer is not waited for: what it may have taken is written again.

    Raises:
        StoreError, JournalError, AlarmDatabaseError: something cannot be opened; trying again later may help.
    """
    ended, condition = threading.Event(), Condition()
    writing = _in_thread(partial(_write, settings, ended, condition))
    stopping = asyncio.create_task(stop.wait())
    try:
        async with linesocket.serving(settings.data_dir, {"health": partial(_health, condition)}, "store"):
            either: set[asyncio.Future[Any]] = {writing, stopping}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        ended.set()
    done, _ = await asyncio.wait({writing}, timeout=LAST_WORDS_SECONDS)
    if done:
        await writing


async def _health(condition: Condition, _: dict[str, Any]) -> dict[str, Any]:
    """Seconds for which writing has failed without a break (null: it does not), and the kind of the last error; the
    same of points being refused, and how many they were.
    """
    return {
        "failing_s": _seconds_since(condition.failing_since),
        "last_error": condition.error,
        "refusing_s": _seconds_since(condition.refusing_since),
        "refused": condition.refused,
        "rejects_dropped": condition.dropped,
    }


def _seconds_since(moment: Duration | None) -> float | None:
    return None if moment is None else clock.seconds(clock.elapsed() - moment)


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


def _write(settings: Settings, ended: threading.Event, condition: Condition) -> None:
    alarms_again = _alarms_as_well(settings, ended)
    with closing(open_to_fill(settings)) as store:
        while not ended.is_set():
            try:
                _write_on(settings, store, ended, condition)
            except StoreRestarted:
                log.warning("store_told_again", start=store.offset())
                alarms_again()


def _alarms_as_well(settings: Settings, ended: threading.Event) -> Callable[[], None]:
    """Store alarm transitions too, where they are kept beside the readings; what to call when all is told again."""
    if settings.store.type != "influxdb":
        return lambda: None
    from monitor.stores.influx_alarms import store_alarms  # noqa: PLC0415 - only such sites need it

    return store_alarms(settings.store, settings.data_dir, ended).tell_again


def _write_on(settings: Settings, store: Store, ended: threading.Event, condition: Condition) -> None:
    journal = settings.journal_directory
    start = store.offset()
    texts = texts_before(settings.data_dir, max(start, min(segment_offsets(journal), default=0)))

    def decoder_for(texts: Mapping[str, str]) -> Decoder:
        return meaning_or(partial(_present, settings), texts).decoder()

    with JournalReader(journal, start) as reader:
        run_writer(
            _MendedReader(settings.data_dir, reader),
            store,
            decoder_for(texts),
            decoder_for,
            ended,
            condition=condition,
            allow=partial(leave_reserve, settings),
        )


def _present(settings: Settings) -> Meaning:
    """What the site's files say now.

    Raises:
        ConfigurationError: they have errors.
    """
    site, problems = load_site(settings.directory, os.environ)
    if site is None:
        raise ConfigurationError(errors(problems))
    return present(site)


class _MendedReader:
    """Asks the line to set aside what cannot be read; the next call goes on behind it."""

    def __init__(self, data_dir: Path, reader: JournalReader) -> None:
        self._data_dir = data_dir
        self._reader = reader

    def read(self, limit: int) -> list[tuple[Offset, Entry]]:
        try:
            return self._reader.read(limit)
        except JournalDamagedError:
            wish = {"segment": self._reader.segment}
            with suppress(UnreachableError, RefusedError):
                asyncio.run(linesocket.ask(self._data_dir, "set_aside", wish, timeout=MENDING))
            raise


def leave_reserve(settings: Settings) -> None:
    """Half of the reserve may be used to store what then can go from the journal; the rest is not for readings.

    Raises:
        StoreError: there is too little room for more.
    """
    free = free_bytes(settings.data_dir)
    if settings.store.type == "embedded" and free < settings.journal.reserve // 2:
        raise StoreError(
            f"{settings.data_dir}: {free} bytes are free, half of `journal: reserve` is not for readings; free space"
        )


def texts_before(data_dir: Path, offset: Offset) -> dict[str, str]:
    """The configuration in force just before a journal offset; empty at the beginning of the journal.

    The alarm database knows the revisions that the line has worked off; those after it the journal still holds.
    """
    if not offset:
        return {}
    position, texts = _known(data_dir / ALARMS, offset)
    with JournalReader(data_dir / JOURNAL, min(position, offset)) as reader:
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
