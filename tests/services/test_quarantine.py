"""Thousands of messages that could not be read, the mapping mended, and `kill -9` while they are fed again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from monitor.database.quarantined import QuarantineReader, Wanted
from monitor.errors import AndonError
from monitor.journal.entries import FedEntry
from monitor.journal.reader import JournalReader
from monitor.stores.embedded import EmbeddedStore
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until
from tests.services.test_recordings import publish

MESSAGES = 1_500
RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{machine}", asset: "{machine}", max_payload: 10}'


def level(n: int) -> int:
    """High for 250 messages of 500, and low at the end."""
    return 80 * (n % 500 < 250)


def kept(site: RunningSite) -> int:
    try:
        with closing(QuarantineReader(site.data / "alarms.db")) as reader:
            return sum(group.kept for group in reader.groups())
    except AndonError:
        return 0


def feeding(site: RunningSite) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "monitor.cli", "quarantine", "feed", "--all", "--site", str(site.directory)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def some_fed(site: RunningSite) -> bool:
    """Try until the line takes it; whether something was read, perhaps not yet all."""
    before = kept(site)
    with feeding(site) as feed:
        until(lambda: feed.poll() is not None or kept(site) < before, 60, "the feed to begin")
        feed.kill()
    return kept(site) < before


def all_fed(site: RunningSite) -> bool:
    """Whether another try leaves nothing."""
    with feeding(site) as feed:
        feed.wait(100)
    return kept(site) == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [1, pytest.param(5, marks=pytest.mark.long)])
def test_each_message_is_read_once_though_the_monitor_is_killed_meanwhile(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], kills: int
) -> None:
    broker = start_mosquitto(inflight=2000)
    with RunningSite(tmp_path / "site", f'{{url: "{broker.url}"}}', RULES, GATEWAY) as site:
        site.start()
        until(lambda: "mqtt_subscribed" in site.log, 60, "the subscription")
        publish(broker.port, [("plant/m", b'{"level": %d, "seq": %d}' % (level(n), n)) for n in range(MESSAGES)])
        until(lambda: kept(site) == MESSAGES, 60, "quarantine")
        site.stop()
        assert site.transitions() == [t for t in site.transitions() if t.rule.startswith("system.")]
        settings = site.directory / "andon.yaml"
        settings.write_text(settings.read_text().replace(", max_payload: 10", ""))
        for _ in range(kills):
            site.start()
            until(lambda: some_fed(site), 60, "the first to be read")
            site.kill()
        site.start()
        until(lambda: all_fed(site), 120, "everything to be read")
        until(site.settled, 60, "everything to be stored")
        site.stop()
    with JournalReader(site.data / "journal") as reader:
        entered: list[int] = []
        while entries := reader.read(1_000):
            entered += [entry.entry for _, entry in entries if isinstance(entry, FedEntry)]
    assert len(entered) == len(set(entered)) == MESSAGES
    with closing(EmbeddedStore(site.data / "store.db", read_only=True)) as store:
        assert sorted(point.value for point in store.read(metric="seq")) == list(range(MESSAGES))
    told = [(t.event, t.value) for t in site.transitions() if t.rule == "hot"]
    assert told == [("raised", 80.0), ("cleared", 0.0)] * (MESSAGES // 500)


HUGE = 150_000_000


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_huge_message_costs_little_memory_and_holds_up_nothing(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto], protocol: str
) -> None:
    broker = start_mosquitto(inflight=2000)
    with RunningSite(tmp_path / "site", f'{{url: "{broker.url}", protocol: "{protocol}"}}', RULES, GATEWAY) as site:
        site.start()
        until(lambda: "mqtt_subscribed" in site.log, 60, "the subscription")
        before = peak_memory(site)
        publish(broker.port, [("plant/a", b'{"n": 1}'), ("plant/m", bytes(HUGE)), ("plant/m", b'{"n": 2}')])
        until(lambda: kept(site) == 1, 30, "quarantine")
        until(site.settled, 60, "what came behind it")
        assert peak_memory(site) - before < HUGE // 3
        with closing(QuarantineReader(site.data / "alarms.db")) as reader:
            (found,) = reader.find(Wanted())
        assert (found.reason, found.size) == ("too-large", HUGE)
        assert site.stored() == 2


def peak_memory(site: RunningSite) -> int:
    """Bytes that the line has used at most."""
    status = Path(f"/proc/{site.child('line')}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
