"""Charts in service: subgroups, learning and its doubts, clearing, gates, bad quality, and what is said of it all."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Revision
from rules.ruleset import load_rules
from tests.rules.plant import T0, rules_of, seen, story, tick, told

GIVEN = "type: control_chart, signal: x, mean: 0, sigma: 1"


def rules(detect: str, extra: str = ""):
    return rules_of(f"  - {{id: r, kind: quality, assets: m, detect: {{{detect}}}{extra}}}\n")


def monitor(detect: str, extra: str = "") -> AssetMonitor:
    return AssetMonitor("m", rules(detect, extra))


def fed(m: AssetMonitor, values: list[Any], start: int = 0) -> list[tuple[int, str]]:
    """Which value (counted from 1) brought what."""
    events = [(i, t) for i, value in enumerate(values, start + 1) for t in m.handle(seen(i, x=value))]
    return [(i, t.event) for i, t in events]


def reason(detect: str, values: list[Any]) -> dict[str, Any]:
    """Why the first alarm of these values was raised."""
    m = monitor(detect)
    return next(t.reason for i, v in enumerate(values) for t in m.handle(seen(60 * i, x=v)) if t.event == "raised")


def state(m: AssetMonitor) -> Any:
    return next(saved["detector"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")


def capability(m: AssetMonitor, product: int = -1) -> Any:
    """Window, how much is new, and verdict of the product made last."""
    return state(m)[2][product][1]


def normal(count: int, seed: int = 1, phi: float = 0.0) -> list[float]:
    draw, z, made = Random(seed), 0.0, []
    for _ in range(count):
        z = phi * z + draw.gauss(0, (1 - phi * phi) ** 0.5)
        made.append(z)
    return made


# -- what signals, and when it is over ------------------------------------------------------------------------------


def test_the_same_value_again_is_another_sample() -> None:
    assert fed(monitor(GIVEN), [0.5] * 10) == [(9, "raised")]


def test_readings_of_one_stamp_in_messages_of_their_own_are_samples_of_their_own() -> None:
    m = monitor(GIVEN)
    assert told(m, *[seen(0, x=0.5)] * 9) == [("r", 0, "raised")]


def test_other_signals_of_the_asset_are_no_samples() -> None:
    m = monitor(GIVEN)
    events = [e for i in range(20) for e in (seen(2 * i, x=0.5) if i < 8 else seen(2 * i, y=1), seen(2 * i + 1, y=2))]
    assert told(m, *events, tick(100)) == []


def test_an_alarm_goes_after_eight_points_in_control_by_default() -> None:
    values = [0.1, 3.5, *([0.1, -0.1] * 4), 0.1]
    assert fed(monitor(GIVEN), values) == [(2, "raised"), (10, "cleared")]


@pytest.mark.parametrize(
    ("detect", "length"),
    [
        ("chart: p, inspected: 50, mean: 0.02", 56),
        ("chart: p, inspected: n, mean: 0.02", 56),
        ("chart: np, inspected: 50, mean: 0.005", 38),
        ("chart: p, inspected: 50, mean: 0.01, subgroup: {size: 2}", 54),
        ("chart: c, mean: 0.5", 70),
        ("chart: u, inspected: 4, mean: 0.5", 221),
    ],
)
def test_the_run_length_of_a_chart_of_counts_is_that_of_counts(detect: str, length: int) -> None:
    line = monitor(f"type: control_chart, signal: x, {detect}")
    told(line, *(seen(i, x=0, n=50) for i in range(4)))
    saved = json.loads(json.dumps(line.snapshot()))
    for m in (line, AssetMonitor.restore(line.rules, saved)):
        (watch,) = m.watching("r")
        assert f"a false alarm comes about every {length} points" in watch.says("on", on=False)
    (raised,) = [t for i in range(4, 6) for t in line.handle(seen(i, x=50, n=50)) if t.event == "raised"]
    assert raised.reason["run_length"] == pytest.approx(length, abs=0.6)


def test_what_a_chart_says_while_it_does_not_signal_is_how_it_stands() -> None:
    def said(m: AssetMonitor) -> str:
        (watch,) = m.watching("r")
        return watch.says("on", on=False)

    given = monitor(f"{GIVEN}, rules: [nelson_1]")
    told(given, seen(0, x=0))
    assert said(given) == "x: in control for 8 points; a false alarm comes about every 370 points"
    learned = monitor("type: ewma, signal: x, learn: {subgroups: 4}")
    told(learned, *(seen(i, x=i % 3) for i in range(3)))
    assert said(learned) == "x: limits are being learned: 3 of 4 samples so far"
    told(learned, seen(4, x=1.5))
    assert said(learned).endswith(
        "about every 494 points if the limits are right; learned from 4 samples they may be off, and then it often "
        "comes sooner; its limits are provisional"
    )
    named = monitor("type: control_chart, signal: x, learn: {subgroups: 25}, rules: [nelson_1]")
    told(named, *(seen(i, x=z) for i, z in enumerate(normal(26))))
    assert said(named).endswith(
        "about every 370 points if the limits are right; learned from 25 samples, half of all such charts have one "
        "every 96 to 1121; its limits are provisional"
    )
    boxes = monitor(f"{GIVEN}, chart: xbar_r, subgroup: {{size: 5}}")
    assert said(boxes) == "x: in control for 8 points"


def test_points_out_of_control_begin_the_count_again() -> None:
    detect = f"{GIVEN}, rules: [nelson_1], spread: false, clear_after: 3"
    assert fed(monitor(detect), [4, 0, 0, 4, 0, 0, 0, 0]) == [(1, "raised"), (7, "cleared")]


def test_restarting_each_signal_is_an_occurrence_of_its_own() -> None:
    detect = f"{GIVEN}, rules: [nelson_1], on_signal: restart, clear_after: 1"
    m = monitor(detect)
    out = [t for i, v in enumerate([0, 4, 0, 4, 5, 0]) for t in m.handle(seen(i, x=v))]
    assert story(out) == [
        ("r", 1, "raised"), ("r", 2, "cleared"), ("r", 3, "raised"), ("r", 4, "cleared"), ("r", 4, "raised"), ("r", 5, "cleared"),
    ]  # fmt: skip
    assert len({t.id for t in out}) == 6
    assert out[3].alarm == out[2].id
    assert out[4].alarm == out[4].id
    assert (out[3].from_, out[3].to, out[4].from_, out[4].to) == ("B", "D", "D", "B")


def test_restarting_forgets_the_run() -> None:
    detect = f"{GIVEN}, on_signal: restart, clear_after: 1, spread: false"
    assert fed(monitor(detect), [0.5] * 20) == [(9, "raised"), (10, "cleared"), (18, "raised"), (19, "cleared")]


def test_going_on_the_run_goes_on() -> None:
    assert fed(monitor(GIVEN), [0.5] * 11 + [-0.5] + [0.5, -0.5] * 4) == [(9, "raised"), (19, "cleared")]


def test_individuals_alarm_on_their_moving_range_by_its_limits_alone() -> None:
    told_of = reason(GIVEN, [0, 2.2, -2.2])
    assert told_of["chart"] == "moving range"
    assert told_of["value"] == pytest.approx(4.4)
    assert told_of["points"] == [T0 + 60 * SECOND, T0 + 120 * SECOND]
    assert "began" not in told_of, "a moving range says nothing of a drift of the mean"
    assert fed(monitor(f"{GIVEN}, spread: false"), [0, 2.2, -2.2]) == []
    assert fed(monitor(f"{GIVEN}, rules: [nelson_1]"), [0, 2.2, -2.2]) == [], "named rules keep the book's run length"
    assert fed(monitor(f"{GIVEN}, rules: [nelson_1], spread: true"), [0, 2.2, -2.2]) == [(3, "raised")]


@pytest.mark.parametrize(("chart", "letter"), [("xbar_r", "R"), ("xbar_s", "S")])
def test_subgroups_alarm_on_their_spread(chart: str, letter: str) -> None:
    told_of = reason(f"{GIVEN}, chart: {chart}, subgroup: {{size: 4}}", [0, 0.5, -0.5, 0, 4, -4, 4, -4])
    assert told_of["chart"] == letter


def test_the_reason_names_the_chart_the_rule_the_points_and_the_beginning() -> None:
    values = [0.3, -0.4, 0.2, -0.8, 0.5, *[1.3] * 9]
    told_of = reason(GIVEN, values)
    assert (told_of["chart"], told_of["rule"]) == ("individuals", "nelson_2")
    assert told_of["points"] == [T0 + 60 * SECOND * i for i in range(4, 13)]
    assert told_of["began"] == T0 + 60 * SECOND * 5
    assert told_of["shift"] == pytest.approx(1.3)
    assert told_of["run_length"] == pytest.approx(87.6, abs=0.1)
    assert "9 points in a row on one side of the centre line (nelson_2 on the individuals chart" in told_of["text"]
    assert "began about 22:18 UTC, shift +1.3 sigma" in told_of["text"]
    assert told_of["provisional"] is False
    assert "provisional" not in told_of["text"]


def test_an_ewma_and_a_cusum_say_when_it_began() -> None:
    values = normal(40, seed=5) + [z + 2 for z in normal(30, seed=6)]
    for detect in ("type: ewma", "type: cusum"):
        told_of = reason(f"{detect}, signal: x, mean: 0, sigma: 1", values)
        assert abs(told_of["began"] - T0 - 40 * 60 * SECOND) <= 3 * 60 * SECOND
        assert told_of["shift"] == pytest.approx(2, abs=0.9)
        assert told_of["run_length"] in (pytest.approx(494, rel=0.01), pytest.approx(465, rel=0.01))


@pytest.mark.parametrize("chart", ["type: ewma", "type: cusum", "type: control_chart, rules: [nelson_1]"])
def test_the_shift_of_residuals_is_in_sigma_of_single_values(chart: str) -> None:
    values = normal(40, seed=5, phi=0.8) + [z + 3 for z in normal(30, seed=6, phi=0.8)]
    told_of = reason(f"{chart}, signal: x, mean: 0, sigma: 0.6, autoregression: 0.8", values)
    assert told_of["shift"] == pytest.approx(3, abs=0.9)


P_CHART = "type: control_chart, signal: x, chart: p, inspected: 200, mean: 0.05"
ALTERNATING = [z for _ in range(8) for z in (-1.4, -0.2)]


@pytest.mark.parametrize(
    ("detect", "values", "since", "shift"),
    [
        (P_CHART, [8.0] * 100 + [20.0], 100, 3.24),
        (f"{GIVEN}, rules: [nelson_1]", [-0.8] * 40 + [3.2], 40, 3.2),
        (f"{GIVEN}, rules: [nelson_1]", [0.8] * 40 + [-3.2], 40, -3.2),
        (f"{GIVEN}, rules: [nelson_5]", [-0.8] * 90 + [2.2, 2.4], 90, 2.3),
        ("type: ewma, signal: x, mean: 0, sigma: 1", [-0.4] * 90 + [2.0] * 4, 90, 2.0),
        ("type: cusum, signal: x, mean: 0, sigma: 1", [-0.4] * 90 + [2.0] * 4, 90, 2.0),
        (f"{GIVEN}, rules: [nelson_4]", ALTERNATING, 0, -0.8),
    ],
)
def test_the_mean_has_moved_to_the_side_on_which_the_chart_signals(
    detect: str, values: list[float], since: int, shift: float
) -> None:
    told_of = reason(detect, values)
    assert told_of["began"] == T0 + 60 * SECOND * since
    assert told_of["shift"] == pytest.approx(shift, abs=0.01)


@pytest.mark.parametrize("chart", ["type: ewma", "type: cusum"])
def test_a_fall_is_told_as_the_rise_that_mirrors_it(chart: str) -> None:
    values = normal(40, seed=5) + [z + 2 for z in normal(30, seed=6)]
    rise, fall = (reason(f"{chart}, signal: x, mean: 0, sigma: 1", [sign * v for v in values]) for sign in (1, -1))
    assert fall["began"] == rise["began"]
    assert fall["shift"] == pytest.approx(-rise["shift"])


def test_restarting_a_cusum_begins_both_sums_at_the_head_start() -> None:
    detect = "type: cusum, signal: x, mean: 0, sigma: 1, h: 4, on_signal: restart, clear_after: 1"
    first, second = (fed(monitor(detect), [sign * 1.5] * 12) for sign in (1, -1))
    assert first == second == [(5, "raised"), (6, "cleared"), (10, "raised"), (11, "cleared")]


def test_the_shift_of_subgroups_is_in_sigma_of_single_values() -> None:
    steady = [0.5, -0.5, 0.25, -0.25] * 5
    told_of = reason(f"{GIVEN}, chart: xbar_r, subgroup: {{size: 4}}", steady + [z + 2 for z in steady])
    assert told_of["shift"] == pytest.approx(2)
    assert told_of["began"] == T0 + 20 * 60 * SECOND


@pytest.mark.parametrize(
    ("detect", "values"),
    [
        ("mean: 10, sigma: 0.1, rules: [nelson_1]", [10.3, 9.7]),
        ("mean: 0.3, sigma: 0.1, rules: [western_electric_1]", [0.0, 0.6]),
        ("mean: 10, sigma: 0.1, rules: [nelson_5]", [10.2] * 3 + [9.8] * 3),
        ("mean: 1, sigma: 0.1, rules: [nelson_6]", [1.1] * 6 + [0.9] * 6),
        ("mean: 10, sigma: 0.1, rules: [nelson_7]", [9.9] * 16),
        ("mean: 1, sigma: 0.1, rules: [nelson_8]", [1.1, 0.9] * 8),
        ("mean: 0.1, sigma: 1, subgroup: {size: 3}, rules: [nelson_2, western_electric_4]", [0.1] * 60),
        ("mean: 5, sigma: 1, subgroup: {size: 3}, rules: [nelson_4]", [0.1, 0.2, 0.3, 0.3, 0.2, 0.1] * 10),
    ],
)
def test_a_point_on_a_line_counts_for_neither_side_whatever_its_last_bit(detect: str, values: list[float]) -> None:
    assert fed(monitor(f"type: control_chart, signal: x, {detect}"), values) == []


def test_averages_and_sums_on_their_limits_are_not_beyond_them() -> None:
    assert fed(monitor("type: ewma, signal: x, mean: 10, sigma: 0.1, lambda: 1, limit: 3"), [10.3, 9.7]) == []
    assert fed(monitor("type: cusum, signal: x, mean: 1, sigma: 0.1"), [1.1] * 10) == []
    assert fed(monitor("type: cusum, signal: x, mean: 1, sigma: 0.1"), [0.9] * 11) == [(11, "raised")]


def test_the_shift_of_subgroups_of_different_sizes_weighs_them_by_their_values() -> None:
    """Eight minutes of twenty values half a sigma up, and one of two that lies three up."""
    m = monitor(f"{GIVEN}, chart: xbar_s, subgroup: {{every: 60s}}, rules: [nelson_2], spread: false")
    start, out = -(T0 // SECOND) % 60, []
    for minute in range(13):
        level, n = (0.1, -0.1, 0.1, -0.1, *[0.5] * 8, 3.0)[minute], 20 if minute < 12 else 2
        for i in range(n):
            out += m.handle(seen(start + 60 * minute + i, x=level + (0.9, -0.9)[i % 2]))
        m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    (raised,) = out + m.handle(tick(start + 13 * 60))
    assert raised.reason["shift"] == pytest.approx((8 * 20 * 0.5 + 2 * 3) / (8 * 20 + 2))
    assert raised.reason["began"] == T0 + (start + 4 * 60) * SECOND


def test_points_saved_without_their_size_have_that_of_the_last_one() -> None:
    steady = [0.5, -0.5, 0.25, -0.25]
    detect = f"{GIVEN}, chart: xbar_r, subgroup: {{size: 4}}, rules: [nelson_2]"
    m = monitor(detect)
    fed(m, steady * 3 + [z + 0.8 for z in steady] * 8)
    saved = json.loads(json.dumps(m.snapshot()))
    trace = next(watch[3]["detector"] for watch in saved["watches"] if watch[0] == "r")["trace"]
    for point in trace:
        assert point[-1] == 4
        point[2:] = [None, None]
    again = AssetMonitor.restore(m.rules, saved)
    raised = [t for i, z in enumerate(steady) for t in again.handle(seen(100 + i, x=z + 0.8))]
    assert raised[0].reason["shift"] == pytest.approx(0.8)


# -- subgroups ------------------------------------------------------------------------------------------------------


def test_subgroups_by_time_end_at_the_end_of_their_interval_without_another_reading() -> None:
    m = monitor(f"{GIVEN}, chart: xbar_r, subgroup: {{every: 60s}}")
    start = -(T0 // SECOND) % 60
    assert told(m, seen(start, x=5), seen(start + 20, x=5.5), seen(start + 59.9, x=5)) == []
    assert m.next_deadline() == T0 + (start + 60) * SECOND
    assert told(m, tick(start + 70)) == [("r", start + 60, "raised")]


def test_a_reading_at_the_end_of_an_interval_belongs_to_the_next() -> None:
    m = monitor(f"{GIVEN}, chart: xbar_r, subgroup: {{every: 60s}}")
    start = -(T0 // SECOND) % 60
    told(m, seen(start, x=0), seen(start + 1, x=0.5), seen(start + 60, x=50))
    assert state(m)["grouping"][1] == [50]


@pytest.mark.parametrize("chart", ["xbar_r", "xbar_s"])
def test_a_subgroup_of_one_value_has_no_spread_and_is_judged_by_the_limits_of_single_values(chart: str) -> None:
    m = monitor(f"{GIVEN}, chart: {chart}, subgroup: {{every: 60s}}, clear_after: 1")
    start = -(T0 // SECOND) % 60
    assert told(m, *(seen(start + i, x=(0.5, -0.5)[i % 2]) for i in range(4)), seen(start + 60, x=2.9)) == []
    (raised,) = [t for e in (seen(start + 130, x=3.1), tick(start + 180)) for t in m.handle(e)]
    assert (raised.reason["chart"], raised.reason["value"], raised.reason["limits"]["upper"]) == ("X-bar", 3.1, 3.0)
    assert [hit["chart"] for hit in raised.reason["signals"]] == ["X-bar"]
    assert raised.reason["run_length"] == pytest.approx(220, abs=4), "that of the location alone"
    assert told(m, *(seen(start + 181 + i, x=(1.6, -1.6)[i % 2]) for i in range(4)), tick(start + 240)) == [
        ("r", start + 240, "cleared")
    ]


def test_a_subgroup_of_one_value_teaches_nothing() -> None:
    detect = "type: control_chart, signal: x, chart: xbar_s, subgroup: {every: 60s}, learn: {subgroups: 3}"
    m, out = monitor(detect), []
    start = -(T0 // SECOND) % 60
    for minute, values in enumerate([[50.0], [1.0, 2.0], [-50.0], [1.0, 3.0], [2.0, 2.5], [50.0]]):
        out += [t for i, value in enumerate(values) for t in m.handle(seen(start + 60 * minute + i, x=value))]
    out += m.handle(tick(start + 360))
    proposed, raised = out
    assert proposed.reason["mean"] == pytest.approx(11.5 / 6)
    assert raised.event == "raised"
    assert raised.reason["value"] == 50


def test_given_limits_are_not_checked_by_values_alone() -> None:
    m = monitor(f"{GIVEN}, chart: xbar_r, subgroup: {{every: 1s}}")
    assert [event for _, event in fed(m, normal(40, phi=0.9)) if event == "commented"] == []
    assert state(m)["book"][0][1][3][0] == []


def test_individuals_may_be_means_of_subgroups() -> None:
    assert fed(monitor(f"{GIVEN}, subgroup: {{size: 2}}"), [9, -9, 4, 3]) == [(4, "raised")]


def test_single_good_or_bad_parts_make_shares() -> None:
    detect = "type: control_chart, signal: x, chart: p, mean: 0.05, subgroup: {size: 50}"
    assert fed(monitor(detect), [i % 20 == 0 for i in range(100)] + [i % 3 == 0 for i in range(50)]) == [
        (150, "raised")
    ]


def test_the_number_inspected_is_a_signal_and_limits_follow_it() -> None:
    m = monitor("type: control_chart, signal: x, chart: p, inspected: n, mean: 0.1, spread: false")
    assert told(m, seen(0, x=18, n=100)) == []
    assert told(m, seen(1, x=180, n=1000)) == [("r", 1, "raised")]


@pytest.mark.parametrize(
    "bad", [{"x": 5, "n": 0}, {"x": -1, "n": 10}, {"x": 11, "n": 10}, {"x": 5}, {"x": 5, "n": "ten"}]
)
def test_impossible_counts_are_no_samples(bad: dict[str, Any]) -> None:
    m = monitor("type: control_chart, signal: x, chart: p, inspected: n, mean: 0.1")
    assert told(m, seen(0, **bad)) == []
    assert state(m)["trace"] == []


# -- gates, quality, changes ----------------------------------------------------------------------------------------


def test_arming_begins_the_runs_anew_and_keeps_the_limits() -> None:
    m = monitor(GIVEN, ', when: "run == true"')
    assert told(m, seen(0, run=True), *(seen(1 + i, x=0.5) for i in range(8))) == []
    assert told(m, seen(20, run=False), *(seen(21 + i, x=0.5) for i in range(8)), seen(40, run=True)) == []
    assert told(m, *(seen(41 + i, x=0.5) for i in range(8))) == []
    assert told(m, seen(50, x=0.5)) == [("r", 50, "raised")]


def test_the_reading_that_comes_with_the_opening_gate_is_the_first_sample_of_the_run() -> None:
    m = monitor(GIVEN, ', when: "run == true"')
    assert told(m, seen(0, run=True, x=0.5), *(seen(1 + i, x=0.5) for i in range(8))) == [("r", 8, "raised")]
    m = monitor(GIVEN, ', when: "run == true"')
    told(m, seen(0, run=False, x=0.5), seen(1, x=0.5), seen(2, x=0.5))
    assert told(m, seen(3, run=True, x=0.5), *(seen(4 + i, x=0.5) for i in range(8))) == [("r", 11, "raised")]


def test_bad_readings_are_no_samples_and_hold_the_alarm() -> None:
    m = monitor(f"{GIVEN}, rules: [nelson_1], clear_after: 2, spread: false")
    assert told(m, seen(0, x=5), seen(1, x=0), seen(2, bad=("x",), x=0), seen(3, x="text"), seen(4, x=None)) == [
        ("r", 0, "raised")
    ]
    assert told(m, seen(5, x=0)) == [("r", 5, "cleared")]


def test_bad_quality_is_an_alarm_where_the_rule_says_so_and_not_where_it_says_ignore() -> None:
    m = monitor(f"{GIVEN}", ", on_bad_quality: alarm")
    assert told(m, seen(0, x=0), seen(1, x=None), seen(2, x=0)) == [("r", 1, "raised"), ("r", 2, "cleared")]
    m = monitor(f"{GIVEN}", ", on_bad_quality: ignore")
    assert told(m, seen(0, x=0), seen(1, bad=("x",), x=5), seen(2, x=None)) == [("r", 1, "raised")]
    assert len(state(m)["trace"]) == 2, "a reading without a value is no sample"


def test_a_rule_that_detects_otherwise_does_not_take_an_old_reading_for_a_new_sample() -> None:
    m = monitor(f"{GIVEN}, rules: [nelson_1]")
    told(m, seen(0, x=5))
    changed = rules("type: control_chart, signal: x, mean: 0, sigma: 0.5, rules: [nelson_1]")
    out = m.handle(Revision(T0 + 10 * SECOND, changed))
    assert [t.event for t in out] == ["cleared"]
    assert state(m)["trace"] == []


def test_the_largest_numbers_are_no_error() -> None:
    for detect in (GIVEN, "type: ewma, signal: x, mean: 0, sigma: 1e-140", "type: cusum, signal: x, mean: 0, sigma: 1"):
        m = monitor(detect)
        fed(m, [1e150, -1e150, 1e308, float("inf"), float("nan"), 1e149] * 5)
        assert state(m)["on"] is True


def test_a_clock_that_was_set_back_moves_what_is_remembered_with_it() -> None:
    m = monitor(f"{GIVEN}, chart: xbar_r, subgroup: {{every: 60s}}")
    start = -(T0 // SECOND) % 60
    told(m, seen(start, x=0), seen(start + 1, x=0.5), tick(start + 61))
    told(m, *(seen(start + 61 + i - 4000, late=4000, x=0.1) for i in range(12)))
    assert m.clock.timeline == 1
    ((at, *_),) = state(m)["trace"]
    assert at == pytest.approx(T0 + (start - 4000) * SECOND, abs=3 * SECOND)
    assert m.next_deadline() is not None
    assert m.next_deadline() - m.clock.now <= 60 * SECOND


# -- what rule files may say ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detect", "expected"),
    [
        ("type: control_chart, signal: x", "limits need mean and sigma, or a stretch to learn from"),
        ("type: control_chart, signal: x, mean: 1", "limits need mean and sigma"),
        (f"{GIVEN}, learn: {{subgroups: 25}}", "limits are given or learned, not both"),
        (f"{GIVEN}, per: product", "unknown context `product`"),
        (f"{GIVEN}, autoregression: learn", "autoregression is learned with the limits, or given with them"),
        (f"{GIVEN}, chart: xbar_r, subgroup: {{size: 5}}, autoregression: 0.5", "autoregression is for single values"),
        (f"{GIVEN}, subgroup: {{every: 1m, counter: n}}", "a part counter makes subgroups by size"),
        (f"{GIVEN}, subgroup: {{size: 1}}", "a subgroup of one value is the value"),
        (f"{GIVEN}, rules: [nelson_9]", "unknown run rule `nelson_9`, did you mean `nelson_"),
        (f"{GIVEN}, chart: xbar_r", "`xbar_r` needs subgroups"),
        (f"{GIVEN}, chart: xbar", "unknown chart `xbar`, did you mean `xbar_"),
        (f"{GIVEN}, chart: xbar_r, subgroup: {{size: 5, every: 1m}}", "a subgroup is by size or by time"),
        (f"{GIVEN}, chart: xbar_r, subgroup: {{every: 0}}", "a subgroup of no time holds nothing"),
        (f"{GIVEN}, inspected: n", "`individuals` has no `inspected`"),
        ("type: control_chart, signal: x, chart: p, mean: 0.1", "how many were inspected?"),
        ("type: control_chart, signal: x, chart: p, inspected: 50, mean: 5", "the mean of `p` is a share"),
        ("type: control_chart, signal: x, chart: c, mean: 5, rules: [nelson_2]", "a chart of counts has no rule"),
        ("type: control_chart, signal: x, chart: u_laney, mean: 5", "limits need mean and sigma"),
        ("type: ewma, signal: x, mean: 0, sigma: 1, lambda: 2", "`lambda`: must be less than or equal to 1"),
        ("type: ewma, signal: x, mean: 0, sigma: 1, lamda: 0.1", "unknown key `lamda`, did you mean `lambda`?"),
        ("type: cusum, signal: x, mean: 0, sigma: 1, head_start: 5", "a head start of h or more"),
        ("type: cusum, signal: x, learn: {subgroups: 1}", "`learn.subgroups`: must be greater than or equal to 2"),
        ("type: capability, signal: x", "capability needs lower_spec, upper_spec or both"),
        ("type: capability, signal: x, lower_spec: 2, upper_spec: 1", "lower_spec 2 is not below upper_spec 1"),
        ("type: capability, signal: x, lower_spec: 2, index: cp", "`cp` needs both"),
        ("type: capability, signal: x, lower_spec: 2, window: 5", "a window holds 25 to 10000 values"),
        ("type: capability, signal: x, lower_spec: 2, per: product", "unknown context `product`"),
        ("type: capability, signal: x, lower_spec: 2, index: cpk, distribution: any", "`cpk` assumes normal values"),
        (
            "type: capability, signal: x, lower_spec: {by: asset, m: 5, n: 1}, upper_spec: {by: asset, m: 4, n: 2}",
            "lower_spec 5 is not below upper_spec 4",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(detect: str, expected: str) -> None:
    text = f"version: 1\nrules:\n  - id: r\n    kind: quality\n    detect: {{{detect}}}\n"
    (problem, *_) = load_rules({"a.yaml": text}).problems
    assert str(problem).startswith(f"a.yaml:5: error: {expected}")


def test_an_unknown_signal_of_the_number_inspected_is_told() -> None:
    text = "version: 1\nrules:\n  - {id: r, kind: quality, assets: a, detect: {type: control_chart, signal: x, chart: p, inspected: m, mean: 0.1}}\n"
    assets = "types: {t: {signals: {x: {}, n: {}}}}\nassets: {a: {type: t}}\n"
    (problem, *_) = load_rules({"a.yaml": text}, ("assets.yaml", assets)).problems
    assert "unknown signal `m`" in str(problem)
