"""Several brokers, TLS with client certificates, queues that overflow: the whole monitor on real brokers."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.stores.embedded import EmbeddedStore
from tests.monitor.collectors.test_link import publish_over_tls
from tests.services.mosquitto import Certificates, Mosquitto
from tests.services.running import RunningSite, until

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50}}
"""
GATEWAY = (
    '  - {{name: {0}, format: json, broker: {0}, topic: "plant/{{machine}}/{{metric}}", asset: "{0}/{{machine}}"}}'
)
MAIN = '  - {name: line1, format: json, topic: "plant/{metric}", asset: "oven"}'


class Gateway:
    """A client that publishes numbered values and knows that the broker has them."""

    def __init__(self, broker: Mosquitto) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "gateway", clean_session=False)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()

    def send(self, topic: str, values: Iterable[float], qos: int = 1) -> None:
        for sent in [self._client.publish(topic, f"{value}", qos) for value in values]:
            sent.wait_for_publish(20)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def connected(site: RunningSite, broker: str) -> bool:
    """Whether the link is up and subscribed."""
    return site.hop_status(f"collect:{broker}") == "ok"


def figures(site: RunningSite, hop: str) -> dict[str, object]:
    """What /health counts of a hop."""
    return dict(site.health().get(hop, {}).get("figures", {}))


def metrics(site: RunningSite) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.web}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


def stored(site: RunningSite, asset: str, metric: str = "n") -> list[float]:
    with closing(EmbeddedStore(site.data / "store.db", read_only=True)) as store:
        return [point.value or 0 for point in store.read(asset, metric)]


