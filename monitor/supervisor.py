"""Keeps the monitor's processes alive: each restarts alone with a growing pause, and none outlives the supervisor.

Every child has the read end of a pipe as its standard input; only the supervisor holds the other end, so that the
kernel tells the children of its death, however it died (`monitor.processes` acts on it).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from monitor import clock, telemetry
from monitor.datalock import DataLock
from monitor.errors import EXIT_MISCONFIGURED
from rules.events import SECOND, Duration

GRACE: Final[Duration] = 4 * SECOND
"""From SIGTERM to SIGKILL: what is left of five seconds is for the kernel."""
PROCESSES: Final = ("line", "store", "web")

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


def site_children(directory: Path) -> tuple[Child, ...]:
    """The processes of a site's monitor."""
    command = (sys.executable, "-m", "monitor.processes")
    return tuple(Child(name, (*command, name, "--site", str(directory))) for name in PROCESSES)


def run_site(directory: Path, data_dir: Path) -> int:
    """Run a site's monitor until SIGTERM or SIGINT; the exit status.

    Raises:
        AlreadyRunningError: another monitor has the data directory.
    """
    telemetry.configure_logging("supervisor")
    with DataLock(data_dir) as lock:
        supervisor = Supervisor(
            site_children(directory),
            environment=telemetry.prepare_metrics(data_dir),
            inherit=(lock.fileno(),),
            buried=partial(telemetry.forget_process, data_dir),
        )
        return asyncio.run(supervisor.run(asyncio.Event()))


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
        self._environment = {**os.environ, **(environment or {})}
        self._inherit = inherit
        self._buried = buried
        self._backoff = backoff
        self._grace = grace
        self._status = 0

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
        backoff = self._backoff()
        while not stop.is_set():
            started = clock.elapsed()
            status = await self._live(child, lifeline, stop)
            self._buried(child.name)
            if stop.is_set():
                return
            if status == EXIT_MISCONFIGURED:
                log.error(
                    "process_misconfigured", child=child.name, hint="mend what it reported above, then start again"
                )
                self._status = 1
                stop.set()
                return
            pause = backoff.pause(clock.elapsed() - started)
            log.warning("process_died", child=child.name, status=status, restart_after_s=clock.seconds(pause))
            await _wait(stop, pause)

    async def _live(self, child: Child, lifeline: int, stop: asyncio.Event) -> int | None:
        """One life of a child: its exit status (minus the signal's number), or nothing if it could not be started."""
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
        exited = asyncio.ensure_future(process.wait())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({exited, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not exited.done():
            await self._end(child, process, exited)
        return await exited

    async def _end(self, child: Child, process: Process, exited: asyncio.Future[int]) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        done, _ = await asyncio.wait({exited}, timeout=clock.seconds(self._grace))
        if not done:
            log.warning("process_killed", child=child.name, after_s=clock.seconds(self._grace))
            with suppress(ProcessLookupError):
                process.kill()


async def _wait(stop: asyncio.Event, pause: Duration) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(clock.seconds(pause)):
            await stop.wait()
