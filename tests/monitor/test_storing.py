"""The store process begins where the store ends, under the configuration that was in force there."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing
from pathlib import Path

import pytest

from monitor import clock
from monitor.database.ledger import Ledger, Step
from monitor.journal.entries import Message, RevisionEntry, TickEntry
from monitor.journal.writer import JournalWriter
from monitor.settings import Broker, Journal, Settings, Store
from monitor.site import load_site
from monitor.stores.base import StoreError
from monitor.stores.embedded import EmbeddedStore
from monitor.storing import leave_reserve, run_store, texts_before
from rules.events import SECOND

SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
"""


def decided(data_dir: Path, position: int, *revised: tuple[int, str]) -> None:
    """An alarm database whose line has worked off the journal up to a position, with revisions on the way."""
    with closing(Ledger(data_dir / "alarms.db")) as ledger:
        for offset, name in revised:
            ledger.commit(Step(offset + 1, 0, revision=(offset, name, {"name": name})))
        ledger.commit(Step(position, 0))


def journalled(data_dir: Path, *names: str) -> None:
    """A journal of ticks, and of revisions where a name stands."""
    with closing(JournalWriter(data_dir / "journal")) as writer:
        writer.append([RevisionEntry(0, name, {"name": name}) if name else TickEntry(0) for name in names])


@pytest.mark.parametrize(
    ("offset", "position", "expected"),
    [
        (0, 0, None),
        (1, 1, "a"),
        (2, 5, "a"),
        (3, 5, "a"),
        (4, 5, "b"),
        (4, 2, "b"),
        (3, 2, "a"),
        (4, 1, "b"),
        (1, 0, "a"),
    ],
)
def test_configuration_before_an_offset(tmp_path: Path, offset: int, position: int, expected: str | None) -> None:
    journalled(tmp_path, "a", "", "", "b", "")
    decided(tmp_path, position, *[(at, name) for at, name in ((0, "a"), (3, "b")) if at < position])
    assert texts_before(tmp_path, offset) == ({"name": expected} if expected else {})


def test_readings_are_stored_once_over_any_number_of_restarts(tmp_path: Path) -> None:
    (tmp_path / "andon.yaml").write_text(SITE)
    (tmp_path / "rules").mkdir()
    site, problems = load_site(tmp_path, {})
    assert site is not None, problems
    messages = [Message(n, "main", b"plant/oven", b'{"force": %d}' % n, 1, False, False, n) for n in range(1, 7)]
    with closing(JournalWriter(tmp_path / "journal")) as writer:
        writer.append([RevisionEntry(1, site.revision, dict(site.texts)), *messages[:3]])
        decided_by(tmp_path, site.revision, dict(site.texts))
        store_until(tmp_path, 4)
        writer.append(messages[3:])
    store_until(tmp_path, 7)
    with closing(EmbeddedStore(tmp_path / "store.db", read_only=True)) as store:
        assert [point.value for point in store.read("oven", "force")] == [1, 2, 3, 4, 5, 6]


def test_readings_under_texts_that_only_an_older_version_accepts_are_stored_as_the_present_files_say(
    tmp_path: Path,
) -> None:
    (tmp_path / "andon.yaml").write_text(SITE)
    (tmp_path / "rules").mkdir()
    old = {"rules/a.yaml": "rules: [{id: old, kind: equipment, detect: {type: of-another-time}}]"}
    message = Message(2, "main", b"plant/oven", b'{"force": 7}', 1, False, False, 1)
    with closing(JournalWriter(tmp_path / "journal")) as writer:
        writer.append([RevisionEntry(1, "old", old), message])
    decided_by(tmp_path, "old", old)
    store_until(tmp_path, 2)
    with closing(EmbeddedStore(tmp_path / "store.db", read_only=True)) as store:
        assert [point.value for point in store.read("oven", "force")] == [7]


def decided_by(data_dir: Path, revision: str, texts: dict[str, str]) -> None:
    with closing(Ledger(data_dir / "alarms.db")) as ledger:
        ledger.commit(Step(1, 0, revision=(0, revision, texts)))


def store_until(data_dir: Path, offset: int) -> None:
    """Run the store process until the store has come so far."""
    settings = Settings(
        directory=data_dir, site="acme", data_dir=data_dir, brokers={"main": Broker(embedded=True)}, gateways=()
    )

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(run_store(settings, stop))
        await asyncio.to_thread(wait, running)
        stop.set()
        await running
        assert reached() == offset

    def wait(running: asyncio.Task[None]) -> None:
        deadline = clock.elapsed() + 20 * SECOND
        while reached() < offset and not running.done() and clock.elapsed() < deadline:
            threading.Event().wait(0.02)

    def reached() -> int:
        try:
            with closing(EmbeddedStore(data_dir / "store.db", read_only=True)) as store:
                return store.offset()
        except StoreError:
            return 0

    asyncio.run(run())


def test_the_embedded_store_leaves_half_of_the_reserve_and_a_server_needs_none(tmp_path: Path) -> None:
    settings = Settings(
        directory=tmp_path,
        site="s",
        data_dir=tmp_path,
        brokers={},
        gateways=(),
        journal=Journal(reserve="900TB"),
    )
    with pytest.raises(StoreError, match="half of `journal: reserve`"):
        leave_reserve(settings)
    server = Store.model_validate({"type": "influxdb", "url": "http://h:1", "bucket": "b"})
    leave_reserve(settings.model_copy(update={"store": server}))
    leave_reserve(settings.model_copy(update={"journal": Journal()}))


def test_a_stamp_counts_as_it_did_under_the_configuration_it_was_received_under(tmp_path: Path) -> None:
    (tmp_path / "andon.yaml").write_text(SITE)
    (tmp_path / "rules").mkdir()
    patient = tmp_path / "patient"
    patient.mkdir()
    (patient / "rules").mkdir()
    (patient / "andon.yaml").write_text(SITE + "max_ahead: 1h\n")
    strict, lenient = load_site(tmp_path, {}).site, load_site(patient, {}).site
    assert strict is not None
    assert lenient is not None
    ahead = b'{"force": %d, "timestamp": 1700000060}'
    received = 1_700_000_000 * SECOND
    messages = [Message(received + n, "main", b"plant/oven", ahead % n, 1, False, False, n) for n in (1, 2)]
    with closing(JournalWriter(tmp_path / "journal")) as writer:
        first, second = (RevisionEntry(received, site.revision, dict(site.texts)) for site in (lenient, strict))
        writer.append([first, messages[0], second, messages[1]])
    decided_by(tmp_path, lenient.revision, dict(lenient.texts))
    store_until(tmp_path, 4)
    with closing(EmbeddedStore(tmp_path / "store.db", read_only=True)) as store:
        points = {point.value: (point.at, point.quality) for point in store.read("oven", "force")}
    assert points[1] == (received + 60 * SECOND, 0)
    assert points[2][0] < received + SECOND
    assert points[2][1] == 1
