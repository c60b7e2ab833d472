"""`andon run` under a service manager: what it says on the manager's socket, and what happens to a line that hangs."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.servicemanager import ServiceManager
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}/{metric}", asset: "{line}/{machine}"}'


class Manager:
    """The service manager's end: what was said so far, message by message."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.said: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._socket.setblocking(False)

    def heard(self, name: str, value: str = "1", count: int = 1) -> bool:
        """Whether it was said so often by now."""
        try:
            while message := self._socket.recv(4096):
                self.said.append(dict(line.split("=", 1) for line in message.decode().splitlines()))
        except BlockingIOError:
            pass
        return sum(message.get(name) == value for message in self.said) >= count

    def forget(self) -> None:
        """Begin to listen anew."""
        self.heard("nothing")
        self.said.clear()

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(str(tmp_path / "notify"))
    yield made
    made.close()


@pytest.fixture
def site(
    tmp_path: Path, manager: Manager, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunningSite]:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", "8000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with RunningSite(tmp_path / "site", f'{{url: "{mosquitto.url}"}}', RULES, GATEWAY) as running:
        running.start()
        yield running


def events(site: RunningSite) -> list[dict[str, object]]:
    return [json.loads(line) for line in site.log.splitlines() if line.startswith("{")]


def pid_of(site: RunningSite, child: str) -> int:
    return [int(str(e["pid"])) for e in events(site) if e["event"] == "process_started" and e["child"] == child][-1]


def assert_children_are_mute(site: RunningSite) -> None:
    for child in ("line", "store", "web"):
        environment = Path(f"/proc/{pid_of(site, child)}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environment
        assert b"WATCHDOG" not in environment


def test_the_manager_hears_of_start_life_reload_and_end(site: RunningSite, manager: Manager) -> None:
    until(lambda: manager.heard("READY"), 60, "READY")
    until(lambda: manager.heard("WATCHDOG", count=3), 30, "signs of life")
    until(lambda: manager.heard("STATUS", "1 assets, 1 of 1 brokers connected"), 30, "a status")
    manager.forget()
    assert_children_are_mute(site)
    before = time.monotonic_ns() // 1000
    site.hang_up()
    until(lambda: manager.heard("RELOADING") and manager.heard("READY"), 30, "the end of the reload")
    (reloading,) = [message for message in manager.said if "RELOADING" in message]
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    site.stop()
    assert manager.heard("STOPPING")


def test_a_line_that_hangs_gives_no_sign_of_life_and_is_replaced(site: RunningSite, manager: Manager) -> None:
    until(lambda: manager.heard("READY"), 60, "READY")
    hung = pid_of(site, "line")
    os.kill(hung, signal.SIGSTOP)
    until(lambda: any(event["event"] == "process_hung" for event in events(site)), 30, "the hung line to be noticed")
    manager.forget()
    until(lambda: pid_of(site, "line") != hung, 30, "another line")
    until(lambda: manager.heard("WATCHDOG"), 60, "signs of life again")
    assert not Path(f"/proc/{hung}").exists()


def test_a_name_in_the_abstract_namespace_is_spoken_to() -> None:
    manager = Manager(f"@andon-test-{uuid.uuid4()}")
    ServiceManager({"NOTIFY_SOCKET": manager.address}).ready("two\nlines")
    assert manager.heard("READY")
    assert manager.said == [{"READY": "1", "STATUS": "two lines"}]
    manager.close()


def test_without_a_manager_nothing_is_said(tmp_path: Path) -> None:
    for address in ("", "vsock:2:1234", str(tmp_path / "nobody")):
        ServiceManager({"NOTIFY_SOCKET": address}).ready("on")
    assert ServiceManager({"WATCHDOG_USEC": "5", "WATCHDOG_PID": "1"}).watchdog is None
    assert ServiceManager({"WATCHDOG_USEC": "no"}).watchdog is None
    assert ServiceManager({"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 5_000_000_000
