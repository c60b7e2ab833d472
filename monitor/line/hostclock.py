"""Notices when the clock of this computer steps, either way, so that no silence and no end of a delay comes of it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from monitor import clock, telemetry
from monitor.line.intake import Intake
from rules.builtin import HOST_CLOCK
from rules.durations import format_duration
from rules.events import SECOND, Duration, Instant

LOOK_EVERY: Final = 0.2
CALM: Final[Duration] = 60 * SECOND
"""A step forward is over as soon as it is followed; people see it for so long."""

log = structlog.get_logger()


class HostClock:
    """Follows steps forward, waits out steps back, and tells of both as `system.host-clock`.

    The alarm says the last step: it ends and is raised anew with each. What was raised before a restart ends after it.
    """

    def __init__(self, intake: Intake, *, calm: Duration = CALM) -> None:
        self._intake = intake
        self._calm = calm
        self._behind = False
        self._told_until: Instant | None = clock.elapsed() + calm

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Act on a step that is new, and on one that is over."""
        step = self._intake.step()
        if step > 0:
            await self._intake.skip()
            await self._tell("forward", step, "silence in the time left out does not count")
        elif step < 0 and not self._behind:
            await self._tell("back", -step, "times of receipt go on at a steady pace until it has caught up")
        self._behind = step < 0
        if self._told_until is not None and not self._behind and clock.elapsed() >= self._told_until:
            self._told_until = None
            await self._intake.fault(HOST_CLOCK, None, False, "the clock of this computer runs evenly again")

    async def _tell(self, way: str, step: Duration, so: str) -> None:
        text = f"the clock of this computer stepped {way} by {format_duration(step // SECOND * SECOND)}: {so}"
        log.warning("host_clock_stepped", way=way, seconds=clock.seconds(step))
        telemetry.TIME_ODDITIES.labels(f"host_stepped_{way}").inc()
        self._told_until = clock.elapsed() + self._calm
        for active in (False, True):
            await self._intake.fault(HOST_CLOCK, None, active, text)
