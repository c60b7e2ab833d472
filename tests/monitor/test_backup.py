"""What goes into a backup, and what a restore refuses."""

from __future__ import annotations

import errno
import io
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from typer.testing import CliRunner

from monitor.backup import MANIFEST, BackupError, Manifest, _copy_database, back_up
from monitor.cli import app
from monitor.journal.entries import TickEntry
from monitor.journal.integrity import examined, mended
from monitor.journal.reader import JournalReader
from monitor.journal.segments import segment_path
from monitor.journal.writer import JournalWriter
from monitor.restore import restore
from monitor.scaffold import write_site
from monitor.site import data_dir_of

SECRET = "not to be seen"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    home = tmp_path / "site"
    (home / "rules").mkdir(parents=True)
    (home / "andon.yaml").write_text('site: x\nbroker: {url: "mqtt://b", username: u, password: "${PW}"}\n')
    (home / "rules" / "a.yaml").write_text("version: 1\nrules: []\n")
    (home / "rules" / ".hidden.yaml").write_text("")
    (home / "scenarios").mkdir()
    (home / "scenarios" / "s.yaml").write_text("scenarios: []\n")
    data = home / "data"
    (data / "metrics").mkdir(parents=True)
    (data / "metrics" / "counter.db").write_bytes(b"x")
    (data / "lock").write_text("1")
    (data / "influx.offset").write_text("{}")
    writer = JournalWriter(data / "journal", segment_bytes=1)
    for number in range(1, 4):
        writer.append([TickEntry(number)])
    return home


@pytest.fixture
def archive(site: Path, tmp_path: Path) -> Path:
    out = tmp_path / "backup.tar.gz"
    back_up(site, site / "data", out)
    return out


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def repacked(archive: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]) -> Path:
    out = archive.with_name("other.tar.gz")
    with tarfile.open(archive) as old, tarfile.open(out, "w:gz") as new:
        for member in old:
            content = old.extractfile(member)
            assert content is not None
            info, data = change(member, content.read())
            info.size = len(data) if info.isreg() else 0
            new.addfile(info, io.BytesIO(data))
    return out


def test_a_running_writers_journal_comes_back_whole(archive: Path, tmp_path: Path) -> None:
    restored = restore(archive, tmp_path / "new")
    with JournalReader(restored.data / "journal") as reader:
        entries = [entry for _ in range(3) for _, entry in reader.read(10)]
    assert entries == [TickEntry(1), TickEntry(2), TickEntry(3)]
    assert (tmp_path / "new" / "rules" / "a.yaml").exists()
    assert not (tmp_path / "new" / ".restoring").exists()


def test_databases_come_before_the_journal_and_what_a_run_makes_for_itself_stays_away(archive: Path) -> None:
    kept = names(archive)
    assert kept[0] == "data/influx.offset"
    assert all(name.startswith("data/journal/") for name in kept[1:4])
    assert kept[4:] == ["site/andon.yaml", "site/rules/a.yaml", "site/scenarios/s.yaml", MANIFEST]


def test_all_that_init_writes_comes_back_and_tables_with_it(tmp_path: Path) -> None:
    home, out = tmp_path / "site", tmp_path / "b.tar.gz"
    written = [path.relative_to(home) for path in write_site(home)]
    (home / "rules" / "faults.csv").write_text("code,text,priority\n1,Jam,high\n")
    (home / "secret").write_text(SECRET)
    (home / "data").mkdir()
    back_up(home, home / "data", out)
    restore(out, tmp_path / "new")
    assert all((tmp_path / "new" / name).read_bytes() == (home / name).read_bytes() for name in written)
    assert (tmp_path / "new" / "rules" / "faults.csv").exists()
    assert not (tmp_path / "new" / "secret").exists()


CUT = {
    "cut": lambda content: content[:8192],
    "cut within a page": lambda content: content[:9000],
    "no database": lambda _: b"\x07" * 9000,
    "header spoiled": lambda content: content[:100] + b"\xff" * 3996 + content[4096:],
}


