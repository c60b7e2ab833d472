"""Quarantine keeps within its room, lets a flood push out its own, and counts whatever happens."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monitor.database.ledger import Ledger, Step
from monitor.database.quarantine import ROOM, ROW_BYTES, STEP_BYTES, Fed, QuarantineRow, Room
from monitor.database.quarantined import QuarantineReader, Wanted
from tests.monitor.alerting.making import T0

Quarantine = Callable[..., tuple[Ledger, QuarantineReader]]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Quarantine]:
    """A ledger with so much room for quarantine, and its reader."""
    closers = []

    def make(room: Room = ROOM) -> tuple[Ledger, QuarantineReader]:
        ledger = Ledger(tmp_path / "alarms.db", room=room)
        reader = QuarantineReader(tmp_path / "alarms.db")
        closers.extend((reader.close, ledger.close))
        return ledger, reader

    yield make
    for close in closers:
        close()


def refused(offset: int, gateway: str = "line1", reason: str = "not-json", **changes: object) -> QuarantineRow:
    given = {"received": T0 + offset, "topic": b"a/b", "detail": "?", "payload": b"{", "ordinal": 0}
    return QuarantineRow(offset=offset, gateway=gateway, reason=reason, **{**given, **changes})


def fed(offset: int, *again: QuarantineRow, received: int | None = None) -> Fed:
    return Fed(offset, T0 + offset if received is None else received, again)


def commit(ledger: Ledger, rows: list[QuarantineRow], **more: object) -> int:
    position = max([ledger.position(), *(row.offset for row in rows)]) + 1
    return ledger.commit(Step(position, 0, rejects=rows, **more))


def entries(reader: QuarantineReader, **wanted: object) -> list[int]:
    return [item.entry for item in reader.find(Wanted(**wanted))]


def test_rows_are_bounded_and_what_goes_is_counted(opened: Quarantine) -> None:
    ledger, reader = opened(Room(rows=3))
    assert commit(ledger, [refused(offset) for offset in range(5)]) == 2
    assert commit(ledger, [refused(5)]) == 1
    assert entries(reader) == [3, 4, 5]
    (group,) = reader.groups()
    assert (group.kept, group.refused, group.dropped) == (3, 6, 3)
    ledger.give_room(Room(rows=2))
    assert commit(ledger, [refused(6)]) == 2
    assert entries(reader) == [5, 6]


def test_bytes_are_bounded(opened: Quarantine) -> None:
    ledger, reader = opened(Room(size=3 * (1000 + ROW_BYTES + 4)))
    commit(ledger, [refused(offset, payload=b"x" * 1000) for offset in range(10)])
    assert entries(reader) == [7, 8, 9]
    commit(ledger, [refused(10, payload=b"x" * 2000)])
    assert entries(reader) == [9, 10]
    (group,) = reader.groups()
    assert (group.kept, group.size, group.dropped) == (2, 3000 + 2 * (ROW_BYTES + 4), 9)


def test_one_transaction_takes_only_so_much_garbage(opened: Quarantine) -> None:
    ledger, reader = opened()
    dropped = commit(ledger, [refused(offset, payload=b"x" * 1_000_000) for offset in range(10)])
    assert dropped == 10 - STEP_BYTES // 1_000_000
    assert entries(reader)[-1] == 9


def test_a_flood_pushes_out_its_own(opened: Quarantine) -> None:
    ledger, reader = opened(Room(rows=10))
    commit(ledger, [refused(0, "quiet"), refused(1, "quiet", "too-large")])
    for offset in range(2, 200, 4):
        commit(ledger, [refused(offset + n) for n in range(4)])
    assert entries(reader)[:2] == [0, 1]
    assert {(g.gateway, g.reason): (g.kept, g.dropped) for g in reader.groups()} == {
        ("line1", "not-json"): (8, 192),
        ("quiet", "not-json"): (1, 0),
        ("quiet", "too-large"): (1, 0),
    }


def test_what_is_read_when_fed_leaves_and_what_is_not_stays_with_the_new_reason(opened: Quarantine) -> None:
    ledger, reader = opened()
    commit(ledger, [refused(1), refused(2), refused(2, ordinal=1, reason="no-values")])
    commit(ledger, [], fed=[fed(1), fed(2, refused(2, gateway="", reason="too-large")), fed(99)])
    (left,) = reader.find(Wanted())
    assert (left.entry, left.gateway, left.reason) == (2, "line1", "too-large")
    assert {g.reason: (g.kept, g.refused, g.read) for g in reader.groups()} == {
        "too-large": (1, 0, 0),
        "not-json": (0, 2, 1),
        "no-values": (0, 1, 0),
    }


def test_messages_that_share_a_journal_entry_are_fed_and_settled_each_by_itself(opened: Quarantine) -> None:
    ledger, reader = opened()
    commit(ledger, [refused(7, ordinal=n, received=T0 + n, payload=b"%d" % n) for n in range(3)])
    given = list(reader.messages([1, 2, 3]))
    assert [(message.received, message.payload) for message in given] == [(T0 + n, b"%d" % n) for n in range(3)]
    halves = (refused(7, received=T0 + 1, metric="a"), refused(7, ordinal=1, received=T0 + 1, metric="b"))
    commit(ledger, [], fed=[fed(7, received=T0), fed(7, *halves, received=T0 + 1)])
    assert [(item.received - T0, item.metric) for item in reader.find(Wanted())] == [(2, ""), (1, "a"), (1, "b")]
    assert reader.reasons([(7, T0), (7, T0 + 1), (7, T0 + 2)]) == {(7, T0 + 1): "not-json", (7, T0 + 2): "not-json"}
    assert [(group.kept, group.read) for group in reader.groups()] == [(3, 1)]


def test_what_has_left_meanwhile_does_not_come_back(opened: Quarantine) -> None:
    ledger, reader = opened()
    commit(ledger, [], fed=[fed(7, refused(7))])
    assert (entries(reader), reader.groups()) == ([], [])


def test_messages_come_once_with_the_metrics_that_are_wanted(opened: Quarantine) -> None:
    ledger, reader = opened()
    partly = {"partly": True, "payload": b"{}"}
    rows = [refused(1, metric="a", **partly), refused(1, ordinal=1, metric="b", **partly), refused(2, metric="c")]
    commit(ledger, rows)
    found = {m.entry: m.metrics for m in reader.messages([item.id for item in reader.find(Wanted())])}
    assert found == {1: ("a", "b"), 2: ()}
    (first,) = reader.messages([1])
    assert first.metrics == ("a", "b")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"gateway": "other"}, [1]),
        ({"gateway": ""}, [2]),
        ({"reason": "empty"}, [0]),
        ({"topic": "plant/*/x"}, [0, 2]),
        ({"topic": "plant/a/x"}, [0]),
        ({"since": T0 + 1}, [1, 2]),
        ({"before": T0 + 1}, [0]),
        ({"ids": (2, 77)}, [1]),
        ({"ids": (2,), "gateway": "line1"}, []),
    ],
)
def test_filters_go_together(opened: Quarantine, wanted: dict[str, object], expected: list[int]) -> None:
    ledger, reader = opened()
    commit(
        ledger,
        [
            refused(0, reason="empty", topic=b"plant/a/x"),
            refused(1, "other", topic=b"else"),
            refused(2, "", topic=b"plant/b/c/x"),
        ],
    )
    assert entries(reader, **wanted) == expected


def test_a_database_of_the_first_schema_keeps_its_quarantine(tmp_path: Path) -> None:
    path = tmp_path / "alarms.db"
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript("""
            DROP TABLE quarantine; DROP TABLE quarantine_counts; DROP TABLE gaps; DROP TABLE stages;
            CREATE TABLE quarantine (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "offset" BIGINT NOT NULL,
                ordinal INTEGER NOT NULL, received BIGINT NOT NULL, gateway TEXT NOT NULL, topic BLOB NOT NULL,
                reason TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL);
            CREATE UNIQUE INDEX ix_quarantine_entry ON quarantine ("offset", ordinal);
            CREATE TABLE quarantine_counts (gateway TEXT NOT NULL, reason TEXT NOT NULL, count BIGINT NOT NULL,
                CONSTRAINT pk_quarantine_counts PRIMARY KEY (gateway, reason));
            INSERT INTO quarantine VALUES (7, 3, 0, 5, 'line1', x'61', 'not-json', '??', x'7b7b');
            INSERT INTO quarantine_counts VALUES ('line1', 'not-json', 40);
            UPDATE alembic_version SET version_num = 'r0001';
        """)
    Ledger(path).close()
    with closing(QuarantineReader(path)) as reader:
        (item,) = reader.find(Wanted())
        assert (item.id, item.entry, item.broker, item.size, item.partly) == (7, 3, "main", 2, False)
        (group,) = reader.groups()
        assert (group.kept, group.size, group.refused) == (1, 5, 40)
