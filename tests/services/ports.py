"""Ports for servers that tests start: nobody else has them, also while the server is being killed and started again."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path
from random import SystemRandom
from typing import Final

HOST: Final = "127.0.0.1"
RANGE_OF_THE_SYSTEM: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_HANDED_OUT: Final = 32_768  # where there is no such file
FIRST: Final = 15_000
ENOUGH: Final = 1_000

_claims: list[socket.socket] = []


def free_port() -> int:
    """A port that this process keeps until it ends.

    The system hands out ports from its own range to every connection that is opened, so a port from there may be taken between
    a probe and the server's start, or while a server is down. This one is below that range, and claimed among the processes that
    ask here by a UDP socket on the same number, which no TCP server minds.
    """
    numbers = SystemRandom()
    while True:
        port = numbers.randrange(FIRST, _lowest_handed_out())
        if _free(port) and _claimed(port):
            return port


def _lowest_handed_out() -> int:
    try:
        lowest = int(RANGE_OF_THE_SYSTEM.read_text().split()[0])
    except OSError:
        return LOWEST_HANDED_OUT
    return lowest if lowest >= FIRST + ENOUGH else LOWEST_HANDED_OUT


def _free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return _bound(probe, port)


def _claimed(port: int) -> bool:
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if not _bound(claim, port):
        claim.close()
        return False
    _claims.append(claim)
    return True


def _bound(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((HOST, port))
    except OSError:
        return False
    return True
