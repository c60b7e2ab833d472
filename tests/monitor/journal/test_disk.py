"""The reserve lies on the disk, shrinks before anybody is without room, and never stands in the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.journal.disk import RESERVE_FILE, Reserve, free_bytes
from tests.services.small_disk import small_disk

MB = 1_000_000
SIZE = 8 * MB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 20 * MB) as place:
        yield place


def left(place: Path) -> float:
    """Megabytes that anybody may take."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize / MB


def held(place: Path) -> float:
    path = place / RESERVE_FILE
    return path.stat().st_blocks * 512 / MB if path.exists() else 0.0


def fill(place: Path, leave: float) -> Path:
    """What another program takes."""
    path = place / "ballast"
    with path.open("ab") as file:
        os.posix_fallocate(file.fileno(), path.stat().st_size, int((left(place) - leave) * MB))
    return path


def test_three_quarters_of_it_lie_in_a_file_and_count_as_free_for_us(disk: Path) -> None:
    before = free_bytes(disk)
    Reserve(disk, SIZE).settle()
    assert held(disk) == pytest.approx(6, abs=0.1)
    assert left(disk) == pytest.approx(14, abs=0.2)
    assert free_bytes(disk) == before


def test_it_is_given_back_as_the_rest_ends_and_taken_again_when_there_is_room(disk: Path) -> None:
    reserve = Reserve(disk, SIZE)
    reserve.settle()
    ballast = fill(disk, leave=0.1)
    for had in (6, 4, 2):
        assert held(disk) == pytest.approx(had, abs=0.3)
        reserve.settle()
        assert left(disk) == pytest.approx(2, abs=0.4)
        fill(disk, leave=0.1)
    reserve.settle()
    assert not (disk / RESERVE_FILE).exists()
    ballast.unlink()
    reserve.settle()
    assert held(disk) == pytest.approx(6, abs=0.1)


def test_it_leaves_a_quarter_where_there_is_little_to_take(disk: Path) -> None:
    fill(disk, leave=5)
    Reserve(disk, SIZE).settle()
    assert (held(disk), left(disk)) == (pytest.approx(3, abs=0.1), pytest.approx(2, abs=0.1))


def test_a_disk_smaller_than_it_keeps_working(disk: Path) -> None:
    Reserve(disk, 900 * 1_000**4).settle()
    assert held(disk) == 0


def test_failing_writes_make_it_smaller_though_the_disk_says_there_is_room(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, SIZE)
    reserve.settle()
    sizes = [held(tmp_path)]
    while sizes[-1]:
        reserve.settle(failing=True)
        sizes.append(held(tmp_path))
    assert sizes == pytest.approx([6, 4, 2, 0], abs=0.1)


def test_a_stretch_of_the_last_run_is_taken_over_and_all_of_it_given_back(tmp_path: Path) -> None:
    Reserve(tmp_path, SIZE).settle()
    again = Reserve(tmp_path, SIZE // 2)
    again.settle()
    assert held(tmp_path) == pytest.approx(3, abs=0.1)
    again.give_back()
    again.give_back()
    assert not (tmp_path / RESERVE_FILE).exists()


def test_a_file_system_that_allocates_nothing_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def allocated_later(file: int, _: int, size: int) -> None:
        asked.append(size)
        os.ftruncate(file, size)

    monkeypatch.setattr(os, "posix_fallocate", allocated_later)
    reserve = Reserve(tmp_path, SIZE)
    for _ in range(3):
        reserve.settle()
    assert (len(asked), (tmp_path / RESERVE_FILE).exists()) == (1, False)


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    Reserve(tmp_path / "nowhere", SIZE).settle()
    Reserve(tmp_path / "nowhere", SIZE).give_back()


def test_without_the_system_call_nothing_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    Reserve(tmp_path, SIZE).settle()
    assert held(tmp_path) == 0
