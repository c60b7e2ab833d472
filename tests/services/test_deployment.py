"""The shipped broker configuration on a real mosquitto, and the shipped dashboards' queries on a real InfluxDB."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor import clock
from monitor.database.ledger import Ledger, Step
from monitor.settings import Broker
from monitor.site import load_site
from monitor.stores.base import Point
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_alarms import AlarmHistory
from rules.alarms import State, Transition
from rules.events import SECOND
from tests.monitor.alerting.making import transition as made
from tests.monitor.collectors.collecting import Journal, collecting, until
from tests.prepared import DEPLOY, prepare, prepared_site
from tests.services.influxdb import InfluxDB
from tests.services.missing import missing
from tests.services.mosquitto import accepts, found
from tests.services.ports import free_port
from tests.services.running import until as wait
from tests.services.test_influxdb import site, while_storing

AGO = 600 * SECOND


class Shipped:
    """The shipped broker with prepared certificates and users, on a port of this machine."""

    def __init__(self, root: Path) -> None:
        executable = found("mosquitto")
        if executable is None:
            missing("mosquitto is not installed")
        prepare(root)
        prepare(root, "--gateway", "line1")
        self.secrets = root / "deploy" / "secrets"
        self.port = free_port()
        self.site = prepared_site(root, f"localhost:{self.port}")
        text = (DEPLOY / "mosquitto" / "mosquitto.conf").read_text()
        for there, here in (
            ("/run/secrets", str(self.secrets)),
            ("/mosquitto/config", str(DEPLOY / "mosquitto")),
            ("/mosquitto/data/", f"{root}/"),
            ("listener 8883", f"listener {self.port} 127.0.0.1"),
        ):
            assert there in text
            text = text.replace(there, here)
        (root / "mosquitto.conf").write_text(f"{text}\n{'user root' if os.getuid() == 0 else ''}\n")
        with (root / "broker.log").open("wb") as log:
            self.process = subprocess.Popen([executable, "-c", root / "mosquitto.conf"], stdout=log, stderr=log)
        assert accepts("127.0.0.1", self.port, self.process), (root / "broker.log").read_text()

    def password(self, user: str) -> str:
        """Of a gateway."""
        return (self.secrets / f"gateway-{user}").read_text().strip()

    def client(self, user: str | None = None, password: str | None = None, ca: Path | None = None) -> paho.Client:
        """Somebody who would like to connect over TLS."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        client.tls_set(str(ca or self.secrets / "ca.crt"))
        if user:
            client.username_pw_set(user, password)
        return client

    def answer(self, client: paho.Client) -> str:
        """What the broker says to CONNECT."""
        told: list[str] = []
        heard = threading.Event()
        client.on_connect = lambda _c, _d, _f, code, _p: (told.append(str(code)), heard.set())
        client.connect("localhost", self.port)
        client.loop_start()
        assert heard.wait(20)
        return told[0]


@pytest.fixture
def shipped(tmp_path: Path) -> Iterator[Shipped]:
    broker = Shipped(tmp_path)
    yield broker
    broker.process.kill()
    broker.process.wait(10)


def test_andon_hears_each_gateway_over_tls_and_a_gateway_speaks_for_itself_alone(shipped: Shipped) -> None:
    loaded = load_site(shipped.site, {})
    assert loaded.site is not None, loaded.problems
    gateway = shipped.client("line1", shipped.password("line1"))
    codes: dict[int, str] = {}
    gateway.on_publish = lambda _c, _d, mid, code, _p: codes.__setitem__(mid, str(code))
    heard: list[str] = []
    gateway.on_message = lambda _c, _d, message: heard.append(message.topic)
    broker: Broker = loaded.site.settings.brokers["main"]

    async def scenario() -> list[bytes]:
        journal = Journal()
        async with collecting(broker, journal, filters=loaded.site.filters("main") if loaded.site else ()):
            assert await asyncio.to_thread(shipped.answer, gateway) == "Success"
            forbidden = gateway.publish("plant/line2/mill/level", "1", qos=1)
            alarms = gateway.publish("andon/v1/status", "1", qos=1)
            gateway.subscribe("#", qos=1)
            allowed = gateway.publish("plant/line1/mill/level", "2", qos=1)
            await until(lambda: len(journal.messages) == 1 and len(codes) == 3)
            assert [codes[info.mid] for info in (forbidden, alarms)] == ["Not authorized"] * 2
            assert codes[allowed.mid] == "Success"
        return [message.topic for message in journal.messages]

    assert asyncio.run(scenario()) == [b"plant/line1/mill/level"]
    assert heard == []
    gateway.disconnect()
    gateway.loop_stop()


def test_nobody_else_gets_in(shipped: Shipped, tmp_path: Path) -> None:
    for user, password in ((None, None), ("line1", "wrong"), ("line2", shipped.password("line1")), ("andon", "andon")):
        client = shipped.client(user, password)
        assert shipped.answer(client) == "Not authorized", user
        client.loop_stop()
    prepare(tmp_path / "other")
    stranger = shipped.client("line1", "x", ca=tmp_path / "other" / "deploy" / "secrets" / "ca.crt")
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.connect("localhost", shipped.port)
    plain = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    plain.connect("127.0.0.1", shipped.port)
    assert plain.loop(2) != paho.MQTT_ERR_SUCCESS or not plain.is_connected()


