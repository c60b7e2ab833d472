"""How fast a signal rises or falls."""

from __future__ import annotations

import pytest

from tests.rules.plant import refused, seen, set_back, tick, told, typed, watching

FAST = "{type: rate_of_change, signal: t, rise: 1, fall: 2, over: 10s}"


def ramp(per_second: float, seconds: list[float]) -> list[object]:
    return [seen(s, t=100 + per_second * s) for s in seconds]


def test_a_ramp_steeper_than_allowed_is_an_alarm_once_half_the_window_is_seen():
    assert told(watching(FAST), *ramp(1.5, [0, 1, 2, 3, 4, 5, 6])) == [("r", 5, "raised")]


def test_a_ramp_of_exactly_the_limit_is_allowed():
    assert told(watching(FAST), *ramp(1.0, list(range(30)))) == []


def test_falling_has_a_limit_of_its_own():
    assert told(watching(FAST), *ramp(-1.5, list(range(20)))) == []
    assert told(watching(FAST), *ramp(-2.5, [0, 5, 10])) == [("r", 5, "raised")]


@pytest.mark.parametrize(
    "seconds", [[0, 0.1, 0.2, 0.3, 7, 10], [0, 3, 9.7, 9.8, 9.9, 10], [0, 5, 5.001, 5.002, 10]], ids=str
)
def test_the_slope_does_not_depend_on_how_regularly_the_readings_come(seconds: list[float]):
    m = watching(FAST)
    (raised,) = [t for e in ramp(1.5, seconds) for t in m.handle(e)]
    assert raised.value == pytest.approx(1.5, rel=1e-3)


def test_a_burst_of_readings_does_not_outweigh_the_rest():
    burst = [seen(10 + s / 1000, t=100) for s in range(200)]
    assert told(watching(FAST), seen(0, t=100), seen(5, t=100), *burst, seen(10.5, t=101)) == []


def test_readings_that_come_more_seldom_than_the_window_are_compared_with_the_one_before():
    m = watching(FAST)
    assert told(m, seen(0, t=0), seen(60, t=30), seen(120, t=200)) == [("r", 120, "raised")]
    assert told(m, seen(180, t=201)) == [("r", 180, "cleared")]


def test_repeated_values_count():
    m = watching(FAST)
    assert told(m, *ramp(1.5, list(range(7)))) == [("r", 5, "raised")]
    assert told(m, *[seen(s, t=109) for s in range(7, 20)])[0][2] == "cleared"


def test_the_reason_names_the_rate_and_the_limit():
    m = watching(FAST)
    (raised,) = [t for e in ramp(1.5, [0, 5]) for t in m.handle(e)]
    assert raised.reason["text"] == "t rises by 1.5/s over 10s, more than 1/s"
    assert raised.reason["level"] == "rise"


@pytest.mark.parametrize("run", [True, False], ids=["armed-before", "armed-first"])
def test_what_was_before_the_rule_was_armed_is_forgotten(run: bool):
    m = watching(FAST, more=", when: 'run == true'")
    before = (seen(0, run=run, t=0), seen(4, t=100), seen(5, run=False))
    assert told(m, *before, seen(6, run=True), seen(7, t=100), seen(13, t=101)) == []


def test_what_was_before_the_rule_was_armed_is_forgotten_though_the_clock_was_set_back():
    m = watching(FAST, more=", when: 'run == true'")
    told(m, seen(4000, run=True, t=0))
    assert set_back(m, 4000, pressure=1) == []
    again = (seen(415, late=3600, run=False), seen(416, late=3600, run=True), seen(417, late=3600, t=100))
    assert told(m, *again) == []


def test_a_rule_without_limits_is_refused():
    assert "give rise, fall or both" in refused("{type: rate_of_change, signal: t}")
    assert "rise" in refused("{type: rate_of_change, signal: t, rise: .inf}")


def test_time_alone_changes_nothing():
    m = watching(FAST)
    assert told(m, *ramp(1.5, [0, 5]), tick(1000)) == [("r", 5, "raised")]


def test_the_reason_says_how_it_goes_on_once_it_is_over():
    m = watching("{type: rate_of_change, signal: t, fall: 2, over: 10s}", assets=typed("t: {unit: bar}"))
    (fallen,) = [t for e in ramp(-3, [0, 5]) for t in m.handle(e)]
    assert (fallen.reason["text"], fallen.value) == ("t falls by 3 bar/s over 10s, more than 2 bar/s", 3)
    (over,) = m.handle(seen(10, t=85))
    assert over.reason["text"] == "t no longer falls too fast: it falls by 1.5 bar/s over 10s, of at most 2 bar/s"
    assert (over.value, over.reason["limit"], over.reason["values"]) == (1.5, 2, {"t": 85})


def test_a_window_that_is_too_short_to_measure_in_is_refused():
    assert "at least 1ms" in refused("{type: rate_of_change, signal: t, rise: 1, over: 0s}")
    watching("{type: rate_of_change, signal: t, rise: 1, over: 1ms}")


def test_without_a_window_it_is_the_last_minute():
    m = watching("{type: rate_of_change, signal: t, rise: 1}")
    assert told(m, *ramp(1.5, [0, 20])) == []
    assert told(m, *ramp(1.5, [30.2])) == [("r", 30.2, "raised")]


def test_what_was_cleared_as_the_rule_was_disarmed_does_not_come_back_by_arming_it():
    m = watching(FAST, more=", when: 'run == true', when_false: clear")
    story = told(m, seen(0, run=True, t=0), seen(5, t=10), seen(6, run=False), seen(7, run=True))
    assert story == [("r", 5, "raised"), ("r", 6, "cleared")]


def test_of_what_is_held_the_rate_is_not_known_as_the_rule_is_armed_again():
    m = watching(FAST, more=", when: 'run == true', escalate: [{after: 60s, priority: high}]")
    told(m, seen(0, run=True, t=0), seen(5, t=10), seen(6, run=False), seen(7, run=True))
    (risen,) = m.handle(tick(65))
    assert (risen.event, risen.value) == ("raised_priority", 0)


def test_what_is_said_while_the_signal_is_bad_goes_by_the_last_value():
    m = watching(FAST, more=", escalate: [{after: 10s, priority: high}]")
    told(m, *ramp(3, [0, 5]), seen(6, t=None))
    (risen,) = m.handle(tick(15))
    assert (risen.event, risen.value, risen.reason["values"]) == ("raised_priority", 3, {"t": 115})
