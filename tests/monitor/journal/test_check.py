"""`andon check` tells of a journal's troubles before somebody finds out by an alarm."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from monitor.journal import JournalWriter
from monitor.journal.check import check_journal
from monitor.journal.segments import segment_path
from monitor.settings import Settings, SiteFile, settled
from tests.monitor.journal.entries import ticks


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    file = SiteFile.model_validate(
        {"site": "s", "broker": {"url": "mqtt://host"}, "data_dir": tmp_path, "journal": {"reserve": "1kB"}}
    )
    return settled(file, tmp_path)


def said(site: Settings) -> list[tuple[str, str]]:
    return [(finding.severity, finding.what) for finding in check_journal(site)]


def journal(site: Settings, at_least: int = 0) -> Path:
    writer = JournalWriter(site.data_dir / "journal", at_least=at_least)
    writer.append(ticks(writer.head, 3))
    writer.close()
    return segment_path(site.data_dir / "journal", at_least)


def test_a_site_that_never_ran_and_a_sound_journal_are_no_problem(site: Settings) -> None:
    assert said(site) == []
    journal(site)
    assert said(site) == []


def test_too_little_room_is_told(site: Settings) -> None:
    journal(site)
    small = site.model_copy(update={"journal": site.journal.model_copy(update={"reserve": 1 << 62})})
    ((severity, what),) = said(small)
    assert severity == "warning"
    assert "less than the reserve" in what


def test_what_is_lost_and_what_was_set_aside_is_told(site: Settings) -> None:
    journal(site)
    path = journal(site, at_least=10)
    path.with_name(path.name + ".unreadable").write_bytes(b"")
    assert [what for _, what in said(site)] == [
        f"{path.parent}: entries 3 to 9 are lost",
        f"{path}.unreadable was damaged and set aside",
    ]


def test_what_rules_or_store_know_and_the_journal_does_not_hold_is_told(site: Settings) -> None:
    path = journal(site)
    assert [finding.what for finding in check_journal(site, 9)] == [f"{path.parent}: entries 3 to 8 are lost"]
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    assert [finding.what for finding in check_journal(site, 9)] == [f"{path.parent}: entries 0 to 8 are lost"]


def test_a_damaged_segment_is_a_warning_for_the_next_start_mends_it(site: Settings) -> None:
    journal(site).write_bytes(b"no database" * 1_000)
    ((severity, what),) = said(site)
    assert severity == "warning"
    assert "file is not a database" in what


@pytest.mark.parametrize(
    ("needed", "severity", "hint"),
    [(10, "warning", "the next start sets the file aside"), (9, "error", "still needed")],
)
def test_a_segment_that_cannot_be_opened_is_an_error_only_if_it_is_needed(
    site: Settings, needed: int, severity: str, hint: str
) -> None:
    path = journal(site)
    journal(site, at_least=10)
    path.unlink()
    os.mknod(path, stat.S_IFSOCK)
    (finding,) = check_journal(site, 13, needed)
    assert (finding.severity, hint in finding.hint) == (severity, True)
    assert "own it" in finding.what
