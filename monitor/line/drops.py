"""Watches what brokers say they dropped: a queue that overflows loses readings without telling sender or receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor import clock, telemetry
from monitor.line.intake import Intake
from rules.builtin import QUEUE_DROPPED
from rules.events import SECOND, Duration, Instant

LOOK_EVERY: Final = 1.0
CALM: Final[Duration] = 600 * SECOND
"""The alarm ends once nothing was dropped for so long."""
PATIENCE: Final[Duration] = 30 * SECOND
"""A broker that is connected for so long and says nothing of what it drops is not going to."""
FILE: Final = "broker-drops.json"

MEND: Final = (
    "the broker does not say how much it drops: let this user read $SYS/# if it is mosquitto, "
    "else watch the broker's own queue metrics"
)

log = structlog.get_logger()


class Drops:
    """One broker's counter, which begins anew when the broker does. `total` is None until it was heard."""

    def __init__(self, total: int | None = None) -> None:
        self.total = total

    def hear(self, total: int) -> int:
        """How many were dropped since the last time; what was dropped before the first time is not ours to tell."""
        before, self.total = self.total, total
        if before is None:
            return 0
        return total - before if total >= before else total


class DropWatch:
    """Raises and clears `system.queue-dropped` by broker; remembers counters over restarts in `<data_dir>/FILE`.

    What was raised before a restart is cleared when all stays calm after it.
    """

    def __init__(self, intake: Intake, data_dir: Path, *, calm: Duration = CALM) -> None:
        self._intake = intake
        self._file = data_dir / FILE
        self._calm = calm
        self._drops = {broker: Drops(total) for broker, total in _remembered(self._file).items()}
        self._new: dict[str, int] = {}
        self._heard: set[str] = set()
        self._asked: set[str] = set()
        self._calm_since: dict[str, Instant] = {}
        self._up_since: dict[str, Instant] = {}
        self._changed = False
        self._woken = asyncio.Event()

    def on_dropped(self, broker: str) -> Callable[[int], None]:
        """What the collector of a broker calls with the broker's counter."""
        drops = self._drops.setdefault(broker, Drops())

        def heard(total: int) -> None:
            self._changed |= drops.total != total
            self._woken.set()
            new = drops.hear(total)
            if new or broker not in self._heard:
                self._heard.add(broker)
                self._calm_since[broker] = clock.elapsed()
                self._new[broker] = self._new.get(broker, 0) + new

        return heard

    def dropped(self) -> dict[str, int | None]:
        """By broker, how much it has dropped since it started; None if it does not say."""
        return {broker: drops.total if broker in self._heard else None for broker, drops in self._drops.items()}

    async def run(self, links: Mapping[str, bool]) -> None:
        """For ever; `links` says which brokers are connected."""
        while True:
            await self.look()
            self._miss(broker for broker, up in links.items() if up and broker not in self._heard)
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._woken.wait()

    async def look(self) -> None:
        """Tell what is new, and what has been calm for long enough."""
        new, self._new = self._new, {}
        if self._changed:
            self._changed = False
            await asyncio.to_thread(self._remember)
        for broker, count in new.items():
            if count:
                telemetry.BROKER_DROPPED.labels(broker).inc(count)
                text = f"broker {broker} dropped {count} messages for want of room, of whatever client"
                await self._intake.fault(QUEUE_DROPPED, broker, True, text)
        for broker in [name for name, since in self._calm_since.items() if clock.elapsed() - since >= self._calm]:
            del self._calm_since[broker]
            await self._intake.fault(QUEUE_DROPPED, broker, False, f"broker {broker} drops nothing any more")

    def _miss(self, silent: Iterable[str]) -> None:
        """Say once of a broker that it tells nothing."""
        for broker in silent:
            since = self._up_since.setdefault(broker, clock.elapsed())
            if clock.elapsed() - since >= PATIENCE and broker not in self._asked:
                self._asked.add(broker)
                log.warning("mqtt_drops_unknown", broker=broker, mend=MEND)

    def _remember(self) -> None:
        totals = {broker: drops.total for broker, drops in self._drops.items() if drops.total is not None}
        fresh = self._file.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(totals))
        fresh.replace(self._file)


def _remembered(file: Path) -> dict[str, int]:
    """The counters as they were; a file that is not there or no longer readable is no counter."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    except (OSError, ValueError):
        return {}
