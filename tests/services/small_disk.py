"""A small file system of its own, for whatever happens where there is no room."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.missing import missing


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """A directory with so many bytes; the test is skipped, or fails where all must be there, if it cannot be made."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        missing("a small file system cannot be mounted by this user")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
