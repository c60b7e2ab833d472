"""Watches the journal's disk and files while the line runs: makes room, tells what is wrong, has brokers wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from monitor import telemetry
from monitor.database.gaps import Gap, Why
from monitor.journal.entries import Offset
from monitor.journal.integrity import Lost, Report, examined
from monitor.journal.rescue import set_aside_files
from monitor.journal.segments import JournalError, segment_offsets
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.line.retention import Retention
from monitor.line.room import Room
from rules.builtin import JOURNAL_DAMAGED, JOURNAL_FULL

LOOK_EVERY: Final = 1.0
MOST_NAMES: Final = 20
"""Assets that are named where there may be thousands."""
WHAT_HAPPENS: Final = {
    "decide": "readings are decided on but not kept for the store",
    "hold": "the brokers have to keep what comes",
}

log = structlog.get_logger()


class JournalWatch:
    """Looks every second; `hold` is called with every change of whether brokers have to wait.

    `known` are the holes that were told before, by beginning and end. `report` is what the last look through the
    journal found.
    """

    def __init__(
        self,
        intake: Intake,
        decider: Decider,
        retention: Retention,
        room: Room,
        directory: Path,
        when_full: Literal["decide", "hold"],
        hold: Callable[[bool], None],
        known: Mapping[Offset, Offset] | None = None,
    ) -> None:
        self.report: Report | None = None
        self._intake = intake
        self._decider = decider
        self._retention = retention
        self._room = room
        self._directory = directory
        self._when_full = when_full
        self._hold = hold
        self._known = dict(known or {})
        self._told: bool | None = None
        self._seen: tuple[list[str], list[Offset]] | None = None
        self._fresh = 0

    async def run(self) -> None:
        """For ever."""
        await self._tell_of_snapshots()
        while True:
            await self._look_at_room()
            await self._look_at_files()
            await asyncio.sleep(LOOK_EVERY)

    def replace(self, when_full: Literal["decide", "hold"]) -> None:
        """From now on this is done where there is no room."""
        if when_full != self._when_full:
            self._when_full = when_full
            self._hold(bool(self._told) and when_full == "hold")

    def health(self) -> dict[str, Any]:
        """What `/health` says of the journal."""
        report = self.report
        return {
            "full": self._room.full,
            "why": self._room.why,
            "when_full": self._when_full,
            "free_bytes": self._room.free(),
            "aside": list(report.aside) if report else [],
            "lost_entries": _entries(report.lost) if report else 0,
            "found_lost": self._fresh,
            "begun_anew": self._decider.begun_anew[:MOST_NAMES],
        }

    async def _tell_of_snapshots(self) -> None:
        """It is past: raised and cleared, the alarm stands until somebody acknowledges it."""
        if names := self._decider.begun_anew:
            shown = ", ".join(names[:MOST_NAMES])
            text = (
                f"the state of {len(names)} assets could not be read; they were decided anew from the journal: {shown}"
            )
            for active in (True, False):
                await self._intake.fault(JOURNAL_DAMAGED, "snapshots", active, text)

    async def _look_at_room(self) -> None:
        if self._room.look() and await self._retention.make_room():
            self._room.look()
        if self._room.full is self._told:
            return
        full = self._room.full
        if self._when_full == "hold":
            self._hold(full)
        text = f"{self._room.why}: {WHAT_HAPPENS[self._when_full]}" if full else "there is room for readings again"
        await self._intake.fault(JOURNAL_FULL, None, full, text)
        self._told = full

    async def _look_at_files(self) -> None:
        """Examine the journal when its files are others than before."""
        seen = await asyncio.to_thread(_files, self._directory)
        if seen == self._seen:
            return
        try:
            report = await asyncio.to_thread(examined, self._directory)
        except JournalError as damage:
            log.warning("journal_not_examined", error=str(damage))
            return
        before, self.report, self._seen = self.report, report, seen
        if before is None or (before.lost, before.aside) != (report.lost, report.aside):
            await self._tell(report)

    async def _tell(self, report: Report) -> None:
        """What is lost is kept with the decisions; the alarm stands while files lie aside, else until it is seen."""
        _log(report)
        fresh = [lost for lost in report.lost if self._known.get(lost.start, lost.start) < lost.end]
        self._known |= {lost.start: lost.end for lost in fresh}
        self._fresh += _entries(fresh)
        self._decider.lost([_gap(lost) for lost in fresh])
        for active in dict.fromkeys((bool(report.aside or fresh), bool(report.aside))):
            await self._intake.fault(JOURNAL_DAMAGED, None, active, _damage(report))


def _files(directory: Path) -> tuple[list[str], list[Offset]]:
    return set_aside_files(directory), segment_offsets(directory)


def _log(report: Report) -> None:
    """What was found, one line; loud if something is wrong."""
    telemetry.JOURNAL_LOST.set(_entries(report.lost))
    log.log(
        logging.ERROR if report.aside or report.lost else logging.INFO,
        "journal_examined",
        segments=report.segments,
        start=report.start,
        end=report.end,
        lost=[f"{lost.start}-{lost.end - 1}" for lost in report.lost],
        set_aside=report.aside,
    )


def _entries(holes: Iterable[Lost]) -> int:
    return sum(lost.end - lost.start for lost in holes)


def _gap(lost: Lost) -> Gap:
    return Gap(Why.UNREADABLE, "", lost.start, lost.since, lost.until, lost.end - lost.start)


def _damage(report: Report) -> str:
    aside = f"set aside: {', '.join(report.aside)}" if report.aside else "no damaged file is left"
    return f"{_entries(report.lost)} journal entries are lost; {aside}"
