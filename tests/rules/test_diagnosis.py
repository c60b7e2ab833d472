"""What keeps a rule from deciding: told of machines that are heard, once the lack has lasted."""

from __future__ import annotations

from rules.diagnosis import Lack, diagnoses
from rules.events import SECOND
from tests.rules.plant import T0, seen, told, watching

HOUR = 3_600


def lacks(m: object, second: float) -> list[tuple[str, Lack]]:
    """Rule and lack at a second of the test."""
    return [(one.rule, one.lack) for one in diagnoses(m, T0 + round(second * SECOND))]  # type: ignore[arg-type]


def test_a_signal_that_was_not_seen_for_an_hour_is_named() -> None:
    m = watching("{type: limits, signal: tempertaure, high: 5}")
    m.handle(seen(0, temperature=1))
    assert lacks(m, HOUR - 1) == []
    (lack,) = diagnoses(m, T0 + HOUR * SECOND)
    assert (lack.asset, lack.rule, lack.lack) == ("m", "r", Lack.UNSEEN)
    assert lack.text == "the signal `tempertaure` was never seen"


def test_so_is_one_that_the_gate_names() -> None:
    m = watching("{type: limits, signal: t, high: 5}", more=", when: mode == 1")
    m.handle(seen(0, t=1))
    assert lacks(m, HOUR) == [("r", Lack.UNSEEN)]


def test_a_gate_that_cannot_be_told_any_more_is_named_at_once_until_it_can() -> None:
    m = watching("{type: limits, signal: t, high: 5}", more=", when: mode == 1")
    m.handle(seen(0, mode=1, t=1))
    assert lacks(m, 1) == []
    m.handle(seen(2, mode=1, bad=("mode",)))
    (lack,) = diagnoses(m, T0 + 3 * SECOND)
    assert lack.text == "whether `mode == 1` holds cannot be told (mode is bad): it stays armed"
    m.handle(seen(4, mode=0))
    assert lacks(m, 5) == []


def test_nothing_is_said_of_a_machine_that_was_never_heard() -> None:
    assert lacks(watching("{type: limits, signal: t, high: 5}"), 2 * HOUR) == []


def test_a_signal_of_the_gate_that_stays_bad_is_an_instrument_fault() -> None:
    m = watching("{type: limits, signal: t, high: 5}", more=", when: mode == 1")
    assert told(m, seen(0, mode=1, t=1), seen(1, mode=1, bad=("mode",)), seen(62, t=1)) == [
        ("system.instrument-fault", 61, "raised")
    ]
