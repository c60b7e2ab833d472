"""`andon run`: one monitor on its data directory, watched, reloaded on SIGHUP, and on speaking terms with systemd."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from monitor import linesocket, telemetry
from monitor.datalock import DataLock
from monitor.errors import AndonError
from monitor.linesocket import ask
from monitor.servicemanager import ServiceManager
from monitor.supervisor import Child, Supervisor
from monitor.watch import Watch
from rules.events import SECOND, Duration

PROCESSES: Final = ("line", "store", "web")
RELOAD_PATIENCE: Final[Duration] = 60 * SECOND
"""How long the line may take to read and check all files again."""

log = structlog.get_logger()


def site_children(directory: Path, data_dir: Path) -> tuple[Child, ...]:
    """The processes of a site's monitor."""
    command = (sys.executable, "-m", "monitor.processes")
    place = ("--site", str(directory), "--data", str(data_dir))
    return tuple(Child(name, (*command, name, *place)) for name in PROCESSES)


def run_site(directory: Path, data_dir: Path) -> int:
    """Run a site's monitor until SIGTERM or SIGINT; the exit status.

    Raises:
        AlreadyRunningError: another monitor has the data directory.
    """
    telemetry.configure_logging("supervisor")
    with DataLock(data_dir) as lock:
        supervisor = Supervisor(
            site_children(directory, data_dir),
            environment=telemetry.prepare_metrics(data_dir),
            inherit=(lock.fileno(),),
            buried=partial(telemetry.forget_process, data_dir),
        )
        return asyncio.run(_run(supervisor, data_dir, ServiceManager(os.environ)))


async def _run(supervisor: Supervisor, data_dir: Path, manager: ServiceManager) -> int:
    stop = asyncio.Event()
    reload = Reload(supervisor, data_dir, manager)
    watch = Watch(lambda patience: ask(data_dir, "health", timeout=patience), supervisor, manager)
    _on_hangup(stop.set if sys.stdin is not None and sys.stdin.isatty() else reload.soon)
    async with linesocket.serving(data_dir, {"reload": reload}, "supervisor"):
        others = [asyncio.create_task(work) for work in (watch.run(), _announce(stop, manager))]
        try:
            return await supervisor.run(stop)
        finally:
            for task in others:
                task.cancel()


def _on_hangup(act: Any) -> None:
    """SIGHUP: of a terminal that is closed, or of whoever wants the configuration to be read again."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, act)


async def _announce(stop: asyncio.Event, manager: ServiceManager) -> None:
    await stop.wait()
    manager.stopping()


class Reload:
    """Lets the line read the site again, then replaces the processes that the change concerns; one at a time."""

    def __init__(self, supervisor: Supervisor, data_dir: Path, manager: ServiceManager) -> None:
        self._supervisor = supervisor
        self._data_dir = data_dir
        self._manager = manager
        self._alone = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __call__(self, _: dict[str, Any]) -> dict[str, Any]:
        """The line's answer, see `monitor.line.reload`.

        Raises:
            RefusedError, UnreachableError: nothing was changed, and why.
        """
        async with self._alone:
            self._manager.reloading()
            try:
                answer = await ask(self._data_dir, "reload", timeout=RELOAD_PATIENCE)
                self._replace(answer.get("replace", ()))
            finally:
                self._manager.ready("the configuration was read again")
            return answer

    def soon(self) -> None:
        """The same as a task of its own; what comes of it is in the log."""
        task = asyncio.create_task(self._logged())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _logged(self) -> None:
        try:
            await self({})
        except AndonError as error:
            log.error("reload_refused", error=str(error))  # noqa: TRY400 - a person's mistake needs no traceback

    def _replace(self, names: Iterable[str]) -> None:
        for name in names:
            self._supervisor.restart(name)
