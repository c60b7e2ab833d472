"""Entries for the tests of the journal."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from monitor.journal.entries import (
    CommandEntry,
    Entry,
    FaultEntry,
    LinkEntry,
    Message,
    Offset,
    RevisionEntry,
    TickEntry,
)
from monitor.journal.reader import JournalReader

instants = st.integers(min_value=1, max_value=2**62)
texts = st.text(max_size=8)
messages = st.builds(
    Message,
    received=instants,
    broker=texts,
    topic=st.binary(max_size=8),
    payload=st.binary(max_size=64),
    qos=st.integers(0, 2),
    retain=st.booleans(),
    dup=st.booleans(),
    mid=st.integers(0, 65_535),
    content_type=st.none() | texts,
    user_properties=st.lists(st.tuples(texts, texts), max_size=3).map(tuple),
)
entries = st.one_of(
    messages,
    st.builds(TickEntry, received=instants),
    st.builds(LinkEntry, received=instants, broker=texts, up=st.booleans(), since=instants),
    st.builds(FaultEntry, received=instants, rule=texts, part=st.none() | texts, active=st.booleans(), text=texts),
    st.builds(CommandEntry, received=instants, body=st.binary(max_size=32)),
    st.builds(RevisionEntry, received=instants, hash=texts, texts=st.dictionaries(texts, texts, max_size=3)),
)


def ticks(first: int, count: int) -> list[TickEntry]:
    """Ticks whose `received` tells their number, from 1."""
    return [TickEntry(received=number + 1) for number in range(first, first + count)]


def message(number: int, broker: str = "main", qos: int = 1) -> Message:
    """A message whose payload tells its number."""
    return Message(number + 1, broker, b"a/b", b"%d" % number, qos, retain=False, dup=False, mid=number % 65_535 + 1)


def read_all(reader: JournalReader, limit: int = 7) -> list[tuple[Offset, Entry]]:
    """Everything up to the present end."""
    found: list[tuple[Offset, Entry]] = []
    while chunk := reader.read(limit):
        assert len(chunk) <= limit
        found += chunk
    return found


def without_received(found: Sequence[Entry]) -> list[Entry]:
    """The same entries, all received at once: for where the journal may have moved them."""
    return [msgspec.structs.replace(entry, received=0) for entry in found]
