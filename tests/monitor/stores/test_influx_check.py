"""`andon check` says what stands between a site and its InfluxDB, and never waits long for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor import clock
from monitor.cli import app
from monitor.journal.entries import TickEntry
from monitor.journal.writer import JournalWriter
from monitor.settings import Broker, Settings
from monitor.settings import Store as StoreSettings
from monitor.stores import influx_check
from monitor.stores.base import Point
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_check import check_influx
from monitor.stores.influx_progress import Progress
from rules.events import SECOND
from tests.services.influx_answers import Answer, AnsweringServer, answering, refused
from tests.services.influxdb import InfluxDB
from tests.services.ports import free_port

DAY = 86_400 * SECOND


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


def site(data: Path, store: StoreSettings) -> Settings:
    brokers = {"main": Broker(embedded=True)}
    return Settings(directory=data, site="acme", data_dir=data, brokers=brokers, gateways=(), store=store)


def findings(data: Path, store: StoreSettings) -> list[str]:
    return [f"{found.severity}: {found.message}" for found in check_influx(site(data, store))]


def test_a_server_that_takes_our_writes_is_well(server: AnsweringServer, tmp_path: Path) -> None:
    assert findings(tmp_path, server.settings()) == []
    assert server.lines == [b""]


def test_a_server_that_only_minds_writing_nothing_is_well(server: AnsweringServer, tmp_path: Path) -> None:
    server.script = lambda _: refused("writing requires points")
    assert findings(tmp_path, server.settings()) == []


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "unauthorized access"),
        (404, 'organization name "acme" not found'),
        (403, "insufficient permissions"),
        (404, 'bucket "plant" not found'),
    ],
)
def test_a_refusal_is_an_error_with_the_servers_reason(
    server: AnsweringServer, tmp_path: Path, status: int, reason: str
) -> None:
    server.script = lambda _: refused(reason, status)
    (found,) = findings(tmp_path, server.settings())
    assert found.startswith(f"error: InfluxDB at {server.url}, bucket plant: answered {status} ({reason})")


@pytest.mark.parametrize(
    "answer",
    [(403, {}, b'{"message":"no read right"}'), (200, {}, b'{"results":[{"error":"database not found: plant"}]}')],
)
def test_a_bucket_that_takes_writes_and_no_questions_is_a_warning(
    server: AnsweringServer, tmp_path: Path, answer: Answer
) -> None:
    server.query_answer = answer
    (found,) = findings(tmp_path, server.settings())
    assert found.startswith(f"warning: InfluxDB at {server.url}, bucket plant: ")


@pytest.mark.parametrize("version", ["1.6.7", "v1.7.11", "0.9.6.1", "nightly", ""])
def test_a_version_that_cannot_be_written_to_is_an_error(server: AnsweringServer, tmp_path: Path, version: str) -> None:
    server.version = version
    (found,) = findings(tmp_path, server.settings())
    assert found.startswith("error: ")
    assert "is not one we can write to" in found


@pytest.mark.parametrize("version", ["1.8.10", "v2.7.1", "3.10.0-nightly"])
def test_later_versions_are_taken(server: AnsweringServer, tmp_path: Path, version: str) -> None:
    server.version = version
    assert findings(tmp_path, server.settings()) == []


def test_a_server_that_is_away_is_a_warning(server: AnsweringServer, tmp_path: Path) -> None:
    away = server.settings().model_copy(update={"url": f"http://127.0.0.1:{free_port()}"})
    (found,) = findings(tmp_path, away)
    assert found.startswith("warning: ")
    assert "does not answer" in found


def test_a_server_that_hangs_holds_up_nobody(
    server: AnsweringServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_check, "PATIENCE_SECONDS", 0.2)
    server.script = server.hang
    (found,) = findings(tmp_path, server.settings())
    assert "no answer to all questions within" in found
    assert threading.active_count() < 50


def waiting(data: Path, store: StoreSettings, *ages: int, stored: int = 0) -> None:
    """A journal of entries received so long ago, some of which are stored."""
    with closing(JournalWriter(data / "journal")) as writer:
        writer.append([TickEntry(clock.now() - age) for age in ages])
    Progress(data, store).save(stored)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"buckets":[{"name":"plant","retentionRules":[{"type":"expire","everySeconds":172800}]}]}', 1),
        (b'{"buckets":[{"name":"plant","retentionRules":[{"type":"expire","everySeconds":864000}]}]}', 0),
        (b'{"buckets":[{"name":"plant","retentionRules":[]}]}', 0),
        (b'{"buckets":[]}', 0),
        (b'{"buckets":7}', 0),
        (b"<html>", 0),
    ],
)
def test_a_bucket_of_version_2_that_keeps_less_is_told(
    server: AnsweringServer, tmp_path: Path, answer: bytes, told: int
) -> None:
    server.buckets = (200, {}, answer)
    waiting(tmp_path, server.settings(), 5 * DAY)
    assert len(findings(tmp_path, server.settings())) == told


def test_a_real_bucket_that_keeps_less_than_what_waits_is_told(influxdb: InfluxDB, tmp_path: Path) -> None:
    store = influxdb.database("short", duration="2d")
    waiting(tmp_path, store, 5 * DAY, DAY)
    (found,) = findings(tmp_path, store)
    assert found.startswith("warning: the bucket short keeps readings for 2d; some that wait in the journal are 5d")
    Progress(tmp_path, store).save(1)
    assert findings(tmp_path, store) == []
    assert findings(tmp_path, influxdb.database("ever")) == []


def test_a_real_server_names_the_wrong_bucket(influxdb: InfluxDB, tmp_path: Path) -> None:
    store = influxdb.database("right").model_copy(update={"bucket": "wrong"})
    (found,) = findings(tmp_path, store)
    assert "error: InfluxDB at" in found
    assert 'answered 404 (database not found: "wrong"); create the bucket' in found


def test_a_real_server_with_users_wants_the_right_token(start_influxdb, tmp_path: Path) -> None:
    store = start_influxdb(auth=True).database("plant")
    assert findings(tmp_path, store) == []
    wrong = StoreSettings(type="influxdb", url=store.url, bucket="plant", token="andon:wrong99")
    (found,) = findings(tmp_path, wrong)
    assert "error: " in found
    assert "answered 401 (authorization failed); set store: {token: ...}" in found
    assert "wrong99" not in found


def test_a_real_server_wants_the_right_to_write(start_influxdb, tmp_path: Path) -> None:
    server = start_influxdb(auth=True)
    store = server.database("plant")
    server.query("CREATE USER reader WITH PASSWORD 'secret99'")
    server.query('GRANT READ ON "plant" TO "reader"')
    reading = store.model_copy(update={"token": StoreSettings.model_validate(
        {"type": "influxdb", "url": store.url, "bucket": "plant", "token": "reader:secret99"}).token})  # fmt: skip
    (found,) = findings(tmp_path, reading)
    assert "error: " in found
    assert "answered 403" in found
    assert "give the token the right to read and write the bucket" in found
    assert "secret99" not in found


def test_a_real_server_names_the_wrong_retention_policy(influxdb: InfluxDB, tmp_path: Path) -> None:
    right = influxdb.database("policies")
    assert findings(tmp_path, right.model_copy(update={"bucket": "policies/autogen"})) == []
    (found,) = findings(tmp_path, right.model_copy(update={"bucket": "policies/nope"}))
    assert found.startswith("error: ")
    assert "answered 500 (retention policy not found: nope); create the bucket" in found


def test_readings_that_were_refused_are_told_with_the_reason(influxdb: InfluxDB, tmp_path: Path) -> None:
    store = influxdb.database("brief", duration="1h")
    with closing(InfluxStore(store, tmp_path)) as writing:
        writing.write([Point("oven", "x", clock.now() - 5 * DAY, 1.0, None, 0)], 0)
    (found,) = findings(tmp_path, store)
    assert found.startswith("warning: 1 readings were refused by the server, the last one since: ")
    assert "retention policy" in found


SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
notify: {teams: {default: {channels: ["console://"]}}, routes: [{match: {}, to: default}]}
store:
  type: influxdb
  url: URL
  bucket: plant
  token: TOKEN
"""
RULES = """\
version: 1
rules: [{id: hot, kind: equipment, response: Cool it., detect: {type: limits, signal: temperature, high: 80}}]
"""


