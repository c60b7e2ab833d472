"""Logs name no secret; metrics are summed over processes and survive their restarts."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from monitor import telemetry


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    telemetry.configure_logging("line", stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def events(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def fail(text: str) -> None:
    raise OSError(text)


def test_event_is_one_json_line_with_level_time_and_process(logged: io.StringIO) -> None:
    structlog.get_logger().info("broker_connected", broker="main", after_ns=5)
    (event,) = events(logged)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "broker_connected", "level": "info", "process": "line", "broker": "main", "after_ns": 5}


def test_lines_of_libraries_have_the_same_shape(logged: io.StringIO) -> None:
    logging.getLogger("paho").warning("lost %s", "mqtt://u:pw@broker")
    (event,) = events(logged)
    assert (event["event"], event["level"], event["process"]) == ("lost mqtt://***@broker", "warning", "line")


@pytest.mark.parametrize(
    "value",
    [
        SecretStr("hunter2"),
        {"channels": [SecretStr("hunter2")]},
        "mailto://ann:hunter2@mail.example",
        "amqps://hunter2@broker/x and more",
        "https://x.example/hook?token=hunter2&to=y",
        ["json://u:hunter2@h", ("a", {"password": "hunter2"})],
        ValueError("cannot reach mqtts://u:hunter2@h:8883"),
        {"api_key": "hunter2", "Authorization": b"hunter2"},
    ],
    ids=str,
)
def test_secret_is_masked_wherever_it_stands(logged: io.StringIO, value: object) -> None:
    structlog.get_logger().info("configured", value=value)
    assert "hunter2" not in logged.getvalue()
    assert "***" in logged.getvalue()


def test_secret_in_a_traceback_is_masked(logged: io.StringIO) -> None:
    try:
        fail("no answer from mqtt://u:hunter2@h")
    except OSError:
        structlog.get_logger().exception("connect_failed")
    (event,) = events(logged)
    assert "Traceback" in str(event["exception"])
    assert "hunter2" not in logged.getvalue()


def test_terminal_gets_keys_and_values_and_no_traceback() -> None:
    stream = Terminal()
    telemetry.configure_logging("line", stream)
    try:
        fail("no answer")
    except OSError:
        structlog.get_logger().exception("connect_failed", broker="main")
    finally:
        structlog.reset_defaults()
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
    assert "connect_failed" in stream.getvalue()
    assert "OSError: no answer" in stream.getvalue()
    assert "Traceback" not in stream.getvalue()


def test_address_without_a_secret_stays_readable() -> None:
    assert telemetry.redact("see https://x.example/a?b=c, write to ann@x.example") == (
        "see https://x.example/a?b=c, write to ann@x.example"
    )


def run_process(environment: dict[str, str], process: str, script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from monitor.telemetry import *\n{script}"],
        env={**os.environ, **environment, "ANDON_PROCESS": process},
        capture_output=True,
        check=True,
        text=True,
        timeout=30,
    )
    return done.stdout


SHOW = "print(exposition()[0].decode())"


def test_counters_are_summed_over_processes_and_go_on_after_a_restart(tmp_path: Path) -> None:
    environment = dict(telemetry.prepare_metrics(tmp_path))
    run_process(environment, "line", "RECEIVED.inc(3)")
    run_process(environment, "line", "RECEIVED.inc(4)")
    run_process(environment, "store", "RECEIVED.inc(10); QUARANTINED.labels('line1', 'not_json').inc()")
    shown = run_process(environment, "web", SHOW)
    assert "andon_received_total 17.0" in shown
    assert 'andon_quarantined_total{gateway="line1",reason="not_json"} 1.0' in shown


def test_restarts_leave_no_files_behind(tmp_path: Path) -> None:
    environment = dict(telemetry.prepare_metrics(tmp_path))
    for _ in range(3):
        run_process(environment, "line", "LINK_UP.labels('main').set(1)")
    assert sorted(path.name for path in (tmp_path / "metrics").iterdir()) == [
        "counter_line.db",
        "gauge_livemostrecent_line.db",
    ]


def test_gauges_of_a_dead_process_are_forgotten_and_its_counters_kept(tmp_path: Path) -> None:
    environment = dict(telemetry.prepare_metrics(tmp_path))
    run_process(environment, "line", "LINK_UP.labels('main').set(1); RECEIVED.inc()")
    assert 'andon_link_up{broker="main"} 1.0' in run_process(environment, "web", SHOW)
    telemetry.forget_process(tmp_path, "line")
    shown = run_process(environment, "web", SHOW)
    assert 'andon_link_up{broker="main"}' not in shown
    assert "andon_received_total 1.0" in shown


def test_metrics_start_from_nothing_with_the_monitor(tmp_path: Path) -> None:
    environment = dict(telemetry.prepare_metrics(tmp_path))
    run_process(environment, "line", "RECEIVED.inc(3)")
    telemetry.prepare_metrics(tmp_path)
    assert "andon_received_total 0.0" in run_process(environment, "web", SHOW)


def test_one_process_alone_shows_its_own_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    body, media_type = telemetry.exposition()
    assert b"andon_stored_points_total" in body
    assert media_type.startswith("text/plain")
