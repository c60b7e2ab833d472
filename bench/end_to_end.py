"""Through a real mosquitto: mosquitto_sub, paho alone and Andon in one run; then from PUBLISH to the webhook.

python bench/end_to_end.py [--messages 50000] [--soak 3600000] [--profile]

Andon journals every message before it is acknowledged, decides on it and stores it; the others only count. `--soak`
sends so many messages more and looks at memory before and after; `--profile` shows where the line spends its time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pstats
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.collectors.embedded import embedded_broker
from monitor.database.queries import AlarmReader
from monitor.errors import AndonError
from monitor.journal.reader import journal_end
from monitor.stores.embedded import EmbeddedStore

HERE = Path(__file__).parent
SOAK_RATE = 10_000.0
"""Messages a second of a soak."""
RULES = """version: 1
rules:
  - {id: high, kind: equipment, notice: true, detect: {type: limits, signal: m0, high: 80, high_high: 95}}
  - {id: low, kind: equipment, notice: true, detect: {type: limits, signal: m0, low: 5, low_low: 1, deadband: 1}}
  - {id: drift, kind: quality, notice: true, detect: {type: limits, signal: m0, low: 20, high: 70, on_delay: 60s}}
  - {id: guard, kind: safety, latch: false, notice: true, detect: {type: limits, signal: m0, high: 99}}
  - {id: probe, kind: safety, assets: "probe/*", latch: false, detect: {type: limits, signal: v, high: 50}}
"""
SITE = """site: bench
data_dir: data
broker: {{url: "mqtt://127.0.0.1:{port}"}}
gateways:
  - {{name: probes, topic: "plant/probe/{{n}}/{{metric}}", asset: "probe/{{n}}"}}
  - {{name: one, topic: "plant/{{line}}/{{machine}}/{{metric}}", asset: "{{line}}/{{machine}}"}}
  - {{name: many, topic: "plant/{{line}}/{{machine}}", asset: "{{line}}/{{machine}}"}}
notify: {{teams: {{all: {{channels: ["json://127.0.0.1:{hook}/"]}}}}, routes: [{{match: {{}}, to: all}}]}}
web: {{port: 0}}
"""
COUNT = """
import sys
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
port, wanted = int(sys.argv[1]), int(sys.argv[2])
seen = 0
def on_message(client, _, message):
    global seen
    seen += 1
    if seen == wanted:
        client.disconnect()
