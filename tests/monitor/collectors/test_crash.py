"""kill -9 of collector and journal at random moments under load: every QoS 1 message is journalled exactly once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor import clock
from monitor.journal import JournalReader
from monitor.journal.entries import Message
from rules.events import SECOND
from tests.monitor.collectors.collecting import publish_blocking
from tests.services.mosquitto import Mosquitto

ROOT = Path(__file__).parents[3]
KILLS = 5
BURST = 1_500
PATIENCE = 60 * SECOND


@contextmanager
def runner(mosquitto: Mosquitto, directory: Path, protocol: str) -> Iterator[subprocess.Popen[bytes]]:
    """The runner with its link up; killed at the end."""
    command = [sys.executable, "-m", "tests.monitor.collectors.runner", mosquitto.url, str(directory), protocol]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert any(b"up" in line for line in process.stdout)
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def await_messages(reader: JournalReader, found: list[Message], count: int) -> None:
    """Read on until there are so many messages."""
    deadline = clock.elapsed() + PATIENCE
    while len(found) < count:
        assert clock.elapsed() < deadline, f"{len(found)} of {count} messages"
        expected, chunk = reader.position, reader.read(1_000)
        assert [offset for offset, _ in chunk] == list(range(expected, expected + len(chunk)))
        found += [entry for _, entry in chunk if isinstance(entry, Message)]


def bursts(mosquitto: Mosquitto) -> None:
    """Numbered messages, and between them the same value again and again."""
    for burst in range(KILLS):
        payloads = [b"21.5" if n % 2 else b"%d" % (burst * BURST + n) for n in range(BURST)]
        publish_blocking(mosquitto, payloads, "plant/value", 1)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_no_kill_loses_or_repeats_a_message(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, protocol: str
) -> None:
    mosquitto, directory, moments = start_mosquitto(), tmp_path / "journal", random.Random(protocol)
    total, found = KILLS * BURST, list[Message]()
    with runner(mosquitto, directory, protocol):
        pass
    publisher = threading.Thread(target=bursts, args=(mosquitto,), daemon=True)
    publisher.start()
    with JournalReader(directory) as reader:
        for _ in range(KILLS):
            with runner(mosquitto, directory, protocol):
                await_messages(reader, found, min(len(found) + moments.randrange(1, BURST), total))
        with runner(mosquitto, directory, protocol):
            await_messages(reader, found, total)
            publisher.join(60)
            publish_blocking(mosquitto, [b"end"], "plant/value", 1)
            await_messages(reader, found, total + 1)
            while rest := reader.read(1_000):
                found += [entry for _, entry in rest if isinstance(entry, Message)]
    numbered = [int(message.payload) for message in found if message.payload.isdigit()]
    assert numbered == sorted(numbered)
    assert Counter(message.payload for message in found) == {b"21.5": total // 2, b"end": 1} | {
        b"%d" % number: 1 for number in range(0, total, 2)
    }