def andon_check(directory: Path, url: str, token: str) -> Result:
    (directory / "rules").mkdir(exist_ok=True)
    (directory / "rules" / "hot.yaml").write_text(RULES)
    (directory / "andon.yaml").write_text(SITE.replace("URL", url).replace("TOKEN", token))
    environment = {"COLUMNS": "200", "INFLUX_TOKEN": "token-secret99"}
    return CliRunner().invoke(app, ["check", "--site", str(directory)], env=environment)


def test_the_command_shows_it_with_file_and_line(server: AnsweringServer, tmp_path: Path) -> None:
    assert andon_check(tmp_path, server.url, "${INFLUX_TOKEN}").exit_code == 0
    assert server.headers[0]["authorization"] == "Token token-secret99"
    server.script = lambda _: refused("unauthorized access", 401)
    done = andon_check(tmp_path, server.url, "${INFLUX_TOKEN}")
    assert done.exit_code == 1
    assert f"andon.yaml:5: error: InfluxDB at {server.url}, bucket plant: answered 401" in done.output
    assert "secret99" not in done.output


def test_a_token_in_the_file_is_warned_of(server: AnsweringServer, tmp_path: Path) -> None:
    done = andon_check(tmp_path, server.url, "token-secret99")
    assert done.exit_code == 0
    assert "andon.yaml:9: warning: the token stands in the file" in done.output
    assert "secret99" not in done.output