c = paho.Client(CallbackAPIVersion.VERSION2, "paho-alone")
c.on_connect = lambda *_: c.subscribe("plant/#", int(sys.argv[3]))
c.on_subscribe = lambda *_: print("ready", flush=True)
c.on_message = on_message
c.connect("127.0.0.1", port)
c.loop_forever()
"""


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


def count_with(command: list[str], port: int, messages: int, values: int, qos: int, *, ready: bool) -> float:
    """Messages a second of a program that ends when it has seen them all."""
    with subprocess.Popen(command, stdout=subprocess.PIPE if ready else subprocess.DEVNULL) as receiver:
        if ready:
            assert receiver.stdout is not None
            receiver.stdout.readline()
        else:
            time.sleep(0.5)
        begin = time.monotonic()
        with flood(port, messages, values, qos):
            receiver.wait()
        return messages / (time.monotonic() - begin)


class Andon:
    """A monitor over a site of the bench's; with `profile` its line writes one there and nothing supervises it."""

    def __init__(self, directory: Path, port: int, hook: int, profile: Path | None = None) -> None:
        self.directory = directory
        self.data = directory / "data"
        (directory / "rules").mkdir(parents=True)
        (directory / "rules" / "bench.yaml").write_text(RULES)
        (directory / "andon.yaml").write_text(SITE.format(port=port, hook=hook))
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
    """Notes when each probe's alarm arrives."""

    daemon_threads = True

    def __init__(self) -> None:
        self.arrived: dict[int, float] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        now = time.monotonic()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = re.search(rb"probe/(\d+)", body)
        if found:
            self.server.arrived.setdefault(int(found[1]), now)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def latency(port: int, hook: Hook, rate: float, first: int, probes: int = 200) -> dict[str, float]:
    """From PUBLISH of a value over its limit to the webhook's socket, in ms, under a background load."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "probe")
    client.connect("127.0.0.1", port)
    client.loop_start()
    hook.arrived.clear()
    sent: dict[int, float] = {}
    with flood(port, int(rate * (probes * 0.05 + 3)), 1, rate=rate):
        time.sleep(1)
        for number in range(first, first + probes):
            sent[number] = time.monotonic()
            client.publish(f"plant/probe/{number}/v", b"99", qos=1)
            time.sleep(0.05)
        wait(lambda: len(hook.arrived) >= probes, 60)
    client.loop_stop()
    client.disconnect()
    took = sorted((hook.arrived[n] - at) * 1000 for n, at in sent.items())
    return {
        "load_messages_per_s": round(rate), "probes": probes, "p50_ms": round(statistics.median(took), 1),
        "p99_ms": round(took[int(0.99 * len(took))], 1), "max_ms": round(took[-1], 1),
    }  # fmt: skip


def told(**figures: object) -> None:
    """A line of JSON."""
    print(json.dumps(figures), flush=True)


def compared(andon: Andon, port: int, messages: int, values: int, qos: int) -> float:
    """One load through all three; what Andon stored a second."""
    sub = ["mosquitto_sub", "-p", str(port), "-q", str(qos), "-t", "plant/#", "-C", str(messages)]
    native = count_with(sub, port, messages, values, qos, ready=False)
    paho_alone = [sys.executable, "-c", COUNT, str(port), str(messages), str(qos)]
    alone = count_with(paho_alone, port, messages, values, qos, ready=True)
    wait(lambda: andon.decided() >= andon.journalled() and andon.stored() >= andon.journalled(), 600)
    ours = andon.take(port, messages, values, qos)
    told(
        values_per_message=values, qos=qos, messages=messages, mosquitto_sub_per_s=round(native),
        paho_alone_per_s=round(alone), andon_per_s=ours, ratio_to_mosquitto_sub=round(ours["decided"] / native, 2),
        ratio_to_paho_alone=round(ours["decided"] / alone, 2),
    )  # fmt: skip
    return ours["stored"]


def soaked(andon: Andon, port: int, messages: int) -> None:
    """Memory before and after very many messages, after the first tenth of them; no faster than a broker can queue."""
    andon.take(port, max(1, messages // 10), 1, rate=SOAK_RATE)
    before = andon.memory()
    rates = andon.take(port, messages, 1, rate=SOAK_RATE)
    told(soak_messages=messages, andon_per_s=rates, megabytes_before=before, megabytes_after=andon.memory())


def profiled(folder: Path, port: int, hook: int, messages: int, values: int) -> None:
    """The ten functions in which the line's main thread spends most of its time."""
    andon = Andon(folder / "site", port, hook, folder / "profile")
    andon.take(port, messages, values)
    andon.stop()
    print(f"-- profile of the line, {messages} messages of {values} values")
    stats = pstats.Stats(str(folder / "profile"), stream=sys.stdout)
    stats.strip_dirs().sort_stats("tottime").print_stats(10)


async def main() -> None:
    """A line of JSON per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_broker(Path(folder) / "broker", kind="mosquitto") as broker:
            await asyncio.to_thread(measure, Path(folder), broker.port, args)


def measure(folder: Path, port: int, args: argparse.Namespace) -> None:
    """All that the options ask for."""
    hook = Hook()
    if args.profile:
        for values in (1, 50):
            count = args.messages // (1 if values == 1 else 4)
            profiled(folder / f"profile{values}", port, hook.server_address[1], count, values)
        return
    andon = Andon(folder / "site", port, hook.server_address[1])
    try:
        rates = {
            (values, qos): compared(andon, port, args.messages // (1 if values == 1 else 4), values, qos)
            for values in (1, 50)
            for qos in (0, 1)
        }
        told(publish_to_webhook=latency(port, hook, 100.0, 0))
        told(publish_to_webhook=latency(port, hook, rates[1, 1] / 2, 1000))
        if args.soak:
            soaked(andon, port, args.soak)
    finally:
        andon.stop()


if __name__ == "__main__":
    asyncio.run(main())
