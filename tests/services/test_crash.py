"""`kill -9` of every part under load: nothing is lost, nothing is twice, and people are told the same."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from monitor.alerting.policy import Why
from monitor.stores.base import Point
from monitor.stores.opening import open_store
from rules.events import SECOND, Observation, Reading
from rules.replay import replay
from tests.monitor.alerting.hook import Hook, webhook
from tests.rules.plant import rules_of
from tests.services.influxdb import InfluxDB
from tests.services.loading import Journalled, Load
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

RATE = 1000
ASSETS = 4
T0 = 1_700_000_000 * SECOND
STEP = SECOND // RATE
STAMPED_RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, priority: high, detect: {type: limits, signal: level, high: 50, deadband: 5}}
  - {id: sustained, kind: quality, notice: true, priority: high, detect: {type: condition, expression: level > 50, on_delay: 1s}}
"""
PLAIN_RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, priority: high, detect: {type: limits, signal: level, high: 50, deadband: 5}}
"""
STAMPED_GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}", asset: "{line}/{machine}"}'
PLAIN_GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}/{metric}", asset: "{line}/{machine}"}'
SAVE_AFTER = 20
"""Messages that mosquitto queues before it saves all of them; after each one, a queue of thousands makes it crawl."""
UNSAVED = 2 * SAVE_AFTER
"""Confirmed messages that a kill of mosquitto may cost: those since it last saved, and what one turn of its loop adds."""
EMBEDDED_VICTIMS = {"line": 7, "store": 7, "supervisor": 3, "all": 3, "mosquitto": 5}
INFLUXDB_VICTIMS = {"line": 2, "store": 3, "supervisor": 1, "influxdb": 5}


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


def site_of(
    folder: Path, broker: Mosquitto, rules: str, gateway: str, hook: Hook, store: str = "{type: embedded}"
) -> RunningSite:
    address = f"json://127.0.0.1:{hook.port}/"
    return RunningSite(folder / "site", f'{{url: "{broker.url}"}}', rules, gateway, hook=address, store=store)


class Parts:
    """Each part that can die, by name, with what kills it and brings it back."""

    def __init__(self, site: RunningSite, broker: Mosquitto, load: Load, server: InfluxDB | None) -> None:
        self._site = site
        self._broker = broker
        self._load = load
        self._journalled = Journalled(site.data / "journal")
        self.deaths: dict[str, Callable[[], None]] = {
            "line": lambda: site.kill_child("line"),
            "store": lambda: site.kill_child("store"),
            "supervisor": lambda: (site.kill_supervisor(), site.start())[1],
            "all": lambda: (site.kill(), site.start())[1],
            "mosquitto": self._kill_mosquitto,
        }
        if server is not None:
            self.deaths["influxdb"] = lambda: (server.kill(), server.start())[1]

    def _kill_mosquitto(self) -> None:
        """What it had confirmed to the gateway (PUBACK) has arrived, but for `UNSAVED`: that is mosquitto's own design.

        It confirms a message at once and saves later, so what it had neither delivered nor saved dies with it. The gateway
        goes on behind what arrived.
        """
        connected = self._site.log.count("mqtt_subscribed")
        self._broker.kill()
        with self._load.cut():
            confirmed = self._load.acknowledged
            self._broker.start()
            until(lambda: self._site.log.count("mqtt_subscribed") > connected, 60, "the monitor to connect again")
            until(lambda: self._journalled.count() >= confirmed - UNSAVED, 60, "what was confirmed to arrive")
            self._load.sent = self._arrived()

    def _arrived(self) -> int:
        """How many messages are journalled as soon as no more come."""
        counts = [-1, self._journalled.count()]
        while counts[-1] != counts[-2]:
            threading.Event().wait(1.0)
            counts.append(self._journalled.count())
        return counts[-1]


def run_under_kills(
    site: RunningSite,
    broker: Mosquitto,
    make: Callable[[int], tuple[str, str]],
    victims: dict[str, int],
    server: InfluxDB | None = None,
    *,
    values: int = 2,
) -> int:
    """Kill so many of each in random order, at random moments under load; how many messages were sent."""
    order = [victim for victim, times in victims.items() for _ in range(times)]
    rng = random.Random(len(order))
    rng.shuffle(order)
    site.start()
    until(lambda: "mqtt_subscribed" in site.log, 60, "the first connection")
    load = Load(broker.port, make, RATE)
    parts = Parts(site, broker, load, server)
    try:
        for victim in order:
            before = site.received()
            until(lambda: site.received() > before + 500, 60, f"messages to arrive again, {victim} being next")  # noqa: B023
            threading.Event().wait(rng.uniform(0.0, 1.0))
            parts.deaths[victim]()
    finally:
        sent = load.stop()
    until(lambda: site.settled() and site.stored() >= values * sent, 180, "everything to be decided, stored and sent")
    return sent


def points_of(site: RunningSite) -> list[Point]:
    """Every stored number of a message, and that nothing but the messages' values is stored."""
    with closing(open_store(site.settings, read_only=True)) as store:
        found = list(store.read(metric="seq"))
        assert store.count() == len(found) + len(list(store.read(metric="level")))
        return found


