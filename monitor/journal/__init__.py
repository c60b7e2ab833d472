"""The journal: what brokers delivered and what else happened, on disk before anybody acts on it, numbered by offset.

One process writes (`JournalWriter`), any process reads (`JournalReader`), each reader with an offset of its own.
"""

from __future__ import annotations

from monitor.journal.entries import Entry, Offset
from monitor.journal.reader import JournalReader
from monitor.journal.segments import (
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalGap,
)
from monitor.journal.writer import JournalWriter

__all__ = [
    "Entry",
    "JournalDamagedError",
    "JournalError",
    "JournalFullError",
    "JournalGap",
    "JournalReader",
    "JournalWriter",
    "Offset",
]
