"""Is the journal whole? Looks at every segment's ends, never through all of them; what is damaged is set aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from monitor.journal.beginning import Beginning, beginning, note_beginning
from monitor.journal.entries import Offset
from monitor.journal.rescue import finish, put_aside, set_aside, set_aside_files
from monitor.journal.segments import (
    UNREADABLE,
    JournalDamagedError,
    JournalUnreadableError,
    connect_for_reading,
    format_of,
    is_passed,
    readable_errors,
    segment_offsets,
    segment_path,
)
from rules.events import Instant


class Lost(NamedTuple):
    """Entries from `start` up to, not including, `end` are gone; they were received between `since` and `until`."""

    start: Offset
    end: Offset
    since: Instant
    until: Instant


class Stretch(NamedTuple):
    """Entries without a hole: from `start` up to, not including, `end`, received from `since` to `until`."""

    start: Offset
    end: Offset
    since: Instant
    until: Instant


@dataclass(frozen=True)
class Report:
    """What a look at the journal found. `aside` are the files that were set aside, now or earlier, and still lie there.

    `end` is the offset after the last entry; `since` is when the first was received, 0 if there is none.
    """

    segments: int
    start: Offset
    end: Offset
    since: Instant
    lost: tuple[Lost, ...]
    aside: tuple[str, ...]


def mended(directory: Path, needed: Offset = 0, known: Offset = 0) -> Report:
    """Set aside what is damaged and report; only for the process that writes, before it does.

    `needed` is the first entry that some reader still wants, `known` the furthest that any has come to. The newest
    segment, which a crash may have cut, is looked through by SQLite (a second for a full one); of the others the header
    and both ends.

    Raises:
        JournalFormatError: a segment is a newer version's.
        JournalFullError: there is no room to rescue what a damaged segment still holds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    finish(directory)
    if beginning(directory) is None:
        note_beginning(directory, Beginning(min(segment_offsets(directory), default=needed), 0))
    newest = max(segment_offsets(directory), default=None)
    for first in segment_offsets(directory):
        try:
            _look(directory, first, known, closely=first == newest)
        except JournalDamagedError:
            set_aside(directory, first, known)
        except JournalUnreadableError:
            if not is_passed(directory, first, needed):
                raise
            put_aside(directory, first)
    return examined(directory)


def examined(directory: Path, known: Offset = 0) -> Report:
    """The same without changing anything, from any process; what readers know and is not there is lost, too.

    Raises:
        JournalDamagedError, JournalUnreadableError: a segment is damaged, or cannot be opened, and not set aside yet.
        JournalFormatError: a segment is a newer version's.
    """
    stretches = [one for first in segment_offsets(directory) for one in _stretches(directory, first)]
    begun = beginning(directory) or (Beginning(stretches[0].start, 0) if stretches else Beginning(0, 0))
    before = Stretch(begun.offset, begun.offset, begun.received, begun.received)
    behind = Stretch(known, known, 0, 0)
    bounded = [before, *(one for one in stretches if one.end > begun.offset), behind]
    return Report(
        segments=len(segment_offsets(directory)),
        start=stretches[0].start if stretches else 0,
        end=stretches[-1].end if stretches else 0,
        since=stretches[0].since if stretches else 0,
        lost=tuple(_lost(a, b) for a, b in pairwise(bounded) if a.end < b.start),
        aside=tuple(set_aside_files(directory)),
    )


def _lost(before: Stretch, behind: Stretch) -> Lost:
    """What lies between; where one end's time is not known, it is the other's."""
    since, until = before.until or behind.since, behind.since or before.until
    return Lost(before.end, behind.start, since, until)


def _look(directory: Path, first: Offset, known: Offset, *, closely: bool) -> None:
    path = segment_path(directory, first)
    with readable_errors(path), closing(connect_for_reading(path)) as connection:
        if not format_of(connection, path):
            if first < known:
                raise JournalDamagedError(f"{path}: is empty, though readers had come to entry {known}; it was cut off")
            return
        connection.execute(ENDS).fetchall()
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if closely else "ok"
    if found != "ok":
        raise JournalDamagedError(f"{path}: {found}")


ENDS = """
    SELECT * FROM (SELECT first, count, received_first, received_last FROM batch ORDER BY first LIMIT 1)
    UNION SELECT * FROM (SELECT first, count, received_first, received_last FROM batch ORDER BY first DESC LIMIT 1)
"""
EVERY = "SELECT first, count, received_first, received_last FROM batch ORDER BY first"


def _stretches(directory: Path, first: Offset) -> Iterator[Stretch]:
    """What a segment holds: as one stretch, unless it was rescued, for then it may have holes."""
    path = segment_path(directory, first)
    rescued = path.with_name(path.name + UNREADABLE).exists()
    with readable_errors(path), closing(connect_for_reading(path)) as connection:
        if not format_of(connection, path):
            return
        rows = connection.execute(EVERY if rescued else ENDS).fetchall()
    if not rows:
        return
    if not rescued:
        rows = [(rows[0][0], rows[-1][0] + rows[-1][1] - rows[0][0], rows[0][2], rows[-1][3])]
    yield from _joined(rows)


def _joined(rows: list[Any]) -> Iterator[Stretch]:
    at, until, since, last = rows[0][0], rows[0][0], rows[0][2], 0
    for first, count, received_first, received_last in rows:
        if first > until:
            yield Stretch(at, until, since, last)
            at, since = first, received_first
        until, last = first + count, received_last
    yield Stretch(at, until, since, last)
