"""What the broker kept while the monitor was away, through the whole monitor: told as it stands, not as it went."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from rules.clock import MISSED
from rules.events import SECOND
from tests.monitor.alerting.hook import Hook, webhook
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50}}
  - {id: trip, kind: safety, notice: true, latch: false, detect: {type: limits, signal: guard, high: 50}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{machine}", asset: "{machine}"}'


def publish(broker: Mosquitto, *messages: tuple[str, float, dict[str, float]]) -> None:
    """Machine, seconds since 1970, values."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for machine, at, values in messages:
        client.publish(f"plant/{machine}", json.dumps({"timestamp": at, **values}), 1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def told(hook: Hook) -> set[tuple[str, str]]:
    """Purpose and asset of what the webhook got about machines."""
    bodies = [json.loads(body) for _, _, body in hook.requests]
    return {
        ("summary" if "SUMMARY" in str(body) else "late" if "Late:" in str(body) else "plain", machine)
        for body in bodies
        for machine in ("oven", "press", "door")
        if f" {machine}: " in str(body)
    }


def test_after_an_absence_people_hear_what_is_and_a_summary_of_what_was(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto()
    with webhook() as hook:
        url = f"json://127.0.0.1:{hook.port}/"
        with RunningSite(tmp_path / "site", f'{{url: "{broker.url}"}}', RULES, GATEWAY, hook=url) as site:
            site.start()
            until(lambda: "mqtt_subscribed" in site.log, 60, "the connection")
            machines = ("oven", "press", "door")
            until(lambda: _journalled(site, broker, machines), 60, "the first readings")
            until(site.settled, 60, "all to be decided")
            site.stop()
            away = time.time()
            flaps = [("oven", away + n, {"level": 99.0 if n % 2 == 0 else 20.0}) for n in range(8)]
            publish(broker, *flaps, ("press", away + 10, {"level": 99}), ("door", away + 10, {"guard": 99}))
            until(lambda: time.time() > away + MISSED / SECOND + 1, 60, "the absence to be long enough")
            site.start()
            until(lambda: len(told(hook)) >= 3, 60, "people to be told")
            until(site.settled, 60, "all to be sent")
            assert told(hook) == {("late", "door"), ("late", "press"), ("summary", "oven")}
            assert sum(t.rule == "hot" for t in site.transitions()) == 9
            assert len(hook.keys) == len(set(hook.keys))
            publish(broker, ("oven", time.time(), {"level": 99}))
            until(lambda: ("plain", "oven") in told(hook), 60, "what is on time to be told at once")


def _journalled(site: RunningSite, broker: Mosquitto, machines: tuple[str, ...]) -> bool:
    """Publish until it arrives: the subscription may follow the connection a moment later."""
    before = site.received()
    publish(broker, *((machine, time.time(), {"level": 1, "guard": 1}) for machine in machines))
    return site.received() > before + 2
