"""Health names the hop that is ill, since when, in words and figures, and nothing that is nobody's business."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import namedtuple
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from monitor import clock
from monitor.alerting.outbox import Attempt, Outbox, Outcome, State
from monitor.database.ledger import Ledger, Step
from monitor.database.quarantine import QuarantineRow
from monitor.journal.entries import TickEntry
from monitor.journal.writer import JournalWriter
from monitor.settings import Settings, Store
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.influx_progress import Progress
from monitor.web import health, vitals
from monitor.web.health import Examiner, Verdict, judged
from monitor.web.vitals import Backlog, Vitals
from rules.events import SECOND, Duration
from tests.monitor.alerting.making import HOOK, MAIL, decided, notification, notify, transition
from tests.monitor.web.test_server import request, settings

WELL = {"links": {"main": True}, "waiting": {"main": 7}, "lag_entries": 0, "assets": 3}
WRITING = {"failing_s": None, "last_error": ""}
Disk = namedtuple("Disk", "total used free")


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**12, 0, 50 * 10**9))


@pytest.fixture
def data(tmp_path: Path) -> Callable[..., Path]:
    """A data directory whose journal has three entries, received so long ago, of which readers have taken some."""

    def make(stored: int = 3, decided: int = 3, ago: Duration = 0) -> Path:
        with (
            closing(JournalWriter(tmp_path / "journal")) as writer,
            closing(EmbeddedStore(tmp_path / "store.db")) as store,
            closing(Ledger(tmp_path / "alarms.db")) as ledger,
        ):
            writer.append([TickEntry(clock.now() - ago + n) for n in range(3)])
            store.write([], stored)
            ledger.commit(Step(decided, 0))
        return tmp_path

    return make


def hops(directory: Path, line: Any = WELL, store: Any = WRITING) -> dict[str, Any]:
    return dict(request(directory, "GET", "/health", line, store).json()["hops"])


def test_all_hops_well_is_200(data) -> None:
    response = request(data(), "GET", "/health", WELL, WRITING)
    assert response.status_code == 200
    told = response.json()
    assert (told["status"], told["ill"], told["degraded"]) == ("ok", [], [])
    assert list(told["hops"]) == ["collect:main", "journal", "decide", "store", "alerting", "web"]
    assert {hop["status"] for hop in told["hops"].values()} == {"ok"}
    assert told["hops"]["store"]["figures"] == {"lag_entries": 0, "lag_s": 0.0}
    assert told["hops"]["alerting"]["figures"] == {
        "pending": 0,
        "oldest_s": 0.0,
        "channels_failing": 0,
        "given_up": 0,
    }
    assert all(hop["since"].endswith("Z") for hop in told["hops"].values())


def test_entries_found_lost_degrade_the_journal(data) -> None:
    told = {"full": False, "aside": [], "lost_entries": 70, "found_lost": 40}
    journal = hops(data(), {**WELL, "journal": told})["journal"]
    assert (journal["status"], journal["figures"]["lost_entries"]) == ("degraded", 70)
    assert hops(data(), {**WELL, "journal": {**told, "found_lost": 0}})["journal"]["status"] == "ok"


def test_a_line_that_is_not_there_makes_all_its_hops_ill(data) -> None:
    response = request(data(), "GET", "/health", None, WRITING)
    assert response.status_code == 503
    assert response.json()["ill"] == ["collect:main", "journal", "decide", "alerting"]
    assert response.json()["hops"]["decide"]["text"] == "the line process does not answer"


@pytest.mark.parametrize("links", [{"main": False}, {}, None, "nonsense"])
def test_a_broker_that_is_not_connected_is_ill(data, links: object) -> None:
    response = request(data(), "GET", "/health", {"links": links}, WRITING)
    assert response.status_code == 503
    assert response.json()["ill"] == ["collect:main"]


def test_a_broker_that_refuses_a_topic_is_ill_and_says_which(data) -> None:
    refused = "the broker does not let us read plant/#; give this user the right"
    collect = hops(data(), {**WELL, "problems": {"main": refused}})["collect:main"]
    assert (collect["status"], collect["text"]) == ("ill", refused)
    assert hops(data(), {**WELL, "problems": {"main": None}})["collect:main"]["status"] == "ok"


def test_a_store_process_that_is_not_there_is_ill(data) -> None:
    response = request(data(stored=1), "GET", "/health", WELL)
    assert (response.status_code, response.json()["ill"]) == (503, ["store"])
    assert response.json()["hops"]["store"]["figures"]["lag_entries"] == 2


@pytest.mark.parametrize(("ago", "status", "code"), [(1, "ok", 200), (60, "degraded", 200), (600, "ill", 503)])
def test_a_store_is_judged_by_how_long_readings_wait(data, ago: int, status: str, code: int) -> None:
    response = request(data(stored=1, ago=ago * SECOND), "GET", "/health", WELL, WRITING)
    store = response.json()["hops"]["store"]
    assert (response.status_code, store["status"], response.json()["status"]) == (code, status, status)
    assert store["figures"]["lag_entries"] == 2
    assert re.search(rf"the first for {ago // 10}\d+ s", store["text"]) or status == "ok"


def test_a_store_that_fails_is_degraded_at_once_and_says_how(data) -> None:
    store = hops(data(), store={"failing_s": 4.2, "last_error": "denied"})["store"]
    assert store["status"] == "degraded"
    assert (store["figures"]["failing_s"], store["figures"]["last_error"]) == (4.2, "denied")


def test_assets_that_are_not_watched_degrade_deciding(data) -> None:
    decide = hops(data(), {**WELL, "unwatched": 1_200})["decide"]
    assert (decide["status"], decide["figures"]["unwatched"]) == ("degraded", 1_200)
    assert "1,200 observations were not decided on" in decide["text"]
    assert hops(data(), {**WELL, "unwatched": 0})["decide"]["status"] == "ok"


@pytest.mark.parametrize(("dropped", "status"), [(0, "degraded"), (2, "ill")])
def test_a_store_that_refuses_readings_is_no_healthy_one(data, dropped: int, status: str) -> None:
    told = {**WRITING, "refusing_s": 3.0, "refused": 1_450, "rejects_dropped": dropped}
    store = hops(data(), store=told)["store"]
    assert (store["status"], store["figures"]["refused"]) == (status, 1_450)
    assert store["text"].startswith("1,450 readings were refused")
    assert ("2 are lost" in store["text"]) == bool(dropped)


@pytest.mark.parametrize(("ago", "status"), [(1, "ok"), (10, "degraded"), (60, "ill")])
def test_deciding_is_judged_by_how_long_entries_wait(data, ago: int, status: str) -> None:
    assert hops(data(decided=1, ago=ago * SECOND))["decide"]["status"] == status


@pytest.mark.parametrize(("free", "status"), [(2 * 10**9, "ok"), (500_000_000, "degraded"), (10**6, "degraded")])
def test_a_journal_needs_room(data, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**12, 0, free))
    journal = hops(data())["journal"]
    assert (journal["status"], journal["figures"]["disk_free_bytes"]) == (status, free)
    assert journal["figures"]["bytes"] > 0


@pytest.mark.parametrize(
    ("ago", "attempted", "status"),
    [(1, False, "ok"), (1, True, "degraded"), (60, False, "degraded"), (600, True, "ill")],
)
def test_alerting_is_judged_by_what_waits_and_what_fails(data, ago: int, attempted: bool, status: str) -> None:
    directory = data()
    created = clock.now() - ago * SECOND
    alarm = transition()
    with closing(Ledger(directory / "alarms.db", now=lambda: created)) as ledger:
        note = notification(alarm)
        ledger.commit(Step(4, 0, transitions=[alarm], notifications=[note]))
    if attempted:
        with closing(Outbox(directory / "alarms.db")) as outbox:
            outbox.record(note.key, note.channel, Attempt(created, Outcome.FAILED, "no", State.PENDING, created))
    alerting = hops(directory)["alerting"]
    assert alerting["status"] == status
    assert (alerting["figures"]["pending"], alerting["figures"]["channels_failing"]) == (1, int(attempted))
    assert abs(alerting["figures"]["oldest_s"] - ago) < 30


@pytest.mark.parametrize(
    ("other", "ago", "status"),
    [("given_up", 60, "ill"), ("pending", 60, "degraded"), ("sent", 60, "degraded"), ("given_up", 4_000, "ok")],
)
def test_what_was_given_up_shows_for_an_hour_and_is_ill_where_a_team_was_not_told(
    data, other: str, ago: int, status: str
) -> None:
    directory, alarm, at = data(), transition(), clock.now() - ago * SECOND
    notes = decided(alarm, notify(({}, "maintenance"), maintenance=[MAIL, HOOK])).notifications
    with closing(Ledger(directory / "alarms.db", now=clock.now)) as ledger:
        ledger.commit(Step(4, 0, transitions=[alarm], notifications=notes))
    with closing(Outbox(directory / "alarms.db")) as outbox:
        for note, state in zip(notes, (State.GIVEN_UP, State(other)), strict=True):
            outbox.record(note.key, note.channel, Attempt(at, Outcome.REFUSED, "no", state, at))
    alerting = hops(directory)["alerting"]
    assert alerting["status"] == status
    assert ("team maintenance" in alerting["text"]) is (status != "ok")


def test_nothing_there_at_all_is_an_answer_too(tmp_path: Path) -> None:
    response = request(tmp_path, "GET", "/health", WELL, WRITING)
    assert response.status_code == 503
    assert response.json()["ill"] == ["decide", "store", "alerting"]


def test_a_damaged_database_is_ill_and_no_error_of_ours(data) -> None:
    directory = data()
    for file in directory.glob("alarms.db*"):
        file.write_bytes(b"garbage" * 1000)
    response = request(directory, "GET", "/health", WELL, WRITING)
    assert response.status_code == 503
    assert {"decide", "alerting"} <= set(response.json()["ill"])


def test_a_store_on_a_server_is_judged_by_what_it_confirmed(data) -> None:
    directory = data(stored=0)
    influxdb = Store(type="influxdb", url="http://127.0.0.1:1", bucket="plant")
    elsewhere = settings(directory).model_copy(update={"store": influxdb})
    Progress(directory, influxdb).save(2)
    assert asyncio.run(vitals.measured(elsewhere)).unstored.entries == 1
    Progress(directory, influxdb).save(3)
    assert asyncio.run(vitals.measured(elsewhere)).unstored == Backlog(0, 0)


def test_a_hop_remembers_since_when_it_is_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Vitals] = []

    async def measured(_: Settings) -> Vitals:
        return found.pop(0)

    async def look() -> list[str]:
        examiner = Examiner(settings(tmp_path))
        return [(await examiner.examine()).hops["collect:main"].since for _ in range(len(found))]

    monkeypatch.setattr(vitals, "measured", measured)
    monkeypatch.setattr(health, "FRESH", 0)
    ups = (True, True, False, False, True)
    found += [made(at=second * SECOND, line={"links": {"main": up}}) for second, up in enumerate(ups)]
    assert [since[17:19] for since in asyncio.run(look())] == ["00", "00", "02", "02", "04"]


def test_many_who_ask_get_one_examination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    async def measured(_: Settings) -> Vitals:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0)
        return made()

    async def ask() -> None:
        examiner = Examiner(settings(tmp_path))
        await asyncio.gather(*(examiner.examine() for _ in range(50)))

    monkeypatch.setattr(vitals, "measured", measured)
    monkeypatch.setattr(health, "FRESH", 3600 * SECOND)
    asyncio.run(ask())
    assert looked == 1


def made(**figures: Any) -> Vitals:
    nothing: dict[str, Any] = dict.fromkeys(Vitals.__struct_fields__)
    return Vitals(**{**nothing, "at": 0, "quarantine": (), "rejects": 0, **figures})


def test_every_hop_has_a_verdict_whatever_is_missing() -> None:
    assert [name for name, _ in judged(made(), {"a": 1, "b": 2})] == [
        "collect:a", "collect:b", "journal", "decide", "store", "alerting", "web",
    ]  # fmt: skip


def test_the_brokers_are_those_that_the_line_has_whatever_the_files_say_by_now() -> None:
    line = {"waiting": {"main": 0}, "links": {"main": True}}
    assert next(judged(made(line=line), {"north": 1})) == (
        "collect:main",
        Verdict("ok", "connected", {"dropped": None}),
    )


def test_metrics_show_what_only_the_disk_knows(data) -> None:
    directory = data(stored=1, ago=60 * SECOND)
    reject = QuarantineRow(3, 0, 1, "line1", b"t", "not-json", "?", b"{")
    with closing(Ledger(directory / "alarms.db")) as ledger:
        ledger.commit(Step(4, 0, rejects=[reject]))
    told = request(directory, "GET", "/metrics", WELL, WRITING).text
    for line in (
        'andon_reader_lag_entries{reader="store"} 2.0',
        'andon_reader_lag_entries{reader="decide"} 0.0',
        'andon_quarantine_rows{gateway="line1",reason="not-json"} 1.0',
        'andon_uncommitted_messages{broker="main"} 7.0',
        "andon_assets 3.0",
        'andon_hop_status{hop="store"} 1.0',
    ):
        assert line in told, line
    assert float(told.partition("\nandon_oldest_unstored_seconds ")[2].split()[0]) >= 60
    assert float(told.partition("\nandon_disk_free_bytes ")[2].split()[0]) == 50 * 10**9
    assert float(told.partition("\nandon_journal_bytes ")[2].split()[0]) > 0
