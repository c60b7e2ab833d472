"""How much room the journal's disk has."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes(directory: Path) -> int:
    """What this user may still write on the directory's file system; without a limit if nobody can say."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return 1 << 62
    return found.f_bavail * found.f_frsize
