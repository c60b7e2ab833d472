"""Conditions over the recent past."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.expressions import compile_expression
from tests.rules.plant import seen, tick, told, watching


def over(expression: str, more: str = "") -> AssetMonitor:
    return watching(f'{{type: condition, expression: "{expression}"}}', more=more)


def test_a_mean_over_a_window_forgets_what_is_too_long_ago():
    m = over("mean(t, 60s) > 80")
    assert told(m, seen(0, t=70), seen(10, t=85), seen(20, t=88)) == [("r", 20, "raised")]
    assert told(m, seen(30, t=60), tick(60), seen(75, t=90)) == [("r", 30, "cleared")]
    assert told(m, seen(95, t=90)) == [("r", 91, "raised")]


def test_time_alone_can_end_it():
    m = over("max(t, 60s) > 80")
    assert told(m, seen(0, t=90), seen(30, t=10), tick(59)) == [("r", 0, "raised")]
    assert told(m, tick(70)) == [("r", 61, "cleared")]


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("min(t, 36s) == 1", True),
        ("max(t, 36s) == 4", True),
        ("mean(t, 60s) == 2.5", True),
        ("count(t, 36s) == 4", True),
        ("abs(rate(t, 60s) - 0.1) < 0.001", True),
        ("changed(t, 60s)", True),
        ("changed(t, 5s)", False),
        ("max(t, 60s) - min(t, 60s) > 3", False),
    ],
)
def test_what_each_function_gives(expression: str, holds: bool):
    m = over(expression)
    events = [seen(10 * n, t=1 + n) for n in range(4)]
    story = told(m, *events, tick(36))
    assert bool(story and story[-1][2] == "raised") is holds


def test_a_window_without_a_good_reading_is_unknown():
    m = over("not mean(t, 10s) > 80")
    assert told(m, seen(0, t=None), tick(30)) == []
    assert told(m, seen(40, t=10), seen(45, t=None)) == [("r", 40, "raised")]


def test_repeated_values_count_as_readings():
    assert told(over("count(t, 60s) >= 3"), seen(0, t=5), seen(1, t=5), seen(2, t=5)) == [("r", 2, "raised")]


def test_texts_and_truth_values_can_change():
    m = over("changed(mode, 10s)")
    assert told(m, seen(0, mode="a"), seen(5, mode="b"), tick(20)) == [("r", 5, "raised"), ("r", 15, "cleared")]


def test_min_and_max_of_several_values_mean_what_they_did():
    assert told(over("max(a, b) > 5"), seen(0, a=1, b=6)) == [("r", 0, "raised")]
    assert compile_expression("max(a, b)").windows == ()


def test_looking_back_begins_when_the_rule_is_armed():
    m = over("max(t, 60s) > 80", more=", when: 'run == true'")
    assert told(m, seen(0, run=False, t=90), seen(5, t=10), seen(10, run=True), seen(11, t=10)) == []


def test_the_reason_tells_what_was_found():
    (raised,) = over("mean(t, 60s) > 80").handle(seen(0, t=81))
    assert raised.reason["text"] == "mean(t, 60s) > 80 holds: t 81, mean(t, 1m) 81"
    assert raised.reason["values"] == {"t": 81, "mean(t, 1m)": 81}


def test_memory_does_not_grow_with_the_number_of_readings():
    m = over("mean(t, 60s) > 80")
    for n in range(5000):
        m.handle(seen(n / 50, t=n % 7))
    assert len(json.dumps(m.snapshot())) < 6_000


def test_huge_values_do_no_harm():
    m = over("mean(t, 60s) > 80 or rate(t, 60s) > 1")
    for n in range(50):
        m.handle(seen(n, t=(-1) ** n * 1.7e308))
    json.dumps(m.snapshot(), allow_nan=False)


def test_what_is_shown_may_look_back_too():
    m = watching('{type: condition, expression: "t > 80", show: "mean(u, 60s)"}')
    told(m, seen(0, u=10), seen(1, u=20))
    (raised,) = m.handle(seen(2, t=81))
    assert raised.value == 15