def transition(event: str, state: State, at: int, *, part: str | None = None) -> Transition:
    name = f"line1/mill 3:hot:{at}:{event}:{part}"
    return made(event, state, asset="line1/mill 3", rule="hot", at=at, part=part, id=name, alarm=name)


def commit(data: Path, some: list[Transition], offset: int) -> None:
    ledger = Ledger(data / "alarms.db")
    ledger.commit(Step(offset, offset, transitions=some))
    ledger.close()


def test_each_transition_is_a_point_once_it_is_committed(
    start_influxdb: Callable[..., InfluxDB], tmp_path: Path
) -> None:
    server = start_influxdb()
    history = AlarmHistory(server.database("plant"), tmp_path)
    assert history.step() == 0
    now = clock.now()
    commit(tmp_path, [transition("raised", State.UNACKNOWLEDGED, now), transition("cleared", State.NORMAL, now)], 1)
    server.kill()
    with pytest.raises(Exception, match=r"InfluxDB|influx|127"):
        history.step()
    server.start()
    assert history.step() == 2
    assert history.step() == 0
    commit(tmp_path, [transition("raised", State.UNACKNOWLEDGED, now + 1, part="b,1 2")], 2)
    assert AlarmHistory(server.database("plant"), tmp_path).step() == 3, "a new process tells what came last again"
    series = server.query("SELECT state, value, text FROM alarms GROUP BY *", "plant")
    assert sorted((s["tags"]["event"], s["tags"]["part"], len(s["values"])) for s in series) == [
        ("cleared", "", 1),
        ("raised", "", 1),
        ("raised", "b,1 2", 1),
    ]
    assert {s["tags"]["asset"] for s in series} == {"line1/mill 3"}


def test_the_store_process_takes_alarms_along(influxdb: InfluxDB, tmp_path: Path) -> None:
    settings = site(tmp_path, influxdb, "along")
    commit(settings.data_dir, [transition("raised", State.UNACKNOWLEDGED, clock.now())], 1)

    def kept() -> bool:
        return bool(influxdb.query("SELECT state FROM alarms", "along"))

    while_storing(settings, lambda: wait(kept, 30, "the alarm"))


def flux_queries() -> list[tuple[str, str]]:
    found = []
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        asked = [(panel["title"], target) for panel in board["panels"] for target in panel["targets"]]
        asked += [(variable["name"], variable) for variable in board["templating"]["list"]]
        found += [
            (f"{path.stem}: {name}", one["query"]) for name, one in asked if one["datasource"]["type"] == "influxdb"
        ]
    return found


def as_grafana_would(query: str) -> str:
    """With what the data source fills in."""
    for name, value in (
        ("v.timeRangeStart", "-1h"),
        ("v.timeRangeStop", "now()"),
        ("v.windowPeriod", "1m"),
        ("${asset}", "line1/mill 3"),
        ("${metric:regex}", "(level|mode)"),
        ('"plant"', '"plant/autogen"'),
    ):
        query = query.replace(name, value)
    assert not re.search(r"\$\{|\bv\.[a-z]+[A-Z]", query), query
    return query


def rows(server: InfluxDB, query: str) -> list[dict[str, str]]:
    request = urllib.request.Request(
        f"{server.url}/api/v2/query",
        query.encode(),
        {"content-type": "application/vnd.flux", "accept": "application/csv"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        tables = re.split(r"(?:\r?\n){2,}", answer.read().decode().strip())
    found = []
    for table in tables:
        found += list(csv.DictReader(line for line in table.splitlines() if not line.startswith("#")))
    assert not any("error" in row and row["error"] for row in found), found
    return found


def test_every_panel_of_the_dashboards_shows_what_is_written(
    start_influxdb: Callable[..., InfluxDB], tmp_path: Path
) -> None:
    server = start_influxdb(flux=True)
    settings = server.database("plant")
    at = clock.now() - AGO
    store = InfluxStore(settings, tmp_path)
    points = [Point("line1/mill 3", "level", at + i, float(i), None, 0) for i in range(10)]
    store.write([*points, Point("line1/mill 3", "mode", at, None, "running", 0)], 11)
    store.close()
    commit(
        tmp_path,
        [transition("raised", State.UNACKNOWLEDGED, at), transition("raised", State.UNACKNOWLEDGED, at, part="p")],
        1,
    )
    assert AlarmHistory(settings, tmp_path).step() == 2
    shown = {name: rows(server, as_grafana_would(query)) for name, query in flux_queries()}
    assert [name for name, found in shown.items() if not found] == []
    assert [row["_value"] for row in shown["asset: Values"]] == ["4.5"]
    assert [row["_value"] for row in shown["alarms: Alarms that are not normal"]] == ["B", "B"]
    assert [row["_value"] for row in shown["alarms: Raised most often"]] == ["2"]
    commit(tmp_path, [transition("cleared", State.NORMAL, at + 5)], 2)
    AlarmHistory(settings, tmp_path).step()
    active = rows(server, as_grafana_would(dict(flux_queries())["alarms: Alarms that are not normal"]))
    assert [row["part"] for row in active] == ["p"]
