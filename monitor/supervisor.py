"""Keeps the monitor's processes alive: each restarts alone with a growing pause, and none outlives the supervisor.

Every child has the read end of a pipe as its standard input; only the supervisor holds the other end, so that the
kernel tells the children of its death, however it died (`monitor.processes` acts on it).
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from monitor import clock
from monitor.errors import EXIT_MISCONFIGURED
from monitor.servicemanager import OURS_ALONE
from rules.events import SECOND, Duration, Instant

GRACE: Final[Duration] = 4 * SECOND
"""From SIGTERM to SIGKILL: what is left of five seconds is for the kernel."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Child:
    """A process to keep alive."""

    name: str
    command: tuple[str, ...]


@dataclass
class Backoff:
    """Pauses between restarts: doubling from `first` to `longest`, from the beginning after `healthy` of life."""

    first: Duration = SECOND // 2
    longest: Duration = 30 * SECOND
    healthy: Duration = 60 * SECOND
    _next: Duration = field(default=0, init=False)

    def pause(self, lived: Duration) -> Duration:
        """How long to wait before the next start of a process that lived so long."""
        pause = self.first if lived >= self.healthy else max(self._next, self.first)
        self._next = min(pause * 2, self.longest)
        return pause


@dataclass
class _Life:
    """One process of a child. `told` is set when it is to end and another to follow: at once, or with its time."""

    process: Process
    started: Instant
    told: asyncio.Future[bool]

    @property
    def ordered(self) -> bool:
        """Whether it ended because somebody wanted another in its place, and not for a fault."""
        return self.told.done() and not self.told.result()


class Supervisor:
    """Runs children until told to stop.

    `environment` is added to ours for each child, which also learns its name from ANDON_PROCESS; `inherit` are
    descriptors that children keep open; `buried(name)` is called after each death of one.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        environment: Mapping[str, str] | None = None,
        inherit: tuple[int, ...] = (),
        buried: Callable[[str], None] = lambda _: None,
        backoff: Callable[[], Backoff] = Backoff,
        grace: Duration = GRACE,
    ) -> None:
        self._children = tuple(children)
        ours = {name: value for name, value in os.environ.items() if name not in OURS_ALONE}
        self._environment = {**ours, **(environment or {})}
        self._inherit = inherit
        self._buried = buried
        self._backoff = backoff
        self._grace = grace
        self._status = 0
        self._lives: dict[str, _Life] = {}

    def age(self, name: str) -> Duration | None:
        """How long a child's process has lived; None if there is none now."""
        life = self._lives.get(name)
        return None if life is None else clock.elapsed() - life.started

    def restart(self, name: str, *, at_once: bool = False) -> None:
        """End a child's process, with its grace or `at_once` since it does not listen; another follows."""
        life = self._lives.get(name)
        if life is not None and not life.told.done():
            life.told.set_result(at_once)

    async def run(self, stop: asyncio.Event) -> int:
        """Until `stop` is set (SIGTERM and SIGINT set it): 0, or 1 if a child found itself misconfigured."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        lifeline, ours = os.pipe()
        try:
            async with asyncio.TaskGroup() as keepers:
                for child in self._children:
                    keepers.create_task(self._keep(child, lifeline, stop))
        finally:
            os.close(ours)
            os.close(lifeline)
        log.info("stopped", status=self._status)
        return self._status

    async def _keep(self, child: Child, lifeline: int, stop: asyncio.Event) -> None:
        backoff, first = self._backoff(), True
        while not stop.is_set():
            started = clock.elapsed()
            life = await self._start(child, lifeline)
            status = None if life is None else await self._live(child, life, stop)
            self._buried(child.name)
            if stop.is_set() or (first and self._hopeless(child, status, stop)):
                return
            first = False
            if life is not None and life.ordered:
                log.info("process_replaced", child=child.name)
                continue
            pause = backoff.pause(clock.elapsed() - started)
            log.warning("process_died", child=child.name, status=status, restart_after_s=clock.seconds(pause))
            await _wait(stop, pause)

    def _hopeless(self, child: Child, status: int | None, stop: asyncio.Event) -> bool:
        """A first life that found itself misconfigured ends the run; a later one waits until the files are mended."""
        if status != EXIT_MISCONFIGURED:
            return False
        log.error("process_misconfigured", child=child.name, hint="mend what it reported above, then start again")
        self._status = 1
        stop.set()
        return True

    async def _start(self, child: Child, lifeline: int) -> _Life | None:
        """A new process of a child; nothing if it could not be started."""
        try:
            process = await asyncio.create_subprocess_exec(
                *child.command,
                stdin=lifeline,
                pass_fds=self._inherit,
                env={**self._environment, "ANDON_PROCESS": child.name},
            )
        except OSError as error:
            log.warning("process_not_started", child=child.name, error=str(error))
            return None
        log.info("process_started", child=child.name, pid=process.pid)
        return _Life(process, clock.elapsed(), asyncio.get_running_loop().create_future())

    async def _live(self, child: Child, life: _Life, stop: asyncio.Event) -> int:
        """The rest of a life: its exit status, minus the signal's number if one ended it."""
        self._lives[child.name] = life
        exited = asyncio.ensure_future(life.process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        any_of: set[asyncio.Future[Any]] = {exited, stopped, life.told}
        await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not exited.done():
            await self._end(child, life, exited)
        del self._lives[child.name]
        return await exited

    async def _end(self, child: Child, life: _Life, exited: asyncio.Future[int]) -> None:
        at_once = life.told.done() and life.told.result()
        if not at_once:
            with suppress(ProcessLookupError):
                life.process.terminate()
            done, _ = await asyncio.wait({exited}, timeout=clock.seconds(self._grace))
            if done:
                return
            log.warning("process_killed", child=child.name, after_s=clock.seconds(self._grace))
        with suppress(ProcessLookupError):
            life.process.kill()


async def _wait(stop: asyncio.Event, pause: Duration) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(clock.seconds(pause)):
            await stop.wait()
