"""One monitor per data directory, whatever way the last one ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.datalock import DataLock
from monitor.errors import AlreadyRunningError, AndonError

HOLD = """
import sys, pathlib
from monitor.datalock import DataLock
lock = DataLock(pathlib.Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_second_monitor_is_refused_by_the_pid_of_the_first(holder, tmp_path: Path) -> None:
    with pytest.raises(AlreadyRunningError, match=rf"pid {holder.pid}\b.*stop it first"):
        DataLock(tmp_path).acquire(patience=0)


def test_lock_is_free_once_its_holder_is_killed(holder, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with DataLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_lock_outlives_its_holder_while_a_child_keeps_it_open(tmp_path: Path) -> None:
    lock = DataLock(tmp_path)
    lock.acquire()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.fileno(),))
    lock.release()
    with pytest.raises(AlreadyRunningError):
        DataLock(tmp_path).acquire(patience=0)
    child.communicate(b"\n")
    DataLock(tmp_path).acquire(patience=0)


def test_waits_for_a_monitor_that_is_just_going(holder, tmp_path: Path) -> None:
    holder.stdin.close()
    DataLock(tmp_path).acquire()


def test_missing_directory_is_made_and_the_lock_is_private(tmp_path: Path) -> None:
    with DataLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / "lock").stat().st_mode & 0o777 == 0o600


def test_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(AndonError, match=r"data.*lock.*cannot be locked"):
        DataLock(tmp_path / "data").acquire()


def test_garbage_in_the_lock_file_is_no_pid(tmp_path: Path) -> None:
    with DataLock(tmp_path):
        (tmp_path / "lock").write_bytes(b"\xff\x00 not a number")
        with pytest.raises(AlreadyRunningError, match="pid unknown"):
            DataLock(tmp_path).acquire(patience=0)
