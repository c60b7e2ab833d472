"""A site in one file, made while the monitor runs: its configuration as written, and its data as of one moment.

Small files are copied before databases and those before the journal, so that no reader's offset in them lies beyond the
journal's end: a restored site works off what is left of the journal and arrives at the same alarms and readings.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import chain, pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from monitor import clock
from monitor.codecs.timestamps import format_iso
from monitor.errors import AndonError
from monitor.journal.beginning import FILE as BEGINS
from monitor.journal.entries import Offset
from monitor.journal.segments import (
    DAMAGE_CODES,
    SUFFIX,
    UNREADABLE,
    segment_offsets,
    segment_path,
    sync_directory,
)
from monitor.settings import ALARMS, JOURNAL
from monitor.site import configuration_files

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SITE: Final = "site"
DATA: Final = "data"
PASSING: Final = frozenset({"metrics", "broker", "lock", "reserve"})
"""What a run makes for itself alone, in the data directory."""
SIDECARS: Final = ("-wal", "-shm", "-journal", ".sock", ".part")
SQLITE: Final = b"SQLite format 3\0"
DATABASES: Final = frozenset({".db", SUFFIX})
LEVEL: Final = 3
"""Of gzip: readings are compressed already."""
NEEDED: Final = {
    ALARMS: "SELECT offset FROM positions WHERE name = 'floor'",
    "store.db": "SELECT next_offset FROM progress",
}
"""Where a database says from which journal entry its reader goes on."""
BUSY_SECONDS: Final = 30.0
UNREADABLE_ERRORS: Final = frozenset({errno.EIO, errno.EACCES, errno.EPERM})
"""What a file can have that keeps it alone out of a backup."""


class BackupError(AndonError):
    """A backup cannot be made or restored; the message says why and what to do."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last member of a backup: SHA-256 of every other, by name; `data_dir` as seen from the site's directory."""

    format: int
    made: str
    data_dir: str
    files: dict[str, str]


class Made(NamedTuple):
    """What is in a backup; `unsound` says of each damaged file which it is, and whether it is in it as it lies."""

    files: int
    size: int
    unsound: tuple[str, ...]


def back_up(directory: Path, data_dir: Path, out: Path) -> Made:
    """Write a site and its data to `out` (mode 600), whole or not at all; what was there is replaced.

    Secrets that andon.yaml takes from elsewhere are not in it; what an InfluxDB holds is not either. A damaged file
    does not keep the others out.

    Raises:
        BackupError: something cannot be read or written, or retention deleted what was about to be copied.
    """
    if not data_dir.is_dir():
        raise BackupError(f"{data_dir}: there is no data yet; it is made by the first `andon run`")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.absolute().parent) as stage:
            part = Path(stage) / "backup"
            writer = _Writer(part, Path(stage))
            made = writer.write(directory, data_dir)
            part.replace(out)
        sync_directory(out.absolute().parent)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        raise BackupError(f"{out}: the backup was not made ({error}); what was there before is as it was") from None
    return Made(made, out.stat().st_size, tuple(writer.unsound))


