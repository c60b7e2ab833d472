"""InfluxDB is away while 5,000 readings a second arrive: alarms come on time, memory stays flat, nothing is missing."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.codecs import Decoder
from monitor.journal.entries import Message
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.settings import Gateway
from monitor.stores import writer
from monitor.stores.base import StoreRestarted
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_rejects import Rejects
from monitor.stores.influx_server import InfluxServer
from monitor.stores.opening import open_store
from monitor.stores.writer import run_writer
from rules.events import SECOND
from tests.monitor.alerting.hook import Hook, webhook
from tests.services.influx_answers import CUT_AFTER_KEEPING, KEPT, Answer, answering, refused
from tests.services.influxdb import InfluxDB
from tests.services.loading import Load
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

RATE = 500
VALUES = 10
T0 = 1_700_000_000 * SECOND
STEP = SECOND // RATE
RULES = """version: 1
rules:
  - {id: high, kind: equipment, notice: true, priority: high, detect: {type: limits, signal: v0, high: 90, deadband: 5}}
  - {id: probe, kind: equipment, notice: true, priority: high, assets: "probe/*", detect: {type: limits, signal: probe, high: 0}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}", asset: "{line}/{machine}"}'
TYPICAL_ALARM_SECONDS = 5.0
"""Also while tests of other things run on the same two processors; bench/end_to_end.py measures it on a quiet machine."""
FLAT_BYTES = 48 * 1024 * 1024


def reading(i: int) -> tuple[str, str]:
    """One of fifty machines."""
    values = ", ".join(f'"v{n}": {50 + (i + n) % 17}' for n in range(VALUES - 1))
    return f"plant/line/m{i % 50}", f'{{"timestamp": {T0 + i * STEP}, "seq": {i}, {values}}}'


class Probes:
    """Twice a second a machine of its own is in alarm; notes when each was published."""

    def __init__(self, port: int) -> None:
        self.sent: dict[int, float] = {}
        self._stop = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "probes")
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            number = len(self.sent) + 1
            self.sent[number] = time.monotonic()
            self._client.publish(f"plant/probe/{number}", f'{{"probe": {number}}}', qos=1).wait_for_publish(30)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.loop_stop()
        self._client.disconnect()


@contextmanager
def watched(site: RunningSite) -> Iterator[list[int]]:
    """Resident bytes of line and store writer together, once a second."""
    found: list[int] = []
    end = threading.Event()

    def watch() -> None:
        while not end.wait(1.0):
            found.append(sum(resident(site.child(name)) for name in ("line", "store")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        end.set()
        watcher.join()


def resident(pid: int | None) -> int:
    fields = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", fields)[0]) * 1024


def delays(hook: Hook, probed: dict[int, float]) -> list[float]:
    """Seconds from PUBLISH to the webhook, of each probe, in order of size."""
    arrived: dict[int, float] = {}
    for at, (_, _, body) in zip(hook.times, hook.requests, strict=True):
        if found := re.search(rb"probe/(\d+)", body):
            arrived.setdefault(int(found[1]), at)
    return sorted(arrived[number] - at for number, at in probed.items())


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seconds", [15, pytest.param(600, marks=pytest.mark.long)])
def test_influxdb_is_away(
    tmp_path: Path,
    start_mosquitto: Callable[..., Mosquitto],
    start_influxdb: Callable[..., InfluxDB],
    seconds: int,
) -> None:
    broker, server = start_mosquitto(inflight=2000), start_influxdb()
    server.database("plant")
    store = f'{{type: influxdb, url: "{server.url}", bucket: plant}}'
    with (
        webhook() as hook,
        RunningSite(
            tmp_path / "site", f'{{url: "{broker.url}"}}', RULES, GATEWAY,
            hook=f"json://127.0.0.1:{hook.port}/", store=store,
        ) as site,
    ):  # fmt: skip
        site.start()
        until(lambda: "mqtt_subscribed" in site.log, 60, "the connection")
        load = Load(broker.port, reading, RATE)
        try:
            until(lambda: site.received() > RATE, 60, "the load to arrive")
            server.kill()
            probes = Probes(broker.port)
            with watched(site) as memory:
                threading.Event().wait(seconds)
            probes.stop()
            server.start()
        finally:
            sent = load.stop()
        returned = time.monotonic()
        until(site.settled, 60 + seconds, "the store to catch up")
        caught_up = time.monotonic() - returned
        site.stop()
    with closing(open_store(site.settings, read_only=True)) as kept:
        assert kept.count() == sent * VALUES + len(probes.sent)
        assert [point.value for point in kept.read(metric="seq")] == [float(i) for i in range(sent)]
    took = delays(hook, probes.sent)
    typical, late = statistics.median(took), took[int(0.99 * (len(took) - 1))]
    growth = max(memory[-3:]) - max(memory[: max(3, len(memory) // 3)])
    print(
        f"away {seconds} s, {sent} messages, caught up in {caught_up:.1f} s, memory {growth / 2**20:+.1f} MB to "
        f"{memory[-1] / 2**20:.0f} MB, PUBLISH to webhook p50 {typical * 1000:.0f} ms, p99 {late * 1000:.0f} ms, "
        f"{len(took)} alarms"
    )
    assert typical < TYPICAL_ALARM_SECONDS
    assert growth < FLAT_BYTES


def test_every_answer_a_server_can_give_in_turn_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many, overloaded, broken, cut before and after the lines were kept, silence, and a point it will not have."""
    monkeypatch.setattr(writer, "LONGEST_PAUSE", SECOND // 50)
    monkeypatch.setattr(InfluxServer.__init__, "__defaults__", (0.2,))
    gateway = Gateway(name="g", topic="plant/{machine}/{metric}", asset="{machine}")
    messages = [
        Message(T0 + n, "main", b"plant/m/bad" if n == 7 else b"plant/m/x", b"%d" % n, 1, False, False, n + 1)
        for n in range(50)
    ]
    with closing(JournalWriter(tmp_path / "journal")) as journal:
        journal.append(messages)
    with answering() as server, closing(InfluxStore(server.settings(), tmp_path)) as store:
        script: list[Answer | Callable[[list[bytes]], Answer]] = [
            (429, {"Retry-After": "0"}, b"{}"), refused("overloaded", 503), (500, {}, b""), None, CUT_AFTER_KEEPING, server.hang,
        ]  # fmt: skip

        def answer(lines: list[bytes]) -> Answer:
            if script:
                return given(lines) if callable(given := script.pop(0)) else given
            return refused("partial write: field type conflict") if any(b"=bad" in line for line in lines) else KEPT

        server.script = answer
        stop = threading.Event()
        decoder = Decoder((gateway,), lambda _: {})

        def fill() -> None:
            while not stop.is_set():
                with suppress(StoreRestarted), JournalReader(tmp_path / "journal", store.offset()) as reader:
                    run_writer(reader, store, decoder, lambda _: decoder, stop)

        thread = threading.Thread(target=fill)
        thread.start()
        try:
            until(lambda: store.offset() == len(messages), 30, "everything to be stored")
        finally:
            stop.set()
            thread.join()
        kept = {int(line.rsplit(b" ", 1)[1]) - T0 for line in server.lines if b"=bad" not in line}
    assert kept == set(range(50)) - {7}
    assert [reject.at - T0 for reject in Rejects(tmp_path).all()] == [7]