def test_of_two_brokers_one_goes_and_comes_and_the_other_minds_nothing(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    east, west = (start_mosquitto(persistence=True) for _ in range(2))
    brokers = f'brokers: {{east: {{url: "{east.url}", client_id: same}}, west: {{url: "{west.url}", client_id: same}}}}'
    gateways = "\n".join(GATEWAY.format(name) for name in ("east", "west"))
    with RunningSite(tmp_path / "site", brokers, RULES, gateways) as site:
        site.start()
        until(lambda: connected(site, "east") and connected(site, "west"), 60, "both brokers")
        one, two = Gateway(east), Gateway(west)
        one.send("plant/oven/n", range(100))
        two.send("plant/oven/n", range(1000, 1100))
        one.close()
        until(site.settled, 60, "the first readings")
        east.stop()
        until(lambda: not connected(site, "east"), 60, "the loss to show")
        assert connected(site, "west")
        two.send("plant/oven/n", range(1100, 1200))
        two.send("plant/oven/level", [99])
        until(lambda: any(t.rule == "hot" for t in site.transitions()), 60, "an alarm while the other is away")
        until(lambda: any(t.rule == "system.broker-lost" for t in site.transitions()), 60, "the alarm of the lost one")
        east.start()
        one = Gateway(east)
        one.send("plant/oven/n", range(100, 200))
        until(lambda: connected(site, "east"), 60, "the link to be back")
        until(lambda: site.settled() and len(stored(site, "east/oven")) == 200, 60, "everything to be stored")
        assert stored(site, "east/oven") == list(range(200))
        assert stored(site, "west/oven") == list(range(1000, 1200))
        system = [(t.part, t.event) for t in site.transitions() if t.kind == "system"]
        assert system == [("east", "raised"), ("east", "cleared")]
        one.close()
        two.close()


def test_a_client_certificate_of_the_site_opens_the_broker(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    mosquitto = start_mosquitto(tls=True, client_certificates=True)
    with RunningSite(tmp_path / "site", broker_with_tls(mosquitto, mosquitto.certificates), RULES, MAIN) as site:
        site.start()
        until(lambda: connected(site, "main"), 60, "the connection")
        publish_over_tls(mosquitto, [b"1", b"99"])
        until(lambda: site.settled() and stored(site, "oven", "value") == [1, 99], 60, "the readings")
        assert connected(site, "main")


def test_a_broker_of_another_authority_is_not_trusted_and_health_says_why(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    mosquitto = start_mosquitto(tls=True, client_certificates=True)
    strangers = Certificates(tmp_path / "strangers")
    with RunningSite(tmp_path / "site", broker_with_tls(mosquitto, strangers), RULES, MAIN) as site:
        site.start()
        until(lambda: "not trusted" in site.health().get("collect:main", {}).get("text", ""), 60, "the reason")
        assert "tls: {ca}" in site.health()["collect:main"]["text"]
        assert "the broker's certificate is not trusted" in site.log
        assert not site.traceback


def broker_with_tls(mosquitto: Mosquitto, files: Certificates | None) -> str:
    assert files is not None
    return f'{{url: "{mosquitto.url}", tls: {{ca: "{files.ca}", cert: "{files.client}", key: "{files.client_key}"}}}}'


def test_a_queue_that_overflows_is_an_alarm_also_if_it_did_while_we_were_away(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    mosquitto = start_mosquitto(queue=100, options=("sys_interval 1",))
    with RunningSite(tmp_path / "site", f'{{url: "{mosquitto.url}"}}', RULES, MAIN) as site:
        site.start()
        until(lambda: figures(site, "collect:main").get("dropped") == 0, 60, "the first count")
        until((site.data / "broker-drops.json").exists, 60, "the count to be kept")
        site.stop()
        gateway = Gateway(mosquitto)
        gateway.send("plant/n", range(300))
        gateway.close()
        site.start()
        until(lambda: any(t.rule == "system.queue-dropped" for t in site.transitions()), 60, "the alarm")
        (raised,) = [t for t in site.transitions() if t.rule == "system.queue-dropped"]
        assert (raised.asset, raised.part, raised.event) == ("andon", "main", "raised")
        assert "dropped 200 messages" in raised.reason["text"]
        until(lambda: 'andon_broker_dropped_total{broker="main"} 200.0' in metrics(site), 60, "the metric")


def test_a_gateway_that_publishes_without_guarantee_is_named(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    mosquitto = start_mosquitto()
    with RunningSite(tmp_path / "site", f'{{url: "{mosquitto.url}"}}', RULES, MAIN) as site:
        site.start()
        until(lambda: connected(site, "main"), 60, "the connection")
        gateway = Gateway(mosquitto)
        gateway.send("plant/n", [1, 2])
        gateway.send("plant/n", [3], qos=0)
        gateway.close()
        until(lambda: figures(site, "decide").get("gateways_at_qos_0") == 1, 60, "health to show it")
        until(lambda: "gateway_without_guarantee" in site.log, 60, "the log to name it")
        shown = metrics(site)
        assert 'andon_gateway_messages_total{gateway="line1",qos="0"} 1.0' in shown
        assert 'andon_gateway_messages_total{gateway="line1",qos="1"} 2.0' in shown


@pytest.mark.parametrize("ahead", [True, False])
def test_a_gateway_s_clock_is_alarmed_and_counted_through_the_whole_line(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], ahead: bool
) -> None:
    mosquitto = start_mosquitto()
    gateway = '  - {name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}'
    with RunningSite(tmp_path / "site", f'{{url: "{mosquitto.url}"}}', RULES, gateway) as site:
        site.start()
        until(lambda: connected(site, "main"), 60, "the connection")
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect(mosquitto.host, mosquitto.port)
        client.loop_start()
        for at in (1_700_000_000, 4_000_000_000 if ahead else 1_600_000_000):
            client.publish("plant/oven", f'{{"timestamp": {at}, "level": 99}}', 1).wait_for_publish(20)
        client.disconnect()
        client.loop_stop()
        until(lambda: any(t.rule == "hot" for t in site.transitions()), 60, "the alarm of the machine")
        what = "ahead" if ahead else "late"
        until(lambda: f'andon_time_oddities_total{{what="{what}"}} 1.0' in metrics(site), 60, "the count")
        assert ("system.clock" in {t.rule for t in site.transitions()}) is ahead
