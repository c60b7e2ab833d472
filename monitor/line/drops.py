"""Watches what brokers say they dropped: a queue that overflows loses readings without telling sender or receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec
import structlog

from monitor import clock, telemetry
from monitor.collectors.mqtt import UPTIME, Statistic
from monitor.line.intake import Intake
from rules.builtin import QUEUE_DROPPED
from rules.events import SECOND, Duration, Instant

LOOK_EVERY: Final = 1.0
CALM: Final[Duration] = 600 * SECOND
"""The alarm ends once nothing was dropped for so long."""
PATIENCE: Final[Duration] = 30 * SECOND
"""A broker that is connected for so long and says nothing of what it drops is not going to."""
FILE: Final = "broker-drops.json"
SAVE_EVERY: Final = 60
"""Seconds of a broker's uptime after which it is written down again."""

MEND: Final = (
    "the broker tells nothing of itself: let this user read $SYS/# if it is mosquitto (with its `sys_interval` of 10), "
    "else watch the broker's own queue metrics"
)

Doubt: TypeAlias = Literal["", "older", "more"]
DOUBTS: Final[dict[Doubt, str]] = {
    "": "",
    "older": "; how many of them before we first listened is not known",
    "more": "; it has begun anew meanwhile, there may have been more before",
}

log = structlog.get_logger()


class Drops(msgspec.Struct):
    """One broker's counter, which begins anew when the broker does and is said only when it changes.

    `total` is None until anything is known of it; `uptime` are the seconds for which the broker had run; `doubt` is why
    the next rise may not be exact.
    """

    total: int | None = None
    uptime: int | None = None
    doubt: Doubt = ""

    def hear(self, said: Statistic) -> int:
        """How many were dropped since what was known before; a counter found at the first contact is the beginning."""
        return self._runs(said) if said.topic == UPTIME else self._dropped(said)

    def _runs(self, said: Statistic) -> int:
        """The broker goes on or has begun anew; who listens and hears of no drop takes it that there was none."""
        before, self.uptime = self.uptime, said.figure
        if before is not None and said.figure < before:
            self.total, self.doubt = 0, "more"
        elif self.total is None and not said.kept:
            self.total, self.doubt = 0, "older"
        return 0

    def _dropped(self, said: Statistic) -> int:
        before, self.total = self.total, said.figure
        if before is None:
            if said.kept or not said.figure:
                return 0
            before, self.doubt = 0, "older"
        if said.figure < before:
            before, self.doubt = 0, "more"
        if not said.figure:
            self.doubt = ""
        return said.figure - before


class DropWatch:
    """Raises and clears `system.queue-dropped` by broker; remembers counters over restarts in `<data_dir>/FILE`.

    What was raised before a restart is cleared when all stays calm after it.
    """

    def __init__(self, intake: Intake, data_dir: Path, *, calm: Duration = CALM) -> None:
        self._intake = intake
        self._file = data_dir / FILE
        self._calm = calm
        self._drops = _remembered(self._file)
        self._saved: dict[str, Drops] = {}
        self._new: dict[str, int] = {}
        self._heard: set[str] = set()
        self._asked: set[str] = set()
        self._calm_since: dict[str, Instant] = {}
        self._up_since: dict[str, Instant] = {}
        self._woken = asyncio.Event()

    def on_statistic(self, broker: str) -> Callable[[Statistic], None]:
        """What the collector of a broker calls with what the broker tells of itself."""
        drops = self._drops.setdefault(broker, Drops())

        def heard(said: Statistic) -> None:
            self._woken.set()
            new = drops.hear(said)
            if new or broker not in self._heard:
                self._heard.add(broker)
                self._calm_since[broker] = clock.elapsed()
                self._new[broker] = self._new.get(broker, 0) + new

        return heard

    def dropped(self) -> dict[str, int | None]:
        """By broker, how much it has dropped since it started, as far as we know; None if it tells nothing."""
        return {broker: drops.total if broker in self._heard else None for broker, drops in self._drops.items()}

    async def run(self, links: Mapping[str, bool]) -> None:
        """For ever; `links` says which brokers are connected."""
        while True:
            await self.look()
            self._miss(links)
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._woken.wait()

    async def look(self) -> None:
        """Tell what is new, and what has been calm for long enough."""
        new, self._new = self._new, {}
        doubts = {broker: self._drops[broker].doubt for broker, count in new.items() if count}
        for broker in doubts:
            self._drops[broker].doubt = ""
        for broker, doubt in doubts.items():
            telemetry.BROKER_DROPPED.labels(broker).inc(new[broker])
            text = f"broker {broker} dropped {new[broker]} messages for want of room, of whatever client{DOUBTS[doubt]}"
            await self._intake.fault(QUEUE_DROPPED, broker, True, text)
        for broker in [name for name, since in self._calm_since.items() if clock.elapsed() - since >= self._calm]:
            del self._calm_since[broker]
            await self._intake.fault(QUEUE_DROPPED, broker, False, f"broker {broker} drops nothing any more")
        if self._to_be_saved():
            await asyncio.to_thread(self._remember)

    def _miss(self, links: Mapping[str, bool]) -> None:
        """Say once of a broker that it tells nothing; one that tells its uptime has dropped nothing yet."""
        for broker in (name for name, up in links.items() if up and name not in self._heard):
            since = self._up_since.setdefault(broker, clock.elapsed())
            if clock.elapsed() - since >= PATIENCE and broker not in self._asked:
                self._asked.add(broker)
                log.warning("mqtt_drops_unknown", broker=broker, mend=MEND)

    def _to_be_saved(self) -> bool:
        """Whether something changed that matters at the next start."""
        return any(_differ(drops, self._saved.get(broker)) for broker, drops in self._drops.items())

    def _remember(self) -> None:
        """Write it down; what a full disk refuses is written with the next change."""
        self._saved = {broker: copy(drops) for broker, drops in self._drops.items()}
        fresh = self._file.with_suffix(".new")
        with suppress(OSError):
            fresh.write_bytes(msgspec.json.encode(self._saved))
            fresh.replace(self._file)


def _differ(now: Drops, saved: Drops | None) -> bool:
    if saved is None or (now.total, now.doubt) != (saved.total, saved.doubt):
        return True
    return abs((now.uptime or 0) - (saved.uptime or 0)) >= SAVE_EVERY


def _remembered(file: Path) -> dict[str, Drops]:
    """The counters as they were; a file that is not there or no longer readable is no counter."""
    try:
        found = msgspec.json.decode(file.read_bytes(), type=dict[str, int | Drops])
    except (OSError, ValueError):
        return {}
    return {broker: Drops(drops) if isinstance(drops, int) else drops for broker, drops in found.items()}
