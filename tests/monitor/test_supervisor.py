"""Children come back alone, and none outlives its supervisor, however that ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from monitor import clock
from monitor.supervisor import Backoff, Child, Supervisor
from rules.events import SECOND

NOTE = "import os, pathlib, sys, signal, threading\npathlib.Path(sys.argv[1]).open('a').write(f'{os.getpid()}\\n')\n"
STAY = NOTE + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\nwhile True: signal.pause()\n"
STUBBORN = NOTE + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()\n"
DIE = NOTE + "sys.exit(3)\n"
MISCONFIGURED = NOTE + "sys.exit(78)\n"
LATER_MISCONFIGURED = NOTE + "sys.exit(3 if len(pathlib.Path(sys.argv[1]).read_text().split()) == 1 else 78)\n"
FAITHFUL = NOTE + "from monitor.processes import die_with_parent\ndie_with_parent()\nthreading.Event().wait()\n"


SUPERVISE = """
import asyncio, json, sys
from monitor import telemetry
from monitor.supervisor import Backoff, Child, Supervisor
telemetry.configure_logging("supervisor")
children = [Child(name, tuple(command)) for name, command in json.loads(sys.argv[1]).items()]
async def main():
    return await Supervisor(children, backoff=lambda: Backoff(first=50_000_000)).run(asyncio.Event())
