"""What `andon check` asks an InfluxDB: does it answer, may we write there, does it keep readings for long enough?"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Final, Literal, NamedTuple

from monitor import clock
from monitor.errors import AndonError
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalGap
from monitor.settings import Settings
from monitor.stores.base import StoreError
from monitor.stores.influx_progress import Progress
from monitor.stores.influx_rejects import Rejects
from monitor.stores.influx_server import DeniedError, InfluxServer, Rejected
from rules.durations import format_duration
from rules.events import SECOND, Duration

PATIENCE_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 3.0
LONGEST: Final = 200
"""Characters of a reason that are shown."""
OLDEST: Final = (1, 8)
"""The first version that takes writes in the form of version 2."""


class Finding(NamedTuple):
    """One thing to mend in the store's settings or on its server."""

    message: str
    hint: str
    severity: Literal["error", "warning"]


def check_influx(settings: Settings) -> list[Finding]:
    """Everything that is wrong between us and the site's InfluxDB; takes no longer than `PATIENCE_SECONDS`.

    A server that does not answer is a warning: the journal waits for it. One that refuses us is an error.
    """
    found: list[Finding] = []
    asking = Thread(target=lambda: found.extend(_findings(settings)), daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    if asking.is_alive():
        late = f"InfluxDB at {settings.store.url}: no answer to all questions within {PATIENCE_SECONDS:.0f} s"
        return [Finding(late, "is it running, and is the url right?", "warning")]
    return found


def _findings(settings: Settings) -> Iterator[Finding]:
    with closing(InfluxServer(settings.store, ANSWER_SECONDS)) as server:
        try:
            version = server.version()
        except StoreError as problem:
            yield _finding(problem)
            return
        if _numbers(version) < OLDEST:
            named = f"InfluxDB {version}" if version else "the server"
            yield Finding(f"{settings.store.url}: {named} is not one we can write to", "1.8 is the oldest", "error")
            return
        refusal = _refusal(server)
        if refusal is not None:
            yield refusal
            return
        yield from _unreadable(server)
        yield from _too_short(settings, server)
        yield from _set_aside(settings)


def _refusal(server: InfluxServer) -> Finding | None:
    """What stands against writing, tried with nothing to write: some servers mind that, but only after all else."""
    try:
        server.write(b"")
    except Rejected:
        return None
    except StoreError as problem:
        return _finding(problem)
    return None


def _finding(problem: StoreError) -> Finding:
    if isinstance(problem, DeniedError):
        return Finding(str(problem), "", "error")
    return Finding(str(problem), "until it answers as it should, readings wait in the journal", "warning")


def _unreadable(server: InfluxServer) -> Iterator[Finding]:
    try:
        next(server.rows("SELECT quality FROM telemetry ORDER BY time DESC LIMIT 1"), None)
    except StoreError as problem:
        yield Finding(str(problem), "until then readings are written and cannot be exported or shown", "warning")


def _too_short(settings: Settings, server: InfluxServer) -> Iterator[Finding]:
    try:
        kept = server.retention()
    except StoreError:
        return
    waiting = _oldest_waiting(settings)
    if kept and waiting > kept:
        message = f"the bucket {settings.store.bucket} keeps readings for {format_duration(kept)}"
        wait = f"; some that wait in the journal are {format_duration(waiting)} old and will be refused"
        yield Finding(message + wait, "let the bucket keep them for longer", "warning")


def _set_aside(settings: Settings) -> Iterator[Finding]:
    """What the server has refused so far, and said why."""
    try:
        last = deque(Rejects(settings.data_dir).all(), maxlen=1)
        count = Rejects(settings.data_dir).counts()["kept"]
    except StoreError:
        return
    for reject in last:
        message = f"{count:,} readings were refused by the server, the last one since: {reject.reason[:LONGEST]}"
        yield Finding(message, "mend that, then andon quarantine feed --gateway store:", "warning")


def _oldest_waiting(settings: Settings) -> Duration:
    """How long ago the first entry that is not yet stored was received; 0 if none waits."""
    try:
        with JournalReader(settings.journal_directory, Progress(settings.data_dir, settings.store).load()) as reader:
            try:
                first = reader.read(1)
            except JournalGap:
                first = reader.read(1)
    except AndonError:
        return 0
    return max(0, clock.now() - first[0][1].received) // SECOND * SECOND if first else 0


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", version)
    return tuple(map(int, found.groups())) if found else ()
