"""Limits that charts learn: what is left out, what is doubted, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from rules.events import SECOND, Revision
from tests.rules.plant import T0, seen, told
from tests.rules.test_charts import fed, monitor, normal, reason, rules, state

LEARN = "type: control_chart, signal: x, learn: {subgroups: 100}, rules: [nelson_1]"


def test_learned_limits_are_provisional_and_say_how_to_freeze_them() -> None:
    told_of = reason(LEARN, [*normal(100), 9.0])
    assert told_of["provisional"] is True
    mean, sigma = told_of["mean"], told_of["sigma"]
    assert abs(mean) < 0.4
    assert sigma == pytest.approx(1, abs=0.25)
    assert told_of["run_length"] == pytest.approx(370.4, abs=0.1)
    assert f"freeze them by mean: {mean:.6g}, sigma: {sigma:.6g}" in told_of["text"]
    assert told_of["checks"]["normality"]["plausible"] is True
    assert told_of["checks"]["resolution"]["adequate"] is True
    assert told_of["checks"]["autocorrelation"]["significant"] is False
    assert told_of["warnings"] == []


def test_frozen_limits_signal_as_the_provisional_ones_did() -> None:
    told_of = reason(LEARN, [*normal(100), 9.0])
    frozen = f"type: control_chart, signal: x, rules: [nelson_1], mean: {told_of['mean']}, sigma: {told_of['sigma']}"
    again = reason(frozen, [9.0])
    assert (again["limits"], again["provisional"]) == (told_of["limits"], False)


def test_outliers_of_the_stretch_are_left_out_and_reported() -> None:
    stretch = normal(100)
    stretch[30], stretch[60] = 25.0, -30.0
    told_of = reason(LEARN, [*stretch, 50.0])
    assert told_of["checks"]["stretch"]["left_out"] == [31, 61]
    assert "learned from 100 samples, 2 of them left out" in told_of["text"]


def test_autocorrelation_is_told_with_its_cost_and_a_remedy() -> None:
    told_of = reason(LEARN, [*normal(100, seed=3, phi=0.8), 30.0])
    found = told_of["checks"]["autocorrelation"]
    assert found["significant"] is True
    assert found["run_length"] < told_of["checks"]["run_length"] / 3
    assert "each point follows the one before" in told_of["text"]
    assert f"every {found['thinning']}. value" in told_of["text"]


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_one_outlier_hides_no_autocorrelation(seed: int) -> None:
    stretch = normal(100, seed=seed, phi=0.6)
    plain = reason(LEARN, [*stretch, 30.0])["checks"]["autocorrelation"]
    stretch[50] = 40.0
    told_of = reason(LEARN, [*stretch, 30.0])
    assert 51 in told_of["checks"]["stretch"]["left_out"]
    found = told_of["checks"]["autocorrelation"]
    assert found["significant"] is True
    assert found["phi"] == pytest.approx(plain["phi"], abs=0.08)
    assert "each point follows the one before" in told_of["text"]


def test_one_outlier_does_not_spoil_a_learned_autoregression() -> None:
    stretch = normal(400, seed=3, phi=0.8)
    stretch[200] = 60.0
    m = monitor("type: control_chart, signal: x, learn: {subgroups: 400}, autoregression: learn")
    (told_of,) = [t.reason for i, v in enumerate(stretch) for t in m.handle(seen(i, x=v))]
    assert told_of["autoregression"] == pytest.approx(0.8, abs=0.08)
    assert "follows the one before" not in told_of["text"]


def test_values_that_are_not_normal_or_too_coarse_are_told() -> None:
    skewed = reason(LEARN, [*(2.718 ** (1.5 * z) for z in normal(100)), 1e6])
    assert "hardly normal" in skewed["text"]
    coarse = reason(LEARN, [*(float(i % 3 == 0) for i in range(100)), 9.0])
    assert "steps of 1, more than one sigma" in coarse["text"]


def proposed(detect: str, values: list[float]) -> dict[str, Any]:
    """What is said of the limits learned from these values."""
    m = monitor(detect)
    return next(t.reason for i, v in enumerate(values) for t in m.handle(seen(i, x=v)) if t.event == "commented")


BOXED = "type: control_chart, signal: x, chart: xbar_r, subgroup: {size: 4}, learn: {subgroups: 24}"


def boxes(levels: list[float]) -> list[float]:
    return [level + off for level in levels for off in (1.5, -1.5, 0.5, -0.5)]


def test_a_stretch_in_which_a_run_rule_signals_is_not_in_control() -> None:
    """Nobody of the stretch is beyond the limits, and half of it lies below, half above the mean."""
    told_of = proposed(BOXED, boxes([0.1, -0.1, *[-0.5] * 10, *[0.5] * 12]))
    stretch = told_of["checks"]["stretch"]
    assert (stretch["in_control"], stretch["left_out"]) == (False, [])
    assert stretch["signals"] == [
        {
            "chart": "X-bar",
            "rule": "nelson_2",
            "says": "9 points in a row on one side of the centre line",
            "samples": [2, 12],
            "times": 2,
        }
    ]
    assert (
        "the stretch learned from was not in control: 9 points in a row on one side of the centre line "
        "(nelson_2 on the X-bar chart, samples 2 to 12, 2 times in all): find the cause, or learn anew"
    ) in told_of["text"]


def test_only_the_rules_of_the_chart_are_asked_of_the_stretch() -> None:
    values = boxes([0.1, -0.1, *[-0.5] * 10, *[0.5] * 12])
    assert proposed(f"{BOXED}, rules: [nelson_1]", values)["checks"]["stretch"]["signals"] == []
    wandering = proposed(f"{BOXED}, rules: [nelson_1, nelson_3]", boxes([0.1 * (i % 12) - 0.55 for i in range(24)]))
    assert [signal["rule"] for signal in wandering["checks"]["stretch"]["signals"]] == ["nelson_3"]


def test_a_point_that_is_left_out_still_stands_on_its_side_of_a_run() -> None:
    values = boxes([(0.3, -0.3)[i % 2] for i in range(15)] + [-0.4] * 4 + [-6.0] + [-0.4] * 4)
    stretch = proposed(BOXED, values)["checks"]["stretch"]
    assert stretch["left_out"] == [20]
    assert [signal["samples"] for signal in stretch["signals"]] == [[16, 24]]


def test_points_that_are_left_out_make_no_run_among_themselves() -> None:
    values = boxes([*[(0.3, -0.3)[i % 2] for i in range(22)], 6.0, 6.0])
    stretch = proposed(f"{BOXED}, rules: [nelson_1, nelson_5]", values)["checks"]["stretch"]
    assert (stretch["left_out"], stretch["signals"], stretch["in_control"]) == ([23, 24], [], True)


@pytest.mark.parametrize(("chart", "rule"), [("ewma", "ewma"), ("cusum", "cusum_upper")])
def test_an_average_or_a_sum_that_signals_in_its_stretch_is_told(chart: str, rule: str) -> None:
    detect = f"type: {chart}, signal: x, learn: {{subgroups: 60}}"
    steady = [z / 2 for z in normal(60)]
    assert proposed(detect, steady)["checks"]["stretch"]["signals"] == []
    steady[20] = 40.0
    found = proposed(detect, steady)["checks"]["stretch"]
    assert (found["left_out"], found["signals"], found["in_control"]) == ([21], [], True), "an outlier is left out"
    shifted = proposed(detect, [z + (2 if i >= 40 else 0) for i, z in enumerate(normal(60))])
    (*_, signal) = shifted["checks"]["stretch"]["signals"]
    assert signal["rule"] in {rule, "cusum_lower"}
    assert shifted["checks"]["stretch"]["in_control"] is False


def test_a_rule_that_signals_as_often_as_chance_has_it_is_no_doubt() -> None:
    """Nine in a row come once in 511 points, so in a thousand twice and hardly four times."""
    calm = [z for pair in zip(normal(500), normal(500, seed=2), strict=True) for z in (abs(pair[0]), -abs(pair[1]))]
    detect = "type: control_chart, signal: x, rules: [nelson_1, nelson_2], learn: {subgroups: 1000}"

    def runs(count: int) -> dict[str, Any]:
        values = list(calm)
        for run in range(count):
            values[100 * run + 50 : 100 * run + 59] = [0.3] * 9
        return proposed(detect, values)["checks"]["stretch"]

    assert [runs(count)["in_control"] for count in (0, 3, 4)] == [True, True, False]
    assert runs(4)["signals"][0]["times"] == 4


def test_a_stretch_without_spread_teaches_nothing_and_the_next_one_does() -> None:
    m = monitor("type: control_chart, signal: x, learn: {subgroups: 20}")
    assert fed(m, [5.0] * 20 + [6.0]) == []
    assert state(m)["book"][0][1][1][1] == 1
    fed(m, normal(19), 21)
    assert state(m)["book"][0][1][0] is not None


def test_an_ewma_and_a_cusum_learn_too() -> None:
    for detect in ("type: ewma", "type: cusum"):
        told_of = reason(f"{detect}, signal: x, learn: {{subgroups: 50}}", [*normal(50), *[3.0] * 10])
        assert told_of["provisional"] is True
        assert told_of["checks"]["stretch"]["samples"] == 50


def test_what_was_learned_outlives_a_new_title() -> None:
    m = monitor(LEARN)
    fed(m, normal(100))
    basis = state(m)["book"][0][1][0]
    m.handle(Revision(T0 + 200 * SECOND, rules(LEARN, ", title: Weight")))
    assert state(m)["book"][0][1][0] == basis
    assert told(m, seen(300, x=9)) == [("r", 300, "raised")]
