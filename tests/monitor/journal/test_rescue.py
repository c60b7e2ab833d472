"""What the disk spoils is found, set aside and counted; everything else of the journal is read as before."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from monitor.journal import JournalDamagedError, JournalGap, JournalReader, JournalWriter
from monitor.journal import writer as writer_module
from monitor.journal.beginning import Beginning, note_beginning
from monitor.journal.entries import Message, Offset
from monitor.journal.integrity import Lost, examined, mended
from monitor.journal.rescue import COPIED, finish, set_aside, set_aside_files
from monitor.journal.segments import JournalUnreadableError, segment_files, segment_offsets, segment_path
from tests.monitor.journal.entries import message, read_all

PAYLOAD = b"the payload of number %06d" + bytes(3_000)
FIRST, SECOND, THIRD = 0, 40, 80


def journal(directory: Path) -> None:
    """Three segments of ten batches with four messages each."""
    writer = JournalWriter(directory)
    for number in range(0, 120, 4):
        if number in (SECOND, THIRD):
            writer.leave(number - 40)
        writer.append([padded(n) for n in range(number, number + 4)])
    writer.close()


def padded(number: int) -> Message:
    """A message that fills most of a page."""
    return msgspec.structs.replace(message(number), payload=PAYLOAD % number)


def spoil(path: Path, marker: bytes, length: int = 1) -> None:
    """Turn bytes of a file over where it first holds `marker`."""
    content = bytearray(path.read_bytes())
    at = content.index(marker)
    content[at : at + length] = bytes(byte ^ 0xFF for byte in content[at : at + length])
    path.write_bytes(content)


def offsets(directory: Path, start: Offset = 0) -> tuple[list[Offset], list[tuple[Offset, Offset]]]:
    """What a reader gets, and the gaps it is told."""
    found, gaps = [], []
    with JournalReader(directory, start) as reader:
        while True:
            try:
                chunk = reader.read(7)
            except JournalGap as gap:
                gaps.append((gap.start, gap.end))
                continue
            found += [offset for offset, _ in chunk]
            if not chunk:
                return found, gaps


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A journal whose messages fill many pages."""
    journal(tmp_path)
    assert segment_offsets(tmp_path) == [FIRST, SECOND, THIRD]
    return tmp_path


def test_a_sound_journal_is_reported_whole(whole: Path) -> None:
    report = mended(whole)
    assert (report.segments, report.start, report.end, report.lost, report.aside) == (3, 0, 120, (), ())


@pytest.mark.parametrize("segment", [FIRST, SECOND, THIRD])
def test_a_spoiled_payload_costs_its_batch_and_nothing_else(whole: Path, segment: Offset) -> None:
    spoil(segment_path(whole, segment), b"number %06d" % (segment + 9))
    with JournalReader(whole, segment) as reader, pytest.raises(JournalDamagedError, match="checksum"):
        read_all(reader, 100)
    assert set_aside(whole, segment) is not None
    found, gaps = offsets(whole)
    lost = [segment + 8, segment + 9, segment + 10, segment + 11]
    assert found == [n for n in range(120) if n not in lost]
    assert gaps == [(lost[0], lost[-1] + 1)]
    report = examined(whole)
    assert report.lost == (Lost(lost[0], lost[-1] + 1, since=lost[0], until=lost[-1] + 2),)
    assert report.aside == (f"{segment:020d}.journal.unreadable",)


def test_a_reader_in_the_middle_goes_on_behind_the_damage(whole: Path) -> None:
    spoil(segment_path(whole, SECOND), b"number %06d" % (SECOND + 9))
    with JournalReader(whole, SECOND) as reader:
        assert len(reader.read(4)) == 4
        with pytest.raises(JournalDamagedError):
            read_all(reader)
        set_aside(whole, reader.segment)
        with pytest.raises(JournalGap):
            read_all(reader)
        assert [offset for offset, _ in read_all(reader)] == list(range(SECOND + 12, 120))


def test_a_segment_of_which_nothing_can_be_read_is_one_gap(whole: Path) -> None:
    segment_path(whole, SECOND).write_bytes(b"no database" * 1_000)
    report = mended(whole)
    assert [lost[:2] for lost in report.lost] == [(SECOND, THIRD)]
    assert report.aside == (f"{SECOND:020d}.journal.unreadable",)
    assert offsets(whole) == ([*range(SECOND), *range(THIRD, 120)], [(SECOND, THIRD)])


