"""What one step decided becomes durable together, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from monitor.alerting.policy import CONSOLE, Why, fingerprint
from monitor.database.ledger import QUARANTINE_ROWS, Ledger, QuarantineRow, Step
from monitor.database.queries import AlarmReader
from monitor.database.records import Recipient
from rules.alarms import Priority, State, Transition
from tests.monitor.alerting.making import HOOK, T0, decided, notification, told_on, transition

CHANNEL = fingerprint(CONSOLE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alarms.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    yield ledger
    ledger.close()


@pytest.fixture
def reader(ledger: Ledger, path: Path) -> Iterator[AlarmReader]:
    reader = AlarmReader(path)
    yield reader
    reader.close()


def raised(second: int, **changes: object) -> Transition:
    at = T0 + second * 10**9
    return transition(second=second, alarm=f"line1/mill3:too-hot:{at}:0", **changes)


def rejected(offset: int, ordinal: int = 0, **changes: object) -> QuarantineRow:
    given = {
        "received": T0,
        "gateway": "line1",
        "topic": b"a/\xff",
        "reason": "not_json",
        "detail": "?",
        "payload": b"{",
    }
    return QuarantineRow(offset=offset, ordinal=ordinal, **{**given, **changes})


def test_a_new_database_begins_at_the_beginning(ledger: Ledger) -> None:
    assert (ledger.position(), ledger.floor(), list(ledger.snapshots()), ledger.revision_at(99)) == (0, 0, [], None)
    assert (ledger.active(), ledger.told()) == ({}, {})


def test_a_step_is_there_after_reopening(ledger: Ledger, path: Path) -> None:
    alarm = raised(1, reason={"text": "hot", "values": {"a": 1.5}}, value="text")
    ledger.commit(
        Step(
            next_offset=7,
            floor=3,
            transitions=[alarm],
            notifications=[notification(alarm)],
            verdicts={alarm.id: Why.ROUTED},
            snapshots=[("line1/mill3", 6, b"\x00\xff")],
            revision=(5, "abc", {"rules/a.yaml": "x: ü"}),
            rejects=[rejected(4)],
        )
    )
    ledger.close()
    again, reader = Ledger(path), AlarmReader(path)
    assert (again.position(), again.floor()) == (7, 3)
    assert list(again.snapshots()) == [("line1/mill3", 6, b"\x00\xff")]
    assert again.revision_at(4) is None
    assert again.last_revision() == "abc"
    assert again.revision_at(5) == again.revision_at(100) == (5, "abc", {"rules/a.yaml": "x: ü"})
    assert again.active() == {("line1/mill3", "too-hot", None): (alarm.alarm, State.UNACKNOWLEDGED)}
    assert reader.transitions_after(0) == [(1, alarm)]
    assert reader.history(alarm.alarm) == [(alarm, "a route matches")]
    assert reader.outbox_counts() == {(CHANNEL, "pending"): 1}
    assert reader.quarantined()[0]["topic"] == b"a/\xff"
    again.close()
    reader.close()


def test_the_same_step_committed_again_changes_nothing(ledger: Ledger, reader: AlarmReader) -> None:
    alarm = raised(1)
    step = Step(5, 5, transitions=[alarm], notifications=[notification(alarm)], rejects=[rejected(4)])
    ledger.commit(step)
    before = (reader.transitions_after(0), reader.active(), reader.outbox_counts(), reader.quarantine_counts())
    ledger.commit(step)
    assert (reader.transitions_after(0), reader.active(), reader.outbox_counts(), reader.quarantine_counts()) == before


def test_a_step_that_fails_leaves_nothing_behind(ledger: Ledger, reader: AlarmReader) -> None:
    ledger.commit(Step(5, 5))
    with pytest.raises(SQLAlchemyError):
        ledger.commit(Step(9, 9, transitions=[raised(1)], snapshots=[("m", 1, None)]))
    assert (ledger.position(), ledger.floor(), reader.position(), reader.active()) == (5, 5, 5, [])
    ledger.commit(Step(9, 9, transitions=[raised(1)]))
    assert len(reader.active()) == 1


def test_the_alarm_table_shows_the_present_of_each_identity(ledger: Ledger, reader: AlarmReader) -> None:
    first, other = raised(1), raised(2, part="spindle")
    worse = transition("raised_priority", second=3, alarm=first.alarm, priority=Priority.CRITICAL)
    ledger.commit(Step(1, 0, transitions=[first, worse, other]))
    assert [(a.part, a.priority, a.since, a.at) for a in reader.active()] == [
        ("spindle", Priority.HIGH, other.at, other.at),
        (None, Priority.CRITICAL, first.at, worse.at),
    ]
    ledger.commit(Step(2, 0, transitions=[transition("cleared", State.NORMAL, second=4, alarm=first.alarm)]))
    assert [a.part for a in reader.active()] == ["spindle"]
    again = raised(9)
    ledger.commit(Step(3, 0, transitions=[again]))
    assert next((a.alarm, a.since) for a in reader.active()) == (again.alarm, again.at)


def test_who_was_told_is_known_until_they_hear_that_it_is_over(ledger: Ledger) -> None:
    alarm = raised(1)
    ledger.commit(Step(1, 0, transitions=[alarm], notifications=[notification(alarm), notification(alarm, HOOK)]))
    assert ledger.told() == {
        ("line1/mill3", "too-hot", None): [Recipient("all", CHANNEL), Recipient("all", fingerprint(HOOK))]
    }
    ledger.commit(Step(2, 0, transitions=[transition("cleared", State.NORMAL, second=4, alarm=alarm.alarm)]))
    assert ledger.told() == {}


def test_a_snapshot_replaces_the_one_before(ledger: Ledger) -> None:
    ledger.commit(Step(1, 0, snapshots=[("a", 0, b"1"), ("b", 0, b"2")]))
    ledger.commit(Step(2, 0, snapshots=[("a", 1, b"3")]))
    assert list(ledger.snapshots()) == [("a", 1, b"3"), ("b", 0, b"2")]


def test_quarantine_is_bounded_but_its_counts_are_not(ledger: Ledger, reader: AlarmReader) -> None:
    many = QUARANTINE_ROWS + 50
    ledger.commit(Step(many, 0, rejects=[rejected(offset, payload=b"x" * 9) for offset in range(many)]))
    ledger.commit(
        Step(many + 1, 0, rejects=[rejected(many, payload=b"y" * 100_000), rejected(many, 1, reason="too_large")])
    )
    assert reader.quarantine_counts() == {("line1", "not_json"): many + 1, ("line1", "too_large"): 1}
    rows = reader.quarantined(limit=QUARANTINE_ROWS * 2)
    assert len(rows) == QUARANTINE_ROWS
    assert (rows[0]["reason"], len(rows[1]["payload"])) == ("too_large", 65_536)


def test_a_commit_is_durable_when_it_returns(ledger: Ledger) -> None:
    with ledger._engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_what_is_held_is_found_again_until_it_is_released(ledger: Ledger, path: Path) -> None:
    ledger.commit(Step(1, 0, transitions=[raised(0)], verdicts={raised(0).id: Why.ROUTED}))
    first, second = raised(1), raised(2, rule="other")
    ledger.commit(Step(2, 0, transitions=[first], verdicts={first.id: Why.HELD}, holding=True))
    ledger.commit(Step(3, 0, transitions=[second], verdicts={second.id: Why.HELD}, holding=True))
    ledger.close()
    again, reader = Ledger(path), AlarmReader(path)
    assert again.held(Why.HELD) == [first, second]
    again.commit(Step(3, 0, notifications=[notification(first)], released={first.id: Why.ROUTED, second.id: "gone"}))
    assert again.held(Why.HELD) == []
    assert reader.history(first.alarm) == [(first, "a route matches")]
    assert reader.history(second.alarm) == [(second, "gone")]
    again.close()
    reader.close()


def test_who_was_told_is_known_over_an_occurrence_that_came_and_went_out_of_sight(ledger: Ledger) -> None:
    first = raised(1)
    ledger.commit(Step(1, 0, transitions=[first], notifications=[notification(first)]))
    hidden = {"from_": State.SHELVED, "alarm": first.alarm}
    again = raised(4, to=State.SHELVED, from_=State.SHELVED)
    unseen = [
        transition("shelved", State.SHELVED, second=2, alarm=first.alarm),
        transition("cleared", State.SHELVED, second=3, **hidden),
        again,
    ]
    ledger.commit(Step(2, 0, transitions=unseen))
    identity, channel = ("line1/mill3", "too-hot", None), Recipient("all", CHANNEL)
    assert ledger.told() == {identity: [channel]}
    back = transition("unshelved", State.UNACKNOWLEDGED, second=5, alarm=again.alarm)
    ledger.commit(Step(3, 0, transitions=[back], notifications=[notification(back)]))
    assert ledger.told() == {identity: [channel]}
    end = transition("cleared", State.NORMAL, second=6, alarm=again.alarm)
    ledger.commit(Step(4, 0, transitions=[end], notifications=decided(end, told=told_on(CONSOLE)).notifications))
    newer = raised(7, to=State.SHELVED)
    ledger.commit(Step(5, 0, transitions=[newer]))
    assert ledger.told() == {}
