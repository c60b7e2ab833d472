"""Without room for readings: they are decided on all the same, or left to the broker; nothing is lost unsaid."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor import telemetry
from monitor.database.gaps import Why
from monitor.database.queries import AlarmReader
from monitor.journal.entries import CommandEntry, Message, UnkeptEntry
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalFullError, segment_offsets, segment_path
from monitor.line.retention import Retention
from monitor.line.room import Room
from monitor.site import Site, load_site
from rules.events import SECOND
from tests.monitor.line.roomless import RESERVE, RULES, SITE, Line, alarms, line, on


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "rules").mkdir()
    (tmp_path / "andon.yaml").write_text(SITE)
    (tmp_path / "rules" / "a.yaml").write_text(RULES)
    (tmp_path / "data").mkdir()
    loaded = load_site(tmp_path, os.environ).site
    assert loaded is not None
    return loaded


def test_without_room_alarms_come_all_the_same_and_what_is_not_kept_is_counted(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(20)
        await running.full()
        await running.see(99, 98)
        await running.see(1, 2, 3, topic="hall/press")
        await running.see(10)
        await running.full(False)
        await running.see(11)
        await running.settled()
        stood_in = [entry for entry in running.entries() if isinstance(entry, UnkeptEntry)]
        assert [entry.count for entry in stood_in] == [2, 3, 1]
        assert [e.payload for e in running.entries() if isinstance(e, Message)] == [b'{"x": 20}', b'{"x": 11}']

    on(site, script)
    assert alarms(site) == [
        ("system.journal-full", "raised"),
        ("hot", "raised"),
        ("hot", "cleared"),
        ("system.journal-full", "cleared"),
    ]
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        gaps = {gap.gateway: gap for gap in reader.gaps()}
    assert {name: (gap.why, gap.messages) for name, gap in gaps.items()} == {
        "line1": (Why.NO_ROOM, 3),
        "line2": (Why.NO_ROOM, 3),
    }
    assert gaps["line1"].since < gaps["line2"].since < gaps["line2"].until < gaps["line1"].until


def test_a_second_time_without_room_is_a_second_gap(site: Site) -> None:
    async def script(running: Line) -> None:
        for value in (20, 30):
            await running.full()
            await running.see(value)
            await running.full(False)
            await running.see(value)

    on(site, script)
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        assert [gap.messages for gap in reader.gaps()] == [1, 1]


def test_what_was_decided_without_a_journal_is_known_after_a_crash(site: Site) -> None:
    """The snapshot is as far as what was acknowledged: neither is the alarm raised again, nor is its end missed."""

    async def first(running: Line) -> None:
        await running.see(20)
        await running.full()
        await running.see(99)

    async def second(running: Line) -> None:
        await running.full()
        await running.see(98)
        assert alarms(site)[-1] == ("hot", "raised")
        await running.see(10)

    on(site, first)
    on(site, second)
    assert [alarm for alarm in alarms(site) if alarm[0] == "hot"] == [("hot", "raised"), ("hot", "cleared")]


def test_a_delay_that_began_without_a_journal_goes_on_after_a_crash(site: Site) -> None:
    async def first(running: Line) -> None:
        await running.full()
        await running.see(99)
        due = running.decider.fleet.next_due()
        assert due is not None
        return due

    async def second(running: Line) -> None:
        await running.until(lambda: running.decider.lag(running.intake) == 0)
        return running.decider.fleet.next_due()

    assert on(site, first) == on(site, second)


def test_rejects_of_one_batch_are_each_in_quarantine(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.full()
        garbage = [Message(running.intake.stamp(), "main", b"plant/oven", b"{", 1, False, False, n) for n in range(3)]
        await running.intake.messages(garbage)

    on(site, script)
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        assert len(reader.quarantined()) == 3


def test_held_messages_are_not_acknowledged_until_there_is_room(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.full(False)
        await running.full()
        assert running.held == [False, True]
        waiting = asyncio.create_task(running.see(99))
        await running.settled()
        assert not waiting.done()
        await running.full(False)
        await waiting
        await running.settled()
        assert running.held == [False, True, False]

    on(site, script, when_full="hold")
    assert sorted(alarms(site)) == [
        ("hot", "raised"),
        ("system.journal-full", "cleared"),
        ("system.journal-full", "raised"),
    ]


def test_what_is_done_where_there_is_no_room_may_change_meanwhile(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.full()
        assert running.held == [True]
        waiting = asyncio.create_task(running.see(99))
        await running.settled()
        running.intake.when_full = "decide"
        running.watch.replace("decide")
        assert running.held == [True, False]
        await waiting
        await running.settled()
        assert running.watch.health()["when_full"] == "decide"
        running.watch.replace("hold")
        assert running.held == [True, False, True]
        running.room.reserve = 0
        await running.until(lambda: running.watch._told is False)

    on(site, script, when_full="hold")
    assert ("hot", "raised") in alarms(site)


def test_the_journal_keeps_to_a_budget_that_changes(site: Site) -> None:
    async def script(running: Line) -> tuple[int, int]:
        for value in range(40):
            await running.see(value)
        await running.settled()
        running.decider.floor = running.intake.head
        retention = Retention(running.intake, running.decider, site.settings)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("monitor.line.retention.stored", lambda _: running.intake.head)
            before = await retention.prune()
            small = site.settings.journal.model_copy(update={"max_size": 1})
            retention.replace(site.settings.model_copy(update={"journal": small}))
            return before, await retention.prune()

    before, after = on(site, script, segment_bytes=100)
    assert before == 0
    assert after > 0


def test_whoever_waits_for_room_is_let_go_when_the_line_stops(site: Site) -> None:
    async def script(running: Line) -> asyncio.Task[None]:
        await running.full()
        waiting = asyncio.create_task(running.see(99))
        await running.settled()
        return waiting

    async def run() -> None:
        async with line(site, "hold") as running:
            waiting = await script(running)
        await asyncio.wait({waiting}, timeout=5)
        assert waiting.cancelled()

    asyncio.run(run())


def limited(running: Line, pages: int) -> None:
    """The journal's file cannot grow beyond so many pages more, whatever the file system says."""
    connection = running.intake._writer._connection
    now = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {now + pages}")


