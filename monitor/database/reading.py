"""What every read-only view of the alarm database has in common: opened without the right to write, asked, let go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Select

from monitor.database.migrate import open_for_reading


class Reader:
    """A view of the alarm database, also while the line writes it. Every call is one short transaction."""

    def __init__(self, path: Path) -> None:
        """Open what the line made.

        Raises:
            AlarmDatabaseError: there is none yet, or it is another version's.
        """
        self._engine = open_for_reading(path)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _rows(self, wanted: Select[Any]) -> list[Any]:
        with self._engine.connect() as connection:
            return list(connection.execute(wanted))
