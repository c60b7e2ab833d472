"""The writer loop brings every message of the journal into the store once, whatever fails on the way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from monitor import clock, settings
from monitor.codecs import Decoder
from monitor.journal.entries import Entry, Message, Offset, RevisionEntry, TickEntry
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalError, JournalGap
from monitor.journal.writer import JournalWriter
from monitor.stores.base import Point, StoreError
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.writer import Condition, run_writer
from monitor.telemetry import STORED_POINTS
from rules.events import SECOND, Duration

NOW = 1_772_344_800_000_000_000
DEADLINE = 30 * SECOND


def decoder_for(texts: dict[str, str]) -> Decoder:
    gateway = settings.Gateway(name="line1", topic=texts["topic"], asset="{machine}")
    return Decoder((gateway,), lambda _: {})


def message(topic: str, payload: str, received: int = NOW) -> Message:
    return Message(received, "main", topic.encode(), payload.encode(), 1, False, False, 1)


ENTRIES: list[Entry] = [
    message("plant/press/force", "1.5"),
    TickEntry(NOW + 1),
    message("plant/press/mode", "auto", NOW + 2),
    message("office/printer", "7", NOW + 3),
    message("plant/press/force", '{"value": 2, "timestamp": 1900000000}', NOW + 4),
    RevisionEntry(NOW + 5, "b", {"topic": "werk/{machine}/{metric}"}),
    message("plant/press/force", "9", NOW + 6),
    message("werk/press/force", "3", NOW + 7),
]
STORED = [
    Point("press", "force", NOW, 1.5, None, 0),
    Point("press", "mode", NOW + 2, None, "auto", 0),
    Point("press", "force", NOW + 4, 2.0, None, 1),
    Point("press", "force", NOW + 7, 3.0, None, 0),
]


class Running:
    """The writer loop in a thread; leaving the block stops it and shows what it raised."""

    def __init__(self, reader: Any, store: Any) -> None:
        self.stop = Event()
        self.error: BaseException | None = None
        self._thread = Thread(target=self._run, args=(reader, store))

    def _run(self, reader: Any, store: Any) -> None:
        decoder = decoder_for({"topic": "plant/{machine}/{metric}"})
        try:
            run_writer(reader, store, decoder, decoder_for, self.stop)
        except BaseException as error:  # noqa: BLE001 - shown by __exit__
            self.error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error


def wait_for(store: EmbeddedStore, offset: Offset) -> None:
    until = clock.elapsed() + DEADLINE
    while store.offset() < offset:
        assert clock.elapsed() < until, f"the store stays at {store.offset()}"


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path / "store.db")


def test_the_journal_ends_up_in_the_store_as_each_revision_reads_it(tmp_path: Path, store: EmbeddedStore) -> None:
    journal = JournalWriter(tmp_path / "journal")
    journal.append(ENTRIES[:4])
    with JournalReader(tmp_path / "journal", store.offset()) as reader, Running(reader, store):
        wait_for(store, 4)
        journal.append(ENTRIES[4:])
        wait_for(store, 8)
    assert list(store.read()) == STORED
    journal.close()


def test_a_writer_started_again_goes_on_where_the_store_ends(tmp_path: Path, store: EmbeddedStore) -> None:
    journal = JournalWriter(tmp_path / "journal")
    for part in (ENTRIES[:3], ENTRIES[3:]):
        journal.append(part)
        with JournalReader(tmp_path / "journal", store.offset()) as reader, Running(reader, store):
            wait_for(store, journal.head)
    assert (list(store.read()), store.count()) == (STORED, len(STORED))
    journal.close()


class Scripted:
    """A reader that gives what it was told, errors included, and nothing after it."""

    def __init__(self, *steps: list[tuple[Offset, Entry]] | Exception) -> None:
        self._steps = list(steps)

    def read(self, limit: int) -> list[tuple[Offset, Entry]]:
        step = self._steps.pop(0) if self._steps else []
        if isinstance(step, Exception):
            raise step
        return step


class Failing:
    """A store that fails a few times before it works."""

    def __init__(self, store: EmbeddedStore, failures: int, retry_after: Duration | None = None) -> None:
        self._store, self.failures, self._retry_after = store, failures, retry_after
        self.refusals = store.refusals

    def marks(self, asset: str) -> dict[str, int]:
        if self.failures:
            raise StoreError("disk I/O error")
        return self._store.marks(asset)

    def write(self, points: Sequence[Point], next_offset: Offset) -> int:
        if self.failures:
            self.failures -= 1
            raise StoreError("database or disk is full", self._retry_after)
        return self._store.write(points, next_offset)


def test_a_failing_store_is_tried_again_until_it_works(store: EmbeddedStore) -> None:
    failing = Failing(store, 2)
    with Running(Scripted(list(enumerate(ENTRIES))), failing):
        wait_for(store, 8)
    assert (failing.failures, list(store.read())) == (0, STORED)


class Refusing(Failing):
    """A store that refuses numbers, and keeps no more than one of them aside."""

    def write(self, points: Sequence[Point], next_offset: Offset) -> int:
        refused = sum(point.value is not None for point in points)
        self.refusals.points += refused
        self.refusals.dropped += max(0, refused - 1)
        return self._store.write([point for point in points if point.value is None], next_offset)


def test_what_a_store_refuses_is_not_counted_as_stored(store: EmbeddedStore) -> None:
    condition, stop, before = Condition(), Event(), STORED_POINTS._value.get()
    decoder = decoder_for({"topic": "plant/{machine}/{metric}"})

    reader = Scripted(list(enumerate(ENTRIES)))
    given = reader.read
    reader.read = lambda limit: given(limit) if reader._steps else stop.set() or []  # type: ignore[method-assign]
    run_writer(reader, Refusing(store, 0), decoder, decoder_for, stop, condition=condition)
    assert STORED_POINTS._value.get() - before == 1
    assert (condition.refused, condition.dropped, condition.refusing_since is None) == (3, 2, False)


def test_a_store_refuses_until_it_has_taken_everything_for_a_while() -> None:
    condition = Condition()
    condition.took(5, 0, 0, 10)
    assert condition.refusing_since is None
    condition.took(5, 2, 1, SECOND)
    condition.took(5, 1, 0, 50 * SECOND)
    condition.took(5, 0, 0, 109 * SECOND)
    assert (condition.refusing_since, condition.refused, condition.dropped) == (SECOND, 3, 1)
    condition.took(0, 0, 0, 300 * SECOND)
    assert condition.refusing_since == SECOND
    condition.took(5, 0, 0, 301 * SECOND)
    assert (condition.refusing_since, condition.refused, condition.dropped) == (None, 0, 0)


def test_a_store_that_asks_for_patience_is_left_alone_for_so_long(store: EmbeddedStore) -> None:
    started = clock.elapsed()
    with Running(Scripted(list(enumerate(ENTRIES))), Failing(store, 2, SECOND // 2)):
        wait_for(store, 8)
    assert clock.elapsed() - started >= SECOND


def test_a_store_that_never_works_does_not_hold_up_the_end(store: EmbeddedStore) -> None:
    with Running(Scripted(list(enumerate(ENTRIES))), Failing(store, 10**9)) as running:
        running.stop.wait(0.05)
    assert store.offset() == 0


def test_what_retention_took_is_passed_over(store: EmbeddedStore) -> None:
    with Running(Scripted(JournalGap(0, 4), list(enumerate(ENTRIES))[4:]), store):
        wait_for(store, 8)
    assert store.count() == 2


def test_an_unreadable_journal_is_no_end_either(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.stores.writer.JOURNAL_PAUSE", SECOND // 100)
    with Running(Scripted(JournalError("segment cannot be read"), list(enumerate(ENTRIES))), store):
        wait_for(store, 8)
    assert list(store.read()) == STORED


def stamped(at: float, received: float, metric: str = "force") -> Message:
    """A reading with a stamp, both in seconds after NOW."""
    stamp = NOW + int(at * SECOND)
    return message(f"plant/press/{metric}", f'{{"value": 1, "timestamp": {stamp}}}', NOW + int(received * SECOND))


def late_of(store: EmbeddedStore) -> list[tuple[float, str]]:
    return [((p.at - NOW) / SECOND, p.metric) for p in store.read() if p.late]


def test_a_reading_older_than_its_signals_last_one_is_stored_and_marked(store: EmbeddedStore) -> None:
    entries = [stamped(5, 5), stamped(4, 6), stamped(3, 7, "mode"), stamped(5, 8), stamped(4.5, 9), stamped(6, 10)]
    with Running(Scripted(list(enumerate(entries))), store):
        wait_for(store, 6)
    assert late_of(store) == [(4.0, "force"), (4.5, "force")]
    assert store.count() == 5


def test_ten_seconds_of_older_stamps_are_a_new_timeline(store: EmbeddedStore) -> None:
    entries = [stamped(3600, 3600), *(stamped(n, 3601 + n) for n in range(20))]
    with Running(Scripted(list(enumerate(entries))), store):
        wait_for(store, 21)
    assert late_of(store) == [(float(n), "force") for n in range(10)]


def test_a_writer_started_again_knows_how_far_each_signal_is(tmp_path: Path, store: EmbeddedStore) -> None:
    entries = [
        stamped(5, 5),
        stamped(9, 6, "mode"),
        stamped(4, 7),
        stamped(8, 8, "mode"),
        stamped(7, 9),
        stamped(6, 10),
    ]
    for first in range(0, 6, 2):
        with Running(Scripted(list(enumerate(entries))[first : first + 2]), store):
            wait_for(store, first + 2)
    assert late_of(store) == [(4.0, "force"), (6.0, "force"), (8.0, "mode")]


def test_large_batches_are_stored_in_portions(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.stores.writer.MOST_POINTS", 2)
    with Running(Scripted(list(enumerate(ENTRIES))), store):
        wait_for(store, 8)
    assert list(store.read()) == STORED
