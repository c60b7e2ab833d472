"""What we tell the service manager that started us (systemd, `Type=notify`): datagrams to the socket it names.

Without one, or without a watchdog, nothing is said; a service manager that does not listen holds up nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from monitor import clock
from rules.events import Duration

MICROSECOND: Final[Duration] = 1_000
OURS_ALONE: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""What children must not inherit: the service manager listens to its main process."""


class ServiceManager:
    """Speaks the protocol of sd_notify(3). `watchdog` is how long it waits for a sign of life; None: it does not."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog = _watchdog(environment)

    def ready(self, status: str) -> None:
        """Start-up, or reading the configuration again, is over."""
        self._say("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """One line for people."""
        self._say(f"STATUS={status}")

    def alive(self, status: str) -> None:
        """A sign of life, which the watchdog waits for."""
        self._say("WATCHDOG=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is read again; `ready` ends it."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={clock.elapsed() // MICROSECOND}", "STATUS=reading the configuration")

    def stopping(self) -> None:
        """The end has begun."""
        self._say("STOPPING=1", "STATUS=stopping")

    def _say(self, *lines: str) -> None:
        if self._address is None:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(errors="replace"), self._address)


def _address(name: str) -> bytes | None:
    """A path, or with a leading @ a name in the abstract namespace; None for kinds of sockets we do not speak to."""
    if name.startswith("@"):
        return b"\0" + os.fsencode(name[1:])
    return os.fsencode(name) if name.startswith("/") else None


def _watchdog(environment: Mapping[str, str]) -> Duration | None:
    """The watchdog's patience, if it is ours and not that of a process we descend from."""
    given, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID") or str(os.getpid())
    if not (given.isdecimal() and int(given) and pid == str(os.getpid())):
        return None
    return int(given) * MICROSECOND
