"""Keeps the journal within its budget, and never deletes what recovery or the store still needs."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from monitor import clock
from monitor.journal.entries import Offset
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.settings import Settings
from monitor.stores.base import StoreError
from monitor.stores.opening import stored_offset

LOOK_EVERY: Final = 60.0

log = structlog.get_logger()


class Retention:
    """Prunes the journal every minute by size and age, and at once, as far as it may, when there is no room."""

    def __init__(self, intake: Intake, decider: Decider, settings: Settings) -> None:
        self._intake = intake
        self._decider = decider
        self._settings = settings

    def replace(self, settings: Settings) -> None:
        """From now on so much is kept, and by this store's progress."""
        self._settings = settings

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            await self.prune()

    async def prune(self) -> int:
        """Delete what is beyond the budget or too old, and not needed; how many segments went."""
        kept = self._settings.journal
        before = 0 if kept.keep is None else clock.now() - kept.keep
        return await self._intake.prune(kept.max_size, await self._needed(), before)

    async def make_room(self) -> int:
        """Delete all that is not needed; how many segments went."""
        return await self._intake.prune(0, await self._needed())

    async def _needed(self) -> Offset:
        return min(self._decider.floor, await asyncio.to_thread(stored, self._settings))


def stored(settings: Settings) -> Offset:
    """What the store has; if it cannot say, nothing may go."""
    try:
        return stored_offset(settings)
    except StoreError as error:
        log.warning("store_offset_unknown", error=str(error))
        return 0
