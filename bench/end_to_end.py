"""Through a real mosquitto at QoS 1: mosquitto_sub, paho alone and Andon in one run; then from PUBLISH to the webhook.

python bench/end_to_end.py [--messages 50000]

Andon journals every message before it is acknowledged, decides on it and stores it; the others only count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
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
c.on_connect = lambda *_: c.subscribe("plant/#", 1)
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


def flood(port: int, messages: int, values: int, rate: float = 0.0) -> subprocess.Popen[bytes]:
    """Start the publisher."""
    command = [sys.executable, str(HERE / "_flood.py"), str(port), str(messages), str(values), "1", str(rate)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def count_with(command: list[str], port: int, messages: int, values: int, *, ready: bool) -> float:
    """Messages a second of a program that ends when it has seen them all."""
    with subprocess.Popen(command, stdout=subprocess.PIPE if ready else subprocess.DEVNULL) as receiver:
        if ready:
            assert receiver.stdout is not None
            receiver.stdout.readline()
        else:
            time.sleep(0.5)
        begin = time.monotonic()
        with flood(port, messages, values):
            receiver.wait()
        return messages / (time.monotonic() - begin)


class Andon:
    """`andon run` over a site of the bench's."""

    def __init__(self, directory: Path, port: int, hook: int) -> None:
        self.data = directory / "data"
        (directory / "rules").mkdir()
        (directory / "rules" / "bench.yaml").write_text(RULES)
        (directory / "andon.yaml").write_text(SITE.format(port=port, hook=hook))
        self.log = directory / "log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "monitor.cli", "run", "--site", str(directory)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        wait(lambda: b"mqtt_connected" in self.log.read_bytes(), 60)

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

    def cpu(self) -> float:
        """CPU seconds of the line process so far."""
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and b"processes\0line" in (process / "cmdline").read_bytes():
                fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0

    def take(self, port: int, messages: int, values: int) -> dict[str, float]:
        """Messages a second until journalled, decided and stored, and the line's CPU."""
        end = self.journalled() + messages
        cpu, begin = self.cpu(), time.monotonic()
        with flood(port, messages, values):
            wait(lambda: self.journalled() >= end, 300)
            journalled = time.monotonic() - begin
            wait(lambda: self.decided() >= end, 300)
            decided = time.monotonic() - begin
            wait(lambda: self.stored() >= end, 600)
            stored = time.monotonic() - begin
        return {
            "journalled": round(messages / journalled), "decided": round(messages / decided),
            "stored": round(messages / stored), "line_per_cpu_s": round(messages / max(0.01, self.cpu() - cpu)),
        }  # fmt: skip

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(10)


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
    with flood(port, int(rate * (probes * 0.05 + 3)), 1, rate):
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


async def main() -> None:
    """A line of JSON per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    args = parser.parse_args()
    hook = Hook()
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_broker(Path(folder) / "broker", kind="mosquitto") as broker:
            port, rate = broker.port, 1000.0
            for values in (1, 50):
                n = args.messages // (1 if values == 1 else 4)
                sub = ["mosquitto_sub", "-p", str(port), "-q", "1", "-t", "plant/#", "-C", str(n)]
                native = count_with(sub, port, n, values, ready=False)
                alone = count_with([sys.executable, "-c", COUNT, str(port), str(n)], port, n, values, ready=True)
                site = Path(folder) / f"site{values}"
                site.mkdir()
                andon = Andon(site, port, hook.server_address[1])
                try:
                    ours = andon.take(port, n, values)
                    report = {
                        "values_per_message": values, "messages": n, "mosquitto_sub_per_s": round(native),
                        "paho_alone_per_s": round(alone), "andon_per_s": ours,
                        "ratio_to_mosquitto_sub": round(ours["decided"] / native, 2),
                        "ratio_to_paho_alone": round(ours["decided"] / alone, 2),
                    }  # fmt: skip
                    print(json.dumps(report), flush=True)
                    if values == 1:
                        rate = ours["stored"] / 2
                        print(json.dumps({"publish_to_webhook": latency(port, hook, 100.0, 0)}), flush=True)
                        print(json.dumps({"publish_to_webhook": latency(port, hook, rate, 1000)}), flush=True)
                finally:
                    andon.stop()


if __name__ == "__main__":
    asyncio.run(main())
