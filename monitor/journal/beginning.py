"""From which entry on the journal should be there: what retention deleted is no loss, what else is missing is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from monitor.journal.entries import Offset
from monitor.journal.segments import sync_directory
from rules.events import Instant

FILE: Final = "begins"
"""In the journal's directory, beside its segments."""


class Beginning(msgspec.Struct, frozen=True):
    """Entries before `offset` were deleted on purpose; the last of them was received then (0: not known)."""

    offset: Offset
    received: Instant


def beginning(directory: Path) -> Beginning | None:
    """Where the journal should begin; None where nobody noted it, or not readably."""
    try:
        return msgspec.json.decode((directory / FILE).read_bytes(), type=Beginning)
    except (OSError, msgspec.DecodeError):
        return None


def note_beginning(directory: Path, found: Beginning) -> bool:
    """Put it on disk, whole or not at all; whether there was room for it."""
    part = directory / f".{FILE}.part"
    try:
        with part.open("wb") as file:
            file.write(msgspec.json.encode(found))
            file.flush()
            os.fsync(file.fileno())
        part.replace(directory / FILE)
        sync_directory(directory)
    except OSError:
        return False
    return True
