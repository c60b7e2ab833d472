"""Turns deadlines that have come due into ticks in the journal, once everything that arrived before is decided."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from monitor import clock
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from rules.events import SECOND, Duration, Instant

LOOK_EVERY: Final = 0.05
"""Seconds between looks at the next deadline."""
GRACE: Final[Duration] = 2 * SECOND
"""After a (re)connection the broker first sends what it kept for us: until that is in, time is left to the messages."""
LONGEST: Final[Duration] = 600 * SECOND
"""What still comes in full batches later than this is no backlog but the load: time goes on with it."""
PATIENCE: Final[Duration] = 10 * SECOND
"""How long a start waits for its brokers before deadlines run without them."""


class Ticker:
    """Also knows which broker links are up, since time runs differently while one is down."""

    def __init__(self, decider: Decider, intake: Intake) -> None:
        self._decider = decider
        self._intake = intake
        self._quiet_until: Instant = clock.elapsed() + PATIENCE
        self.links: dict[str, bool] = {}

    def on_link(self, broker: str) -> Callable[[bool], Awaitable[None]]:
        """What the collector of a broker calls when its link comes or goes."""

        async def changed(up: bool) -> None:
            self.links[broker] = up
            if up:
                self._quiet_until = clock.elapsed() + GRACE
            await self._intake.link(broker, up)

        return changed

    async def run(self) -> None:
        """For ever."""
        while True:
            due = self._decider.next_due()
            if due is not None and due <= self._intake.now() and self._may_tick():
                await self._intake.tick()
            await asyncio.sleep(LOOK_EVERY)

    def _may_tick(self) -> bool:
        return not (self._decider.lag(self._intake) or self._still_coming_in())

    def _still_coming_in(self) -> bool:
        """Whether what a broker kept for us may not be in yet."""
        now, pressed = clock.elapsed(), self._intake.pressed
        flooded = pressed is not None and now - pressed < GRACE and now - self._quiet_until < LONGEST
        return now < self._quiet_until or flooded
