"""How far into the journal an InfluxDB has come: a small file of ours, since the server has no place for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.journal.entries import Offset
from monitor.settings import Store as StoreSettings
from monitor.stores.base import StoreError

FILE: Final = "influx.offset"

log = structlog.get_logger()


class _Saved(msgspec.Struct, frozen=True):
    offset: int
    target: str


class Progress:
    """The offset in `<data_dir>/influx.offset`, together with what it was reached in.

    Another server, organisation or bucket begins at 0 again: what the journal still holds is written there too.
    """

    def __init__(self, data_dir: Path, settings: StoreSettings, file: str = FILE) -> None:
        self._path = data_dir / file
        self._target = f"{settings.url} {settings.org} {settings.bucket}"

    def load(self) -> Offset:
        """The offset to go on from; 0 if nothing was confirmed yet. Raises StoreError if the file cannot be read."""
        try:
            saved = msgspec.json.decode(self._path.read_bytes(), type=_Saved)
        except FileNotFoundError:
            return 0
        except msgspec.DecodeError:
            log.warning(
                "store_offset_unreadable", file=str(self._path), then="the journal is stored from its beginning"
            )
            return 0
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be read ({error.strerror}); check its permissions") from error
        return saved.offset if saved.target == self._target and saved.offset >= 0 else 0

    def save(self, offset: Offset) -> None:
        """Put the offset on disk, whole or not at all; call it once the server has confirmed everything before it."""
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            with part.open("wb") as file:
                file.write(msgspec.json.encode(_Saved(offset, self._target)))
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise StoreError(f"{self._path}: cannot be written ({error.strerror}); make room or mend it") from error


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
