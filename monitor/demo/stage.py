"""What the demonstration stands on: its site, a free port for the web pages, and a real monitor as a subprocess."""

from __future__ import annotations

import asyncio
import socket
import sys
import urllib.request
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import msgspec

from monitor import clock, guarded
from monitor.collectors.embedded import HOST, BrokerAddress
from monitor.errors import AndonError
from monitor.settings import ALARMS
from rules.assetmodel import AssetModel, load_assets
from rules.events import SECOND, Duration

SITE: Final = resources.files("monitor.demo") / "site"
DATA: Final = "data"
START_TIMEOUT: Final[Duration] = 30 * SECOND
PATIENCE: Final[Duration] = 10 * SECOND
"""How long the monitor may take to end."""
LOOK_AGAIN: Final[Duration] = SECOND // 10
TIMEOUT: Final = 3.0
"""Seconds for the web process to answer."""
LAST_WORDS: Final = 15
"""Lines of the monitor's log that are shown if it ends by itself."""


class MonitorEndedError(AndonError):
    """The demonstration's monitor did not start, or ended by itself; its last words are in the message."""


@dataclass(frozen=True)
class Monitor:
    """The running monitor."""

    process: Process
    site: Path
    log: Path
    web: str

    @property
    def alarms(self) -> Path:
        """Its alarm database."""
        return self.site / DATA / ALARMS

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.returncode is not None

    def failed(self, what: str) -> MonitorEndedError:
        """The error that says what happened, with the end of its log."""
        said = self.log.read_text("utf-8", "replace").splitlines()[-LAST_WORDS:]
        return MonitorEndedError("\n  ".join([f"the demonstration's monitor {what}", *said]))


def write_site(directory: Path, broker: BrokerAddress, web_port: int) -> None:
    """Write the demonstration's site for this broker and port of the web."""
    words = {"data_dir": DATA, "broker_url": broker.url, "broker_protocol": broker.protocol, "web_port": str(web_port)}
    _copy(SITE, directory)
    settings = directory / "andon.yaml"
    text = settings.read_text("utf-8")
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    settings.write_text(text, "utf-8")


def demo_assets() -> AssetModel:
    """What the demonstration's site knows of its machines."""
    model, problems = load_assets("assets.yaml", (SITE / "assets.yaml").read_text("utf-8"))
    assert model is not None, problems
    return model


def free_web_port(wanted: int) -> int:
    """The wanted port if nobody listens there, otherwise any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_monitor(site: Path, log: Path, web_port: int) -> AsyncIterator[Monitor]:
    """`andon run` on a site, for as long as the context lasts; it and all its processes end with it."""
    process = await guarded.start((sys.executable, "-m", "monitor.cli", "run", "--site", str(site)), log)
    try:
        yield Monitor(process, site, log, f"http://{HOST}:{web_port}")
    finally:
        await asyncio.shield(guarded.stop(process, PATIENCE))


async def until_watching(monitor: Monitor, stop: asyncio.Event) -> bool:
    """Wait until every hop from the broker to the store is alive; False if `stop` is set before.

    Raises:
        MonitorEndedError: it ended, or takes too long.
    """
    deadline = clock.elapsed() + START_TIMEOUT
    while not stop.is_set():
        if monitor.ended:
            raise monitor.failed("did not start")
        if clock.elapsed() > deadline:
            raise monitor.failed(f"is not ready after {clock.seconds(START_TIMEOUT):g} s")
        if await asyncio.to_thread(_healthy, monitor):
            return True
        await pause(LOOK_AGAIN, stop)
    return False


def _healthy(monitor: Monitor) -> bool:
    try:
        return bool(msgspec.json.decode(fetched(f"{monitor.web}/health"))["status"] != "ill")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def fetched(url: str) -> bytes:
    """What the monitor's web process answers.

    Raises:
        OSError: nothing, or an error.
    """
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - our own address
        return bytes(answer.read())


async def pause(duration: Duration, stop: asyncio.Event) -> None:
    """Let time pass, but not beyond `stop`."""
    try:
        async with asyncio.timeout(clock.seconds(duration)):
            await stop.wait()
    except TimeoutError:
        return


def _copy(source: Traversable, target: Path) -> None:
    if source.is_file():
        target.write_text(source.read_text("utf-8"), "utf-8")
        return
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        _copy(item, target / item.name)
