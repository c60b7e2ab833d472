"""What is appended is read again: all of it, once, in order, over segments, restarts and processes."""

from __future__ import annotations

import sqlite3
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.journal import JournalError, JournalGap, JournalReader, JournalWriter
from monitor.journal.beginning import Beginning, beginning
from monitor.journal.entries import Entry, Message
from monitor.journal.segments import segment_offsets, segment_path
from rules.events import SECOND
from tests.monitor.journal.entries import entries, message, read_all, ticks, without_received


@settings(max_examples=40, deadline=None)
@given(
    batches=st.lists(st.lists(entries, min_size=1, max_size=6), min_size=1, max_size=6),
    start=st.integers(0, 10),
    limit=st.integers(1, 9),
)
def test_every_entry_comes_back_with_its_offset(batches: list[list[Entry]], start: int, limit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        writer = JournalWriter(Path(directory), segment_bytes=300)
        firsts = [writer.append(batch) for batch in batches]
        written = [entry for batch in batches for entry in batch]
        start = min(start, len(written))
        with JournalReader(Path(directory), start) as reader:
            found = read_all(reader, limit)
        writer.close()
    assert firsts == [sum(map(len, batches[:n])) for n in range(len(batches))]
    assert [offset for offset, _ in found] == list(range(start, len(written)))
    assert without_received([entry for _, entry in found]) == without_received(written[start:])


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(entries, min_size=1, max_size=6), min_size=1, max_size=6))
def test_received_strictly_increases_whatever_was_stamped(batches: list[list[Entry]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for batch in batches:
            writer = JournalWriter(Path(directory))
            writer.append(batch)
            writer.close()
        with JournalReader(Path(directory)) as reader:
            stamps = [entry.received for _, entry in read_all(reader)]
    assert all(earlier < later for earlier, later in pairwise(stamps))
    assert stamps[0] == batches[0][0].received


def test_offsets_go_on_over_segments_and_restarts(tmp_path: Path) -> None:
    for number in range(5):
        writer = JournalWriter(tmp_path, segment_bytes=1)
        assert writer.head == number * 20
        writer.append(ticks(number * 20, 10))
        writer.append(ticks(number * 20 + 10, 10))
        assert writer.last_received == number * 20 + 20
        writer.close()
    assert segment_offsets(tmp_path) == list(range(0, 100, 10))
    with JournalReader(tmp_path) as reader:
        assert read_all(reader) == list(enumerate(ticks(0, 100)))


def test_a_segment_ends_after_its_span_of_time(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_span=10 * SECOND)
    for second in (1, 5, 10, 11, 30):
        writer.append([Message(second * SECOND, "main", b"t", b"", 0, False, False, 0)])
    writer.close()
    assert segment_offsets(tmp_path) == [0, 3, 4]


def test_a_reader_follows_the_writer_into_new_segments(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=1)
    with JournalReader(tmp_path) as reader:
        assert reader.read(5) == []
        for number in range(4):
            writer.append(ticks(number * 3, 3))
            assert [offset for offset, _ in read_all(reader, 2)] == [number * 3, number * 3 + 1, number * 3 + 2]
            assert reader.position == writer.head
    writer.close()


def test_a_reader_gives_as_much_as_it_is_asked_for_while_there_is_as_much(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    for number in range(4):
        writer.append(ticks(6 * number, 6))
    with JournalReader(tmp_path) as reader:
        assert [len(reader.read(10)) for _ in range(4)] == [10, 10, 4, 0]
    writer.close()


def test_a_reader_does_not_fill_the_memory_with_large_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.journal.reader.MOST_BYTES", 2_500)
    writer = JournalWriter(tmp_path)
    for number in range(10):
        writer.append([Message(number + 1, "main", b"t", bytes(1_000), 0, False, False, 0)])
    with JournalReader(tmp_path) as reader:
        found = [len(reader.read(100)) for _ in range(5)]
    assert found == [3, 3, 3, 1, 0]


def test_a_reader_may_come_before_the_journal(tmp_path: Path) -> None:
    with JournalReader(tmp_path / "journal") as reader:
        assert reader.read(5) == []
        writer = JournalWriter(tmp_path / "journal")
        assert reader.read(5) == []
        writer.append(ticks(0, 1))
        assert reader.read(5) == [(0, ticks(0, 1)[0])]
        writer.close()


def test_retention_deletes_whole_old_segments_within_the_budget(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=1)
    for number in range(6):
        writer.append(ticks(number, 1))
    assert writer.prune(budget=1 << 40, needed=writer.head) == 0
    assert writer.prune(budget=writer.size() - 1, needed=writer.head) == 1
    assert writer.prune(budget=0, needed=3) == 2
    assert segment_offsets(tmp_path) == [3, 4, 5]
    assert writer.prune(budget=0, needed=writer.head) == 2
    writer.append(ticks(6, 1))
    assert segment_offsets(tmp_path) == [5, 6]
    writer.close()
    assert {path.suffix for path in tmp_path.iterdir()} == {".journal", ""}
    assert beginning(tmp_path) == Beginning(5, ticks(4, 1)[0].received)


def test_retention_deletes_what_is_too_old_whatever_its_size(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=1)
    for number in range(6):
        writer.append(ticks(number, 1))
    assert writer.prune(budget=1 << 40, needed=writer.head, before=3) == 2
    assert segment_offsets(tmp_path) == [2, 3, 4, 5]
    assert writer.prune(budget=1 << 40, needed=3, before=1 << 62) == 1
    assert writer.prune(budget=1 << 40, needed=writer.head, before=1 << 62) == 2
    assert segment_offsets(tmp_path) == [5]
    writer.close()


def test_a_gap_is_reported_once_and_then_reading_goes_on(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=1)
    for number in range(6):
        writer.append(ticks(number, 1))
    writer.prune(budget=0, needed=4)
    with JournalReader(tmp_path, 2) as reader:
        with pytest.raises(JournalGap, match="entries 2 to 3 were deleted") as gap:
            reader.read(10)
        assert (gap.value.start, gap.value.end) == (2, 4)
        assert [offset for offset, _ in read_all(reader)] == [4, 5]
    writer.close()


def test_a_gap_behind_entries_already_read_is_reported_too(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=1)
    for number in range(5):
        writer.append(ticks(number, 1))
    with JournalReader(tmp_path) as reader:
        assert len(reader.read(1)) == 1
        writer.prune(budget=0, needed=4)
        with pytest.raises(JournalGap, match="entries 1 to 3"):
            reader.read(10)
        assert read_all(reader) == [(4, ticks(4, 1)[0])]
    writer.close()


def test_an_offset_of_another_journal_is_refused(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append(ticks(0, 3))
    JournalReader(tmp_path, 3).close()
    with pytest.raises(JournalError, match="ends at 3"):
        JournalReader(tmp_path, 4)
    writer.close()


def test_a_segment_of_another_format_is_refused_with_a_way_out(tmp_path: Path) -> None:
    JournalWriter(tmp_path).close()
    connection = sqlite3.connect(segment_path(tmp_path, 0))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    for attempt in (JournalWriter, JournalReader):
        with pytest.raises(JournalError, match="journal format 99"):
            attempt(tmp_path)


@pytest.mark.parametrize("damage", [b"this is no database", b""])
def test_an_unreadable_segment_is_a_journal_error_or_no_segment_at_all(tmp_path: Path, damage: bytes) -> None:
    segment_path(tmp_path, 0).write_bytes(damage * 200)
    if damage:
        for attempt in (JournalWriter, JournalReader):
            with pytest.raises(JournalError, match=r"move (it|the file) away"):
                attempt(tmp_path)
    else:
        assert JournalReader(tmp_path).read(1) == []
        writer = JournalWriter(tmp_path)
        assert writer.append(ticks(0, 1)) == 0
        writer.close()


def test_a_damaged_batch_is_an_error_after_what_is_sound(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append(ticks(0, 2))
    writer.append(ticks(2, 2))
    connection = sqlite3.connect(segment_path(tmp_path, 0))
    connection.execute("UPDATE batch SET body = x'c1' WHERE first = 2")
    connection.commit()
    connection.close()
    with JournalReader(tmp_path) as reader:
        assert [offset for offset, _ in reader.read(10)] == [0, 1]
        with pytest.raises(JournalError, match="offset 2 is damaged"):
            reader.read(10)
    writer.close()


def test_a_full_disk_writes_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append(ticks(0, 1))
    pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
    writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    huge = [Message(5, "main", b"t", bytes(100_000), 1, False, False, 1)]
    with pytest.raises(JournalError, match="disk is full"):
        writer.append(huge)
    writer._connection.execute("PRAGMA max_page_count = 100000")
    assert writer.append(huge) == 1
    writer.close()


def test_the_tail_is_the_last_acknowledged_messages_of_one_broker_over_segments(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path, segment_bytes=1)
    for number in range(0, 30, 3):
        writer.append([message(number), message(number + 1, "other"), message(number + 2, qos=0)])
    assert [int(m.payload) for m in writer.tail("main", 4)] == [18, 21, 24, 27]
    assert len(writer.tail("main", 100)) == 10
    assert writer.tail("nobody", 5) == []
    writer.close()
