"""What every view of the alarm database has in common: opened, asked, let go; and what takes notes in it besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Select

from monitor.database.migrate import open_for_reading, open_for_writing


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


class Clerk(Reader):
    """Reads, and notes what was done. A power cut may take back the last notes, no crash does; that is done again."""

    _notes: Engine

    def __init__(self, path: Path) -> None:
        """Open the alarm database.

        Raises:
            AlarmDatabaseError: it cannot be opened.
        """
        self._notes = open_for_writing(path, synced=False)
        super().__init__(path)

    def close(self) -> None:
        """Let go of the file."""
        super().close()
        self._notes.dispose()
