"""`anomaly` and `multivariate` as rules: what they take for a reading or a row, and what they say of an alarm."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.events import Observation, Revision
from tests.rules.learning.test_evidence import noise
from tests.rules.plant import rules_of, seen, told
from tests.rules.test_ruleset import problems

ANOMALY = "- {id: odd, kind: quality, detect: {type: anomaly, signal: x}}"
TOGETHER = """
- {id: apart, kind: equipment, detect: {type: multivariate, signals: %s, learn: {samples: 100}, baseline: fixed}}
"""
EVERY = TOGETHER % '"*"'
WATCHED = rules_of(ANOMALY + EVERY)


def monitor(rules: str) -> AssetMonitor:
    return AssetMonitor("m", rules_of(rules))


def fed(watched: AssetMonitor, events: Iterable[Observation]) -> list[Transition]:
    return [t for event in events for t in watched.handle(event)]


def run(count: int, start: int = 0, jump: float = 0.0) -> Iterator[Observation]:
    """x follows y, z goes its own way; one observation a minute."""
    y, z, wiggle = noise(count, 5 + start), noise(count, 9 + start), noise(count, 2 + start)
    for i in range(count):
        x = y[i] + 0.1 * wiggle[i] + jump
        yield seen(60.0 * (start + i), x=x, y=50 + 10 * y[i], z=1000 * z[i])


def test_an_anomaly_says_what_was_seen_what_was_expected_and_how_unusual_it_is() -> None:
    watched = monitor(ANOMALY)
    assert fed(watched, (seen(300.0 * i, x=v) for i, v in enumerate(noise(400)))) == []
    (raised,) = watched.handle(seen(120000, x=40.0))
    assert (raised.event, raised.value) == ("raised", 40.0)
    assert abs(raised.reason["expected"]) < 1
    assert raised.reason["evidence"] > raised.reason["limit"]
    assert raised.reason["text"].startswith("x 40 where ")
    assert "was expected: " in raised.reason["text"]
    cleared = fed(watched, (seen(120300 + 300 * i, x=v) for i, v in enumerate(noise(40))))
    assert [t.event for t in cleared] == ["cleared"]
    assert cleared[0].reason["text"].endswith("is usual again")


def test_a_second_reading_of_the_same_time_a_bad_one_and_text_are_not_weighed() -> None:
    plain, disturbed = monitor(ANOMALY), monitor(ANOMALY)
    for i, value in enumerate(noise(200)):
        plain.handle(seen(60.0 * i, x=value))
        disturbed.handle(seen(60.0 * i, x=value))
        disturbed.handle(seen(60.0 * i, x=value))
        disturbed.handle(seen(60.0 * i + 1, x=1e9, bad=("x",)))
        disturbed.handle(seen(60.0 * i + 2, x="n/a"))

    def state(watched: AssetMonitor) -> object:
        return watched.snapshot()["watches"][0][3]["detector"]["evidence"]

    assert state(plain) == state(disturbed)


def test_what_is_read_while_the_rule_is_not_armed_is_not_learned() -> None:
    gated = monitor("- {id: odd, kind: quality, when: \"mode == 'run'\", detect: {type: anomaly, signal: x}}")
    gated.handle(seen(0, mode="off"))
    fed(gated, (seen(60.0 * i, x=1e6) for i in range(1, 300)))
    gated.handle(seen(18000, mode="run"))
    out = fed(gated, (seen(18060 + 60.0 * i, x=v) for i, v in enumerate(noise(400))))
    out += gated.handle(seen(50000, x=1e6))
    assert [t.event for t in out] == ["raised"]


@pytest.mark.parametrize("signals", ["[x, y, z]", '"*"'])
def test_signals_that_part_raise_an_alarm_that_names_them(signals: str) -> None:
    watched = monitor(TOGETHER % signals)
    assert fed(watched, run(300)) == []
    out = fed(watched, run(60, start=300, jump=0.8))
    assert [t.event for t in out] == ["raised"]
    reason = out[0].reason
    assert next(iter(reason["contributions"])) == "x"
    assert reason["value"] > reason["limit"]
    assert "x " in reason["text"]
    assert [t.event for t in fed(watched, run(60, start=360))] == ["cleared"]


def test_signals_in_messages_of_their_own_make_rows_too() -> None:
    def apart(events: Iterable[Observation]) -> Iterator[Observation]:
        for event in events:
            for i, reading in enumerate(event.readings):
                at = event.at + i * 1_000_000
                yield Observation(event.asset, at, at, (reading,))

    watched = monitor(EVERY)
    assert fed(watched, apart(run(300))) == []
    assert [t.event for t in fed(watched, apart(run(60, start=300, jump=0.8)))] == ["raised"]


def test_every_signal_means_every_number_that_comes_regularly() -> None:
    watched = monitor(EVERY)
    watched.handle(seen(0, x=1, mode="run", on=True, counter=5))
    fed(watched, run(250, start=1))
    saved = watched.snapshot()["watches"][0][3]["detector"]
    assert saved["used"] == ["x", "y", "z"]
    assert saved["joint"] is not None
    watched.handle(seen(60.0 * 300, later=1.0))
    assert "later" not in watched.snapshot()["signals"]


def test_signals_without_end_do_not_fill_the_memory() -> None:
    watched = monitor(EVERY)
    for i in range(1000):
        watched.handle(seen(float(i), **{f"made_up_{i}": 1.0}))
    assert len(watched.snapshot()["signals"]) <= 256


def test_constant_signals_wait_until_something_happens() -> None:
    watched = monitor(EVERY)
    assert fed(watched, (seen(60.0 * i, x=1, y=2) for i in range(500))) == []
    assert fed(watched, run(400, start=500)) == []


def test_a_restart_anywhere_changes_nothing() -> None:
    events = [*run(130), *run(60, start=130, jump=0.8), *run(60, start=190)]
    whole = fed(AssetMonitor("m", WATCHED), events)
    assert any(t.rule == "apart" for t in whole)
    for cut in (1, 15, 25, 60, 99, 100, 101, 140, 200):
        first = AssetMonitor("m", WATCHED)
        out = fed(first, events[:cut])
        second = AssetMonitor.restore(WATCHED, json.loads(json.dumps(first.snapshot(), allow_nan=False)))
        assert second.snapshot() == first.snapshot()
        assert out + fed(second, events[cut:]) == whole


def test_a_new_title_keeps_what_was_learned() -> None:
    watched = monitor(EVERY)
    fed(watched, run(150))
    renamed = rules_of(EVERY.replace("kind:", "title: Parts, kind:"))
    watched.handle(Revision(next(run(1, start=150)).at, renamed))
    assert watched.snapshot()["watches"][0][3]["detector"]["joint"] is not None
    assert told(watched, *run(30, start=151, jump=0.8))[0][2] == "raised"


def test_a_new_rule_over_every_signal_meets_those_that_others_watched_already() -> None:
    limits = "- {id: hot, kind: equipment, detect: {type: limits, each: [x, y, z], high: 1e9}}\n"
    watched = monitor(limits)
    fed(watched, run(10))
    watched.handle(Revision(next(run(1, start=10)).at, rules_of(limits + EVERY)))
    assert fed(watched, run(150, start=11)) == []
    assert [t.event for t in fed(watched, run(60, start=161, jump=0.8))] == ["raised"]


@pytest.mark.parametrize(
    ("detect", "told"),
    [
        ("{type: anomaly, signal: x, sensitivity: extreme}", "extreme"),
        ("{type: anomaly}", "`signal` is missing"),
        ("{type: multivariate, signals: []}", "name at least one signal"),
        ("{type: multivariate, signals: [a, a]}", "named twice"),
        ('{type: multivariate, signals: "*", learn: {samples: 5}}', "50"),
        ('{type: multivariate, signals: "*", statistic: t3}', "t3"),
    ],
)
def test_mistakes_are_told(detect: str, told: str) -> None:
    assert told in " ".join(problems(f"id: a, kind: quality, detect: {detect}"))


# -- a signal that stands still -------------------------------------------------------------------------------------


def frozen(watched: AssetMonitor, noisy: int, still: int, factor: float = 0.0) -> list[Transition]:
    """Noise, then the last value over and over, or noise that is smaller by a factor."""
    loud, quiet = noise(noisy), noise(still, seed=2)
    values = [*loud, *(loud[-1] + factor * value for value in quiet)]
    return fed(watched, (seen(300.0 * i, x=5 + value) for i, value in enumerate(values)))


def test_a_signal_that_freezes_is_told_of_in_words_of_readings() -> None:
    (raised,) = frozen(monitor(ANOMALY), 400, 200)
    readings = raised.reason["parts"]["stillness"]
    assert raised.event == "raised"
    assert raised.reason["evidence"] == readings >= raised.reason["limit"]
    assert "has stood still for" in raised.reason["text"]
    assert "usually it moves by about 0.56" in raised.reason["text"]
    assert "a reading and is calm for" in raised.reason["text"]
    assert raised.reason["movement"] < raised.reason["expected"] / 4


def test_a_frozen_signal_is_unusual_until_it_moves() -> None:
    watched = monitor(ANOMALY)
    frozen(watched, 400, 5000)
    out = fed(watched, (seen(300.0 * i, x=5 + value) for i, value in enumerate(noise(40, seed=3), 5400)))
    assert [t.event for t in out] == ["cleared"]


def test_a_signal_whose_spread_collapses_is_told_of_too() -> None:
    (raised,) = frozen(monitor(ANOMALY), 400, 200, factor=0.02)
    assert "has hardly moved for" in raised.reason["text"]
    assert "from one to the next" in raised.reason["text"]


def test_sensitivity_says_how_long_a_signal_may_stand_still() -> None:
    begun = {}
    for word in ("high", "normal", "low"):
        out = frozen(monitor(ANOMALY.replace("x}", f"x, sensitivity: {word}}}")), 400, 200)
        begun[word] = next(t.at for t in out if "stillness" in t.reason.get("parts", ()))
    assert begun["high"] < begun["normal"] < begun["low"]


def test_a_standstill_survives_a_restart() -> None:
    watched = monitor(ANOMALY)
    assert len(frozen(watched, 400, 200)) == 1
    again = AssetMonitor.restore(rules_of(ANOMALY), json.loads(json.dumps(watched.snapshot(), allow_nan=False)))
    assert again.snapshot() == watched.snapshot()
    assert fed(again, (seen(300.0 * i, x=5 + noise(400)[-1]) for i in range(600, 700))) == []
