"""Through a real mosquitto: mosquitto_sub, paho alone and Andon in one run; then from PUBLISH to the webhook.

python bench/end_to_end.py [--messages 50000] [--soak 3600000] [--profile]

Andon journals every message before it is acknowledged, decides on it and stores it; the others only count. `--soak`
sends so many messages more and looks at memory before and after; `--profile` shows where the line spends its time.
"""

from __future__ import annotations

import argparse
import asyncio
import pstats
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _running import Andon, Hook, flood, told, wait
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.collectors.embedded import embedded_broker

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


def files(port: int, hook: int) -> dict[str, str]:
    """The site's files."""
    return {"rules/bench.yaml": RULES, "andon.yaml": SITE.format(port=port, hook=hook)}


def arrivals(hook: Hook) -> dict[int, float]:
    """When each probe's alarm arrived first."""
    found: dict[int, float] = {}
    for at, body in hook.bodies:
        if probe := re.search(rb"probe/(\d+)", body):
            found.setdefault(int(probe[1]), at)
    return found


def latency(port: int, hook: Hook, rate: float, first: int, probes: int = 200) -> dict[str, float]:
    """From PUBLISH of a value over its limit to the webhook's socket, in ms, under a background load."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "probe")
    client.connect("127.0.0.1", port)
    client.loop_start()
    hook.bodies.clear()
    sent: dict[int, float] = {}
    with flood(port, int(rate * (probes * 0.05 + 3)), 1, rate=rate):
        time.sleep(1)
        for number in range(first, first + probes):
            sent[number] = time.monotonic()
            client.publish(f"plant/probe/{number}/v", b"99", qos=1)
            time.sleep(0.05)
        wait(lambda: len(arrivals(hook)) >= probes, 60)
    client.loop_stop()
    client.disconnect()
    arrived = arrivals(hook)
    took = sorted((arrived[n] - at) * 1000 for n, at in sent.items())
    return {
        "load_messages_per_s": round(rate), "probes": probes, "p50_ms": round(statistics.median(took), 1),
        "p99_ms": round(took[int(0.99 * len(took))], 1), "max_ms": round(took[-1], 1),
    }  # fmt: skip


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
    andon = Andon(folder / "site", files(port, hook), folder / "profile")
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
            profiled(folder / f"profile{values}", port, hook.port, count, values)
        return
    andon = Andon(folder / "site", files(port, hook.port))
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
