"""What `andon check` finds wrong with the file of the embedded store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, Literal, NamedTuple

from monitor.clock import elapsed
from monitor.stores.embedded import DAMAGED, HOW_TO_MEND, uri_of
from rules.events import SECOND, Duration

PATIENCE: Final[Duration] = 10 * SECOND
"""So long a large file is looked through; what lies further on is not seen."""
STEPS: Final = 10_000
"""Of SQLite between two looks at the clock."""


class Finding(NamedTuple):
    """One thing to mend."""

    message: str
    hint: str
    severity: Literal["error", "warning"]


def check_embedded(path: Path) -> Iterator[Finding]:
    """Whether SQLite finds the file whole; nothing before the first run."""
    if not path.exists():
        return
    try:
        found = _looked_through(path, _deadline())
    except sqlite3.Error as error:
        found = str(error) if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED else "ok"
    if found != "ok":
        yield Finding(f"{path}: is damaged ({' '.join(found.split())})", HOW_TO_MEND, "error")


def _deadline() -> Callable[[], bool]:
    end = elapsed() + PATIENCE
    return lambda: elapsed() > end


def _looked_through(path: Path, is_over: Callable[[], bool]) -> str:
    with closing(sqlite3.connect(uri_of(path, "ro"), uri=True)) as database:
        database.set_progress_handler(is_over, STEPS)
        return str(database.execute("PRAGMA quick_check(1)").fetchone()[0])
