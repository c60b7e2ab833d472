"""The journal between processes: a reader beside a writer, and a writer that is killed at any moment."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from monitor import clock
from monitor.journal import JournalReader, JournalWriter
from monitor.journal.integrity import mended
from monitor.journal.segments import segment_path
from rules.events import SECOND
from tests.monitor.journal.entries import read_all, ticks

ROOT = Path(__file__).parents[3]
APPENDER = """
import sys, pathlib
from monitor.journal import JournalWriter
from tests.monitor.journal.entries import ticks
writer = JournalWriter(pathlib.Path(sys.argv[1]), segment_bytes=2_000)
while writer.head < int(sys.argv[2]):
    size = writer.head % 17 + 1
    first = writer.append(ticks(writer.head, size))
    print(first + size, flush=True)
writer.close()
"""


DYING_AT_BIRTH = """
import os, pathlib, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("CREATE TABLE batch (body BLOB)")
connection.execute("INSERT INTO batch VALUES (zeroblob(100000))")
os.kill(os.getpid(), signal.SIGKILL)
"""
"""The first transaction of a segment goes by SQLite's rollback journal; here it is cut short with pages written."""


def appender(directory: Path, until: int) -> subprocess.Popen[bytes]:
    """A process that appends ticks numbered by offset and prints each head that `append` returned for."""
    command = [sys.executable, "-c", APPENDER, str(directory), str(until)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})


def test_a_reader_beside_a_writer_in_another_process_misses_nothing(tmp_path: Path) -> None:
    total, deadline = 3_000, clock.elapsed() + 60 * SECOND
    with appender(tmp_path, total) as process, JournalReader(tmp_path) as reader:
        received: list[int] = []
        while len(received) < total and clock.elapsed() < deadline:
            found = reader.read(50)
            assert [offset for offset, _ in found] == list(range(len(received), len(received) + len(found)))
            received += [entry.received for _, entry in found]
        process.communicate()
    assert received[:total] == [tick.received for tick in ticks(0, total)]


def test_whatever_was_acknowledged_before_a_kill_is_there_once_and_in_order(tmp_path: Path) -> None:
    moments = random.Random(7)
    acknowledged = 0
    for _ in range(6):
        process = appender(tmp_path, 1_000_000)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(moments.randrange(1, 60))]
        process.kill()
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        acknowledged = max([acknowledged, *(int(line) for line in lines if line.endswith(b"\n"))])
        with JournalReader(tmp_path) as reader:
            found = read_all(reader, 1_000)
        assert len(found) >= acknowledged
        assert found == list(enumerate(ticks(0, len(found))))
    writer = JournalWriter(tmp_path)
    assert writer.head == len(found)
    writer.close()


def test_a_crash_at_the_birth_of_a_segment_leaves_one_that_is_not_yet_born(tmp_path: Path) -> None:
    with closing(JournalWriter(tmp_path)) as writer:
        writer.append(ticks(0, 5))
    path = segment_path(tmp_path, 5)
    subprocess.run([sys.executable, "-c", DYING_AT_BIRTH, path], check=False)
    assert path.stat().st_size
    assert path.with_name(f"{path.name}-journal").exists()
    with JournalReader(tmp_path) as reader:
        assert read_all(reader, 10) == list(enumerate(ticks(0, 5)))
        assert mended(tmp_path).aside == ()
        with closing(JournalWriter(tmp_path)) as writer:
            assert (writer.head, writer.last_received) == (5, ticks(0, 5)[-1].received)
            writer.append(ticks(5, 2))
        assert read_all(reader, 10) == [(5, ticks(5, 2)[0]), (6, ticks(5, 2)[1])]
