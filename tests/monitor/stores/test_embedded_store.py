"""What is particular to the embedded store: its file, and what it says when that cannot be used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from monitor.stores.base import Point, StoreError
from monitor.stores.embedded import MOST_SERIES, EmbeddedStore


def test_a_reader_needs_a_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"there is no store yet"):
        EmbeddedStore(tmp_path / "store.db", read_only=True)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"something else entirely" * 100)
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"store\.db: file is not a database"):
            EmbeddedStore(tmp_path / "store.db", read_only=read_only)


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    EmbeddedStore(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"newer version"):
        EmbeddedStore(path)


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/store\.db: unable to open"):
        EmbeddedStore(tmp_path / "nowhere" / "store.db")


def test_a_path_may_hold_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "site #1? 100% süd.db"
    store = EmbeddedStore(path)
    store.close()
    assert path.exists()


def test_a_closed_store_answers_with_its_own_error(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store.db")
    store.close()
    with pytest.raises(StoreError):
        store.write([], 1)


def test_a_slow_reader_does_not_hold_the_log_back(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = EmbeddedStore(path)
    store.write([Point("press", "force", at, 1.0, None, 0) for at in range(9_000)], 1)
    reader = EmbeddedStore(path, read_only=True)
    reading = reader.read()
    next(reading)
    with closing(sqlite3.connect(path)) as db:
        busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert busy == 0
    assert sum(1 for _ in reading) == 8_999
    reader.close()
    store.close()


def test_what_is_remembered_of_series_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_SERIES <= 1_000_000
    monkeypatch.setattr("monitor.stores.embedded.MOST_SERIES", 3)
    store = EmbeddedStore(tmp_path / "store.db")
    for _ in range(2):
        store.write([Point("press", f"m{i}", 0, float(i), None, 0) for i in range(10)], 1)
    assert store.count() == 10
    store.close()