@pytest.mark.parametrize("spoil", CUT.values(), ids=CUT.keys())
def test_a_damaged_file_is_copied_as_it_lies_and_named_and_the_rest_is_there(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    home, out = tmp_path / "site", tmp_path / "b.tar.gz"
    journal = home / "data" / "journal"
    with closing(JournalWriter(journal)) as writer:
        for number in range(3):
            writer.append([TickEntry(1 + number * 4_000 + n) for n in range(4_000)])
            writer.leave(number * 4_000)
    damaged = segment_path(journal, 4_000)
    damaged.write_bytes(spoil(damaged.read_bytes()))
    made = back_up(home, home / "data", out)
    (problem,) = made.unsound
    assert problem.startswith(f"{damaged}: ")
    assert problem.endswith("; it is in the backup as it lies")
    restored = restore(out, tmp_path / "new").data / "journal"
    assert segment_path(restored, 4_000).read_bytes() == damaged.read_bytes()
    with JournalReader(restored) as reader:
        assert [offset for offset, _ in reader.read(10_000)] == list(range(4_000))

    report = mended(journal)
    made = back_up(home, home / "data", out)
    assert (made.unsound, len(report.aside)) == ((), 1)
    again = restore(out, tmp_path / "again").data / "journal"
    assert (again / report.aside[0]).read_bytes() == (journal / report.aside[0]).read_bytes()
    assert examined(again).lost == report.lost


def test_a_file_that_cannot_be_read_is_named_and_everything_else_is_saved(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copyfile(path: Path, copy: Path) -> None:
        if path.name == "influx.offset":
            copy.write_bytes(b"{")
            raise OSError(errno.EIO, "Input/output error", str(path))
        shutil.copyfile(path, copy)

    monkeypatch.setattr("monitor.backup.shutil", SimpleNamespace(copyfile=copyfile))
    made = back_up(site, site / "data", tmp_path / "b.tar.gz")
    assert made.unsound == (f"{site / 'data' / 'influx.offset'}: Input/output error; it is not in the backup",)
    assert "data/influx.offset" not in names(tmp_path / "b.tar.gz")
    assert len(list((restore(tmp_path / "b.tar.gz", tmp_path / "new").data / "journal").iterdir())) == 3


def test_a_damaged_store_ends_the_command_with_status_1_and_everything_else_is_saved(
    site: Path, tmp_path: Path
) -> None:
    (site / "data" / "store.db").write_bytes(b"SQLite format 3\0" + b"\x07" * 5000)
    out = tmp_path / "b.tar.gz"
    result = CliRunner().invoke(app, ["backup", "--site", str(site), "--out", str(out)], env={"PW": "x"})
    assert result.exit_code == 1
    assert f"{site / 'data' / 'store.db'}: " in result.output.replace("\n", "")
    assert {"data/store.db", "site/andon.yaml", MANIFEST} <= set(names(out))


def test_secrets_of_the_environment_are_not_in_it(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", SECRET)
    out = tmp_path / "b.tar.gz"
    back_up(site, data_dir_of(site, {"PW": SECRET}), out)
    with tarfile.open(out) as tar:
        files = [tar.extractfile(member) for member in tar]
        assert not any(SECRET.encode() in file.read() for file in files if file)


def test_the_data_directory_is_known_without_any_secret(site: Path) -> None:
    assert data_dir_of(site, {}) == site / "data"


def test_a_directory_that_holds_something_is_left_alone(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "new"
    target.mkdir()
    (target / "mine").write_text("mine")
    with pytest.raises(BackupError, match="is not empty"):
        restore(archive, target)
    assert [path.name for path in target.iterdir()] == ["mine"]


def test_a_changed_byte_is_found_and_nothing_is_restored(archive: Path, tmp_path: Path) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        return member, data + b" " if member.name == "site/andon.yaml" else data

    with pytest.raises(BackupError, match=r"damaged at site/andon\.yaml"):
        restore(repacked(archive, change), tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize(
    "name", ["../outside", "data/../../outside", "/etc/x", "site", "data//x", "other/x", "data/./x"]
)
def test_names_stay_inside(archive: Path, tmp_path: Path, name: str) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        member.name = name if member.name == "site/andon.yaml" else member.name
        return member, data

    with pytest.raises(BackupError, match="which no backup does"):
        restore(repacked(archive, change), tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_links_and_devices_are_refused(archive: Path, tmp_path: Path, kind: bytes) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == "site/andon.yaml":
            member.type, member.linkname = kind, "/etc/passwd"
        return member, data

    with pytest.raises(BackupError, match="which no backup does"):
        restore(repacked(archive, change), tmp_path / "new")


def test_a_backup_that_was_cut_off_is_refused(archive: Path, tmp_path: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(BackupError):
        restore(archive, tmp_path / "new")
    assert not list((tmp_path / "new").iterdir())


def test_data_that_lay_elsewhere_goes_only_where_one_says(site: Path, tmp_path: Path) -> None:
    elsewhere = (site / "data").rename(tmp_path / "elsewhere")
    out = tmp_path / "b.tar.gz"
    back_up(site, elsewhere, out)
    with pytest.raises(BackupError, match=f"lay in {elsewhere}; say with --data"):
        restore(out, tmp_path / "new")
    assert restore(out, tmp_path / "new", tmp_path / "there").data == tmp_path / "there"
    assert (tmp_path / "there" / "influx.offset").exists()


def test_a_manifest_cannot_send_data_outside(archive: Path, tmp_path: Path) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if member.name == MANIFEST:
            manifest = msgspec.json.decode(data, type=Manifest)
            data = msgspec.json.encode(msgspec.structs.replace(manifest, data_dir="../../outside"))
        return member, data

    with pytest.raises(BackupError, match="say with --data"):
        restore(repacked(archive, change), tmp_path / "new")


def test_a_journal_pruned_during_the_backup_is_noticed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(site / "data" / "alarms.db")) as database:
        database.executescript("CREATE TABLE positions (name, offset); INSERT INTO positions VALUES ('floor', 0)")
    first = min((site / "data" / "journal").glob("*.journal"))
    real = sqlite3.connect

    def prune(*arguments: object, **options: object) -> sqlite3.Connection:
        first.unlink(missing_ok=True)
        return real(*arguments, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr("monitor.backup.sqlite3.connect", prune)
    with pytest.raises(BackupError, match="pruned"):
        back_up(site, site / "data", tmp_path / "b.tar.gz")
    assert not (tmp_path / "b.tar.gz").exists()
    assert not list(tmp_path.glob(".b.tar.gz*"))


def test_a_segment_that_begins_while_databases_are_copied_is_in_the_backup(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(site / "data" / "alarms.db")) as database:
        database.executescript("CREATE TABLE positions (name, offset); INSERT INTO positions VALUES ('floor', 3)")
    writer = JournalWriter(site / "data" / "journal", segment_bytes=1)

    def copy_after_more_was_decided(path: Path, copy: Path) -> None:
        if path.name == "alarms.db":
            head = writer.append([TickEntry(9)]) + 1
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("UPDATE positions SET offset = ?", (head,))
        _copy_database(path, copy)

    monkeypatch.setattr("monitor.backup._copy_database", copy_after_more_was_decided)
    back_up(site, site / "data", tmp_path / "b.tar.gz")
    restored = restore(tmp_path / "b.tar.gz", tmp_path / "new").data
    with closing(sqlite3.connect(restored / "alarms.db")) as database:
        (start,) = database.execute("SELECT offset FROM positions").fetchone()
    assert start == 4
    with JournalReader(restored / "journal", start) as reader:
        assert reader.read(10) == []
