"""`kill -9` of the whole monitor under load: nothing is lost, nothing is twice, and people are told the same."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.alerting.policy import Why
from monitor.stores.embedded import EmbeddedStore
from rules.events import SECOND, Observation, Reading
from rules.replay import replay
from tests.monitor.alerting.hook import Hook, webhook
from tests.rules.plant import rules_of
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

RATE = 2000
ASSETS = 4
T0 = 1_700_000_000 * SECOND
STEP = SECOND // RATE
STAMPED_RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50, deadband: 5}}
  - {id: sustained, kind: quality, notice: true, detect: {type: condition, expression: level > 50, on_delay: 1s}}
"""
PLAIN_RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50, deadband: 5}}
"""
STAMPED_GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}", asset: "{line}/{machine}"}'
PLAIN_GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}/{metric}", asset: "{line}/{machine}"}'


def level(i: int) -> float:
    """High for three seconds of six, with the four machines out of step."""
    return 80.0 if (i + (i % ASSETS) * 1500) // RATE % 6 < 3 else 20.0


def asset(i: int) -> str:
    return f"line/m{i % ASSETS}"


def stamped(i: int) -> tuple[str, str]:
    return f"plant/{asset(i)}", f'{{"timestamp": {T0 + i * STEP}, "seq": {i}, "level": {level(i)}}}'


def plain(i: int) -> tuple[str, str]:
    if i % 50 < ASSETS:
        return f"plant/{asset(i)}/level", f"{level(i)}"
    return f"plant/{asset(i)}/seq", f"{i}"


class Load:
    """Publishes message after message at QoS 1 and 2,000 a second until told to stop; every one reaches the broker.

    What paho's own queue refuses (it holds 65,535) is not counted as sent and comes again.
    """

    def __init__(self, port: int, make: Callable[[int], tuple[str, str]]) -> None:
        self.sent = 0
        self._make = make
        self._stop = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "load")
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        begin = time.monotonic()
        last = None
        while not self._stop.wait(0.005):
            due = int((time.monotonic() - begin) * RATE)
            while self.sent < due and (info := self._client.publish(*self._make(self.sent), qos=1)).rc == 0:
                last = info
                self.sent += 1
        if last is not None:
            last.wait_for_publish(30)

    def stop(self) -> int:
        """The number of messages that were sent."""
        self._stop.set()
        self._thread.join()
        self._client.loop_stop()
        self._client.disconnect()
        return self.sent


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto(inflight=2000)


def site_of(folder: Path, broker: Mosquitto, rules: str, gateway: str, hook: Hook) -> RunningSite:
    return RunningSite(
        folder / "site", f'{{url: "{broker.url}"}}', rules, gateway, hook=f"json://127.0.0.1:{hook.port}/"
    )


def untold(site: RunningSite) -> set[str]:
    """Transitions that came so late, after a long absence, that people were told what followed or a summary."""
    why = (Why.OVERTAKEN, Why.SUMMARISED, Why.NOBODY_WAS_TOLD)
    return {id_ for id_, verdict in site.verdicts().items() if verdict.startswith(why)}


def run_under_kills(site: RunningSite, broker: Mosquitto, make: Callable[[int], tuple[str, str]], kills: int) -> int:
    rng = random.Random(kills)
    site.start()
    until(lambda: "mqtt.connected" in site.log, 60, "the first connection")
    load = Load(broker.port, make)
    try:
        for _ in range(kills):
            before = site.received()
            until(lambda: site.received() > before + 500, 60, "messages to arrive again")  # noqa: B023
            threading.Event().wait(rng.uniform(0.0, 1.5))
            site.kill()
            site.start()
    finally:
        sent = load.stop()
    wanted = sum(1 + ("seq" in payload) for _, payload in map(make, range(sent)))
    until(lambda: count_of(site) >= wanted and site.settled(), 120, "everything to be decided, stored and sent")
    return sent


def count_of(site: RunningSite) -> int:
    """Readings in the store."""
    with closing(EmbeddedStore(site.data / "store.db", read_only=True)) as store:
        return store.count()


def seqs(site: RunningSite) -> list[int]:
    with closing(EmbeddedStore(site.data / "store.db", read_only=True)) as store:
        return sorted(int(point.value or 0) for point in store.read(metric="seq"))


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.long)])
def test_stamped_json_under_kills(tmp_path: Path, broker: Mosquitto, kills: int) -> None:
    with webhook() as hook, site_of(tmp_path, broker, STAMPED_RULES, STAMPED_GATEWAY, hook) as site:
        sent = run_under_kills(site, broker, stamped, kills)
        site.stop()
    assert seqs(site) == list(range(sent))
    made = (
        Observation(asset(i), T0 + i * STEP, T0 + i * STEP, (Reading("seq", float(i)), Reading("level", level(i))))
        for i in range(sent)
    )
    expected = {t.id for t in replay(rules_of(STAMPED_RULES), made)}
    end = T0 + (sent - 1) * STEP  # what comes due after the last reading only the live clock sees
    got = [t.id for t in site.transitions() if not t.rule.startswith("system.") and t.at <= end]
    assert len(got) == len(set(got))
    assert set(got) == expected
    keys = {key.split("@")[0] for key in hook.keys if ":system." not in key and not key.startswith("summary:")}
    assert {key for key in keys if int(key.split(":")[2]) <= end} == expected - untold(site)
    print(
        f"{kills} kills, {sent} messages, {len(got)} transitions, {len(hook.keys)} deliveries of {len(set(hook.keys))} keys"
    )


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.long)])
def test_plain_values_under_kills(tmp_path: Path, broker: Mosquitto, kills: int) -> None:
    with webhook() as hook, site_of(tmp_path, broker, PLAIN_RULES, PLAIN_GATEWAY, hook) as site:
        sent = run_under_kills(site, broker, plain, kills)
        site.stop()
    assert seqs(site) == [i for i in range(sent) if i % 50 >= ASSETS]
    expected: list[tuple[str, str, float]] = []
    last = dict.fromkeys((asset(i) for i in range(ASSETS)), 0.0)
    for i in (i for i in range(sent) if i % 50 < ASSETS):
        if level(i) != last[asset(i)] and (level(i) == 80.0 or last[asset(i)]):
            expected.append((asset(i), "raised" if level(i) == 80.0 else "cleared", level(i)))
        last[asset(i)] = level(i)
    got = [(t.asset, t.event, t.value) for t in site.transitions() if t.rule == "hot"]
    assert got == expected
    keys = {key.split("@")[0] for key in hook.keys if ":system." not in key and not key.startswith("summary:")}
    hot = {t.id for t in site.transitions() if t.rule == "hot"}
    assert keys == hot - untold(site)
    print(
        f"{kills} kills, {sent} messages, {len(got)} transitions, {len(hook.keys)} deliveries of {len(set(hook.keys))} keys"
    )
