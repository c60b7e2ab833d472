"""What an anomaly says in words and numbers, how much each sensitivity asks for, and what arming leaves out."""

from __future__ import annotations

import pytest

from rules.asset import AssetMonitor
from rules.detectors.anomaly import Anomaly
from rules.events import Quality
from rules.learning.evidence import Found
from rules.learning.stillness import Still
from rules.signals import Signal
from tests.rules.learning.test_evidence import noise
from tests.rules.plant import reading, seen, set_back, told, watching

QUIET = {"level": 0.0, "shift": 0.0, "movement": 0.0, "slow level": 0.0, "slow shift": 0.0}
STILL = Still(5.0, 40, 30.126, 40, 4.2, 0.0123456, 0.56789)


def odd(found: Found | Still | None, *, quality: Quality = Quality.GOOD) -> Anomaly:
    """A detector of `x`, which reads 5, that found this."""
    signal = Signal("x", None)
    signal.read(reading("x", 5, quality), uncertain=False)
    detector = Anomaly(signal, 1.0, ignore_quality=False)
    detector._evidence.found = found
    return detector


def gated() -> AssetMonitor:
    return watching("{type: anomaly, signal: x}", more=", when: \"mode == 'run'\", when_false: clear", kind="quality")


def weighed(m: AssetMonitor) -> int:
    """How many readings were weighed."""
    return next(saved["detector"]["evidence"]["own"][0] for _, _, _, saved in m.snapshot()["watches"] if saved)


@pytest.mark.parametrize(
    ("respect", "words"),
    [
        ("level", "unusual for this time of the day"),
        ("shift", "a shift of its level"),
        ("movement", "a movement hardly ever seen"),
        ("slow level", "unusual for a while now"),
        ("slow shift", "a slow shift of its level"),
    ],
)
def test_every_respect_in_which_a_reading_is_unusual_has_its_words(respect: str, words: str):
    told_of = odd(Found(40.0, 1.25, 7.1239, 2.5127, QUIET | {respect: 0.1239})).describe("on", on=True)
    assert told_of == {
        "text": f"x 40 where 1.25 was expected: {words} (evidence 7.1, alarm from 2.5)",
        "value": 40,
        "values": {"x": 40},
        "expected": 1.25,
        "evidence": 7.12,
        "limit": 2.51,
        "parts": {respect: 0.12},
    }


def test_the_foremost_respect_is_named_first():
    told_of = odd(Found(40.0, 1.0, 9.0, 2.5, QUIET | {"level": 1.0, "movement": 5.0, "slow shift": 3.0}))
    assert (
        "expected: a movement hardly ever seen, a slow shift of its level, unusual for this time of the day ("
        in told_of.describe("on", on=True)["text"]
    )


@pytest.mark.parametrize(
    ("repeats", "words"),
    [
        (40, "has stood still for 40 readings"),
        (39, "has hardly moved for 40 readings, by about 0.0123 from one to the next"),
    ],
)
def test_a_standstill_is_told_from_what_hardly_moves(repeats: int, words: str):
    assert odd(STILL._replace(repeats=repeats)).describe("on", on=True) == {
        "text": f"x 5 {words}: usually it moves by about 0.568 a reading and is calm for 5 readings at most",
        "value": 5,
        "values": {"x": 5},
        "movement": 0.0123456,
        "expected": 0.56789,
        "evidence": 40,
        "limit": 30.13,
        "parts": {"stillness": 40},
    }


@pytest.mark.parametrize("quality", [Quality.GOOD, Quality.BAD])
@pytest.mark.parametrize("found", [None, STILL])
def test_what_is_over_names_the_value_that_was_read_last_though_it_is_bad(found: Still | None, quality: Quality):
    usual = {"text": "x 5 is usual again", "value": 5}
    assert odd(found, quality=quality).describe("on", on=False) == usual
    assert odd(None, quality=quality).describe("on", on=True) == usual


@pytest.mark.parametrize(("word", "bar"), [("low", 42), ("normal", 30), ("high", 21)])
def test_each_sensitivity_asks_for_its_share_of_evidence(word: str, bar: float):
    m = watching(f"{{type: anomaly, signal: x, sensitivity: {word}}}", kind="quality")
    loud = noise(400)
    out = [t for i, value in enumerate([*loud, *loud[-1:] * 100]) for t in m.handle(seen(300.0 * i, x=value))]
    assert next(t.reason["limit"] for t in out if "movement" in t.reason) == bar


def test_a_reading_that_comes_with_arming_is_weighed_and_one_from_before_is_not():
    m = gated()
    told(m, seen(0, mode="off", x=1), seen(1, mode="run"))
    assert weighed(m) == 0
    told(m, seen(2, x=1))
    assert weighed(m) == 1
    m = gated()
    told(m, seen(0, mode="run", x=1))
    assert weighed(m) == 1


def test_an_alarm_that_ended_with_the_gate_keeps_its_distance_to_the_next():
    m = gated()
    m.handle(seen(0, mode="run"))
    assert told(m, *(seen(60.0 * i, x=value) for i, value in enumerate(noise(400), 1)), seen(24060, x=40.0)) == [
        ("r", 24060, "raised")
    ]
    assert told(m, seen(24061, mode="off")) == [("r", 24061, "cleared")]
    assert told(m, seen(24120, mode="run"), seen(24180, x=-40.0)) == []


def test_a_second_reading_of_the_same_time_is_no_bad_one():
    m = watching("{type: anomaly, signal: x}", more=", on_bad_quality: alarm", kind="quality")
    assert told(m, seen(0, x=1), seen(0, x=2)) == []
    assert weighed(m) == 1


@pytest.mark.parametrize(("policy", "count"), [("hold", 1), ("ignore", 2)])
def test_a_bad_reading_is_weighed_only_if_the_rule_says_so(policy: str, count: int):
    m = watching("{type: anomaly, signal: x}", more=f", on_bad_quality: {policy}", kind="quality")
    told(m, seen(0, x=1), seen(1, bad=("x",), x=2))
    assert weighed(m) == count


@pytest.mark.parametrize("second", [0, 3600])
def test_after_a_clock_was_set_back_a_reading_is_weighed_at_whatever_time(second: int):
    m = watching("{type: anomaly, signal: x}", kind="quality")
    m.handle(seen(0, x=1))
    set_back(m, 10, other=1)
    m.handle(seen(second, late=3600, x=2))
    assert weighed(m) == 2
