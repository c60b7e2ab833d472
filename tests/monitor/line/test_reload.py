"""What a start has to know of configurations that came before it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from monitor.database.ledger import Ledger, Step
from monitor.journal.entries import RevisionEntry, TickEntry
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.reload import former_filters, newest_revision
from monitor.site import READING, Reading


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "alarms.db")
    yield ledger
    ledger.close()


def texts(*topics: str, broker: str = "main") -> dict[str, str]:
    gateways = [
        {"name": f"g{i}", "topic": topic, "asset": "{machine}", "broker": broker} for i, topic in enumerate(topics)
    ]
    return {READING: msgspec.json.encode(Reading(gateways, 5)).decode()}


def test_rules_that_are_journalled_but_not_decided_yet_are_the_newest(tmp_path: Path, ledger: Ledger) -> None:
    reader = partial(JournalReader, tmp_path / "journal")
    writer = JournalWriter(tmp_path / "journal")
    assert newest_revision(ledger, reader) is None
    writer.append([RevisionEntry(1, "first", {}), TickEntry(2)])
    ledger.commit(Step(2, 2, revision=(0, "first", {})))
    assert newest_revision(ledger, reader) == "first"
    writer.append([RevisionEntry(3, "second", {}), TickEntry(4)])
    assert newest_revision(ledger, reader) == "second"


def test_topics_of_all_earlier_configurations_of_a_broker_are_known(ledger: Ledger) -> None:
    ledger.commit(Step(1, 0, revision=(0, "a", texts("old/{machine}/{metric}"))))
    ledger.commit(Step(2, 0, revision=(1, "b", texts("elsewhere/{machine}", broker="other"))))
    ledger.commit(Step(3, 0, revision=(2, "c", texts("new/{machine}", "new/{machine}"))))
    ledger.commit(Step(4, 0, revision=(3, "d", {READING: '{"gateways":[{"name":"?"}],"max_ahead":5}'})))
    assert former_filters(ledger, "main") == ["new/+", "old/+/+"]
