"""Shewhart charts: their names, what they refuse, and how many sigma a point lies away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND
from tests.rules.plant import T0, refused, seen, told, watching

GIVEN = "type: control_chart, signal: x, mean: 10, sigma: 2"


def chart(keys: str) -> AssetMonitor:
    return watching(f"{{{keys}}}", kind="quality")


def reason(keys: str, values: list[float]) -> dict[str, Any]:
    """Why the first alarm of these values was raised, one a second, however often the monitor is restarted."""
    m = chart(keys)
    for second, value in enumerate(values):
        if out := m.handle(seen(second, x=value)):
            return out[0].reason
        m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    raise AssertionError("no alarm")


@pytest.mark.parametrize(
    ("keys", "title"),
    [
        ("", "individuals"),
        ("chart: xbar_r, subgroup: {size: 2}", "X-bar"),
        ("chart: xbar_s, subgroup: {size: 2}", "X-bar"),
    ],
)
def test_charts_of_measured_values_are_told_by_their_names(keys: str, title: str):
    found = reason(f"{GIVEN}, {keys}".rstrip(", "), [100, 101])
    assert (found["chart"], found["rule"]) == (title, "nelson_1")
    assert [hit["chart"] for hit in found["signals"]] == [title]


@pytest.mark.parametrize(
    ("name", "keys", "title"),
    [
        ("p", "mean: 0.1, inspected: 50", "p"),
        ("np", "mean: 0.1, inspected: 50", "np"),
        ("c", "mean: 4", "c"),
        ("u", "mean: 0.1, inspected: 50", "u"),
        ("p_laney", "mean: 0.1, sigma: 1.2, inspected: 50", "p'"),
        ("u_laney", "mean: 0.1, sigma: 1.2, inspected: 50", "u'"),
    ],
)
def test_charts_of_counts_are_told_by_theirs_and_have_one_rule_by_default(name: str, keys: str, title: str):
    found = reason(f"type: control_chart, signal: x, chart: {name}, {keys}", [4, 40])
    assert (found["chart"], found["rule"]) == (title, "western_electric_1")
    assert [hit["chart"] for hit in found["signals"]] == [title]


@pytest.mark.parametrize(
    ("keys", "title", "value", "points"),
    [
        ("chart: individuals", "moving range", 9, [2, 3]),
        ("chart: xbar_r, subgroup: {size: 2}", "R", 9, [2]),
        ("chart: xbar_s, subgroup: {size: 2}", "S", 4.5 * 2**0.5, [2]),
    ],
)
def test_a_spread_alarms_by_its_limits_alone(keys: str, title: str, value: float, points: list[int]):
    values = [9.0, 10.0, 5.5, 14.5]
    found = reason(f"{GIVEN}, {keys}", values)
    assert found["value"] == pytest.approx(value)
    assert "began" not in found
    assert (found["chart"], found["rule"], found["limits"]["lower"]) == (title, "nelson_1", 0)
    assert found["text"].startswith("x: 1 point beyond its limits (nelson_1")
    assert found["points"] == [T0 + second * SECOND for second in points]
    with pytest.raises(AssertionError, match="no alarm"):
        reason(f"{GIVEN}, {keys}, spread: false", values)


def test_after_a_restart_the_moving_range_waits_for_two_values():
    m = chart(f"{GIVEN}, on_signal: restart, clear_after: 1")
    assert told(m, seen(0, x=17), seen(1, x=8)) == [("r", 0, "raised"), ("r", 1, "cleared")]


def test_limits_follow_the_size_of_the_sample():
    m = chart("type: control_chart, signal: x, chart: p, inspected: n, mean: 0.1, on_signal: restart, clear_after: 1")
    out = [t for second, n in enumerate((2, 100, 400)) for t in m.handle(seen(second, x=n, n=n))]
    limits = [t.reason["limits"]["upper"] for t in out if t.event == "raised"]
    assert limits == pytest.approx([0.1 + 3 * (0.09 / n) ** 0.5 for n in (2, 100, 400)])


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("mean: 10", "limits need mean and sigma"),
        ("chart: p_laney, inspected: 50, mean: 0.1", "limits need mean and sigma"),
        ("chart: c, autoregression: 0.5, mean: 4", "autoregression is for single values"),
        ("subgroup: {size: 2}, mean: 1, sigma: 1, autoregression: 0.5", "autoregression is for single values"),
        ("chart: xbar_r, mean: 1, sigma: 1", "`xbar_r` needs subgroups"),
        ("chart: xbar_s, mean: 1, sigma: 1, subgroup: {size: 1, counter: n}", "`xbar_s` needs subgroups"),
        ("mean: 1, sigma: 1, inspected: 5", "`individuals` has no `inspected`"),
        ("chart: p, mean: 1, inspected: 5", "a share between 0 and 1"),
        ("chart: p, mean: 0, inspected: 5", "a share between 0 and 1"),
        ("chart: u, mean: 0", "a number above 0, per inspected unit"),
        ("chart: np, mean: 0.5", "how many were inspected?"),
        ("chart: c, mean: 4, rules: [nelson_2]", "a chart of counts has no rule `nelson_2`"),
        ("mean: 1, sigma: 1, rules: [nelson_9]", "nelson_9"),
    ],
)
def test_what_makes_no_chart_is_refused_with_the_reason(keys: str, why: str):
    assert why in refused(f"{{type: control_chart, signal: x, {keys}}}")


@pytest.mark.parametrize(
    "keys",
    [
        "chart: c, mean: 4",
        "chart: u, mean: 1.5",
        "chart: c, mean: 4, rules: [nelson_1, western_electric_1, western_electric_2, western_electric_3, western_electric_4]",
        "chart: p, mean: 0.1, subgroup: {size: 50}",
        "mean: 1, sigma: 1, autoregression: 0.5",
        "mean: 1, sigma: 1, rules: [nelson_8]",
    ],
)
def test_what_makes_a_chart_is_accepted(keys: str):
    chart(f"type: control_chart, signal: x, {keys}")


@pytest.mark.parametrize(
    ("keys", "points"),
    [
        ("rules: [nelson_1]", 370),
        ("rules: [nelson_1, nelson_1]", 370),
        ("rules: [nelson_1], spread: true", 105),
        ("spread: false", 217),
        ("chart: individuals", 88),
    ],
)
def test_how_often_it_is_wrong_goes_by_its_rules_and_by_the_spread_where_that_is_charted(keys: str, points: int):
    m = chart(f"{GIVEN}, {keys}")
    m.handle(seen(0, x=10))
    (watch,) = m.watching("r")
    assert f"a false alarm comes about every {points} points" in watch.says("on", on=False)
