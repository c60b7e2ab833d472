"""A backup becomes a site again: all of it is checked before any takes its place, in directories that are empty."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple

import msgspec

from monitor.backup import DATA, FORMAT, MANIFEST, SITE, BackupError, Manifest

STAGE: Final = ".restoring"
MOST_FILES: Final = 100_000
LONGEST_MANIFEST: Final = 64 << 20
CHUNK: Final = 1 << 20
ALLOWED: Final = frozenset({STAGE, "lost+found"})
"""What an empty directory may hold: what a restore that was cut short left, and what file systems make themselves."""


class Restored(NamedTuple):
    """Where a backup went, and when it was made."""

    site: Path
    data: Path
    made: str
    files: int


def restore(file: Path, site: Path, data: Path | None = None) -> Restored:
    """Unpack a backup into `site`, its data into `data` (None: where it lay, if that was inside the site).

    Raises:
        BackupError: the file is no whole backup, or a directory is not empty; then nothing was changed.
    """
    _must_be_empty(site)
    if data is not None:
        _must_be_empty(data)
    try:
        with _stage(site) as stage:
            manifest = _unpack(file, stage)
            home = data if data is not None else _home(file, site, manifest)
            (stage / SITE).mkdir(exist_ok=True)
            (stage / DATA).mkdir(exist_ok=True)
            _move(stage / DATA, home)
            _move(stage / SITE, site)
    except (OSError, EOFError, tarfile.TarError, zlib.error, msgspec.DecodeError) as error:
        raise BackupError(f"{file}: cannot be restored ({error}); is it a whole backup of `andon backup`?") from None
    os.sync()
    return Restored(site, home, manifest.made, len(manifest.files))


def _must_be_empty(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        held = [path.name for path in directory.iterdir() if path.name not in ALLOWED]
    except OSError as error:
        raise BackupError(f"{directory}: cannot be used ({error.strerror}); name another directory") from None
    if held:
        raise BackupError(f"{directory}: is not empty ({min(held)}); nothing is overwritten, name a new directory")


@contextmanager
def _stage(site: Path) -> Iterator[Path]:
    stage = site / STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _unpack(file: Path, stage: Path) -> Manifest:
    """All members into the stage, and the manifest they agree with."""
    sums: dict[str, str] = {}
    manifest = None
    with tarfile.open(file, "r:gz") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None or manifest is not None or len(sums) >= MOST_FILES:
                raise BackupError(f"{file}: holds {member.name!r}, which no backup does")
            if member.name == MANIFEST:
                manifest = msgspec.json.decode(content.read(LONGEST_MANIFEST), type=Manifest)
            else:
                sums[member.name] = _write(content, stage / _inside(file, member.name))
    _agree(file, manifest, sums)
    assert manifest is not None
    return manifest


def _agree(file: Path, manifest: Manifest | None, sums: dict[str, str]) -> None:
    if manifest is None:
        raise BackupError(f"{file}: is cut off; nothing was restored")
    if manifest.format != FORMAT:
        raise BackupError(f"{file}: has format {manifest.format}, this Andon knows {FORMAT}; use the one that made it")
    differing = sorted(
        name for name in manifest.files.keys() | sums.keys() if manifest.files.get(name) != sums.get(name)
    )
    if differing:
        raise BackupError(f"{file}: is damaged at {differing[0]}; nothing was restored")


def _inside(file: Path, name: str) -> PurePosixPath:
    """The name, if it stays inside."""
    path = PurePosixPath(name)
    if len(path.parts) < 2 or path.parts[0] not in {SITE, DATA} or ".." in path.parts or str(path) != name:
        raise BackupError(f"{file}: holds {name!r}, which no backup does")
    return path


def _write(content: IO[bytes], path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fsync(descriptor)
    return digest.hexdigest()


def _home(file: Path, site: Path, manifest: Manifest) -> Path:
    """Where the data goes that lay inside its site; elsewhere nobody but the caller may say."""
    home = PurePosixPath(manifest.data_dir)
    if home.is_absolute() or ".." in home.parts or not home.parts:
        raise BackupError(f"{file}: its data lay in {manifest.data_dir}; say with --data where it is to go")
    _must_be_empty(site / home)
    return site / home


def _move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in source.iterdir():
        shutil.move(path, target / path.name)
