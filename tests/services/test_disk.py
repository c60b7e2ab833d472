"""The whole monitor on a disk that fills up, cannot be written or spoils its journal: nothing is lost unsaid."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from monitor.database.gaps import Gap
from monitor.database.queries import AlarmReader
from monitor.errors import AndonError
from monitor.journal.disk import RESERVE_FILE
from monitor.journal.segments import segment_offsets, segment_path
from monitor.journal.writer import JournalWriter
from monitor.stores.embedded import EmbeddedStore
from tests.monitor.collectors.collecting import publish_blocking
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until
from tests.services.small_disk import small_disk

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, assets: press, detect: {type: limits, signal: level, high: 50}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{machine}", asset: "{machine}"}'
pytestmark = pytest.mark.timeout(300)
DISK = 64_000_000
RESERVE = 12_000_000
FEW = 1_000_000
"""So much beside the file of the reserve is less than the reserve."""


@pytest.fixture
def broker(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return start_mosquitto(inflight=2000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK) as place:
        yield place


class Plant:
    """Numbers what it publishes, each reading a message with a stamp of its own."""

    def __init__(self, broker: Mosquitto) -> None:
        self.sent = 0
        self._broker = broker

    def send(self, count: int, level: float = 20.0) -> None:
        numbers = range(self.sent, self.sent + count)
        filling = "x" * 400
        payloads = [
            json.dumps({"timestamp": 1_700_000_000 + n, "seq": n, "level": level, "note": filling}).encode()
            for n in numbers
        ]
        publish_blocking(self._broker, payloads, "plant/press", 1)
        self.sent += count


def site_on(place: Path, broker: Mosquitto, more: str = "") -> RunningSite:
    site = RunningSite(place / "site", f'{{url: "{broker.url}"}}', RULES, GATEWAY)
    with (site.directory / "andon.yaml").open("a") as file:
        file.write(more)
    return site


def limited(when_full: str) -> str:
    return f"when_full: {when_full}\njournal: {{max_size: 30MB, reserve: {RESERVE // 1_000_000}MB}}\n"


def fill(place: Path, leave: int) -> Path:
    """Take the room of a file system but for some bytes."""
    ballast = place / "ballast"
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    with ballast.open("ab") as file, suppress(OSError):
        file.write(bytes(max(0, free - leave)))
    return ballast


def stored(site: RunningSite) -> list[int]:
    try:
        with closing(EmbeddedStore(site.data / "store.db", read_only=True)) as store:
            return sorted(int(point.value or 0) for point in store.read(metric="seq"))
    except AndonError:
        return []


def story(site: RunningSite, rule: str) -> list[str]:
    try:
        return [t.event for t in site.transitions() if t.rule == rule]
    except AndonError:
        return []


def gaps(site: RunningSite) -> list[Gap]:
    with closing(AlarmReader(site.data / "alarms.db")) as reader:
        return reader.gaps()


def connected(site: RunningSite, times: int = 1) -> bool:
    """Whether it has connected so many times, and its subscription stands."""
    return site.log.count("mqtt_subscribed") >= times and site.hop_status("collect:main") == "ok"


def fill_to_the_last_byte(site: RunningSite) -> Path:
    """Take what the reserve gives back, too, until there is nothing left of it."""
    place = site.directory.parent

    def taken() -> bool:
        fill(place, leave=0)
        return not (site.data / RESERVE_FILE).exists() and not os.statvfs(place).f_bavail

    until(taken, 60, "the reserve to be used up")
    return place / "ballast"


def test_another_program_that_fills_the_disk_stops_no_decision(disk: Path, broker: Mosquitto) -> None:
    plant = Plant(broker)
    with site_on(disk, broker, limited("decide")) as site:
        site.start()
        until(lambda: connected(site), 60, "the first connection")
        plant.send(500)
        until(lambda: len(stored(site)) == 500 and site.settled(), 60, "what there was room for")
        ballast = fill(disk, leave=0)
        plant.send(300, level=99)
        until(lambda: story(site, "hot") == ["raised"], 60, "the alarm")
        plant.send(300, level=10)
        until(lambda: story(site, "hot") == ["raised", "cleared"], 60, "the end of the alarm")
        assert os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize < RESERVE
        ballast.unlink()
        until(lambda: story(site, "system.journal-full")[-1:] == ["cleared"], 60, "room again")
        plant.send(100)
        until(lambda: stored(site)[-100:] == [*range(1100, 1200)] and site.settled(), 60, "what came then")
        until((site.data / RESERVE_FILE).exists, 30, "the reserve to be taken again")
        missing, found = sum(gap.messages for gap in gaps(site)), stored(site)
        site.stop()
    assert len(found) + missing >= plant.sent
    assert not (site.data / RESERVE_FILE).exists()
    print(f"{plant.sent} sent, {len(found)} stored, {missing} in recorded gaps")


def test_a_full_disk_costs_readings_but_no_decision(disk: Path, broker: Mosquitto) -> None:
    plant = Plant(broker)
    with site_on(disk, broker, limited("decide")) as site:
        site.start()
        until(lambda: connected(site), 60, "the first connection")
        plant.send(500)
        until(lambda: len(stored(site)) == 500 and site.settled(), 60, "what there was room for")
        ballast = fill(disk, leave=FEW)
        until(lambda: story(site, "system.journal-full") == ["raised"], 60, "the alarm of a full journal")
        until(lambda: site.hop_status("journal") == "ill", 30, "health to tell")
        plant.send(300, level=99)
        until(lambda: story(site, "hot") == ["raised"], 60, "the alarm")
        site.kill()
        site.start()
        until(lambda: connected(site, 2), 60, "the second connection")
        plant.send(300, level=98)
        plant.send(200, level=10)
        until(lambda: story(site, "hot") == ["raised", "cleared"], 60, "the end of the alarm")
        ballast.unlink()
        until(lambda: story(site, "system.journal-full")[-1] == "cleared", 60, "room again")
        plant.send(500)
        until(lambda: len(stored(site)) >= 1000 and site.settled(), 60, "everything else")
        until(lambda: site.hop_status("journal") in {"ok", "degraded"}, 30, "health")
        missing = sum(gap.messages for gap in gaps(site))
        found = stored(site)
    assert found == [*range(500), *range(1300, 1800)]
    assert missing >= 800
    assert {gap.gateway for gap in gaps(site)} == {"g"}
    assert story(site, "hot") == ["raised", "cleared"]
    print(f"{plant.sent} sent, {len(found)} stored, {missing} in {len(gaps(site))} recorded gaps")


def test_a_disk_without_a_single_byte_holds_up_but_loses_nothing(disk: Path, broker: Mosquitto) -> None:
    plant = Plant(broker)
    with site_on(disk, broker, limited("decide")) as site:
        site.start()
        until(lambda: connected(site), 60, "the first connection")
        plant.send(500)
        until(lambda: len(stored(site)) == 500 and site.settled(), 60, "what there was room for")
        ballast = fill_to_the_last_byte(site)
        until(lambda: "journal_full" in site.log, 60, "the log to tell")
        plant.send(2_000, level=99)
        plant.send(2_000, level=10)
        ballast.unlink()
        until(lambda: story(site, "hot") == ["raised", "cleared"], 60, "the decisions")
        until(lambda: story(site, "system.journal-full")[-1:] == ["cleared"], 60, "room again")
        plant.send(100)
        until(lambda: stored(site)[-100:] == [*range(4500, 4600)] and site.settled(), 60, "everything")
        missing, found = sum(gap.messages for gap in gaps(site)), stored(site)
    assert len(found) + missing >= plant.sent
    assert len(set(found)) == len(found)
    print(f"{plant.sent} sent, {len(found)} stored, {missing} in recorded gaps")


def test_a_full_disk_may_leave_all_to_the_broker(disk: Path, broker: Mosquitto) -> None:
    plant = Plant(broker)
    with site_on(disk, broker, limited("hold")) as site:
        site.start()
        until(lambda: connected(site), 60, "the first connection")
        plant.send(500)
        until(lambda: len(stored(site)) == 500, 60, "what there was room for")
        ballast = fill(disk, leave=FEW)
        until(lambda: story(site, "system.journal-full") == ["raised"], 60, "the alarm of a full journal")
        until(lambda: "there is no room for what it sends" in site.log, 60, "the broker to be left")
        plant.send(300, level=99)
        plant.send(300, level=10)
        assert len(stored(site)) == 500
        ballast.unlink()
        until(lambda: len(stored(site)) == plant.sent and site.settled(), 60, "what the broker kept")
    assert stored(site) == list(range(plant.sent))
    assert story(site, "hot") == ["raised", "cleared"]
    assert gaps(site) == []


def test_no_room_from_the_start_is_told_and_more_room_heals_it(tmp_path: Path, broker: Mosquitto) -> None:
    plant = Plant(broker)
    with site_on(tmp_path, broker, "journal: {reserve: 900TB}\n") as site:
        site.start()
        until(lambda: connected(site), 60, "the first connection")
        plant.send(10, level=99)
        until(lambda: story(site, "hot") == ["raised"], 60, "the alarm")
        site.stop()
        config = site.directory / "andon.yaml"
        config.write_text(config.read_text().replace("900TB", "1MB"))
        site.start()
        until(lambda: story(site, "system.journal-full") == ["raised", "cleared"], 60, "room")
        plant.send(10, level=10)
        until(lambda: story(site, "hot") == ["raised", "cleared"] and site.settled(), 60, "the end of the alarm")
    assert stored(site) == list(range(10, 20))
    assert [gap.messages for gap in gaps(site)] == [10]


def spoil(path: Path, marker: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(marker)] ^= 0xFF
    path.write_bytes(content)


def run_for_a_while(site: RunningSite, plant: Plant, level: float, times: int) -> None:
    """Start, take in three hundred messages in several batches, stop."""
    site.start()
    until(lambda: connected(site, times), 60, "a connection")
    for _ in range(3):
        plant.send(100, level=level)
        until(lambda: len(stored(site)) == plant.sent and site.settled(), 60, "all that was sent")
    site.stop()


def test_spoiled_pages_of_the_journal_cost_their_batches_and_nothing_else(tmp_path: Path, broker: Mosquitto) -> None:
    plant = Plant(broker)
    with site_on(tmp_path, broker) as site:
        journal = site.data / "journal"
        run_for_a_while(site, plant, level=20, times=1)
        with closing(JournalWriter(journal)) as writer:
            writer.leave(0)
        run_for_a_while(site, plant, level=99, times=2)
        closed, newest = segment_offsets(journal)
        spoil(segment_path(journal, closed), b'"seq": 150,')
        spoil(segment_path(journal, newest), b'"seq": 450,')
        for file in site.data.glob("store.db*"):
            file.unlink()
        site.start()
        until(lambda: site.settled() and len(story(site, "system.journal-damaged")) >= 1, 120, "the rest to be stored")
        plant.send(100, level=10)
        until(lambda: story(site, "hot") == ["raised", "cleared"] and site.settled(), 60, "the end of the alarm")
        until(lambda: sum(gap.messages for gap in gaps(site)) == plant.sent - len(stored(site)), 30, "the gaps")
        until(lambda: site.hop_status("journal") == "degraded", 30, "health to tell")
        found = stored(site)
    assert set(range(700)) - set(found) >= {150, 450}
    assert len(found) > 480
    assert len(list(journal.glob("*.unreadable"))) == 2
    print(f"{plant.sent} sent, {len(found)} stored, {[(g.start, g.messages) for g in gaps(site)]} recorded as lost")


def run_to_its_end(directory: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", "monitor.cli", "run", "--site", str(directory)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


def test_a_second_monitor_on_the_same_data_ends_with_status_1_and_says_who_has_it(
    tmp_path: Path, broker: Mosquitto
) -> None:
    with site_on(tmp_path, broker) as site:
        site.start()
        until(lambda: connected(site), 60, "the first monitor")
        status, said = run_to_its_end(site.directory)
        assert status == 1
        assert f"another monitor (pid {site.pid}) is running on this data directory" in said
        assert "Traceback" not in said


def test_a_data_directory_that_cannot_be_written_ends_with_status_1_and_is_named(disk: Path, broker: Mosquitto) -> None:
    site = site_on(disk, broker)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    status, said = run_to_its_end(site.directory)
    assert status == 1
    assert str(site.data) in said
    assert "Read-only file system" in said
    assert "Traceback" not in said


def test_a_journal_of_a_newer_version_ends_the_run_with_status_1(tmp_path: Path, broker: Mosquitto) -> None:
    site = site_on(tmp_path, broker)
    JournalWriter(site.data / "journal").close()
    set_format(segment_path(site.data / "journal", 0), 99)
    status, said = run_to_its_end(site.directory)
    assert status == 1
    assert "journal format 99, this Andon reads up to 2: run the version that wrote it" in said
    assert "Traceback" not in said


def set_format(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
