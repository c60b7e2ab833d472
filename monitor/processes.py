"""What the supervisor starts: `python -m monitor.processes line|store|web --site DIR`, one process each."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import structlog

from monitor import clock, telemetry
from monitor.errors import EXIT_CRASHED, EXIT_MISCONFIGURED, AndonError, ConfigurationError
from rules.events import SECOND, Duration

if TYPE_CHECKING:
    from monitor.site import Site

Entry: TypeAlias = "Callable[[Site, asyncio.Event], Awaitable[None]]"
"""Runs until the event is set."""
ORPHAN_GRACE: Final[Duration] = 2 * SECOND
"""How long a process may still tidy up once its supervisor is dead."""

log = structlog.get_logger()


async def run_line(site: Site, stop: asyncio.Event) -> None:
    """Collect, journal, decide, alert."""
    from monitor.app import run_line as run

    await run(site, stop)


async def run_store(site: Site, stop: asyncio.Event) -> None:
    """Write the journal's readings to the store."""
    from monitor.storing import run_store as run

    await run(site.settings, stop)


async def run_web(site: Site, stop: asyncio.Event) -> None:
    """Serve REST, health and metrics."""
    from monitor.web.server import run_web as run

    await run(site.settings, stop)


ENTRIES: Final[Mapping[str, Entry]] = {"line": run_line, "store": run_store, "web": run_web}
NICENESS: Final[Mapping[str, int]] = {"line": 0, "store": 5, "web": 10}
"""Where processors are short an alarm goes first, keeping readings second, pages last (see nice(2))."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one process to its end; the exit status: 0 told to stop, 78 misconfigured, 1 or 70 to be restarted."""
    parser = argparse.ArgumentParser(prog="monitor.processes", description="One process of a monitor; see `andon run`.")
    parser.add_argument("process", choices=sorted(ENTRIES))
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="the locked data directory, whatever the file says by now")
    given = parser.parse_args(arguments)
    die_with_parent()
    give_way(NICENESS[given.process])
    telemetry.configure_logging(given.process)
    return run(ENTRIES[given.process], given.site, given.data)


def run(entry: Entry, directory: Path, data_dir: Path | None = None) -> int:
    """Run an entry over a site until SIGTERM; errors become one log line and an exit status."""
    try:
        asyncio.run(_until_told(entry, _site(directory, data_dir)))
    except AndonError as error:
        return _report(error)
    except Exception:
        log.exception("process_crashed")
        return EXIT_CRASHED
    return 0


def _report(error: AndonError) -> int:
    if not isinstance(error, ConfigurationError):
        log.error("process_failed", error=str(error))
        return error.exit_code
    for problem in error.problems:
        log.error("misconfigured", problem=str(problem))
    return EXIT_MISCONFIGURED


def _site(directory: Path, data_dir: Path | None) -> Site:
    from monitor.site import load_site
    from rules.problems import errors

    site, problems = load_site(directory, os.environ)
    if site is None:
        raise ConfigurationError(errors(problems))
    return site if data_dir is None else site.on(data_dir)


async def _until_told(entry: Entry, site: Site) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await entry(site, stop)
    if not stop.is_set():
        raise AndonError("the process ended though nobody asked it to")


def give_way(niceness: int) -> None:
    """Let others go first, where the system lets us: a sandbox may refuse it, and that is no reason not to run."""
    if niceness:
        with contextlib.suppress(OSError):
            os.nice(niceness)


def die_with_parent() -> None:
    """Leave Ctrl-C and SIGHUP to the supervisor; when it is gone (end of input), end too, at the latest by force."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_watch_lifeline, name="lifeline", daemon=True).start()


def _watch_lifeline() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(clock.seconds(ORPHAN_GRACE))
    os._exit(EXIT_CRASHED)


if __name__ == "__main__":
    sys.exit(main())
