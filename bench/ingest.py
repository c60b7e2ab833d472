"""Decode, journal and core in one process on one core, without MQTT client and store, per CPU second.

python bench/ingest.py [--readings 500000]

The yardstick of the same run: json.loads of the same payloads, nothing else.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from _flood import payload, topic
from core import ruleset

from monitor.codecs import Decoder
from monitor.journal.entries import Message
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.settings import Gateway
from rules.events import SECOND
from rules.fleet import Fleet

START = 1_700_000_000 * SECOND
BATCH = 1000


def messages(count: int, values: int) -> list[Message]:
    """As a collector makes them."""
    return [
        Message(START + i * 20_000, "main", topic(i, values), payload(i, values), 1, False, False, i % 65535)
        for i in range(count)
    ]


def main() -> None:
    """A line of JSON for one and for fifty values a message."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=500_000)
    args = parser.parse_args()
    for values in (1, 50):
        rules = ruleset([f"m{i}" for i in range(values)])
        template = "plant/{line}/{machine}/{metric}" if values == 1 else "plant/{line}/{machine}"
        gateway = Gateway(name="g", topic=template, asset="{line}/{machine}")
        made = messages(args.readings // values // (4 if values == 1 else 1), values)
        begin = time.process_time()
        for message in made:
            json.loads(message.payload)
        yardstick = time.process_time() - begin
        decoder, fleet = Decoder((gateway,), lambda _: {}), Fleet(rules)
        for message in made[:200]:
            for observation in decoder.decode("main", message.topic, message.payload, message.received).observations:  # type: ignore[union-attr]
                fleet.handle(observation)
        with tempfile.TemporaryDirectory() as folder:
            writer = JournalWriter(Path(folder))
            wall = time.monotonic()
            t0 = time.process_time()
            for first in range(0, len(made), BATCH):
                writer.append(made[first : first + BATCH])
            t1 = time.process_time()
            with JournalReader(Path(folder), 0) as reader:
                while entries := reader.read(BATCH):
                    for offset, entry in entries:
                        assert isinstance(entry, Message)
                        decoded = decoder.decode(entry.broker, entry.topic, entry.payload, entry.received)
                        assert decoded is not None
                        for observation in decoded.observations:
                            fleet.handle(observation, offset)
            t2 = time.process_time()
            wall = time.monotonic() - wall
            writer.close()
        cpu = t2 - t0
        json.dump(
            {
                "values_per_message": values, "messages": len(made),
                "messages_per_cpu_s": round(len(made) / cpu), "readings_per_cpu_s": round(len(made) * values / cpu),
                "readings_per_wall_s": round(len(made) * values / wall),
                "journal_cpu_share": round((t1 - t0) / cpu, 2),
                "yardstick_json_loads_per_s": round(len(made) / yardstick), "ratio": round(yardstick / cpu, 3),
            },
            sys.stdout,
        )  # fmt: skip
        print(flush=True)


if __name__ == "__main__":
    main()
