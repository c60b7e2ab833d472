"""Whether there is room for readings: not while the disk's reserve is touched, nor soon after a write has failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from monitor import clock, telemetry
from monitor.journal.disk import Reserve, free_bytes
from rules.events import SECOND, Duration

MARGIN: Final = 0.25
"""By so much of the reserve more must be free again before readings are kept again."""
RETRY_AFTER: Final[Duration] = 10 * SECOND
"""A quota shows itself only where a write fails: so long after that, one more is tried."""
PAUSE: Final = 1.0
"""Seconds between attempts to write what must be written."""
SETTLE_EVERY: Final = 1.0

log = structlog.get_logger()


class Room:
    """`full` holds from the first sign of too little room until there is enough; `why` says it in words.

    `reserve` bytes of the disk are not for readings; it may be changed.
    """

    def __init__(self, directory: Path, reserve: int, free: Callable[[Path], int] = free_bytes) -> None:
        self.full = False
        self.why = ""
        self._directory = directory
        self.reserve = reserve
        self._free = free
        self._failed: Duration | None = None
        self._closed = False
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def failing(self) -> bool:
        """Whether a write failed a short while ago."""
        return self._failed is not None

    def free(self) -> int:
        """Bytes that may still be written."""
        return self._free(self._directory)

    def look(self) -> bool:
        """Whether it is full now; wakes who waits for room."""
        free = self.free()
        telemetry.JOURNAL_FREE.set(free)
        wanted = self.reserve * (1 + MARGIN * self.full)
        if free < wanted:
            self._failed = None
            self._turn(
                True, f"{_shown(free)} are free on the disk of {self._directory}, {_shown(self.reserve)} are kept"
            )
        elif self._failed is None or clock.elapsed() - self._failed >= RETRY_AFTER:
            self._failed = None
            self._turn(False, "")
        return self.full

    def ran_out(self, error: str) -> None:
        """A write failed for want of room."""
        self._failed = clock.elapsed()
        self._turn(True, error)

    async def pause(self) -> None:
        """A moment, or until there is room; cancelled by `close`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PAUSE):
                await self._pending()

    def close(self) -> None:
        """Nobody needs to wait any longer: what waits to be kept is given up, unacknowledged."""
        self._closed = True
        for waiting in tuple(self._waiting):
            waiting.cancel()

    def _pending(self) -> asyncio.Future[None]:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)
        if self._closed:
            waiting.cancel()
        return waiting

    def _turn(self, full: bool, why: str) -> None:
        if full is not self.full:
            log.error("journal_full", why=why) if full else log.info("journal_has_room")
        self.full, self.why = full, why
        telemetry.JOURNAL_FULL.set(full)
        if not full:
            for waiting in tuple(self._waiting):
                if not waiting.done():
                    waiting.set_result(None)


async def keep_reserve(reserve: Reserve, room: Room) -> None:
    """Settle the reserve every second, for ever: whoever waits for a write waits for this."""
    while True:
        await asyncio.to_thread(reserve.settle, failing=room.failing)
        await asyncio.sleep(SETTLE_EVERY)


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
