"""The configuration is read again while the line runs: what did not change goes on, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.errors import AndonError
from monitor.journal.disk import RESERVE_FILE
from monitor.linesocket import ask
from monitor.stores.embedded import EmbeddedStore
from tests.monitor.alerting.hook import webhook
from tests.services.mosquitto import Mosquitto
from tests.services.ports import free_port
from tests.services.running import RunningSite, until

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50}}
  - {id: slow, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50, on_delay: 12s}}
  - {id: high, kind: quality, notice: true, detect: {type: limits, signal: other, high: %s}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}/{metric}", asset: "{line}/{machine}"}'
SECOND_GATEWAY = '  - {name: h, format: json, topic: "hall/{machine}/{metric}", asset: "hall/{machine}"}'


class Publisher:
    """Publishes at QoS 1 and waits until the broker has it."""

    def __init__(self, port: int) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "machine")
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __call__(self, topic: str, value: float) -> None:
        self._client.publish(topic, str(value), qos=1).wait_for_publish(20)

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto(options=("log_type all",))


@pytest.fixture
def publish(broker: Mosquitto) -> Iterator[Publisher]:
    made = Publisher(broker.port)
    yield made
    made.close()


@pytest.fixture
def site(tmp_path: Path, broker: Mosquitto) -> Iterator[RunningSite]:
    with RunningSite(tmp_path / "site", f'{{url: "{broker.url}"}}', RULES % 90, GATEWAY) as running:
        running.start()
        until(lambda: linked(running) and working(running), 60, "all its processes")
        yield running
        running.stop()


def working(site: RunningSite) -> bool:
    """Whether store and web have read the site's files."""
    return "web_listening" in site.log and (site.data / "store.db").exists()


def linked(site: RunningSite) -> bool:
    """Whether the line has subscribed."""
    try:
        return bool(asyncio.run(ask(site.data, "health"))["links"].get("main"))
    except AndonError:
        return False


def rewrite(site: RunningSite, name: str, old: str, new: str) -> None:
    path = site.directory / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def reload(site: RunningSite) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", "reload", "--site", str(site.directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def told(site: RunningSite, rule: str) -> list[tuple[str, float]]:
    return [(t.event, t.value) for t in site.transitions() if t.rule == rule]


def stored(site: RunningSite, asset: str) -> list[float | None]:
    with closing(EmbeddedStore(site.data / "store.db", read_only=True)) as store:
        return [point.value for point in store.read(asset=asset)]


def test_a_changed_limit_leaves_other_alarms_and_timers_alone(site: RunningSite, publish: Publisher) -> None:
    publish("plant/l/m/level", 80)
    publish("plant/l/m/other", 70)
    until(lambda: told(site, "hot") == [("raised", 80.0)], 30, "the alarm")
    rewrite(site, "rules/rules.yaml", "high: 90", "high: 60")
    site.hang_up()
    until(lambda: "configuration_reloaded" in site.log, 30, "the reload")
    publish("plant/l/m/other", 71)
    until(lambda: [event for event, _ in told(site, "high")] == ["raised"], 30, "the new limit")
    until(lambda: told(site, "slow") == [("raised", 80.0)], 30, "the timer that was running")
    (raised,) = [t for t in site.transitions() if t.rule == "slow"]
    (first,) = [t for t in site.transitions() if t.rule == "hot"]
    assert raised.at - first.at == 12_000_000_000
    rewrite(site, "rules/rules.yaml", "high: 60", "high: 95")
    assert reload(site).returncode == 0
    until(lambda: told(site, "high")[-1][0] == "cleared", 30, "the end of the alarm of the rule that was changed")
    assert told(site, "hot") == [("raised", 80.0)]
    before = [t.id for t in site.transitions()]
    site.kill()
    site.start()
    publish("plant/l/m/other", 99)
    until(lambda: told(site, "high")[-1] == ("raised", 99.0), 60, "the alarm by the last limit, after a restart")
    assert [t.id for t in site.transitions()][: len(before)] == before


def test_broken_files_change_nothing_and_are_named_with_their_lines(site: RunningSite, publish: Publisher) -> None:
    rewrite(site, "rules/rules.yaml", "high: 90", "hihg: 90")
    done = reload(site)
    assert (done.returncode, "rules/rules.yaml:5" in done.stderr) == (1, True)
    site.hang_up()
    until(lambda: "reload_refused" in site.log, 30, "the refusal")
    assert "stays as it was" in site.log
    problems = [json.loads(line) for line in site.log.splitlines() if '"misconfigured"' in line]
    assert any("rules/rules.yaml:5" in problem["problem"] for problem in problems)
    publish("plant/l/m/other", 91)
    until(lambda: told(site, "high") == [("raised", 91.0)], 30, "the alarm by the old rule")


