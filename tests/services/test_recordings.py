"""Real input through a real broker into a real monitor: the same as a replay, and bad input stops nothing."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.codecs.timestamps import format_iso
from monitor.database.queries import AlarmReader
from rules.events import SECOND, Observation, Reading
from tests.public_data import ROOT, public_data
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

IMS_RULES = (ROOT / "bench/detection/ims.yaml").read_text()
GATEWAY = '  - {name: g, format: json, topic: "plant/{asset...}", asset: "{asset}"}'


def bearings() -> list[Observation]:
    """The recording as observations, in order of time."""
    found = []
    for path in sorted(public_data("ims_bearing").glob("*_2.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                at = int(datetime.fromisoformat(row[""]).replace(tzinfo=UTC).timestamp()) * SECOND
                found += [
                    Observation(f"ims/bearing{n}", at, at, (Reading("vibration", float(row[f"Bearing {n}"])),))
                    for n in range(1, 5)
                ]
    return sorted(found, key=lambda o: (o.at, o.asset))


def publish(port: int, messages: list[tuple[str, bytes]]) -> None:
    """All of them at QoS 1, as fast as they go."""
    client = paho.Client(CallbackAPIVersion.VERSION2, "gateway")
    client.connect("127.0.0.1", port)
    client.loop_start()
    last = None
    for topic, payload in messages:
        last = client.publish(topic, payload, qos=1)
    assert last is not None
    last.wait_for_publish(60)
    client.loop_stop()
    client.disconnect()


@pytest.fixture
def running(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> Iterator[Callable[[str], tuple[RunningSite, int]]]:
    with ExitStack() as stack:

        def run(rules: str) -> tuple[RunningSite, int]:
            broker = start_mosquitto(inflight=2000)
            site = RunningSite(tmp_path / "site", f'{{url: "{broker.url}"}}', rules, GATEWAY)
            stack.enter_context(site)
            site.start()
            until(lambda: "mqtt_subscribed" in site.log, 60, "the connection")
            return site, broker.port

        yield run


def replayed(folder: Path, recording: list[Observation]) -> set[str]:
    """The ids of the transitions that `andon replay` gives for the same readings."""
    rows = (f"{format_iso(o.at)},{o.asset},vibration,{o.readings[0].value!r}" for o in recording)
    (folder / "tidy.csv").write_text("\n".join(["timestamp,asset,metric,value", *rows, ""]))
    files = [
        str(folder / "tidy.csv"),
        "--rules",
        str(ROOT / "bench/detection/ims.yaml"),
        "--out",
        str(folder / "out.jsonl"),
    ]
    subprocess.run([sys.executable, "-m", "monitor.cli", "replay", *files], check=True)
    return {json.loads(line)["id"] for line in (folder / "out.jsonl").read_text().splitlines()}


def test_a_bearing_run_to_failure_live_and_replayed(
    running: Callable[[str], tuple[RunningSite, int]], tmp_path: Path
) -> None:
    """Bearing 1 fails: it alarms first and before its end; live gives the transitions of a replay."""
    recording = bearings()
    site, port = running(IMS_RULES)
    publish(
        port,
        [
            (f"plant/{o.asset}", json.dumps({"timestamp": o.at, "vibration": o.readings[0].value}).encode())
            for o in recording
        ],
    )
    until(lambda: site.stored() == len(recording) and site.settled(), 60, "everything to be decided and stored")
    site.stop()
    end = recording[-1].at
    live = [t for t in site.transitions() if not t.rule.startswith("system.") and t.at <= end]
    assert {t.id for t in live} == replayed(tmp_path, recording)
    raised = [t.asset for t in live if t.event == "raised"]
    assert raised[0] == "ims/bearing1"
    assert live[0].at < end


GOOD = b'{"t": 1700000000, "x": 1}'
BAD: list[tuple[bytes, str]] = [
    (b"", "empty"),
    (b"{", "not-json"),
    (b"\xff\xfe", "not-utf-8"),
    (b"[" * 5000, "too-deep"),
    (b'{"x": ' + b"1" * 1_100_000 + b"}", "too-large"),
    (b'{"ts": "yesterday", "x": 1}', "bad-timestamp"),
    (b"{}", "no-values"),
]
ODD = [
    b'{"x": NaN}', b'{"x": 1e999}', b'{"x": null}', b'{"x": "text"}', b'{"ts": 0, "x": 1}', b'{"ts": "2106-01-01T00:00:00Z", "x": 1}',
]  # fmt: skip
LIMIT = (
    "version: 1\nrules:\n  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: y, high: 80}}\n"
)


def test_bad_input_is_counted_and_everything_else_goes_on(running: Callable[[str], tuple[RunningSite, int]]) -> None:
    site, port = running(LIMIT)
    publish(port, [("plant/m", payload) for payload, _ in BAD] + [("plant/m", p) for p in ODD] + [("stray", b"1")])
    publish(port, [("plant/n", b'{"y": 99}')])
    until(lambda: any(t.asset == "n" and t.event == "raised" for t in site.transitions()), 30, "the alarm behind it")
    until(site.settled, 30, "everything to be decided and stored")
    with closing(AlarmReader(site.data / "alarms.db")) as alarms:
        counts = alarms.quarantine_counts()
    site.stop()
    assert {reason: counts.get(("g", reason)) for _, reason in BAD} == {reason: 1 for _, reason in BAD}
    assert any(t.rule == "system.clock" for t in site.transitions())
    assert not site.traceback
