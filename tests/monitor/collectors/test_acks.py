"""Acknowledgements: with their batch, on their connection, in order; redeliveries known from messages sent twice."""

from __future__ import annotations

from monitor.collectors.acks import BATCH_BYTES, BATCH_MESSAGES, Batch, Intake, Redelivery
from monitor.journal.entries import Message


def message(mid: int, payload: bytes = b"1", *, dup: bool = False, qos: int = 1) -> Message:
    """A message of the one topic there is here."""
    return Message(1, "main", b"a/b", payload, qos, retain=False, dup=dup, mid=mid)


def drain(intake: Intake) -> list[Batch]:
    """All batches that wait."""
    batches = []
    while (batch := intake.take()) is not None:
        batches.append(batch)
    return batches


def mids(batch: Batch) -> list[int]:
    """The ids a batch acknowledges."""
    return [int.from_bytes(batch.acks[i + 2 : i + 4]) for i in range(0, len(batch.acks), 4)]


def test_what_is_published_twice_on_purpose_is_kept_twice() -> None:
    known = Redelivery()
    assert known.admit(message(1))
    assert known.admit(message(2))


def test_a_redelivery_is_known_by_id_and_content_together() -> None:
    known = Redelivery([message(1, b"1"), message(2, b"2")])
    assert not known.admit(message(1, b"1", dup=True))
    assert not known.admit(message(1, b"1", dup=True))
    assert known.admit(message(2, b"other", dup=True))
    assert known.admit(message(3, b"1", dup=True))


def test_an_id_that_comes_again_without_dup_is_a_new_message() -> None:
    known = Redelivery([message(1)])
    assert known.admit(message(1))


def test_an_acknowledgement_that_was_sent_may_still_be_lost() -> None:
    known = Redelivery()
    known.admit(message(1))
    known.acknowledged(b"\x40\x02\x00\x01")
    assert not known.admit(message(1, dup=True))


def test_a_message_is_forgotten_once_enough_others_have_come() -> None:
    known = Redelivery([message(mid) for mid in (1, 2, 3, 4)], window=3)
    assert known.admit(message(1, dup=True))


def test_a_new_session_forgets_all() -> None:
    intake = Intake(Redelivery([message(1)]))
    intake.begin(1, session_present=False)
    intake.receive(message(1, dup=True))
    assert len(drain(intake)[0].messages) == 1


def test_where_ids_return_at_once_an_acknowledged_message_is_forgotten() -> None:
    known = Redelivery()
    for _ in range(20):
        assert known.admit(message(1))
    assert known.ids_return
    assert not known.admit(message(1, dup=True))
    known.acknowledged(b"\x40\x02\x00\x01")
    assert known.admit(message(1, dup=True))


def test_where_ids_return_at_once_nothing_is_taken_over_from_before_a_restart() -> None:
    known = Redelivery([message(1)] * 20)
    assert known.admit(message(1, dup=True))


def test_a_few_new_sessions_or_the_wrap_of_ids_does_not_look_like_returning_ids() -> None:
    known = Redelivery([message(mid) for mid in (65_534, 65_535, 1, 2, 65_535, 1, 500, 1, 2, 3, 1)])
    assert not known.ids_return


def test_a_redelivery_of_what_is_not_committed_is_acknowledged_after_its_commit() -> None:
    intake = Intake(Redelivery())
    intake.begin(1, session_present=False)
    intake.receive(message(1))
    first = intake.take()
    intake.receive(message(2, b"2"))
    intake.begin(2, session_present=True)
    for mid, payload in ((1, b"1"), (2, b"2")):
        intake.receive(message(mid, payload, dup=True))
    intake.receive(message(3))
    second, third = drain(intake)
    assert first is not None
    assert [(batch.generation, mids(batch)) for batch in (first, second, third)] == [(1, [1]), (1, [2]), (2, [1, 2, 3])]
    assert [[m.mid for m in batch.messages] for batch in (first, second, third)] == [[1], [2], [3]]


def test_qos_0_rides_along_and_qos_2_of_an_older_subscription_is_answered_with_pubrec() -> None:
    intake = Intake(Redelivery())
    intake.receive(message(0, qos=0))
    intake.receive(message(5, qos=2))
    batch = drain(intake)[0]
    assert len(batch.messages) == 2
    assert bytes(batch.acks) == b"\x50\x02\x00\x05"


def test_batches_are_bounded_by_count_and_by_bytes_and_reading_stops_in_time() -> None:
    intake = Intake(Redelivery())
    for mid in range(1, BATCH_MESSAGES * 2 + 1):
        assert not intake.full
        intake.receive(message(mid))
    big = bytes(BATCH_BYTES)
    intake.receive(message(9_000, big))
    assert intake.full
    intake.receive(message(9_001, big))
    assert [len(batch.messages) for batch in drain(intake)] == [BATCH_MESSAGES, BATCH_MESSAGES, 1, 1]
    assert not intake.full
