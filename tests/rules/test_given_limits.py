"""Limits that a rule gives: in force at once, checked by the first points, doubted aloud, changed by nobody but people."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from rules.alarms import Transition
from rules.events import SECOND
from tests.rules.plant import T0
from tests.rules.test_chart_limits_in_service import GIVEN, Line, normal


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def restart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


EACH_GIVEN = {
    "individuals": GIVEN,
    "ewma": "type: ewma, signal: x, mean: 0, sigma: 1",
    "cusum": "type: cusum, signal: x, mean: 0, sigma: 1",
}


def following(count: int, phi: float = 0.9, seed: int = 3) -> list[float]:
    """Values each of which follows the one before; within the limits."""
    draw, out, last = Random(seed), [], 0.0
    for _ in range(count):
        last = phi * last + (1 - phi * phi) ** 0.5 * draw.gauss(0, 0.8)
        out.append(max(-2.5, min(2.5, last)))
    return out


def comments(out: list[Transition]) -> list[Transition]:
    return [t for t in out if t.event == "commented"]


def decided(out: list[Transition]) -> list[tuple[str, int]]:
    return [(t.event, t.at) for t in out if t.event != "commented"]


@pytest.mark.parametrize("chart", EACH_GIVEN)
def test_given_limits_are_checked_by_the_first_points_and_doubts_told_once(chart: str, restart: bool) -> None:
    line = Line(EACH_GIVEN[chart], restart=restart)
    assert comments(line.make(following(24))) == []
    (told,) = comments(line.make(following(100)[24:]))
    assert told.by == "andon"
    assert told.at == T0 + 25 * SECOND
    assert told.reason["why"] == "limits_checked"
    assert told.reason["text"].startswith(
        "x: the limits given (mean: 0, sigma: 1) were checked by 25 samples; they stay in force; each point follows"
    )
    if chart == "individuals":
        assert "use larger subgroups, every " in told.reason["text"]
        assert "value (thin) or, of single values, their residuals (autoregression)" in told.reason["text"]
    else:
        assert ": use every " in told.reason["text"]
        assert "value (thin) or their residuals (autoregression)" in told.reason["text"]
        assert "subgroup" not in told.reason["text"], "the chart takes none"
    assert told.reason["checks"]["autocorrelation"]["significant"] is True
    assert (told.reason["mean"], told.reason["sigma"], told.reason["product"]) == (0.0, 1.0, None)
    assert len(told.reason["warnings"]) >= 1


@pytest.mark.parametrize("chart", EACH_GIVEN)
def test_the_cost_of_autocorrelation_depends_on_what_a_given_sigma_is_of(chart: str) -> None:
    (told,) = comments(Line(EACH_GIVEN[chart]).make(following(25)))
    checks = told.reason["checks"]["autocorrelation"]
    whole, ranges = checks["run_length"], checks["run_length_moving_ranges"]
    assert ranges < whole / 2 < told.reason["checks"]["run_length"] / 4
    assert (
        f"a false alarm about every {whole:.0f} points if sigma is that of all values and every {ranges:.0f} if it is from "
        "moving ranges, instead of every " in told.reason["text"]
    )


@pytest.mark.parametrize("chart", ["type: control_chart, rules: [nelson_1]", "type: ewma", "type: cusum"])
def test_of_a_sigma_learned_from_moving_ranges_one_cost_is_told(chart: str) -> None:
    (told,) = comments(Line(f"{chart}, signal: x, learn: {{subgroups: 100}}").make(following(100)))
    checks = told.reason["checks"]["autocorrelation"]
    assert "run_length_moving_ranges" not in checks
    assert checks["run_length"] < 15
    assert f", a false alarm about every {checks['run_length']:.0f} points, instead of every " in told.reason["text"]


@pytest.mark.parametrize("source", ["mean: 0, sigma: 1", "learn: {subgroups: 25}"])
def test_of_means_that_follow_each_other_the_cost_goes_by_how_much_they_vary(source: str) -> None:
    means = [5 * value for value in following(25, 0.8, seed=9)]
    values = [mean + by for mean in means for by in (-1.0, 0.3, 0.5, 0.2)]
    boxes = f"type: control_chart, chart: xbar_s, subgroup: {{size: 4}}, signal: x, {source}, rules: [nelson_1]"
    told = comments(Line(boxes).make(values))[0]
    assert told.reason["checks"]["autocorrelation"]["run_length"] < 10
    assert (
        "times as much as the limits take them to, instead of every 139: use larger subgroups or every "
        in (told.reason["text"])
    )


def test_given_limits_that_nothing_speaks_against_pass_in_silence(restart: bool) -> None:
    line = Line(GIVEN, restart=restart)
    assert line.make(normal(100)) == []
    (raised,) = line.make(9.0)
    assert raised.reason["provisional"] is False
    assert "checks" not in raised.reason


def test_a_chart_with_given_limits_is_armed_at_once(restart: bool) -> None:
    (raised,) = Line(GIVEN, restart=restart).make(9.0)
    assert (raised.event, raised.reason["limit"]) == ("raised", 3.0)


@pytest.mark.parametrize("chart", EACH_GIVEN)
def test_the_check_changes_neither_limits_nor_signals(chart: str, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [1.6 * value for value in following(400, seed=5)]
    checked = Line(EACH_GIVEN[chart]).make(values)
    monkeypatch.setattr("rules.charting.book.FEWEST", 10_000)
    unchecked = Line(EACH_GIVEN[chart]).make(values)
    assert comments(checked)
    assert not comments(unchecked)
    assert decided(checked) == decided(unchecked) != []

    def limits(out: list[Transition]) -> list[Any]:
        return [t.reason["limits"] for t in out if t.event == "raised"]

    assert limits(checked) == limits(unchecked)


def test_explanation_and_alarm_repeat_the_doubts_until_a_person_freezes_limits(restart: bool) -> None:
    line = Line(GIVEN.replace(", nelson_2", ""), restart=restart)
    (told,) = comments(line.make(following(25)))
    (watch,) = line.monitor.watching("r")
    assert watch.says("on", on=False).endswith(told.reason["warnings"][-1])
    (raised,) = line.make(9.0)
    assert raised.reason["warnings"] == told.reason["warnings"]
    assert raised.reason["text"].endswith(told.reason["warnings"][-1])
    line.order("dispose")
    line.order("relearn")
    line.make(normal(25))
    line.order("freeze")
    assert "warnings" not in next(t for t in line.make(9.0) if t.event == "raised").reason


def test_values_too_coarse_or_hardly_normal_for_given_limits_are_told() -> None:
    coarse = "type: control_chart, signal: x, rules: [nelson_1], spread: false, mean: 0.5, sigma: 0.5"
    (told,) = comments(Line(coarse).make([float(value > 0) for value in normal(25)]))
    assert "the values come in steps of 1, more than one sigma: measure more finely" in told.reason["warnings"]
    parted = "type: control_chart, signal: x, rules: [nelson_1], spread: false, mean: 0, sigma: 4"
    (told,) = comments(Line(parted).make([value + (3 if value > 0 else -3) for value in normal(25)]))
    assert any(note.startswith("the points are hardly normal") for note in told.reason["warnings"])


@pytest.mark.parametrize(("sigma", "adequate"), [(0.4, False), (2.0, True)])
def test_resolution_is_judged_by_the_sigma_that_is_given(sigma: float, adequate: bool) -> None:
    line = Line(f"type: control_chart, signal: x, rules: [nelson_1], spread: false, mean: 0, sigma: {sigma}")
    told = comments(line.make([round(2 * value) / 2 for value in normal(100)]))
    assert [t.reason["checks"]["resolution"]["adequate"] for t in told] == ([] if adequate else [False])


def test_subgroups_are_checked_as_subgroups(restart: bool) -> None:
    boxes = "type: control_chart, chart: xbar_r, subgroup: {size: 4}, signal: x, mean: 0, sigma: 1, rules: [nelson_1]"
    line = Line(boxes, restart=restart)
    assert (
        comments(line.make([value for value in following(24) for _ in range(2) for value in (value, value + 0.1)]))
        == []
    )
    (told,) = comments(
        line.make([value for value in following(25)[24:] for value in (value, value + 0.1, value, value)])
    )
    assert told.reason["checks"]["stretch"]["samples"] == 25


def test_residuals_are_checked_and_not_the_values_they_are_of(restart: bool) -> None:
    detect = "type: ewma, signal: x, mean: 0, sigma: 0.35, autoregression: 0.9"
    assert comments(Line(detect, restart=restart).make(following(100))) == []
    (told,) = comments(Line(detect.replace("0.9", "0.1"), restart=restart).make(following(100)))
    assert told.reason["autoregression"] == 0.1
    assert told.reason["checks"]["autocorrelation"]["significant"] is True


def test_counts_are_asked_whether_they_follow_each_other() -> None:
    defects = "type: control_chart, chart: c, signal: x, mean: 9"
    (told,) = comments(Line(defects).make([float(round(9 + 2 * value)) for value in following(25)]))
    assert set(told.reason["checks"]) == {"stretch", "run_length", "autocorrelation"}


def test_each_product_is_checked_by_its_own_points(restart: bool) -> None:
    line = Line(f"{GIVEN}, per: product", restart=restart)
    assert comments(line.make(normal(24), recipe="A")) == []
    (told,) = comments(line.make(following(25), recipe="B"))
    assert told.reason["product"] == "B"
    assert "the limits given of B (mean: 0, sigma: 1)" in told.reason["text"]
    assert comments(line.make(normal(20, seed=2), recipe="A")) == []


def test_a_stretch_without_spread_says_nothing_of_given_limits() -> None:
    line = Line(GIVEN)
    assert comments(line.make([0.0] * 30)) == []
    assert len(comments(line.make(following(45)))) == 1


def test_limits_that_a_person_froze_meanwhile_are_not_checked_any_more(restart: bool) -> None:
    line = Line(GIVEN, restart=restart)
    line.make([0.0] * 20)
    line.order("relearn")
    (proposed,) = comments(line.make([0.0] * 5 + normal(20)))
    assert "limits are proposed" in proposed.reason["text"]
    line.order("freeze")
    assert comments(line.make(following(100))) == []


def test_another_run_rule_does_not_begin_the_check_anew(restart: bool) -> None:
    line = Line(GIVEN, restart=restart)
    line.make(following(20))
    line.revise(GIVEN.replace("nelson_2", "nelson_3"))
    assert len(comments(line.make(following(25)[20:]))) == 1


def test_what_is_checked_and_proposed_at_once_is_told_as_a_proposal() -> None:
    line = Line(GIVEN)
    line.order("relearn")
    (told,) = comments(line.make(following(25)))
    assert "limits are proposed" in told.reason["text"]
    assert "each point follows the one before" in told.reason["text"]
