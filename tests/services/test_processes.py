"""The processes of a running monitor: where processors are short, alarms go before storing and storing before pages."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from monitor.errors import EXIT_MISCONFIGURED
from monitor.processes import ENTRIES
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until
from tests.services.test_crash import PLAIN_GATEWAY, PLAIN_RULES

SETPRIORITY: Final = {"x86_64": 141, "aarch64": 140}
NO_FILTER: Final = 99
REFUSING: Final = f"""
import ctypes, os, struct, sys
load, denied = (0x20, 0, 0, 0), (0x15, 0, 1, {SETPRIORITY.get(platform.machine())})
program = b"".join(struct.pack("HBBI", *step) for step in (load, denied, (6, 0, 0, 0x50001), (6, 0, 0, 0x7FFF0000)))
kept = ctypes.create_string_buffer(program)
refusal = struct.pack("HxxxxxxP", 4, ctypes.addressof(kept))
prctl = ctypes.CDLL(None).prctl
if prctl(38, 1, 0, 0, 0) or prctl(22, 2, refusal, 0, 0):
    sys.exit({NO_FILTER})
os.execv(sys.executable, [sys.executable, "-m", "monitor.processes", *sys.argv[1:]])
"""
"""Starts a process of the monitor under a filter that answers setpriority(2) with EPERM, as a sandbox may."""


def niceness(site: RunningSite, name: str) -> int:
    pid = site.child(name)
    return -99 if pid is None else os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0)


def test_store_and_web_give_way_to_the_line(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> None:
    with RunningSite(tmp_path / "site", f'{{url: "{start_mosquitto().url}"}}', PLAIN_RULES, PLAIN_GATEWAY) as site:
        site.start()
        until(lambda: niceness(site, "store") > 0 and niceness(site, "web") > niceness(site, "store"), 60, "the others")
        assert niceness(site, "line") == 0


@pytest.mark.skipif(platform.machine() not in SETPRIORITY, reason="the number of setpriority is not known here")
@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_a_sandbox_that_refuses_niceness_stops_no_process(name: str, tmp_path: Path) -> None:
    started = [sys.executable, "-c", REFUSING, name, "--site", str(tmp_path / "none")]
    with subprocess.Popen(started, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read()
    if process.returncode == NO_FILTER:
        pytest.skip("this system allows no seccomp filter")
    assert process.returncode == EXIT_MISCONFIGURED, said