def test_an_empty_segment_with_others_behind_it_is_damaged_and_readers_go_on(whole: Path) -> None:
    segment_path(whole, SECOND).write_bytes(b"")
    with JournalReader(whole) as reader:
        with pytest.raises(JournalDamagedError, match="is empty, though the journal goes on"):
            read_all(reader, 1_000)
        assert (reader.position, reader.segment) == (SECOND, SECOND)
        with pytest.raises(JournalDamagedError, match="is empty"):
            examined(whole)
        assert set_aside(whole, reader.segment) is not None
        with pytest.raises(JournalGap) as gap:
            reader.read(10)
        assert (gap.value.start, gap.value.end) == (SECOND, THIRD)
        assert [offset for offset, _ in read_all(reader)] == list(range(THIRD, 120))
    report = examined(whole)
    assert report.lost == (Lost(SECOND, THIRD, since=SECOND, until=THIRD + 1),)
    assert report.aside == (f"{SECOND:020d}.journal.unreadable",)


def test_an_empty_segment_is_set_aside_by_the_start(whole: Path) -> None:
    segment_path(whole, FIRST).write_bytes(b"")
    report = mended(whole)
    assert [lost[:2] for lost in report.lost] == [(FIRST, SECOND)]
    assert len(report.aside) == 1


def test_an_empty_newest_segment_that_readers_have_passed_is_set_aside_and_its_offsets_are_not_reused(
    whole: Path,
) -> None:
    segment_path(whole, THIRD).write_bytes(b"")
    report = mended(whole, needed=90, known=100)
    assert report.aside == (f"{THIRD:020d}.journal.unreadable",)
    writer = JournalWriter(whole, at_least=100)
    assert writer.append([message(100)]) == 100
    writer.close()
    assert offsets(whole, 0) == ([*range(THIRD), 100], [(THIRD, 100)])
    assert [lost[:2] for lost in examined(whole).lost] == [(THIRD, 100)]


def test_a_segment_whose_creation_was_cut_short_is_gone_on_with(whole: Path) -> None:
    segment_path(whole, 120).write_bytes(b"")
    assert mended(whole, needed=120, known=120).aside == ()
    writer = JournalWriter(whole, at_least=120)
    assert writer.append([message(120)]) == 120
    writer.close()
    assert offsets(whole) == (list(range(121)), [])


def test_what_is_missing_at_the_beginning_and_was_not_deleted_on_purpose_is_lost(whole: Path) -> None:
    mended(whole)
    segment_path(whole, FIRST).unlink()
    assert examined(whole).lost == (Lost(FIRST, SECOND, since=SECOND + 1, until=SECOND + 1),)
    writer = JournalWriter(whole)
    assert writer.prune(0, needed=THIRD) == 1
    assert examined(whole).lost == ()
    segment_path(whole, THIRD).unlink()
    writer.close()
    assert [lost[:2] for lost in examined(whole, known=110).lost] == [(THIRD, 110)]


def test_what_retention_was_about_to_delete_is_no_loss(whole: Path) -> None:
    mended(whole)
    note_beginning(whole, Beginning(SECOND, SECOND))
    assert examined(whole).lost == ()
    segment_path(whole, FIRST).unlink()
    assert examined(whole).lost == ()


def test_a_journal_that_is_gone_is_lost_from_where_somebody_still_wanted_it(tmp_path: Path) -> None:
    mended(tmp_path, needed=70, known=100)
    writer = JournalWriter(tmp_path, at_least=100)
    writer.append([message(100)])
    writer.close()
    assert [lost[:2] for lost in examined(tmp_path).lost] == [(70, 100)]


