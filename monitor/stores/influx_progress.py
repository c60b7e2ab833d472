"""How far into the journal an InfluxDB has come: a small file of ours, since the server has no place for it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.clock import elapsed
from monitor.journal.entries import Offset
from monitor.journal.segments import sync_directory
from monitor.settings import Store as StoreSettings
from monitor.stores.base import StoreError
from rules.events import SECOND, Duration

FILE: Final = "influx.offset"
REACH: Final[Duration] = 15 * 60 * SECOND
"""A server that dies twice may lose what came between (1.8 stops reading its log at the first damaged entry): so much
of what it confirmed last is written again when it is back."""
MOST_AGAIN: Final = 500_000
"""Entries of the journal, at most."""

log = structlog.get_logger()


class _Saved(msgspec.Struct, frozen=True):
    offset: int
    target: str
    certain: int = 0


class Progress:
    """The offset in `<data_dir>/influx.offset`, together with what it was reached in.

    Another server, organisation or bucket begins at 0 again: what the journal still holds is written there too.
    """

    def __init__(self, data_dir: Path, settings: StoreSettings, file: str = FILE) -> None:
        self._path = data_dir / file
        self._target = f"{settings.url} {settings.org} {settings.bucket}"
        self._trail: deque[tuple[Duration, Offset]] = deque()
        self._far: Offset = 0
        self._again: Offset | None = None

    def load(self) -> Offset:
        """The offset to go on from; 0 if nothing was confirmed yet. Raises StoreError if the file cannot be read."""
        return self._load().offset if self._again is None else self._again

    def tell_again(self) -> None:
        """The server may have been started anew: go back to what it certainly keeps.

        What it hears from now on it may forget as well: that, too, is certain only once REACH has gone by.
        """
        far, again = self._load().offset, self.certain()
        self._far, self._again = far, again
        self._trail = deque([(elapsed(), again)])

    def _load(self) -> _Saved:
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
        except FileNotFoundError:
            return _Saved(0, self._target)
        except msgspec.DecodeError:
            log.warning(
                "store_offset_unreadable", file=str(self._path), then="the journal is stored from its beginning"
            )
            return _Saved(0, self._target)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read ({error.strerror}); check its permissions") from error
        return saved if saved.target == self._target and saved.offset >= 0 else _Saved(0, self._target)

    def save(self, offset: Offset) -> None:
        """Put the offset on disk, whole or not at all; call it once the server has confirmed everything before it.

        What is told again moves only this object: on disk stands how far it ever was.
        """
        if not self._trail:
            saved = self._load()
            self._far = saved.offset
            self._trail.append((elapsed(), saved.certain))
        self._far = max(self._far, offset)
        self._walk(offset)
        self._put(_Saved(self._far, self._target, self._certain(self._far)))
        if self._again is not None:
            self._again = offset if offset < self._far else None

    def certain(self) -> Offset:
        """Up to where the server has kept what it confirmed, even if it was started anew since."""
        saved = self._load()
        return self._certain(saved.offset) if self._trail else max(saved.certain, saved.offset - MOST_AGAIN)

    def _walk(self, offset: Offset) -> None:
        """Remember, second by second, how far it was, also of what is told again."""
        now, trail = elapsed(), self._trail
        while len(trail) > 1 and trail[1][0] <= now - REACH:
            trail.popleft()
        if now - trail[-1][0] >= SECOND:
            trail.append((now, offset))

    def _certain(self, offset: Offset) -> Offset:
        return max(self._trail[0][1], offset - MOST_AGAIN, 0)

    def _put(self, saved: _Saved) -> None:
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.encode(saved))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
            sync_directory(self._path.parent)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written ({error.strerror}); make room or mend it") from error
