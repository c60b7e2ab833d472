"""How much room the journal's disk has, and the part of it that lies in a file so that nobody else takes it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

RESERVE_FILE: Final = "reserve"
PARTS: Final = 4
"""One part of the reserve is left free for what we write, the others lie in the file."""
BLOCK: Final = 512
"""Bytes, as `st_blocks` counts."""


def free_bytes(directory: Path) -> int:
    """What this user may still write on the directory's file system; without a limit if nobody can say.

    A reserve file in it counts as free: it is given back before we run out.
    """
    try:
        found = os.statvfs(directory)
    except OSError:
        return 1 << 62
    return found.f_bavail * found.f_frsize + reserved_bytes(directory)


def reserved_bytes(directory: Path) -> int:
    """What lies in its reserve file."""
    try:
        return (directory / RESERVE_FILE).stat().st_blocks * BLOCK
    except OSError:
        return 0


class Reserve:
    """A file as large as the reserve but for one part, smaller as soon as less than that part is free beside it.

    On a file system that allocates nothing in advance there is no file, and the reserve is only reckoned with.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self._path = directory / RESERVE_FILE
        self._useless = not hasattr(os, "posix_fallocate")
        self.resize(size)

    def resize(self, size: int) -> None:
        """Be so many bytes, the next time that it settles."""
        self._part = size // PARTS
        self._most = size - self._part
        self._grain = self._part // PARTS

    def settle(self, *, failing: bool = False) -> None:
        """Take or give back room; a part more of it while writes are `failing`, for a quota shows itself only so."""
        held = reserved_bytes(self._path.parent)
        wanted = min(self._most, free_bytes(self._path.parent) - self._part)
        if failing:
            wanted = min(wanted, held - self._part)
        with suppress(OSError):
            if wanted < self._grain:
                self.give_back()
            elif held - wanted >= self._grain:
                os.truncate(self._path, wanted)
            elif wanted - held >= self._grain and not self._useless:
                self._grow(held, wanted)

    def give_back(self) -> None:
        """All of it: nobody decides anything any more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _grow(self, held: int, size: int) -> None:
        with self._path.open("ab") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:
                os.ftruncate(file.fileno(), held)
                raise
        if reserved_bytes(self._path.parent) < size // 2:
            self._useless = True
            self.give_back()
