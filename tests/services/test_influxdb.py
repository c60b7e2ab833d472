"""The InfluxDB store against a real server: refused and kept points, any name, kills, and the whole store process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor import clock
from monitor.database.ledger import Ledger, Step
from monitor.errors import AndonError
from monitor.journal.entries import Message, RevisionEntry
from monitor.journal.writer import JournalWriter
from monitor.settings import Settings
from monitor.site import load_site
from monitor.stores.base import Point, StoreError, StoreRestarted
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_rejects import Rejects
from monitor.stores.opening import open_store, stored_offset
from monitor.storing import run_store
from rules.events import SECOND
from tests.services.influx_answers import answering
from tests.services.influxdb import InfluxDB
from tests.services.running import until

DAY = 86_400 * SECOND
SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
store: {type: influxdb, url: "URL", bucket: BUCKET}
"""


def point(at: int, metric: str = "force", value: float | None = 1.0, text: str | None = None) -> Point:
    return Point("press", metric, at, value, text, 0)


def test_points_older_than_the_bucket_keeps_are_set_aside_alone(influxdb: InfluxDB, tmp_path: Path) -> None:
    now = clock.now()
    points = [point(now - (30 * DAY if n in {3, 4, 77} else 0) + n) for n in range(100)]
    with closing(InfluxStore(influxdb.database("older", duration="2d"), tmp_path)) as store:
        store.write(points, 100)
        assert [p.at for p in store.read()] == [p.at for n, p in enumerate(points) if n not in {3, 4, 77}]
        assert store.offset() == 100
    aside = list(Rejects(tmp_path).all())
    assert {reject.at for reject in aside} == {points[n].at for n in (3, 4, 77)}
    assert all("retention policy" in reject.reason for reject in aside)


def test_points_whose_type_somebody_else_took_are_set_aside_alone(influxdb: InfluxDB, tmp_path: Path) -> None:
    settings = influxdb.database("conflict")
    now = clock.now()
    with closing(InfluxStore(settings, tmp_path)) as store:
        store._server.write(f"telemetry,asset=x,metric=y text=5i {now}".encode())
        store.write([point(now + n, text="on" if n % 7 == 0 else None) for n in range(50)], 50)
        kept = {p.at - now for p in store.read("press")}
    assert kept == {n for n in range(50) if n % 7}
    assert {reject.at - now for reject in Rejects(tmp_path).all()} == set(range(0, 50, 7))
    assert all("field type conflict" in reject.reason for reject in Rejects(tmp_path).all())


@given(names=st.lists(st.text(max_size=30), min_size=1, max_size=20, unique=True), text=st.text(max_size=50))
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_and_text_comes_back(
    influxdb: InfluxDB, tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str
) -> None:
    directory = tmp_path_factory.mktemp("names")
    carried = text.encode(errors="replace").decode()
    with closing(InfluxStore(influxdb.database(directory.name), directory)) as store:
        store.write([Point(name, names[0], 5, None, text, 0) for name in names], 1)
        assert list(Rejects(directory).all()) == []
        assert list(store.read()) == [Point(name, names[0], 5, None, carried, 0) for name in sorted(names)]
        assert list(store.read(asset=names[-1])) == [Point(names[-1], names[0], 5, None, carried, 0)]
        assert store.latest(names[0]) == [Point(names[0], names[0], 5, None, carried, 0)]


def test_a_server_killed_between_writes_has_what_it_confirmed(
    start_influxdb: Callable[..., InfluxDB], tmp_path: Path
) -> None:
    server = start_influxdb()
    with closing(InfluxStore(server.database("killed"), tmp_path)) as store:
        for n in range(3):
            store.write([point(n * 100 + i) for i in range(100)], n)
            server.kill()
            with pytest.raises(StoreError, match="does not answer"):
                store.write([point(-1)], 99)
            assert store.offset() == n
            server.start()
            with pytest.raises(StoreRestarted):
                store.write([point(0)], 99)
            assert store.count() == 100 * (n + 1)


def site(directory: Path, server: InfluxDB, bucket: str) -> Settings:
    server.database(bucket)
    (directory / "andon.yaml").write_text(SITE.replace("URL", server.url).replace("BUCKET", bucket))
    (directory / "rules").mkdir()
    loaded = load_site(directory, {})
    assert loaded.site is not None, loaded.problems
    settings = loaded.site.settings
    settings.data_dir.mkdir()
    with closing(JournalWriter(settings.data_dir / "journal")) as writer:
        writer.append([RevisionEntry(1, loaded.site.revision, dict(loaded.site.texts))])
    with closing(Ledger(settings.data_dir / "alarms.db")) as ledger:
        ledger.commit(Step(1, 0, revision=(0, loaded.site.revision, dict(loaded.site.texts))))
    return settings