sys.exit(asyncio.run(main()))
"""


class Supervised:
    """A supervisor in a process of its own, over children that note each of their lives in a file.

    `scripts` are Python texts, or the path of a program.
    """

    def __init__(self, directory: Path, scripts: Mapping[str, str]) -> None:
        self._directory = directory
        self.log = directory / "log"
        commands = {name: self._command(name, script) for name, script in scripts.items()}
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", SUPERVISE, json.dumps(commands)], stderr=log, start_new_session=True
            )
        self.pid = self._process.pid

    def _command(self, name: str, script: str) -> list[str]:
        return [script] if script.startswith("/") else [sys.executable, "-c", script, str(self._directory / name)]

    def lives(self, name: str, count: int) -> list[int]:
        """The pids of a child's lives so far, once there are so many."""
        note = self._directory / name
        self.until(lambda: note.exists() and len(note.read_text().splitlines()) >= count)
        return [int(pid) for pid in note.read_text().splitlines()]

    def events(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def signal(self, number: signal.Signals) -> int:
        """Send it to the supervisor alone; its exit status."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """The supervisor's exit status."""
        return self._process.wait(timeout=20)

    def alive(self, pid: int) -> bool:
        """Is there such a process, zombies aside?"""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, 15 seconds at the most."""
        deadline = clock.elapsed() + 15 * SECOND
        while not condition():
            assert clock.elapsed() < deadline, self.log.read_text()
            threading.Event().wait(0.02)

    def end(self) -> None:
        """Leave nothing behind."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(**scripts: str) -> Supervised:
        started.append(Supervised(tmp_path, scripts))
        return started[-1]

    yield start
    for each in started:
        each.end()


def test_dead_child_comes_back_alone(supervised) -> None:
    run = supervised(line=STAY, store=STAY)
    (line,), (store,) = run.lives("line", 1), run.lives("store", 1)
    os.kill(line, signal.SIGKILL)
    assert len(run.lives("line", 2)) == 2
    assert run.lives("store", 1) == [store]


def test_child_that_keeps_dying_is_restarted_ever_more_slowly(supervised) -> None:
    run = supervised(line=DIE)
    run.lives("line", 4)
    run.signal(signal.SIGTERM)
    pauses = [event["restart_after_s"] for event in run.events() if event["event"] == "process_died"]
    assert pauses[:3] == [0.05, 0.1, 0.2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_all_within_five_seconds(supervised, number: signal.Signals) -> None:
    run = supervised(line=STAY, store=STAY, web=STAY)
    pids = [pid for name in ("line", "store", "web") for pid in run.lives(name, 1)]
    started = clock.elapsed()
    assert run.signal(number) == 0
    assert clock.elapsed() - started < 5 * SECOND
    assert not any(run.alive(pid) for pid in pids)


def test_child_that_does_not_listen_is_killed_within_five_seconds(supervised) -> None:
    run = supervised(line=STUBBORN)
    (pid,) = run.lives("line", 1)
    started = clock.elapsed()
    assert run.signal(signal.SIGTERM) == 0
    assert clock.elapsed() - started < 5 * SECOND
    assert not run.alive(pid)


def test_children_die_with_a_supervisor_that_was_killed(supervised) -> None:
    run = supervised(line=FAITHFUL, store=FAITHFUL)
    pids = run.lives("line", 1) + run.lives("store", 1)
    run.signal(signal.SIGKILL)
    run.until(lambda: not any(run.alive(pid) for pid in pids))


def test_misconfigured_child_ends_the_run_instead_of_restarting_for_ever(supervised) -> None:
    run = supervised(line=MISCONFIGURED, store=STAY)
    assert run.wait() == 1
    assert len(run.lives("line", 1)) == 1
    assert "process_misconfigured" in {event["event"] for event in run.events()}


def test_child_that_becomes_misconfigured_later_waits_until_that_is_mended(supervised) -> None:
    run = supervised(line=LATER_MISCONFIGURED, store=STAY)
    assert len(run.lives("line", 4)) >= 4
    assert len(run.lives("store", 1)) == 1
    assert run.signal(signal.SIGTERM) == 0


def test_children_are_in_the_supervisors_process_group(supervised) -> None:
    run = supervised(line=STAY)
    (pid,) = run.lives("line", 1)
    assert os.getpgid(pid) == os.getpgid(run.pid)


def test_program_that_cannot_be_started_is_tried_again_and_does_not_hold_up_others(supervised) -> None:
    run = supervised(line="/no/such/program", store=STAY)
    run.lives("store", 1)
    run.until(lambda: sum(event["event"] == "process_not_started" for event in run.events()) >= 2)
    assert run.signal(signal.SIGTERM) == 0


@pytest.mark.parametrize(("script", "at_once"), [(STAY, False), (STUBBORN, True)])
def test_child_is_replaced_without_a_pause_when_somebody_wants_it(tmp_path: Path, script: str, at_once: bool) -> None:
    note, stop = tmp_path / "line", asyncio.Event()
    supervisor = Supervisor([Child("line", (sys.executable, "-c", script, str(note)))])

    async def replace() -> int:
        running = asyncio.create_task(supervisor.run(stop))
        for lives in (1, 2):
            async with asyncio.timeout(15):
                while not (note.exists() and len(note.read_text().split()) == lives):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert supervisor.age("line") is not None
            supervisor.restart("line", at_once=at_once) if lives == 1 else stop.set()
        return await running

    assert asyncio.run(replace()) == 0
    assert supervisor.age("line") is None
    supervisor.restart("line")


def test_pause_doubles_to_its_longest_and_starts_anew_after_health() -> None:
    backoff = Backoff(first=SECOND, longest=4 * SECOND, healthy=60 * SECOND)
    assert [backoff.pause(0) // SECOND for _ in range(5)] == [1, 2, 4, 4, 4]
    assert backoff.pause(60 * SECOND) == SECOND
    assert backoff.pause(0) == 2 * SECOND


def test_one_event_a_line(supervised) -> None:
    run = supervised(line=STAY)
    run.lives("line", 1)
    run.signal(signal.SIGTERM)
    lines = run.log.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["process_started", "stopped"]


def test_process_reports_what_is_wrong_with_its_site_and_says_that_a_restart_will_not_help(tmp_path: Path) -> None:
    lifeline, ours = os.pipe()
    done = subprocess.run(
        [sys.executable, "-m", "monitor.processes", "web", "--site", str(tmp_path / "nowhere")],
        stdin=lifeline,
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
    )
    os.close(lifeline)
    os.close(ours)
    assert done.returncode == 78
    assert json.loads(done.stderr.splitlines()[0])["event"] == "misconfigured"
    assert "Traceback" not in done.stderr