def test_gateways_and_topics_come_and_go_on_the_same_session(
    site: RunningSite, broker: Mosquitto, publish: Publisher
) -> None:
    publish("plant/l/m/level", 1)
    rewrite(site, "andon.yaml", GATEWAY, f"{GATEWAY}\n{SECOND_GATEWAY}")
    done = reload(site)
    assert (done.returncode, "gateways" in done.stderr) == (0, True)
    publish("hall/m/level", 2)
    publish("plant/l/m/level", 3)
    rewrite(site, "andon.yaml", f"{GATEWAY}\n", "")
    assert reload(site).returncode == 0
    publish("plant/l/m/level", 4)
    publish("hall/m/level", 5)
    until(lambda: stored(site, "hall/m") == [2.0, 5.0], 60, "the readings of the new gateway")
    until(site.settled, 30, "everything to be decided and stored")
    assert stored(site, "l/m") == [1.0, 3.0]
    assert "Received UNSUBSCRIBE from andon" in broker.log
    assert site.log.count("mqtt_subscribed") == 1


def test_a_topic_given_up_while_down_is_unsubscribed_at_the_next_start(
    site: RunningSite, broker: Mosquitto, publish: Publisher
) -> None:
    publish("plant/l/m/level", 1)
    until(site.settled, 30, "the reading to be stored")
    site.stop()
    rewrite(site, "andon.yaml", GATEWAY, SECOND_GATEWAY)
    site.start()
    until(lambda: "Received UNSUBSCRIBE from andon" in broker.log, 60, "the old topic to be unsubscribed")


def test_a_broker_that_is_renamed_keeps_its_subscriptions_until_the_restart(
    site: RunningSite, broker: Mosquitto, publish: Publisher
) -> None:
    publish("plant/l/m/level", 1)
    rewrite(site, "andon.yaml", f'broker: {{url: "{broker.url}"}}', f'brokers: {{north: {{url: "{broker.url}"}}}}')
    rewrite(site, "andon.yaml", GATEWAY, GATEWAY.replace("name: g", "name: g, broker: north"))
    done = reload(site)
    assert "needs a restart: brokers, gateways" in done.stderr
    for value in range(2, 20):
        publish("plant/l/m/level", value)
    until(lambda: stored(site, "l/m") == [*range(1, 20)], 30, "what came while the restart was pending")
    assert "Received UNSUBSCRIBE from andon" not in broker.log
    site.stop()
    publish("plant/l/m/level", 20)
    site.start()
    until(lambda: stored(site, "l/m") == [*range(1, 21)], 60, "what came before and after the restart")


def test_journal_quarantine_store_and_web_follow_also_while_something_else_waits(site: RunningSite) -> None:
    reserve = site.data / RESERVE_FILE
    until(lambda: reserve.exists() and reserve.stat().st_size > 100_000_000, 30, "the reserve")
    rewrite(site, "andon.yaml", "site: test", "site: other")
    rewrite(site, "andon.yaml", "data_dir: data", "data_dir: data\njournal: {reserve: 40MB}\nwhen_full: hold")
    rewrite(site, "andon.yaml", "{type: embedded}", "{type: embedded, keep: {raw: 1d}}")
    web, site.web = site.web, free_port()
    rewrite(site, "andon.yaml", str(web), str(site.web))
    done = reload(site)
    assert "changed: site, journal, when_full, store, web\nneeds a restart: site\n" in done.stderr
    until(lambda: reserve.stat().st_size < 40_000_000, 30, "the reserve to be smaller")
    until(lambda: site.health().get("store", {}).get("status") == "ok", 60, "the web to answer at its new place")
    assert asyncio.run(ask(site.data, "health"))["journal"]["when_full"] == "hold"
    replaced = [json.loads(line)["child"] for line in site.log.splitlines() if "process_replaced" in line]
    assert sorted(replaced) == ["store", "web"]


def test_a_directory_of_rules_that_is_gone_changes_nothing_an_empty_one_does(
    site: RunningSite, publish: Publisher
) -> None:
    (site.directory / "rules").rename(site.directory / "elsewhere")
    done = reload(site)
    assert (done.returncode, "all rules would go" in done.stderr) == (1, True)
    publish("plant/l/m/level", 80)
    until(lambda: told(site, "hot") == [("raised", 80.0)], 30, "the alarm by the rules that stay")
    (site.directory / "rules").mkdir()
    assert "changed: rules" in reload(site).stderr


def test_other_people_are_told_and_what_needs_a_restart_is_named(site: RunningSite, publish: Publisher) -> None:
    with webhook() as hook:
        rewrite(site, "andon.yaml", "console://", f"json://127.0.0.1:{hook.port}/")
        rewrite(site, "andon.yaml", "site: test", "site: other")
        rewrite(site, "andon.yaml", "data_dir: data", "data_dir: elsewhere")
        site.hang_up()
        until(lambda: "restart_needed" in site.log, 30, "the reload")
        (warning,) = [json.loads(line) for line in site.log.splitlines() if "restart_needed" in line]
        assert warning["keys"] == ["site", "data_dir"]
        publish("plant/l/m/level", 80)
        until(lambda: any(":hot:" in key for key in hook.keys), 30, "the new team to be told")
    assert not (site.directory / "elsewhere").exists()
