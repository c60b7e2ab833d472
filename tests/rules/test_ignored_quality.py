"""`on_bad_quality: ignore`: what is delivered counts, whatever its quality, also where nobody was watching meanwhile."""

from __future__ import annotations

import pytest

from tests.rules.plant import seen, tick, told, watching

IGNORE = ", on_bad_quality: ignore"


def test_another_bad_value_is_looked_at() -> None:
    m = watching("{type: limits, signal: x, high: 80}", more=IGNORE)
    story = told(m, seen(0, x=50, bad=("x",)), seen(1, x=90, bad=("x",)), seen(2, x=70, bad=("x",)))
    assert story == [("r", 1, "raised"), ("r", 2, "cleared")]


def test_what_came_while_the_rule_was_not_armed_counts_once_it_is() -> None:
    m = watching("{type: condition, expression: x > 80}", more=IGNORE + ", when: run == true")
    story = told(m, seen(0, x=50, run=False), seen(1, x=90), seen(2, run=True))
    assert story == [("r", 2, "raised")]


def test_a_value_that_repeats_is_new_to_a_rule_that_was_not_armed() -> None:
    m = watching("{type: condition, expression: x > 80}", more=", when: run == true")
    story = told(m, seen(0, x=50, run=False), seen(1, x=90), seen(2, x=90), seen(3, run=True), seen(4, x=90))
    assert story == [("r", 3, "raised")]


DETECTORS = [
    ("{type: limits, signal: x, high: 80}", [90]),
    ("{type: deviation, signal: x, from: 10, high: 5}", [90]),
    ("{type: deviation, signal: y, from: x, high: 5}", [-90]),
    ("{type: rate_of_change, signal: x, rise: 1, over: 10s}", [0, 20, 40]),
    ("{type: stuck, signal: x, for: 20s}", [7, 7, 7, 7]),
    ("{type: usage, counter: x, every: 100, reset_by: y == 1}", [0, 100]),
    ("{type: vibration_zone, signal: x, machine_group: 1, support: rigid}", [9]),
    ("{type: alarm_table, signal: x, table: [{code: 17, text: Coolant low}]}", [17]),
    ("{type: forecast, signal: x, limit: 200, horizon: 60s, window: 120s}", [*range(0, 190, 5)]),
]


@pytest.mark.parametrize(("detect", "values"), DETECTORS)
def test_what_is_bad_is_judged_as_delivered_only_if_the_rule_says_so(detect: str, values: list[float]) -> None:
    events = [seen(5 * n, y=0, x=value, bad=("x",)) for n, value in enumerate(values)]
    for more, expected in ((IGNORE, ["raised"]), ("", [])):
        m = watching(detect, more=more)
        assert [event for rule, _, event in told(m, *events, tick(5 * len(events))) if rule == "r"] == expected