def test_on_a_full_disk_segments_go_and_the_note_of_it_comes_after(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended(whole)

    def full(directory: Path, found: Beginning) -> bool:
        room = not segment_path(directory, FIRST).exists()
        return room and note_beginning(directory, found)

    monkeypatch.setattr(writer_module, "note_beginning", full)
    writer = JournalWriter(whole)
    assert writer.prune(0, needed=SECOND) == 1
    writer.close()
    assert examined(whole).lost == ()


@pytest.mark.parametrize("page", range(1, 12))
def test_whatever_page_is_spoiled_the_rest_is_there_and_the_difference_is_told(whole: Path, page: int) -> None:
    path = segment_path(whole, THIRD)
    content = bytearray(path.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = bytes(range(256)) * 16
    path.write_bytes(content)
    mended(whole)
    if not segment_files(path) or read_fails(whole):
        set_aside(whole, THIRD)
    found, gaps = offsets(whole)
    assert found[:80] == list(range(80))
    lost = {n for start, end in gaps for n in range(start, end)}
    tail = set(range(max(found) + 1, 120))
    assert set(found) | lost | tail == set(range(120))
    assert not set(found) & lost
    assert len(examined(whole).aside) == 1


def read_fails(directory: Path) -> bool:
    try:
        offsets(directory)
    except JournalDamagedError:
        return True
    return False


def test_the_newest_segment_is_looked_through_when_the_monitor_starts(whole: Path) -> None:
    path = segment_path(whole, THIRD)
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'batch'").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096] = 0
    path.write_bytes(content)
    report = mended(whole)
    assert report.aside == (f"{THIRD:020d}.journal.unreadable",)
    writer = JournalWriter(whole, at_least=118)
    assert writer.append([message(118)]) == 118
    writer.close()
    assert offsets(whole, 100) == ([118], [(100, 118)])
    assert [lost[:2] for lost in examined(whole).lost] == [(THIRD, 118)]


def test_offsets_that_somebody_has_read_are_never_given_again(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path)
    writer.append([message(n) for n in range(4)])
    writer.close()
    writer = JournalWriter(tmp_path, at_least=50)
    assert writer.head == 50
    writer.append([message(50)])
    writer.close()
    assert offsets(tmp_path) == ([0, 1, 2, 3, 50], [(4, 50)])


def test_a_rescue_that_was_cut_short_is_completed(whole: Path) -> None:
    path = segment_path(whole, SECOND)
    spoil(path, b"number %06d" % (SECOND + 9))
    set_aside(whole, SECOND)
    path.rename(path.with_suffix(COPIED))
    finish(whole)
    assert len(offsets(whole)[0]) == 116
    assert set_aside_files(whole) == [f"{SECOND:020d}.journal.unreadable"]


def test_nothing_is_set_aside_that_is_sound_and_nothing_twice(whole: Path) -> None:
    assert set_aside(whole, SECOND) is None
    assert set_aside(whole, 7) is None
    spoil(segment_path(whole, SECOND), b"number %06d" % (SECOND + 9))
    assert set_aside(whole, SECOND) is not None
    assert set_aside(whole, SECOND) is None
    spoil(segment_path(whole, SECOND), b"number %06d" % (SECOND + 1))
    again = set_aside(whole, SECOND)
    assert again is not None
    assert len(set_aside_files(whole)) == 2


def test_a_journal_of_the_first_format_is_read_and_gone_on_with(tmp_path: Path) -> None:
    JournalWriter(tmp_path).close()
    path = segment_path(tmp_path, 0)
    writer = JournalWriter(tmp_path)
    writer.append([message(n) for n in range(4)])
    writer.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE batch DROP COLUMN checksum")
        connection.execute("PRAGMA user_version = 1")
        connection.commit()
    writer = JournalWriter(tmp_path)
    assert writer.append([message(4)]) == 4
    assert [int(m.payload) for m in writer.tail("main", 10)] == [0, 1, 2, 3, 4]
    writer.close()
    assert segment_offsets(tmp_path) == [0, 4]
    assert offsets(tmp_path) == ([0, 1, 2, 3, 4], [])
    assert mended(tmp_path).lost == ()


def closed(directory: Path, first: Offset) -> Path:
    """Put something in a segment's place that even root cannot open, as others a file of root; the segment's new name."""
    path = segment_path(directory, first)
    path.rename(aside := path.with_suffix(".theirs"))
    os.mknod(path, stat.S_IFSOCK)
    return aside


def test_a_segment_that_cannot_be_opened_and_that_nobody_needs_is_set_aside(whole: Path) -> None:
    mended(whole)
    closed(whole, SECOND)
    report = mended(whole, needed=THIRD, known=120)
    assert [(lost.start, lost.end) for lost in report.lost] == [(SECOND, THIRD)]
    assert report.aside == (f"{segment_path(whole, SECOND).name}.unreadable",)
    assert offsets(whole, THIRD) == ([*range(THIRD, 120)], [])


@pytest.mark.parametrize(("first", "needed"), [(SECOND, THIRD - 1), (THIRD, 120)])
def test_a_segment_that_cannot_be_opened_and_that_somebody_needs_is_left_to_people(
    whole: Path, first: Offset, needed: Offset
) -> None:
    mended(whole)
    theirs = closed(whole, first)
    with pytest.raises(JournalUnreadableError, match="let the user that runs Andon own it"):
        mended(whole, needed=needed, known=120)
    segment_path(whole, first).unlink()
    theirs.rename(segment_path(whole, first))
    assert mended(whole, needed=needed, known=120).aside == ()
