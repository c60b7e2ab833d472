"""A signal against another one, or against a setpoint."""

from __future__ import annotations

from tests.rules.plant import refused, seen, tick, told, watching

OVEN = "{type: deviation, signal: pv, from: sp, high: 5, low: -5, deadband: 1}"


def test_too_far_above_or_below_the_other_signal_is_an_alarm():
    m = watching(OVEN)
    assert told(m, seen(0, pv=205, sp=200), seen(1, pv=205.5)) == [("r", 1, "raised")]
    assert told(m, seen(2, pv=204.5), seen(3, pv=204)) == [("r", 3, "cleared")]
    assert told(m, seen(4, pv=194)) == [("r", 4, "raised")]


def test_the_setpoint_moves_the_limits():
    assert told(watching(OVEN), seen(0, pv=200, sp=200), seen(1, sp=190)) == [("r", 1, "raised")]


def test_a_fixed_setpoint_is_a_number():
    m = watching("{type: deviation, signal: pv, from: 200, high: 5, high_high: 10, on_delay: 2s}")
    assert told(m, seen(0, pv=206), tick(1.9)) == []
    (raised,) = m.handle(tick(2))
    assert (raised.value, raised.reason["limit"]) == (6, 5)
    assert raised.reason["text"] == "pv 206 deviates by 6 from 200: above high limit 5"


def test_without_a_setpoint_nothing_can_be_told():
    m = watching(OVEN)
    assert told(m, seen(0, pv=500), seen(1, sp=None), seen(2, sp=500)) == []


def test_bad_quality_of_either_signal_follows_the_rule():
    m = watching(OVEN, more=", on_bad_quality: alarm")
    assert told(m, seen(0, pv=200, sp=200), seen(1, sp=None)) == [("r", 1, "raised")]


def test_what_is_said_while_a_signal_is_bad_goes_by_the_last_values():
    m = watching(OVEN, more=", escalate: [{after: 10s, priority: high}]")
    told(m, seen(0, pv=210, sp=200), seen(1, pv=None))
    (risen,) = m.handle(tick(10))
    assert (risen.event, risen.value) == ("raised_priority", 10)
    assert risen.reason["values"] == {"pv": 210, "sp": 200}


def test_limits_that_do_not_rise_are_refused():
    assert "limits must rise" in refused("{type: deviation, signal: pv, from: sp, high: -5, low: 5}")
    assert "give at least one" in refused("{type: deviation, signal: pv, from: sp}")
    assert "`from` is missing" in refused("{type: deviation, signal: pv, high: 1}")


def test_what_was_exceeded_before_the_rule_was_armed_again_leaves_no_deadband_behind():
    m = watching(OVEN, more=", when: 'run == true', when_false: clear")
    assert len(told(m, seen(0, run=True, pv=206, sp=200), seen(1, run=False))) == 2
    assert told(m, seen(2, pv=204.5), seen(3, run=True), seen(4, pv=204.6)) == []
