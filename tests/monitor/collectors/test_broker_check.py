"""What `andon check --connect` finds out about a broker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from monitor.cli import app
from monitor.collectors import broker_check
from monitor.collectors.broker_check import check_broker
from monitor.settings import Broker
from tests.monitor.collectors.collecting import publish_blocking, site_broker
from tests.services.mosquitto import Mosquitto
from tests.services.ports import free_port


def test_a_broker_without_a_fault_is_told_what_no_client_can_see(mosquitto: Mosquitto) -> None:
    seen = check_broker(site_broker(mosquitto))
    assert seen.findings == []
    assert seen.note.startswith("mosquitto version")
    assert "max_queued_messages" in seen.note


def test_a_broker_that_has_been_silent_about_drops_says_that_there_are_none(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_check, "DROPPED", "$SYS/broker/of/which/nothing/is/kept")
    assert check_broker(site_broker(mosquitto)).findings == []


def test_a_running_monitor_keeps_its_session(mosquitto: Mosquitto) -> None:
    check_broker(site_broker(mosquitto))
    assert "andon-test-check-" in mosquitto.log
    assert " andon-test " not in mosquitto.log


def test_what_is_wrong_is_said(start_mosquitto: Callable[..., Mosquitto], tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read plant/#\n")
    silent = start_mosquitto(options=(f"acl_file {acl}",))
    assert "does not say whether" in check_broker(site_broker(silent)).findings[0].message
    closed = Broker(url=f"mqtt://127.0.0.1:{free_port()}")
    (finding,) = check_broker(closed).findings
    assert (finding.severity, "nothing listens" in finding.message) == ("warning", True)
    locked = start_mosquitto(users={"andon": "secret"})
    assert "refused" in check_broker(site_broker(locked)).findings[0].message


def test_the_command_shows_it_and_a_warning_fails_nothing(tmp_path: Path, mosquitto: Mosquitto) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "andon.yaml").write_text(f'site: a\nbroker: {{url: "{mosquitto.url}"}}\ngateways: []\n')
    result = CliRunner().invoke(app, ["check", "--site", str(tmp_path), "--connect"])
    assert result.exit_code == 0, result.output
    assert "broker main: mosquitto version" in result.output
    mosquitto.stop()
    result = CliRunner().invoke(app, ["check", "--site", str(tmp_path), "--connect"])
    assert "nothing listens at the broker's address" in result.output
    assert result.exit_code == 0


def test_an_embedded_broker_has_nothing_to_ask() -> None:
    assert check_broker(Broker(embedded=True)).findings == []


def test_drops_are_named(start_mosquitto: Callable[..., Mosquitto]) -> None:
    mosquitto = start_mosquitto(queue=10, options=("sys_interval 1",))
    absent = paho.Client(CallbackAPIVersion.VERSION2, "absent", clean_session=False)
    absent.on_subscribe = lambda *_: absent.disconnect()
    absent.on_connect = lambda *_: absent.subscribe("plant/#", 1)
    absent.connect(mosquitto.host, mosquitto.port)
    absent.loop_forever()
    publish_blocking(mosquitto, [b"x"] * 30, "plant/a", 1)
    messages: list[str] = []
    while not messages:
        messages = [f.message for f in check_broker(site_broker(mosquitto)).findings]
    assert messages == ["the broker has dropped 20 messages since it started, of whatever client"]
