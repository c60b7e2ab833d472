"""Is the line alive? What only it can answer is asked again and again: the service manager's watchdog lives on the
answers, and a line that gives none is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import structlog

from monitor import clock
from monitor.errors import AndonError
from monitor.servicemanager import ServiceManager
from monitor.supervisor import Supervisor
from rules.events import SECOND, Duration

LINE: Final = "line"
ASK_EVERY: Final[Duration] = 2 * SECOND
HUNG: Final[Duration] = 30 * SECOND
"""A line that has answered before and is silent for so long hangs: its loop never takes that long."""
STARTING: Final[Duration] = 300 * SECOND
"""How long a line may take to its first answer: databases are migrated then, and the past is restored."""

log = structlog.get_logger()


class Watch:
    """Asks `health` of the line.

    `ask` raises AndonError without an answer. With a watchdog, silence is noticed in half its time, so that a hung line
    is replaced before the service manager replaces everything.
    """

    def __init__(
        self,
        ask: Callable[[Duration], Awaitable[Mapping[str, Any]]],
        supervisor: Supervisor,
        manager: ServiceManager,
        *,
        hung: Duration = HUNG,
        starting: Duration = STARTING,
    ) -> None:
        self._ask = ask
        self._supervisor = supervisor
        self._manager = manager
        self._hung = min(hung, manager.watchdog // 2) if manager.watchdog else hung
        self._every = min(ASK_EVERY, self._hung // 4)
        self._starting = starting
        self._answered_at = 0
        self._ready = False

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                self._answered(await self._ask(self._hung // 2))
            except AndonError as error:
                self._silent(str(error))
            await asyncio.sleep(clock.seconds(self._every))

    def _answered(self, answer: Mapping[str, Any]) -> None:
        self._answered_at = clock.elapsed()
        self._manager.alive(_status(answer))
        if not self._ready:
            self._ready = True
            self._manager.ready(_status(answer))
            log.info("ready")

    def _silent(self, why: str) -> None:
        age = self._supervisor.age(LINE)
        self._manager.status("the line does not answer" if self._ready else "starting")
        if age is None:
            return
        silence = clock.elapsed() - self._answered_at
        spoke = silence < age
        if (silence >= self._hung) if spoke else (age >= self._starting):
            log.error("process_hung", child=LINE, silent_s=round(clock.seconds(min(silence, age)), 1), why=why)
            self._supervisor.restart(LINE, at_once=True)


def _status(answer: Mapping[str, Any]) -> str:
    links = answer.get("links") or {}
    return f"{answer.get('assets', 0)} assets, {sum(map(bool, links.values()))} of {len(links)} brokers connected"