def check_told(site: RunningSite, hook: Hook, expected: set[str]) -> None:
    """Each of them reached the webhook, or came late and was over again; what came twice came with the same words."""
    bodies = defaultdict(set)
    for _, headers, body in hook.requests:
        bodies[headers["Idempotency-Key"]].add(body)
    assert {key: said for key, said in bodies.items() if len(said) > 1} == {}
    reached = {key.split("@")[0] for key in bodies}
    untold = {id_ for id_, verdict in site.verdicts().items() if verdict.startswith(LATE)}
    assert expected <= reached | untold


def check_stamped(site: RunningSite, hook: Hook, sent: int) -> None:
    """Stored once each, and transitions and notifications as if nothing had ever died."""
    assert [(p.at, p.value) for p in points_of(site)] == [(T0 + i * STEP, float(i)) for i in range(sent)]
    made = (
        Observation(asset(i), T0 + i * STEP, T0 + i * STEP, (Reading("seq", float(i)), Reading("level", level(i))))
        for i in range(sent)
    )
    expected = {t.id for t in replay(rules_of(STAMPED_RULES), made)}
    end = T0 + (sent - 1) * STEP  # what comes due after the last reading only the live clock sees
    got = [t.id for t in site.transitions() if not t.rule.startswith("system.") and t.at <= end]
    assert len(got) == len(set(got))
    assert set(got) == expected
    check_told(site, hook, expected)
    assert not site.traceback
    print(f"{sent} messages, {len(got)} transitions, {len(hook.keys)} deliveries of {len(set(hook.keys))} keys")


LATE = (Why.OVERTAKEN, Why.SUMMARISED, Why.NOBODY_WAS_TOLD)
"""Of what came after a long absence people were told what followed, or a summary."""
TIMES = [1, pytest.param(10, marks=pytest.mark.long)]


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("times", TIMES)
def test_every_part_dies_with_the_store_of_our_own(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], times: int
) -> None:
    broker = start_mosquitto(
        inflight=2000, persistence=True, options=("autosave_on_changes true", f"autosave_interval {SAVE_AFTER}")
    )
    victims = {victim: times * count for victim, count in EMBEDDED_VICTIMS.items()}
    with webhook() as hook, site_of(tmp_path, broker, STAMPED_RULES, STAMPED_GATEWAY, hook) as site:
        sent = run_under_kills(site, broker, stamped, victims)
        site.stop()
        check_stamped(site, hook, sent)
        assert not any(point.late for point in points_of(site)), "they were in time the first time"


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("times", TIMES)
def test_every_part_dies_with_influxdb(
    tmp_path: Path,
    start_mosquitto: Callable[..., Mosquitto],
    start_influxdb: Callable[..., InfluxDB],
    times: int,
) -> None:
    broker, server = start_mosquitto(inflight=2000), start_influxdb()
    server.database("plant")
    store = f'{{type: influxdb, url: "{server.url}", bucket: plant}}'
    victims = {victim: times * count for victim, count in INFLUXDB_VICTIMS.items()}
    with webhook() as hook, site_of(tmp_path, broker, STAMPED_RULES, STAMPED_GATEWAY, hook, store) as site:
        sent = run_under_kills(site, broker, stamped, victims, server)
        site.stop()
        check_stamped(site, hook, sent)


@pytest.mark.timeout(5400)
@pytest.mark.parametrize("times", TIMES)
def test_values_without_stamps_when_everything_dies(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], times: int
) -> None:
    broker = start_mosquitto(inflight=2000)
    with webhook() as hook, site_of(tmp_path, broker, PLAIN_RULES, PLAIN_GATEWAY, hook) as site:
        sent = run_under_kills(site, broker, plain, {"all": 2 * times}, values=1)
        site.stop()
    numbers = [int(point.value or 0) for point in points_of(site)]
    assert sorted(numbers) == [i for i in range(sent) if i % 50 >= ASSETS]
    expected: list[tuple[str, str, float]] = []
    last = dict.fromkeys((asset(i) for i in range(ASSETS)), 0.0)
    for i in (i for i in range(sent) if i % 50 < ASSETS):
        if level(i) != last[asset(i)] and (level(i) == 80.0 or last[asset(i)]):
            expected.append((asset(i), "raised" if level(i) == 80.0 else "cleared", level(i)))
        last[asset(i)] = level(i)
    transitions = [t for t in site.transitions() if t.rule == "hot"]
    assert [(t.asset, t.event, t.value) for t in transitions] == expected
    check_told(site, hook, {t.id for t in transitions})
    print(f"{sent} messages, {len(expected)} transitions, {len(hook.keys)} deliveries of {len(set(hook.keys))} keys")
