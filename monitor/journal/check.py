"""What `andon check` says of a journal that is there already, and of its disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from monitor.journal.disk import free_bytes
from monitor.journal.entries import Offset
from monitor.journal.integrity import examined
from monitor.journal.segments import (
    JournalDamagedError,
    JournalError,
    JournalFormatError,
    JournalUnreadableError,
    is_passed,
)
from monitor.settings import Settings


class Finding(NamedTuple):
    """A problem, how to mend it, and whether the monitor can start in spite of it."""

    what: str
    hint: str
    severity: Literal["error", "warning"]


def check_journal(settings: Settings, known: Offset = 0, needed: Offset = 0) -> Iterator[Finding]:
    """Too little room, what was lost or set aside, a newer version's files; nothing before the first run.

    `known` is the entry that a reader was about to read, `needed` the first that one still wants.
    """
    directory = settings.journal_directory
    if not (directory.is_dir() or known):
        return
    free, reserve = free_bytes(settings.data_dir), settings.journal.reserve
    if free < reserve:
        what = f"{settings.data_dir}: {free / 1e6:,.0f} MB are free, less than the reserve of {reserve / 1e6:,.0f} MB"
        yield Finding(what, "free space, or lower `journal: reserve`: readings are not kept", "warning")
    try:
        report = examined(directory, known)
    except JournalError as error:
        yield _finding(error, settings, needed)
        return
    for lost in report.lost:
        yield Finding(f"{directory}: entries {lost.start} to {lost.end - 1} are lost", "check the disk", "warning")
    for name in report.aside:
        yield Finding(f"{directory / name} was damaged and set aside", "move it away once you have seen it", "warning")


def _finding(error: JournalError, settings: Settings, needed: Offset) -> Finding:
    """What becomes of a journal that cannot be read through."""
    if isinstance(error, JournalFormatError):
        return Finding(str(error), "run the newer Andon", "error")
    foreign = isinstance(error, JournalUnreadableError) and is_passed(settings.journal_directory, error.segment, needed)
    if foreign or isinstance(error, JournalDamagedError):
        return Finding(str(error), "the next start sets the file aside and goes on", "warning")
    return Finding(str(error), "what is in it is still needed: until it can be read, nothing is decided", "error")
