"""Looking back answers no more than it has seen: a machine that starts has not been watched for ten minutes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Link
from tests.rules.plant import T0, seen, tick, told, watching

RUNNING = ", when: \"state == 'running'\""


def over(expression: str, more: str = RUNNING, kind: str = "equipment") -> AssetMonitor:
    return watching(f'{{type: condition, expression: "{expression}"}}', more=more, kind=kind)


def through_json(monitor: AssetMonitor) -> AssetMonitor:
    return AssetMonitor.restore(monitor.rules, json.loads(json.dumps(monitor.snapshot(), allow_nan=False)))


def second(monitor: AssetMonitor) -> float | None:
    due = monitor.next_deadline()
    return None if due is None else (due - T0) / SECOND


def link(at: float, *, up: bool) -> Link:
    moment = T0 + round(at * SECOND)
    return Link(moment, "main", up, moment)


@pytest.mark.parametrize("expression", ["count(part, 10m) < 3", "not changed(part, 10m)", "max(part, 10m) < 3"])
@pytest.mark.parametrize("more", [RUNNING, ""])
def test_a_start_raises_nothing_before_it_was_watched_for_the_whole_time(expression: str, more: str) -> None:
    m = over(expression, more)
    assert told(m, seen(0, state="running", part=1), tick(599.999999999)) == []
    assert second(m) == 600
    assert told(through_json(m), tick(600)) == [("r", 600, "raised")]


def test_looking_back_begins_again_with_every_arming() -> None:
    m = over("count(part, 10m) < 3", RUNNING + ", when_false: clear")
    assert told(m, seen(0, state="running", part=1), seen(300, state="idle"), seen(500, state="running")) == []
    assert told(m, tick(1099), tick(1100)) == [("r", 1100, "raised")]


@pytest.mark.parametrize(
    ("expression", "events", "expected"),
    [
        ("max(flow, 5m) > 90", [seen(1, flow=20), seen(2, flow=95)], [("r", 2, "raised")]),
        ("max(flow, 5m) < 3", [seen(1, flow=1), seen(2, flow=4), tick(299)], []),
        ("min(flow, 5m) < 3", [seen(1, flow=4), seen(2, flow=1)], [("r", 2, "raised")]),
        ("min(flow, 5m) > 3", [seen(1, flow=4), tick(299), tick(300)], [("r", 300, "raised")]),
        ("count(flow, 10m) >= 3", [seen(1, flow=4), seen(2, flow=4)], [("r", 2, "raised")]),
        ("count(flow, 10m) < 3", [seen(1, flow=4), seen(2, flow=4), tick(599)], []),
        ("changed(flow, 10m)", [seen(1, flow=5)], [("r", 1, "raised")]),
        ("max(flow, 5m) - min(flow, 5m) > 10", [seen(1, flow=20)], [("r", 1, "raised")]),
        ("max(flow, 5m) - min(flow, 5m) < 10", [tick(299), tick(300)], [("r", 300, "raised")]),
        ("max(flow, 5m) - min(flow, 5m) < 10", [seen(1, flow=20), tick(299)], []),
    ],
)
def test_what_is_certain_is_said_at_once_and_what_is_not_is_not(
    expression: str, events: list[Any], expected: list[tuple[str, float, str]]
) -> None:
    assert told(over(expression), seen(0, state="running", flow=4), *events) == expected


def test_an_age_is_counted_from_arming_if_the_last_reading_is_older() -> None:
    m = over("age(part) > 600")
    assert told(m, seen(0, state="idle", part=1), seen(3600, state="running"), tick(4199)) == []
    assert second(m) == 4200
    (raised,) = through_json(m).handle(tick(4200))
    assert raised.reason["values"]["age(part)"] == 600
    assert told(m, tick(4200), seen(4300, part=2)) == [("r", 4200, "raised"), ("r", 4300, "cleared")]
    assert told(m, tick(4899), tick(4900)) == [("r", 4900, "raised")]


def test_an_age_that_is_held_goes_on_until_there_is_a_reading() -> None:
    m = over("age(part) > 60")
    told(m, seen(0, state="running", part=1), tick(60))
    assert told(m, seen(100, state="idle"), seen(200, state="running"), tick(300)) == []
    assert told(m, seen(301, part=1)) == [("r", 301, "cleared")]


def test_what_was_long_ago_is_not_young_because_looking_back_has_just_begun() -> None:
    m = over("age(part) < 30")
    assert told(m, seen(0, state="idle", part=1), seen(3600, state="running"), tick(3700)) == []
    assert told(m, seen(3701, part=1)) == [("r", 3701, "raised")]


@pytest.mark.parametrize("limit", ["max(patience, 50s)", "min(patience, 50s) + 0"])
def test_an_age_against_bounds_turns_at_a_deadline(limit: str) -> None:
    m = over(f"age(part) > {limit}")
    told(m, seen(0, state="idle", part=1), seen(100, state="running", patience=20))
    found = told(m, seen(105, patience=20), tick(155))
    assert found == [("r", 150 if "max" in limit else 120, "raised")]


@pytest.mark.parametrize("expression", ["count(part, 60s) < 3", "not changed(part, 60s)", "max(part, 60s) < 3"])
def test_a_reading_that_is_bad_is_a_hole(expression: str) -> None:
    m = over(expression, ", fault_after: 1d")
    told(m, *(seen(10 * n, part=n) for n in range(10)))
    assert told(m, seen(100, part=None), tick(250), seen(260, part=1), tick(319)) == []
    assert told(through_json(m), tick(320)) == [("r", 320, "raised")]


def test_while_it_is_bad_the_policy_decides() -> None:
    m = over("count(part, 60s) < 3", ", fault_after: 1d, on_bad_quality: alarm")
    told(m, *(seen(10 * n, part=n) for n in range(10)))
    (raised,) = m.handle(seen(100, part=None))
    assert raised.reason["level"] == "bad_quality"
    assert told(m, seen(130, part=1)) == [("r", 130, "cleared")]
    ignoring = over("count(part, 60s) < 3", ", fault_after: 1d, on_bad_quality: ignore")
    told(ignoring, *(seen(10 * n, part=n) for n in range(10)))
    assert told(ignoring, seen(100, part=None), tick(151)) == [("r", 141, "raised")]


@pytest.mark.parametrize("expression", ["max(gas, 5m) > 90", "count(gas, 5m) < 3", "not changed(gas, 5m)"])
def test_a_safety_rule_does_not_complain_that_it_has_not_looked_for_long(expression: str) -> None:
    m = over(expression, "", kind="safety")
    assert told(m, *(seen(30 * n, gas=n % 2) for n in range(10)), tick(301)) == []


def test_a_safety_rule_complains_of_a_bad_reading_before_it_has_looked_for_long() -> None:
    m = over("max(gas, 5m) > 90", ", fault_after: 1d", kind="safety")
    assert told(m, seen(0, gas=1), seen(1, gas=1, bad=("gas",))) == [("r", 1, "raised")]
    assert told(over("max(gas, 5m) > 90", "", kind="safety"), seen(0, gas=95)) == [("r", 0, "raised")]


@pytest.mark.parametrize("expression", ["count(part, 60s) < 3", "not changed(part, 60s)", "max(part, 60s) < 3"])
def test_what_our_own_link_kept_from_us_was_not_seen(expression: str) -> None:
    m = over(expression, "")
    m.heard_through("main")
    told(m, *(seen(10 * n, part=n) for n in range(10)))
    assert told(m, link(100, up=False), tick(300)) == []
    m = through_json(m)
    assert told(m, link(400, up=True), seen(401, part=1), tick(459)) == []
    assert told(m, tick(470)) == [("r", 461 if "changed" in expression else 460, "raised")]


def test_a_gate_is_not_cleared_and_opens_once_it_has_looked_for_long_enough() -> None:
    m = watching("{type: limits, signal: t, high: 5}", more=", when: 'count(part, 60s) < 3', when_false: clear")
    assert told(m, seen(0, part=1, t=9), tick(59)) == []
    assert second(m) == 60
    m = through_json(m)
    assert told(m, tick(60)) == [("r", 60, "raised")]
    assert told(m, *(seen(70 + n, part=1) for n in range(3))) == [("r", 72, "cleared")]


def test_a_suppression_by_design_waits_too() -> None:
    m = watching("{type: limits, signal: t, high: 5}", more=", suppress_when: 'not changed(mode, 60s)'")
    assert told(m, seen(0, mode="a", t=9), tick(61)) == [("r", 0, "raised"), ("r", 60, "suppressed")]


def test_what_comes_about_after_looking_back_began_is_counted_and_what_may_have_held_is_not() -> None:
    detect = '{{type: count, expression: "{}", at_least: 1, within: 1h}}'
    m = watching(detect.format("max(x, 60s) > 5"), more=RUNNING)
    assert told(m, seen(0, state="running", x=1), seen(1, x=9)) == [("r", 1, "raised")]
    m = watching(detect.format("count(x, 60s) < 3"), more=RUNNING)
    assert told(m, seen(0, state="running", x=1), tick(100)) == []


def test_people_are_shown_what_was_seen_so_far() -> None:
    m = watching('{type: condition, expression: "x > 5 or max(x, 60s) < 0", show: "count(x, 60s) * 2"}')
    (raised,) = [t for second in (0, 1, 2) for t in m.handle(seen(second, x=4 + second))]
    assert raised.value == 6
    assert raised.reason["values"] == {"x": 6, "max(x, 1m)": 6, "count(x, 1m)": 3}


def test_windows_saved_before_coverage_was_known_count_as_looked_through() -> None:
    m = over("count(part, 60s) < 3 or not changed(part, 60s) or age(part) > 100", "")
    told(m, *(seen(10 * n, part=n) for n in range(3)))
    saved = m.snapshot()
    (watch,) = (w for w in saved["watches"] if w[0] == "r")
    (windows,) = watch[3]["sights"]
    for window in windows:
        del window[-1]
        window[0] = window[0][0] if isinstance(window[0], list) else window[0]
    assert told(AssetMonitor.restore(m.rules, saved), seen(30, part=3), tick(80)) == [("r", 71, "raised")]


@pytest.mark.parametrize(
    ("expression", "events"),
    [
        ("age(t) > 1m30s", [seen(0, t=1), tick(90)]),
        ("runtime > 2h", [seen(0, runtime=7200), seen(90, runtime=7201)]),
        ("runtime / 1h > 1.5", [seen(0, runtime=5400), seen(90, runtime=5401)]),
        ("runtime > 500ms", [seen(0, runtime=0), seen(90, runtime=1)]),
        ("runtime > 0s", [seen(0, runtime=0), seen(90, runtime=1)]),
        ("1m < runtime < 1d and max(runtime, 5m) > -5s", [seen(0, runtime=0), seen(90, runtime=61)]),
    ],
)
def test_a_time_in_an_expression_is_its_seconds(expression: str, events: list[Any]) -> None:
    assert told(over(expression, ""), *events) == [("r", 90, "raised")]
