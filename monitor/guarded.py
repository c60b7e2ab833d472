"""Programs that never outlive us: each runs under a guard that ends it when our end of a pipe closes, however we died.

The guard is this module as a program: `python -m monitor.guarded PROGRAM ARGUMENT...`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from monitor import clock
from rules.events import Duration


async def start(command: Sequence[str], log: Path) -> Process:
    """Start a program in a session of its own, out of reach of the terminal's keys; what it says goes to `log`."""
    with log.open("wb") as said:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor.guarded", *command),
            stdin=PIPE,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


async def stop(process: Process, patience: Duration) -> None:
    """Ask a started program to end (SIGTERM) and wait; when patience ends, kill it and its children."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(clock.seconds(patience)):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def guard(*command: str) -> int:
    """Run a program, end it when our standard input ends or we are asked to end, and return its exit code."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the command is our parent's own
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    _when_input_ends(process.terminate)
    return process.wait()


def _when_input_ends(then: Callable[[], object]) -> None:
    def wait() -> None:
        while os.read(0, 1024):
            pass
        then()

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(guard(*sys.argv[1:]))
