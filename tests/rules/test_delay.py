"""A condition that must last to count, and be gone for a while to count no more."""

from __future__ import annotations

from tests.rules.plant import seen, set_back, tick, told, watching

SLOW = "{type: limits, signal: t, high: 80, on_delay: 30s, off_delay: 20s}"
STEPS = ", priority: low, escalate: [{after: 10m, priority: high}]"


def test_what_waits_to_count_as_the_rule_is_disarmed_begins_to_wait_anew():
    m = watching(SLOW, more=", when: 'run == true'")
    assert told(m, seen(0, run=True, t=99), seen(20, run=False), seen(40, run=True), tick(69)) == []
    assert told(m, tick(70)) == [("r", 70, "raised")]


def test_whichever_of_a_delay_and_a_timer_is_due_first_happens_first():
    m = watching(SLOW, more=STEPS)
    told(m, seen(0, t=99), tick(30))
    assert told(m, seen(620, t=1), tick(700)) == [("r", 630, "raised_priority"), ("r", 640, "cleared")]
    told(m, seen(1000, t=99), tick(1030))
    assert told(m, seen(1600, t=1), tick(2000)) == [("r", 1620, "cleared")]


def test_what_waits_to_count_waits_as_long_though_the_clock_is_set_back():
    m = watching(SLOW)
    told(m, seen(4000, t=99))
    assert [*set_back(m, 4000, t=99), *told(m, tick(4029))] == []
    assert told(m, tick(4030)) == [("r", 430, "raised")]
