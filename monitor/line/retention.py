"""Keeps the journal within its budget, and never deletes what recovery or the store still needs."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Final

import structlog

from monitor.journal.entries import Offset
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.stores.base import StoreError
from monitor.stores.embedded import EmbeddedStore

LOOK_EVERY: Final = 60.0
BUDGET: Final = 8 * 1024**3
"""Bytes of journal to keep: what both readers are done with goes, oldest first, beyond this."""

log = structlog.get_logger()


class Retention:
    """Prunes the journal every minute."""

    def __init__(self, intake: Intake, decider: Decider, data_dir: Path) -> None:
        self._intake = intake
        self._decider = decider
        self._data_dir = data_dir

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            stored = await asyncio.to_thread(self._stored)
            await self._intake.prune(BUDGET, min(self._decider.floor, stored))

    def _stored(self) -> Offset:
        """What the store has; if it cannot say, nothing may go."""
        try:
            with closing(EmbeddedStore(self._data_dir / "store.db", read_only=True)) as store:
                return store.offset()
        except StoreError as error:
            log.warning("store_offset_unknown", error=str(error))
            return 0
