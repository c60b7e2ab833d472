"""Keeps the journal within its budget, and never deletes what recovery or the store still needs."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from monitor.journal.entries import Offset
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.settings import Settings
from monitor.stores.base import StoreError
from monitor.stores.opening import stored_offset

LOOK_EVERY: Final = 60.0
BUDGET: Final = 8 * 1024**3
"""Bytes of journal to keep: what both readers are done with goes, oldest first, beyond this."""

log = structlog.get_logger()


class Retention:
    """Prunes the journal every minute."""

    def __init__(self, intake: Intake, decider: Decider, settings: Settings) -> None:
        self._intake = intake
        self._decider = decider
        self._settings = settings

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            stored = await asyncio.to_thread(self._stored)
            await self._intake.prune(BUDGET, min(self._decider.floor, stored))

    def _stored(self) -> Offset:
        """What the store has; if it cannot say, nothing may go."""
        try:
            return stored_offset(self._settings)
        except StoreError as error:
            log.warning("store_offset_unknown", error=str(error))
            return 0