def test_a_write_that_fails_is_a_full_disk_even_if_there_seems_to_be_room(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.full(False)
        limited(running, 4)
        await running.see(*[99] * 1_000)
        assert running.room.full
        await running.until(lambda: running.watch._told is True)
        await running.settled()

    on(site, script)
    assert ("hot", "raised") in alarms(site)
    assert ("system.journal-full", "raised") in alarms(site)


def test_without_any_room_a_command_is_refused_and_ticks_wait(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.full(False)
        limited(running, 0)
        await running.until(lambda: fills(running))
        tick = asyncio.create_task(running.intake.tick())
        await running.until(lambda: bool(running.intake._stuck))
        with pytest.raises(JournalFullError, match="disk is full"):
            await running.intake.append([CommandEntry(running.intake.stamp(), b"{}")])
        running.room.close()
        await asyncio.wait({tick}, timeout=5)
        assert tick.cancelled()

    def fills(running: Line) -> bool:
        try:
            running.intake._writer.append([CommandEntry(running.intake.stamp(), bytes(3_000))])
        except JournalFullError:
            try:
                running.intake._writer.append([CommandEntry(running.intake.stamp(), b"")])
            except JournalFullError:
                return True
        return False

    on(site, script)


def test_before_anything_is_given_up_the_journal_is_pruned(site: Site) -> None:
    async def script(running: Line) -> None:
        for value in range(5):
            await running.see(value)
        await running.settled()
        running.decider.floor = running.intake.head
        before = segment_offsets(running.data / "journal")
        await running.full()
        assert len(before) > 3
        assert len(segment_offsets(running.data / "journal")) < len(before)

    site.settings.data_dir.joinpath("store.db").unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitor.line.retention.stored_offset", lambda _: 1 << 40)
        on(site, script, segment_bytes=1)


def test_room_comes_back_with_a_margin_and_a_while_after_a_failed_write(tmp_path: Path) -> None:
    async def script() -> None:
        free = 2_000
        room = Room(tmp_path, RESERVE, lambda _: free)
        assert not room.look()
        free = 999
        assert room.look()
        free = 1_100
        assert room.look()
        free = 1_300
        assert not room.look()
        room.ran_out("quota")
        assert room.look()
        assert room.why == "quota"

    asyncio.run(script())


def test_a_journal_damaged_while_the_line_runs_is_told_and_gone_on_with(site: Site) -> None:
    async def script(running: Line) -> None:
        for value in (20, 30):
            await running.see(value)
        await running.settled()
        connection = running.intake._writer._connection
        connection.execute("UPDATE batch SET body = x'c1' WHERE first = (SELECT max(first) FROM batch)")
        with closing(JournalReader(running.data / "journal")) as reader:
            running.decider._reader, running.decider.next = reader, 0
            await running.see(99)
            await running.until(lambda: ("hot", "raised") in alarms(site))
            await running.until(lambda: ("system.journal-damaged", "raised") in alarms(site))
            await running.settled()
        health = running.watch.health()
        assert (len(health["aside"]), health["lost_entries"]) == (1, 1)
        (running.data / "journal" / health["aside"][0]).unlink()
        await running.until(lambda: ("system.journal-damaged", "cleared") in alarms(site))

    on(site, script)
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        (gap,) = reader.gaps()
    assert (gap.why, gap.messages) == (Why.UNREADABLE, 1)
    assert gap.until - gap.since < 60 * SECOND


def test_what_is_missing_at_the_beginning_of_the_journal_is_a_recorded_gap_and_told_once(site: Site) -> None:
    async def first(running: Line) -> None:
        await running.see(20)
        await running.settled()

    def segments(running: Line) -> list[int]:
        return segment_offsets(running.data / "journal")

    on(site, first, segment_bytes=1)
    lost = segment_offsets(site.settings.data_dir / "journal")[:-1]
    for offset in lost:
        segment_path(site.settings.data_dir / "journal", offset).unlink()

    async def second(running: Line) -> None:
        await running.until(lambda: ("system.journal-damaged", "cleared") in alarms(site))
        begins = segments(running)[0]
        health = running.watch.health()
        assert (health["aside"], health["lost_entries"], health["found_lost"]) == ([], begins, begins)
        await running.settled()
        assert telemetry.JOURNAL_LOST._value.get() == begins

    async def third(running: Line) -> None:
        await running.until(lambda: running.watch.report is not None)
        health = running.watch.health()
        assert (health["lost_entries"], health["found_lost"]) == (segments(running)[0], 0)

    on(site, second)
    on(site, third)
    assert alarms(site).count(("system.journal-damaged", "raised")) == 1
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        (gap,) = reader.gaps()
    assert (gap.why, gap.start) == (Why.UNREADABLE, 0)


def test_segments_that_vanish_while_the_line_runs_are_a_recorded_gap(site: Site) -> None:
    async def script(running: Line) -> None:
        for value in (20, 30, 40):
            await running.see(value)
        await running.settled()
        journal = running.data / "journal"
        await running.until(lambda: running.watch.report is not None)
        second, third = segment_offsets(journal)[1:3]
        segment_path(journal, second).unlink()
        await running.until(lambda: ("system.journal-damaged", "cleared") in alarms(site))
        await running.settled()
        assert running.watch.health()["lost_entries"] == third - second

    on(site, script, segment_bytes=1)
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        assert [(gap.why, gap.messages) for gap in reader.gaps()] == [(Why.UNREADABLE, 1)]


def test_what_retention_deletes_is_no_loss(site: Site) -> None:
    async def script(running: Line) -> None:
        for value in (20, 30, 40):
            await running.see(value)
        await running.settled()
        await running.intake.prune(0, running.intake.head)
        begins = segment_offsets(running.data / "journal")[0]
        await running.until(lambda: running.watch.report is not None and running.watch.report.start == begins > 0)
        assert running.watch.health()["lost_entries"] == 0

    on(site, script, segment_bytes=1)
    assert ("system.journal-damaged", "raised") not in alarms(site)


def saved(site: Site) -> set[str]:
    """Assets of which there is a snapshot."""
    with closing(sqlite3.connect(site.settings.data_dir / "alarms.db")) as database:
        return {asset for (asset,) in database.execute("SELECT asset FROM snapshots")}


def test_an_asset_whose_snapshot_cannot_be_read_is_decided_again_from_the_journal(site: Site) -> None:
    async def first(running: Line) -> None:
        await running.see(99)
        await running.see(20, topic="plant/press")
        await running.settled()
        await running.until(lambda: "oven" in saved(site))

    on(site, first)
    with closing(sqlite3.connect(site.settings.data_dir / "alarms.db")) as database:
        assert database.execute("UPDATE snapshots SET body = 'spoiled' WHERE asset = 'oven'").rowcount == 1
        database.execute("UPDATE positions SET offset = (SELECT offset FROM positions WHERE name = 'next')")
        database.commit()

    async def second(running: Line) -> None:
        assert running.watch.health()["begun_anew"] == ["oven"]
        await running.until(lambda: ("system.journal-damaged", "cleared") in alarms(site))
        await running.see(98)
        await running.see(10)
        await running.settled()

    on(site, second)
    assert [alarm for alarm in alarms(site) if alarm[0] == "hot"] == [("hot", "raised"), ("hot", "cleared")]
