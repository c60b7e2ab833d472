"""The journal between processes: a reader beside a writer, and a writer that is killed at any moment."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from monitor import clock
from monitor.journal import JournalReader, JournalWriter
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