class _Writer:
    """One backup on its way into a file."""

    def __init__(self, part: Path, stage: Path) -> None:
        self._part = part
        self._copy = stage / "copy"
        self._sums: dict[str, str] = {}
        self._needed: list[Offset] = []
        self.unsound: list[str] = []

    def write(self, directory: Path, data_dir: Path) -> int:
        """How many files went in; they are on disk on return."""
        with self._part.open("xb") as file:
            self._part.chmod(0o600)
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=LEVEL, format=tarfile.PAX_FORMAT) as self._tar:
                segments = segment_offsets(data_dir / JOURNAL)
                begins = data_dir / JOURNAL / BEGINS
                for path in chain(_others(data_dir), _segments(data_dir), [begins] if begins.exists() else []):
                    self._data(path, path.relative_to(data_dir).as_posix())
                self._check(segments)
                for path in configuration_files(directory):
                    self._add(path, f"{SITE}/{path.relative_to(directory).as_posix()}")
                self._manifest(directory, data_dir)
            file.flush()
            os.fsync(file.fileno())
        return len(self._sums)

    def _data(self, path: Path, name: str) -> None:
        """A file as of one moment; one that was deleted meanwhile is left out."""
        with suppress(FileNotFoundError):
            if problem := _copied(path, self._copy):
                self.unsound.append(f"{path}: {problem}")
            else:
                self._needed += _goes_on_from(self._copy, name)
            if self._copy.exists():
                self._add(self._copy, f"{DATA}/{name}")
        self._copy.unlink(missing_ok=True)

    def _add(self, path: Path, name: str) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = path.stat().st_size, 0o600, clock.now() // 1_000_000_000
        with path.open("rb") as file:
            self._sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            self._tar.addfile(member, file)

    def _check(self, segments: list[Offset]) -> None:
        """Retention may have deleted segments on the way, but none that a copied database goes on from."""
        first_needed = min(self._needed, default=0)
        for first, following in pairwise(segments):
            if following > first_needed and f"{DATA}/{JOURNAL}/{first:020d}{SUFFIX}" not in self._sums:
                raise BackupError("the journal was pruned faster than it could be copied; make the backup again")

    def _manifest(self, directory: Path, data_dir: Path) -> None:
        home = data_dir.relative_to(directory) if data_dir.is_relative_to(directory) else data_dir.absolute()
        manifest = Manifest(FORMAT, format_iso(clock.now()), str(home), dict(self._sums))
        self._copy.write_bytes(msgspec.json.encode(manifest))
        self._add(self._copy, MANIFEST)


def _others(data_dir: Path) -> list[Path]:
    """What of a data directory is worth keeping beside the journal: small files, then databases.

    Where the journal begins is copied behind it: what retention deletes on the way is no loss.
    """
    later = data_dir / JOURNAL / BEGINS
    found = (
        path
        for path in data_dir.rglob("*")
        if path.suffix != SUFFIX and path != later and _is_kept(path, path.relative_to(data_dir))
    )
    return sorted(found, key=lambda path: (_is_database(path), path))


def _segments(data_dir: Path) -> Iterator[Path]:
    """The journal as it is by the time it is asked for: one may have begun while databases were copied."""
    yield from (segment_path(data_dir / JOURNAL, first) for first in segment_offsets(data_dir / JOURNAL))


def _is_kept(path: Path, within: Path) -> bool:
    passing = within.parts[0] in PASSING or any(part.startswith(".") for part in within.parts)
    beside = path.name.endswith(SIDECARS) and not _is_aside(path)
    return not passing and not beside and path.is_file() and not path.is_symlink()


def _is_aside(path: Path) -> bool:
    """Whether it is a damaged segment that was set aside."""
    return f"{SUFFIX}{UNREADABLE}" in path.name


def _is_database(path: Path) -> bool:
    """Whether SQLite is to copy it: also what should be a database and is not."""
    try:
        with path.open("rb") as file:
            begins = file.read(len(SQLITE))
    except OSError:
        return False
    return not _is_aside(path) and (begins == SQLITE or (bool(begins) and path.suffix in DATABASES))


def _copied(path: Path, copy: Path) -> str:
    """Copy a file as of one moment; what is wrong with it, if anything: then it is copied as it lies, if it can be."""
    problem = ""
    if _is_database(path):
        try:
            _copy_database(path, copy)
        except sqlite3.DatabaseError as error:
            problem = _damage(path, error)
            copy.unlink(missing_ok=True)
        else:
            return ""
    try:
        shutil.copyfile(path, copy)
    except OSError as error:
        if error.errno not in UNREADABLE_ERRORS:
            raise
        copy.unlink(missing_ok=True)
        return f"{problem or error.strerror}; it is not in the backup"
    return f"{problem}; it is in the backup as it lies" if problem else ""


def _copy_database(path: Path, copy: Path) -> None:
    """A copy as of one moment, whoever writes meanwhile; the write-ahead log is in it."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")


def _damage(path: Path, error: sqlite3.DatabaseError) -> str:
    """What is damaged, in SQLite's words.

    Raises:
        BackupError: it is another trouble.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    if code in DAMAGE_CODES or code & 0xFF == sqlite3.SQLITE_CORRUPT:
        return str(error)
    raise BackupError(f"{path}: cannot be copied ({error}); the backup was not made") from None


def _goes_on_from(copy: Path, name: str) -> list[Offset]:
    if name not in NEEDED:
        return []
    with closing(sqlite3.connect(copy)) as database:
        row = database.execute(NEEDED[name]).fetchone()
    return [int(row[0])] if row else [0]
