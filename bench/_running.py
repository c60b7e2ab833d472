"""A monitor of a bench's own, with a webhook that it tells, and what its processes take."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from monitor.database.queries import AlarmReader
from monitor.errors import AndonError
from monitor.journal.reader import journal_end
from monitor.stores.embedded import EmbeddedStore

HERE = Path(__file__).parent


def told(**figures: object) -> None:
    """A line of JSON."""
    print(json.dumps(figures), flush=True)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Until it holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("the bench waited in vain")
        time.sleep(0.005)


def flood(port: int, messages: int, values: int, qos: int = 1, rate: float = 0.0) -> subprocess.Popen[bytes]:
    """Start the publisher."""
    command = [sys.executable, str(HERE / "_flood.py"), *map(str, (port, messages, values, qos, rate))]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


class Andon:
    """A monitor over these files of a site; with `profile` its line writes one there and nothing supervises it."""

    def __init__(self, directory: Path, files: dict[str, str], profile: Path | None = None) -> None:
        self.directory = directory
        self.data = directory / "data"
        for name, text in files.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        self.log = directory / "log"
        part = ["-m", "monitor.processes"]
        commands = [["-m", "monitor.cli", "run"]]
        if profile:
            self.data.mkdir()
            commands = [["-m", "cProfile", "-o", str(profile), *part, "line"], [*part, "store"]]
        with self.log.open("wb") as log:
            self.processes = [
                subprocess.Popen(
                    [sys.executable, *command, "--site", str(directory)],
                    stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                )
                for command in commands
            ]  # fmt: skip
        wait(lambda: b"mqtt_subscribed" in self.log.read_bytes() and (self.data / "store.db").exists(), 60)

    def journalled(self) -> int:
        return journal_end(self.data / "journal")

    def decided(self) -> int:
        try:
            with closing(AlarmReader(self.data / "alarms.db")) as reader:
                return reader.position()
        except AndonError:
            return 0

    def stored(self) -> int:
        with closing(EmbeddedStore(self.data / "store.db", read_only=True)) as store:
            return store.offset()

    def children(self) -> dict[str, int]:
        """Process ids by name."""
        found = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes().split(b"\0")
                if b"monitor.processes" in command and bytes(self.directory) in command:
                    found[command[command.index(b"monitor.processes") + 1].decode()] = int(process.name)
        return found

    def cpu(self) -> float:
        """CPU seconds of the line process so far."""
        fields = Path(f"/proc/{self.children()['line']}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> dict[str, float]:
        """Resident megabytes of each process."""
        pages = {name: Path(f"/proc/{pid}/statm").read_text().split()[1] for name, pid in self.children().items()}
        return {name: round(int(count) * os.sysconf("SC_PAGESIZE") / 2**20, 1) for name, count in pages.items()}

    def take(self, port: int, messages: int, values: int, qos: int = 1, rate: float = 0.0) -> dict[str, float]:
        """Messages a second until journalled, decided and stored, and the line's CPU; sent at `rate`, 0: at once."""
        end = self.journalled() + messages
        cpu, begin = self.cpu(), time.monotonic()
        with flood(port, messages, values, qos, rate):
            wait(lambda: self.journalled() >= end, 3600)
            journalled = time.monotonic() - begin
            wait(lambda: self.decided() >= end, 600)
            decided = time.monotonic() - begin
            wait(lambda: self.stored() >= end, 3600)
            stored = time.monotonic() - begin
        return {
            "journalled": round(messages / journalled), "decided": round(messages / decided),
            "stored": round(messages / stored), "line_per_cpu_s": round(messages / max(0.01, self.cpu() - cpu)),
        }  # fmt: skip

    def stop(self) -> None:
        """As a service manager does it."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            process.communicate(timeout=20)


class Hook(ThreadingHTTPServer):
    """Notes when each body arrives."""

    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[tuple[float, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        now = time.monotonic()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((now, body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""