def receive(settings: Settings, numbers: range) -> None:
    with closing(JournalWriter(settings.data_dir / "journal")) as writer:
        for n in numbers:
            payload = b'{"force": %d, "state": "run %d"}' % (n, n)
            writer.append([Message(n * SECOND, "main", b"plant/oven", payload, 1, False, False, n)])


def while_storing(settings: Settings, act: Callable[[], None]) -> None:
    """Do something while the store process runs, and end it then."""

    async def run() -> None:
        stop = asyncio.Event()
        storing = asyncio.create_task(run_store(settings, stop))
        try:
            await asyncio.to_thread(act)
        finally:
            stop.set()
            await storing

    asyncio.run(run())


def stored(settings: Settings) -> list[tuple[int, float | str | None]]:
    with closing(open_store(settings, read_only=True)) as store:
        return [(p.at // SECOND, p.text if p.value is None else p.value) for p in store.read("oven")]


def test_everything_is_stored_once_through_kills_of_the_server(
    start_influxdb: Callable[..., InfluxDB], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.stores.writer.LONGEST_PAUSE", SECOND // 2)
    server = start_influxdb()
    settings = site(tmp_path, server, "plant")

    def kill_now_and_then() -> None:
        for round_ in range(5):
            receive(settings, range(2 + round_ * 200, 2 + (round_ + 1) * 200))
            until(lambda: stored_offset(settings) > round_ * 200, 30, "the store to begin")  # noqa: B023 - waited for
            server.kill()
            server.start()
        until(lambda: stored_offset(settings) == 1001, 30, "the store to have everything")

    while_storing(settings, kill_now_and_then)
    assert stored(settings) == [row for n in range(2, 1002) for row in ((n, float(n)), (n, f"run {n}"))]


def test_another_bucket_gets_what_the_journal_still_holds(influxdb: InfluxDB, tmp_path: Path) -> None:
    settings = site(tmp_path, influxdb, "first")
    receive(settings, range(2, 12))
    while_storing(settings, lambda: until(lambda: stored_offset(settings) == 11, 20, "the first bucket"))
    second = settings.model_copy(update={"store": influxdb.database("second")})
    assert stored_offset(second) == 0
    while_storing(second, lambda: until(lambda: stored_offset(second) == 11, 20, "the second bucket"))
    assert stored(second) == stored(settings) != []


def test_the_store_process_does_not_wait_for_a_server_that_hangs(influxdb: InfluxDB, tmp_path: Path) -> None:
    settings = site(tmp_path, influxdb, "hanging")
    receive(settings, range(2, 5))
    with answering() as server:
        server.script = server.hang
        hanging = settings.model_copy(update={"store": server.settings()})
        program = (
            "import asyncio, sys; from monitor.settings import Settings; from monitor.storing import run_store\n"
            "async def main():\n"
            "    stop = asyncio.Event()\n"
            "    asyncio.get_running_loop().add_reader(0, stop.set)\n"
            "    await run_store(Settings.model_validate_json(sys.argv[1]), stop)\n"
            "asyncio.run(main())\n"
        )
        process = subprocess.Popen([sys.executable, "-c", program, hanging.model_dump_json()], stdin=subprocess.PIPE)
        until(lambda: server.writes > 0, 20, "a write")
        asked = clock.elapsed()
        process.communicate(b"stop", timeout=20)
        assert clock.elapsed() - asked < 10 * SECOND
        assert process.returncode == 0
    assert stored_offset(hanging) == 0


def test_a_server_that_is_away_says_so_and_stops_nobody(influxdb: InfluxDB, tmp_path: Path) -> None:
    settings = site(tmp_path, influxdb, "away")
    away = settings.model_copy(update={"store": settings.store.model_copy(update={"url": "http://127.0.0.1:9"})})
    receive(away, range(2, 5))
    started = clock.elapsed()
    while_storing(away, lambda: None)
    assert clock.elapsed() - started < 15 * SECOND
    assert stored_offset(away) == 0
    with pytest.raises(AndonError, match="does not answer"):
        stored(away)
