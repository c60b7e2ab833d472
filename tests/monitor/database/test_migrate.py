"""The schema is what the program expects, whoever opens it and however old the file is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable

from monitor.database.ledger import Ledger, Step
from monitor.database.migrate import HEAD, MIGRATIONS, AlarmDatabaseError, open_for_reading, open_for_writing
from monitor.database.queries import AlarmReader
from monitor.database.schema import metadata


def test_the_revisions_lead_to_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    engine = open_for_writing(tmp_path / "alarms.db")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_the_program_asks_for_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_postgresql_would_understand_every_table() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            str(CreateIndex(index).compile(dialect=dialect))


def test_reading_before_there_is_a_database_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AlarmDatabaseError, match="andon run"):
        AlarmReader(tmp_path / "alarms.db")
    assert not (tmp_path / "alarms.db").exists()


@pytest.mark.parametrize("opener", [open_for_writing, open_for_reading])
def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path, opener: object) -> None:
    path = tmp_path / "alarms.db"
    path.write_bytes(b"no database, whatever else it may be" * 100)
    with pytest.raises(AlarmDatabaseError, match=r"alarms\.db: cannot be opened"):
        opener(path)


def test_a_newer_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    Ledger(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'r9999'")
    for opener in (open_for_writing, open_for_reading):
        with pytest.raises(AlarmDatabaseError, match="r9999"):
            opener(path)


def test_a_reader_cannot_write_and_sees_what_is_committed_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    ledger, reader = Ledger(path), AlarmReader(path)
    ledger.commit(Step(3, 1))
    assert reader.position() == 3
    with reader._engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("DELETE FROM positions")
    reader.close()
    ledger.close()


@pytest.mark.parametrize("name", ["with space", "per%cent", "quo'te", "que?ry", "ha#sh"])
def test_any_directory_name_will_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    path = tmp_path / name / "alarms.db"
    Ledger(path).close()
    AlarmReader(path).close()
    assert path.exists()
