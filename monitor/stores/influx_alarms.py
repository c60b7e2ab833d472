"""Alarm transitions to InfluxDB, for dashboards: measurement `alarms`, one point for each, written at least once.

Tags: asset, rule, kind, priority, event, and part where there is one. Fields: `state` (the ISA-18.2 letter after it),
`alarm`, `text` (why) and `value` where it is a number (always float). What is missing here is in the alarm database. A
server that was started anew is told again what it confirmed last.
"""

from __future__ import annotations

import math
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from monitor import clock
from monitor.database.queries import AlarmReader
from monitor.errors import AndonError
from monitor.settings import ALARMS
from monitor.settings import Store as StoreSettings
from monitor.stores.base import StoreError
from monitor.stores.influx_lines import carried, quoted, tag
from monitor.stores.influx_progress import Progress
from monitor.stores.influx_restarts import Restarts
from monitor.stores.influx_server import AwayError, InfluxServer, Rejected
from rules.alarms import Transition
from rules.events import SECOND, Duration

MEASUREMENT: Final = "alarms"
PROGRESS: Final = "influx-alarms.offset"
AT_ONCE: Final = 1_000
LOOK_EVERY: Final[Duration] = 2 * SECOND
LONGEST_PAUSE: Final[Duration] = 60 * SECOND
LONGEST_TEXT: Final = 2_000

log = structlog.get_logger()


class AlarmHistory:
    """Takes transitions from the alarm database to the server, in the order of their commit."""

    def __init__(self, settings: StoreSettings, data_dir: Path) -> None:
        self._database = data_dir / ALARMS
        self._progress = Progress(data_dir, settings, PROGRESS)
        self._server = InfluxServer(settings)
        self._restarts = Restarts(self._server)
        self._anew = threading.Event()
        self._anew.set()

    def tell_again(self) -> None:
        """The server may have been started anew: the next step goes back to what it certainly keeps. For any thread."""
        self._anew.set()

    def run(self, ended: threading.Event) -> None:
        """Until `ended`; whatever stands in the way is tried again with growing pauses."""
        pause = LOOK_EVERY
        while not ended.wait(clock.seconds(pause)):
            try:
                while self.step() and not ended.is_set():
                    pass
                pause = LOOK_EVERY
            except (AndonError, SQLAlchemyError) as error:
                pause = min(2 * pause, LONGEST_PAUSE)
                log.warning("alarms_not_stored", error=str(error)[:LONGEST_TEXT], again_after_s=clock.seconds(pause))
        self._server.close()

    def step(self) -> int:
        """Write what is new, at most `AT_ONCE`; how many that were.

        Raises:
            AndonError: the database or the server cannot be used now; nothing is skipped by it.
        """
        if not self._database.exists():
            return 0
        if self._anew.is_set():
            self._go_back()
        rows = self._next()
        if rows and self._restarts.happened():
            self.tell_again()
            return self.step()
        if rows:
            self._write([line_of(transition) for _, transition in rows])
            self._progress.save(rows[-1][0])
        return len(rows)

    def _next(self) -> list[tuple[int, Transition]]:
        with closing(AlarmReader(self._database)) as alarms:
            known = min(self._progress.load(), alarms.last_seq())
            return alarms.transitions_after(known, AT_ONCE)

    def _go_back(self) -> None:
        self._anew.clear()
        try:
            self._progress.tell_again()
        except StoreError:
            self._anew.set()
            raise

    def _write(self, lines: list[str]) -> None:
        """Have lines kept; those that the server will never take are left out, by halves until they stand alone."""
        try:
            self._server.write("\n".join(lines).encode(errors="replace"))
        except AwayError:
            self._restarts.silent()
            raise
        except Rejected as refusal:
            if len(lines) == 1:
                log.error("alarm_refused_by_store", line=lines[0][:200], reason=refusal.reason)  # noqa: TRY400
                return
            self._write(lines[: len(lines) // 2])
            self._write(lines[len(lines) // 2 :])


def line_of(transition: Transition) -> str:
    """A transition in line protocol."""
    tags = {
        "asset": transition.asset,
        "event": transition.event,
        "kind": transition.kind.value,
        "part": transition.part or "",
        "priority": transition.priority.value,
        "rule": transition.rule,
    }
    fields = {
        "state": quoted(transition.to.value),
        "alarm": quoted(transition.alarm),
        "text": quoted(str(transition.reason.get("text", ""))[:LONGEST_TEXT]),
    }
    value = transition.value
    if isinstance(value, float) and math.isfinite(value):
        fields["value"] = repr(value)
    return f"{MEASUREMENT}{_joined(tags)} {','.join(f'{key}={field}' for key, field in fields.items())} {transition.at}"


def _joined(tags: dict[str, str]) -> str:
    return "".join(f",{key}={tag(carried(name))}" for key, name in tags.items() if name)


def store_alarms(settings: StoreSettings, data_dir: Path, ended: threading.Event) -> AlarmHistory:
    """Start a thread that keeps alarm transitions in the server until `ended`."""
    history = AlarmHistory(settings, data_dir)
    threading.Thread(target=history.run, args=(ended,), name="alarms", daemon=True).start()
    return history
