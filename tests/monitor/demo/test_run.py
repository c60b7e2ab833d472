"""The demonstration itself, as a person starts it: alarms come and go, it ends as told, and nothing stays behind."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from monitor.clock import elapsed
from rules.events import SECOND

DEADLINE = 60 * SECOND


class Demo:
    """A running `andon demo` with a temporary directory of its own."""

    def __init__(self, directory, *arguments):
        self.temporary = Path(tempfile.mkdtemp(prefix="demo-"))
        self.output = directory / "output.txt"
        self.process = subprocess.Popen(
            (sys.executable, "-m", "monitor.cli", "demo", *arguments),
            stdout=self.output.open("wb"),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )

    def until(self, pattern):
        """Wait until something is written."""
        deadline = elapsed() + DEADLINE
        while not re.search(pattern, self.output.read_text()):
            assert elapsed() < deadline, self.output.read_text()
            assert self.process.poll() is None, self.output.read_text()
            threading.Event().wait(0.05)

    def processes(self):
        """Commands of all processes that know the demonstration's temporary directory."""
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"TMPDIR={self.temporary}\0".encode() in environment:
                found[entry.name] = command
        return found

    def ended(self):
        status = self.process.wait(timeout=DEADLINE / SECOND)
        return status, self.output.read_text()


@pytest.fixture
def demo(tmp_path):
    started = []

    def start(*arguments):
        started.append(Demo(tmp_path, *arguments))
        return started[0]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            one.process.wait(timeout=30)
        shutil.rmtree(one.temporary)


needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


@needs_proc
def test_alarms_are_shown_and_written_until_it_is_ended_and_nothing_stays(demo, tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        running = demo("--port", str(taken), "--out", str(tmp_path / "t.jsonl"))
        running.until(r"CLEARED +safety .*Milling centre 1: Guard open")
        running.process.send_signal(signal.SIGINT)
        status, text = running.ended()

    assert status == 0, text
    assert f"Port {taken} is taken; the web pages are on port" in text
    assert re.search(r"RAISED +safety +critical +Milling centre 1: Guard open while the spindle turns", text)
    assert "safety: 1 raised, 1 cleared" in text
    assert "Traceback" not in text
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines if line["rule"] == "mill-guard-open"] == ["raised", "cleared"]
    assert all(line["reason"]["text"] for line in lines)
    assert list(running.temporary.iterdir()) == []
    assert running.processes() == {}


def test_it_ends_by_itself_with_status_0(demo):
    status, text = demo("--for", "1s", "--port", "0").ended()

    assert status == 0, text


@needs_proc
def test_its_processes_die_with_it_however_it_dies(demo):
    running = demo("--port", "0")
    running.until("the plant runs")
    running.process.kill()
    running.process.wait()

    deadline = elapsed() + DEADLINE
    while running.processes():
        assert elapsed() < deadline, running.processes()
        threading.Event().wait(0.1)


def test_a_file_that_cannot_be_written_is_a_clear_error(demo, tmp_path):
    status, text = demo("--out", str(tmp_path / "no" / "t.jsonl")).ended()

    assert status == 1
    assert "name another file with --out" in text
    assert "Traceback" not in text
