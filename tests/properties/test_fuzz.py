"""Hostile messages through journal, decoder, core and store: nothing raises, each is counted, memory stays bounded."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from monitor.codecs.base import LONGEST_NAME
from monitor.codecs.decoder import Decoder
from monitor.journal.entries import Message
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.settings import Gateway
from monitor.stores.base import Point, points_of
from monitor.stores.embedded import EmbeddedStore
from rules.events import SECOND
from rules.fleet import Fleet
from tests.properties import hostile
from tests.rules.plant import T0, rules_of

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 80, low: 5, deadband: 1}}
  - {id: odd, kind: quality, notice: true, on_bad_quality: alarm, detect: {type: condition, expression: "level > 50 and value != 'x'", on_delay: 1s}}
  - {id: quiet, kind: equipment, notice: true, detect: {type: silence, after: 10m}}
"""
GATEWAYS = (
    Gateway(name="one", topic="plain/{line}/{metric}", asset="{line}"),
    Gateway(name="many", topic="plant/{asset...}", asset="{asset}", time_unit=None),
)
BATCH = 500
GROWTH = 150 * 1024 * 1024
"""Bytes that a long run may need more than its first tenth: names that never were before are remembered, but bounded."""
LIKELY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


class Hops:
    """What the line and the store writer do with messages, in one process and without a broker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = JournalWriter(folder)
        self._decoder = Decoder(GATEWAYS, lambda _: {"level": "number"})
        self._store = EmbeddedStore(folder / "store.db")
        self._fleet = Fleet(rules_of(RULES))
        self._received = T0
        self._offset = 0
        self.counts: Counter[str] = Counter()

    def close(self) -> None:
        self._store.close()
        self._writer.close()

    def take(self, given: Iterable[tuple[bytes, bytes]]) -> None:
        """Journal, read back, decode, decide, store; every message ends in one count at least."""
        batch = []
        for topic, payload in given:
            self._received += SECOND // 100
            batch.append(Message(self._received, "main", topic, payload, 1, False, False, len(batch) + 1))
        self._writer.append(batch)
        with JournalReader(self._folder, self._offset) as reader:
            entries = reader.read(len(batch))
        assert [entry for _, entry in entries] == batch
        self._offset = entries[-1][0] + 1
        points = [point for offset, message in entries for point in self._points(offset, message)]  # type: ignore[arg-type]
        self._store.write(points, self._offset)
        self.counts["sent"] += len(batch)

    def _points(self, offset: int, message: Message) -> list[Point]:
        decoded = self._decoder.decode(message.broker, message.topic, message.payload, message.received)
        if decoded is None:
            assert message.topic.startswith((b"andon/v1/", b"$SYS/"))
            self.counts["no telemetry"] += 1
            return []
        self.counts["decoded" if decoded.observations else "quarantined"] += 1
        assert decoded.observations or decoded.rejects
        self.counts.update(reject.reason for reject in decoded.rejects)
        msgspec.json.encode(decoded.rejects)
        for observation in decoded.observations:
            assert len(observation.asset) <= LONGEST_NAME
            msgspec.json.encode(self._fleet.handle(observation, offset))
        return [point for observation in decoded.observations for point in points_of(observation, 5 * SECOND)]

    def check(self) -> None:
        """Nothing got lost on the way, and what the core knows can be kept and stored numbers can be read."""
        counts = self.counts
        assert counts["sent"] == counts["decoded"] + counts["quarantined"] + counts["no telemetry"]
        for monitor in self._fleet.monitors.values():
            msgspec.json.encode(monitor.snapshot())
        assert sum(1 for _ in self._store.read()) == self._store.count() > 0


@pytest.fixture
def hops(tmp_path: Path) -> Iterator[Hops]:
    with closing(Hops(tmp_path)) as made:
        yield made


def portions(given: Iterator[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    while portion := list(islice(given, BATCH)):
        yield portion


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [10_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_hostile_messages_are_counted_and_hurt_nobody(hops: Hops, count: int) -> None:
    early = 0
    for done, portion in enumerate(portions(hostile.messages(seed=1, count=count)), 1):
        hops.take(portion)
        if done * BATCH * 10 == count:
            early = resident()
    grown = resident() - early
    assert grown < GROWTH
    hops.check()
    assert hops.counts["sent"] == count
    print(f"{grown:,} bytes grown after the first tenth, {dict(hops.counts.most_common())}")


json_like = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(hostile.KEYS) | st.text(), inner),
)
payloads = st.one_of(
    st.binary(max_size=200),
    json_like.map(lambda content: json.dumps(content).encode()),
    json_like.map(lambda content: json.dumps(content, ensure_ascii=False).encode(errors="surrogatepass")),
    st.text().map(lambda text: text.encode(errors="surrogatepass")),
)
topics = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(lambda text: b"plant/" + text.encode(errors="surrogatepass")),
    st.text(max_size=40).map(lambda text: b"plain/" + text.encode(errors="surrogatepass") + b"/level"),
    st.randoms(use_true_random=False).map(hostile.topic),
)


@given(given_messages=st.lists(st.tuples(topics, payloads), min_size=1, max_size=20))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=LIKELY)
def test_any_bytes_are_counted(hops: Hops, given_messages: list[tuple[bytes, bytes]]) -> None:
    before = hops.counts["sent"]
    hops.take(given_messages)
    counts = hops.counts
    assert counts["sent"] == before + len(given_messages)
    assert counts["sent"] == counts["decoded"] + counts["quarantined"] + counts["no telemetry"]


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b'{"x": [' + b"0," * 500_000 + b"0]}",
        b'{"x": ' + b"9" * 1_000_000 + b"}",
        b'{"x": 1e' + b"9" * 1_000_000 + b"}",
        b'{"' + b"k" * 1_000_000 + b'": 1}',
        b'{"x": "' + b"\\u0041" * 170_000 + b'"}',
        b"{" + b",".join(b'"k%d": [[[1]]]' % n for n in range(60_000)) + b"}",
    ],
)
def test_one_enormous_payload_needs_little_more_than_itself(hops: Hops, payload: bytes) -> None:
    tracemalloc.start()
    try:
        hops.take([(b"plant/m", payload)])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100 * 1024 * 1024 + 100 * len(payload)
