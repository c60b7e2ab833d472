"""A broker of our own, to try Andon and for small tests: mosquitto where it is installed, else amqtt in pure Python.

It listens on 127.0.0.1 alone, keeps its files in the directory it is given, and ends with the process that started it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from monitor import guarded
from monitor.errors import AndonError
from rules.events import SECOND

Kind: TypeAlias = Literal["mosquitto", "amqtt"]

HOST: Final = "127.0.0.1"
START_TIMEOUT: Final = 20.0
"""Seconds until it must accept connections."""
PATIENCE: Final = 5 * SECOND
"""How long it may take to end."""
ATTEMPTS: Final = 5
"""How often another free port is tried when somebody else takes the one just found."""

LOG: Final = "broker.log"
MOSQUITTO_CONFIG: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {directory}/
max_queued_messages 1000000
max_queued_bytes 0
max_inflight_messages 2000
connection_messages false
log_dest stderr
log_type error
log_type warning
{user}
"""


class EmbeddedBrokerError(AndonError):
    """The embedded broker could not be started; the message says why and what helps."""


@dataclass(frozen=True)
class BrokerAddress:
    """Where the embedded broker listens, and which one it is."""

    host: str
    port: int
    kind: Kind

    @property
    def url(self) -> str:
        """The address as `andon.yaml` has it."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def protocol(self) -> Literal["5", "3.1.1"]:
        """The newest MQTT version this broker speaks."""
        return "5" if self.kind == "mosquitto" else "3.1.1"


@asynccontextmanager
async def embedded_broker(directory: Path, port: int = 0, kind: Kind | None = None) -> AsyncIterator[BrokerAddress]:
    """Run a broker for as long as the context lasts; it accepts connections when the context is entered.

    `port` 0 takes a free one. `kind` None takes mosquitto where it is installed, else amqtt. The directory is made
    if it does not exist; sessions and retained messages outlive a restart in it with mosquitto only.

    Raises:
        EmbeddedBrokerError: the port is taken, or the broker does not start.
    """
    process, address = await _start(directory, port, kind or ("mosquitto" if mosquitto_path() else "amqtt"))
    try:
        yield address
    finally:
        await asyncio.shield(guarded.stop(process, PATIENCE))


def mosquitto_path() -> str | None:
    """Where mosquitto is, if it is installed; Debian keeps it out of a user's PATH."""
    return shutil.which(
        "mosquitto", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    )


async def _start(directory: Path, port: int, kind: Kind) -> tuple[Process, BrokerAddress]:
    for attempt in range(ATTEMPTS):
        address = BrokerAddress(HOST, _free_port(port), kind)
        process = await guarded.start(_command(directory, address), directory / LOG)
        try:
            await asyncio.wait_for(_accepting(process, address), START_TIMEOUT)
        except (EmbeddedBrokerError, TimeoutError) as error:
            await guarded.stop(process, PATIENCE)
            if port or attempt == ATTEMPTS - 1:
                raise EmbeddedBrokerError(_why(directory, address, error)) from None
        except BaseException:
            await asyncio.shield(guarded.stop(process, PATIENCE))
            raise
        else:
            return process, address
    raise AssertionError("the last attempt raises or returns")


def _free_port(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise EmbeddedBrokerError(
                f"the embedded broker cannot listen on {HOST}:{port}: {error}; stop what uses the port or name another"
            ) from None
        return int(probe.getsockname()[1])


def _command(directory: Path, address: BrokerAddress) -> list[str]:
    """The broker's command line; what it needs is written into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    if address.kind == "amqtt":
        return [sys.executable, "-m", "monitor.collectors.embedded_amqtt", str(address.port)]
    config = directory / "mosquitto.conf"
    user = "user root" if os.geteuid() == 0 else ""
    config.write_text(MOSQUITTO_CONFIG.format(port=address.port, directory=directory.resolve(), user=user), "utf-8")
    return [str(mosquitto_path()), "-c", str(config)]


async def _accepting(process: Process, address: BrokerAddress) -> None:
    """Wait until the broker accepts a connection; it may end instead."""
    ended = asyncio.ensure_future(process.wait())
    try:
        while not ended.done():
            with suppress(OSError):
                _, writer = await asyncio.open_connection(address.host, address.port)
                writer.close()
                return
            await asyncio.wait({ended}, timeout=0.02)
    finally:
        ended.cancel()
    raise EmbeddedBrokerError(f"it ended with exit code {process.returncode}")


def _why(directory: Path, address: BrokerAddress, error: Exception) -> str:
    said = (directory / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    cause = str(error) or f"it did not accept a connection within {START_TIMEOUT:.0f} s"
    last = f"; its last words: {said[-1][:500]}" if said else ""
    return f"the embedded broker ({address.kind}, {address.host}:{address.port}) did not start: {cause}{last}"
