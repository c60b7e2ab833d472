"""Opens the alarm database: makes it, brings its schema up to date, and sets what makes a commit durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import QueuePool

from monitor.errors import AndonError

HEAD: Final = "r0004"
"""The schema revision that this program needs."""

MIGRATIONS: Final = Path(__file__).parent / "migrations"


FULL_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC})


class AlarmDatabaseError(AndonError):
    """The alarm database cannot be opened; the message says why and what to do."""


class AlarmDatabaseFullError(AlarmDatabaseError):
    """There is no room to write; nothing of the transaction was, and it may be tried again."""


def open_for_writing(path: Path, *, synced: bool = True) -> Engine:
    """An engine whose every transaction takes the write lock at once and is on disk when it returns.

    Where it is not `synced` a transaction outlives every crash but not a power cut, until the next that is.

    Raises:
        AlarmDatabaseError: the file is no alarm database, or a newer program's.
    """
    engine = _engine(path, "rwc", 30.0)
    event.listen(engine, "connect", _durable if synced else _noted)
    event.listen(engine, "begin", _begin_immediately)
    try:
        _upgrade(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_for_reading(path: Path) -> Engine:
    """An engine that cannot write, for other processes.

    Raises:
        AlarmDatabaseError: there is no alarm database yet, or it is not this program's.
    """
    if not path.exists():
        raise AlarmDatabaseError(f"{path}: there is no alarm database yet; `andon run` makes it when it starts")
    engine = _engine(path, "ro", 5.0)
    event.listen(engine, "connect", _manual_transactions)
    try:
        _require_head(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def full_told() -> Iterator[None]:
    """Turns the database's word for a full disk into ours."""
    try:
        yield
    except OperationalError as error:
        if getattr(error.orig, "sqlite_errorcode", None) in FULL_CODES:
            raise AlarmDatabaseFullError(f"alarm database: {error.orig}; free space on its disk") from None
        raise


def revision_of(connection: Connection) -> str | None:
    """The schema revision that the database has; None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _engine(path: Path, mode: str, patience: float) -> Engine:
    uri = f"{path.absolute().as_uri()}?mode={mode}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(uri, uri=True, timeout=patience, check_same_thread=False)

    return create_engine("sqlite://", creator=connect, poolclass=QueuePool)


def _upgrade(engine: Engine, path: Path) -> None:
    try:
        with engine.begin() as connection:
            if revision_of(connection) != HEAD:
                _migrate(connection, path)
    except DatabaseError as error:
        raise AlarmDatabaseError(f"{path}: cannot be opened as an alarm database ({error.orig})") from None


def _migrate(connection: Connection, path: Path) -> None:
    from alembic import command  # noqa: PLC0415 - a third of a second that only a schema change costs
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, HEAD)
    except CommandError:
        raise AlarmDatabaseError(
            f"{path}: was written by a newer Andon (schema {revision_of(connection)}, this "
            f"one knows {HEAD}); start that version, or restore a backup"
        ) from None


def _require_head(engine: Engine, path: Path) -> None:
    try:
        with engine.connect() as connection:
            found = revision_of(connection)
    except DatabaseError as error:
        raise AlarmDatabaseError(f"{path}: cannot be opened as an alarm database ({error.orig})") from None
    if found != HEAD:
        raise AlarmDatabaseError(
            f"{path}: has schema {found}, this Andon reads {HEAD}; start `andon run` once to upgrade it"
        )


def _durable(connection: Any, record: Any, synchronous: str = "FULL") -> None:
    _manual_transactions(connection, record)
    for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _noted(connection: Any, record: Any) -> None:
    _durable(connection, record, "NORMAL")


def _manual_transactions(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_immediately(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
