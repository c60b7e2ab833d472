"""Refused readings are bounded, counted, and offered again to a server that was mended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli import app
from monitor.database.ledger import Ledger
from monitor.stores.base import Point
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_rejects import LONGEST_LINE, Rejects
from rules.events import SECOND
from tests.services.influx_answers import KEPT, AnsweringServer, answering, refused
from tests.services.influxdb import InfluxDB

T0 = 1_772_344_800 * SECOND
SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
notify: {teams: {default: {channels: ["console://"]}}}
store: {type: influxdb, url: "URL", bucket: plant, token: "${INFLUX_TOKEN}"}
"""


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


def lines(count: int, size: int = 10, start: int = 0) -> list[tuple[tuple[str, str, int], str, str]]:
    return [(("oven", "x", T0 + n), "y" * size, "bad") for n in range(start, start + count)]


def test_the_oldest_go_beyond_a_number(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path, most=5)
    assert rejects.keep(lines(4), 1) == 0
    assert rejects.keep(lines(4, start=4), 2) == 3
    assert [reject.at - T0 for reject in rejects.all()] == [3, 4, 5, 6, 7]
    assert rejects.counts() | {"bytes": 0} == {
        "kept": 5, "bytes": 0, "refused": 8, "read": 0, "expired": 0, "dropped": 3,
    }  # fmt: skip


def test_the_oldest_go_beyond_a_size(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path, most_bytes=400_000)
    for batch in range(20):
        rejects.keep(lines(10, 10_000, start=batch * 10), batch)
    counts = rejects.counts()
    assert counts["bytes"] < 400_000
    assert counts["kept"] + counts["dropped"] == 200
    assert [reject.at for reject in rejects.all()][-1] == T0 + 199
    assert (tmp_path / "store-rejects.db").stat().st_size < 1_000_000


def test_the_old_expire_and_nothing_is_made_where_nothing_was(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path)
    assert (rejects.expire(9), rejects.counts()["kept"], list(rejects.all())) == (0, 0, [])
    assert list(tmp_path.iterdir()) == []
    rejects.keep(lines(2), 1)
    rejects.keep(lines(1, start=2), 5)
    assert rejects.expire(5) == 2
    assert (rejects.counts()["kept"], rejects.counts()["expired"]) == (1, 2)


def test_what_was_refused_anew_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path)
    rejects.keep(lines(1), 1)
    before = list(rejects.all())
    rejects.keep(lines(1), 2)
    rejects.forget(before, "read")
    assert rejects.counts() | {"bytes": 0} == {
        "kept": 1, "bytes": 0, "refused": 2, "read": 0, "expired": 0, "dropped": 0,
    }  # fmt: skip


def test_a_line_that_is_not_whole_is_not_offered(server: AnsweringServer, tmp_path: Path) -> None:
    rejects = Rejects(tmp_path)
    rejects.keep(lines(1, LONGEST_LINE + 1), 1)
    store = InfluxStore(server.settings(), tmp_path)
    assert store.write_again(list(rejects.all())) == 0
    assert (server.writes, rejects.counts()["kept"]) == (0, 1)
    store.close()


def minds_oven(batch: list[bytes]) -> object:
    return refused("field type conflict") if any(b"asset=oven" in line for line in batch) else KEPT


@pytest.fixture
def site(server: AnsweringServer, tmp_path: Path) -> Path:
    """A site whose InfluxDB refused two of three readings."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "andon.yaml").write_text(SITE.replace("URL", server.url))
    (tmp_path / "data").mkdir()
    Ledger(tmp_path / "data" / "alarms.db").close()
    server.script = minds_oven
    store = InfluxStore(server.settings().model_copy(update={"org": ""}), tmp_path / "data")
    points = [Point(asset, "x y", T0, 1.0, None, 0) for asset in ("oven", "mill", "oven2")]
    store.write(points, 3)
    store.close()
    return tmp_path


def andon(home: Path, *arguments: str) -> Result:
    environment = {"INFLUX_TOKEN": "token-secret99"}
    return CliRunner().invoke(app, ["quarantine", arguments[0], "--site", str(home), *arguments[1:]], env=environment)


def test_refused_readings_are_listed_and_shown(site: Path) -> None:
    found = json.loads(andon(site, "list", "--json").stdout)
    assert [(g["gateway"], g["reason"], g["kept"]) for g in found["groups"]] == [("store:", "refused-by-store", 2)]
    assert [(i["id"], i["topic"], i["detail"]) for i in found["items"]] == [
        ("store-1", "oven/x y", "field type conflict"),
        ("store-2", "oven2/x y", "field type conflict"),
    ]
    shown = andon(site, "show", "store-2")
    assert shown.exit_code == 0
    assert r"telemetry,asset=oven2,metric=x\ y quality=0i,value=1" in shown.stdout
    assert json.loads(andon(site, "list", "--json", "--gateway", "line1").stdout)["items"] == []
    assert len(json.loads(andon(site, "list", "--json", "--topic", "oven/*").stdout)["items"]) == 1


def test_refused_readings_are_offered_again(server: AnsweringServer, site: Path) -> None:
    done = andon(site, "feed", "--gateway", "store:")
    assert (done.exit_code, done.stdout) == (1, "0 read; refused again: 2 refused-by-store\n")
    server.script = lambda batch: KEPT if not any(b"oven2" in line for line in batch) else refused("still wrong")
    done = andon(site, "feed", "--all")
    assert (done.exit_code, done.stdout) == (1, "1 read; refused again: 1 refused-by-store\n")
    (left,) = json.loads(andon(site, "list", "--json").stdout)["items"]
    assert (left["asset"], left["detail"]) == ("oven2", "still wrong")
    server.script = lambda _: KEPT
    done = andon(site, "feed", left["id"])
    assert (done.exit_code, done.stdout) == (0, "1 read\n")
    assert len([line for line in server.lines if b"asset=oven" in line]) == 2
    assert json.loads(andon(site, "list", "--json").stdout)["items"] == []


def test_a_server_that_does_not_answer_leaves_everything_as_it_was(server: AnsweringServer, site: Path) -> None:
    server.script = lambda _: (503, {}, b"{}")
    done = andon(site, "feed", "--all")
    assert done.exit_code == 1
    assert "answered 503" in done.stderr
    assert "secret99" not in done.output
    assert Rejects(site / "data").counts()["kept"] == 2


def test_refused_readings_are_deleted_on_request(site: Path) -> None:
    done = andon(site, "expire", "store-1")
    assert (done.exit_code, done.stdout) == (0, "1 deleted\n")
    assert andon(site, "expire", "--older-than", "1h").stdout == "0 deleted\n"
    assert [reject.asset for reject in Rejects(site / "data").all()] == ["oven2"]


def test_a_real_server_takes_what_it_refused_once_it_is_mended(influxdb: InfluxDB, tmp_path: Path) -> None:
    settings = influxdb.database("mended")
    influxdb.query("CREATE RETENTION POLICY short ON mended DURATION 1h REPLICATION 1 DEFAULT")
    store = InfluxStore(settings, tmp_path)
    store.write([Point("oven", "x", T0, 1.0, None, 0)], 1)
    rejects = Rejects(tmp_path)
    (kept,) = rejects.all()
    assert "retention policy" in kept.reason
    influxdb.query("ALTER RETENTION POLICY autogen ON mended DEFAULT")
    assert store.write_again([kept]) == 1
    assert (rejects.counts()["kept"], [point.at for point in store.read()]) == (0, [T0])
    store.close()
