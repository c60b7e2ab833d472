"""What a sample of a chart is made of: every n-th value, a part by its counter, what a value does not owe to the last."""

from __future__ import annotations

from random import Random

import pytest

from rules.alarms import Transition
from tests.rules.test_chart_limits_in_service import GIVEN, LEARN, Line, events


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def restart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_thinning_takes_every_nth_value(restart: bool) -> None:
    line = Line(f"{GIVEN}, thin: 3", restart=restart)
    assert events(line.make([0.0, 9.0, 9.0, 0.0, 9.0, 9.0])) == []
    assert events(line.make(9.0)) == ["raised"]


@pytest.mark.parametrize(("size", "raised"), [(1, 8), (2, 11)])
def test_thinning_by_a_part_counter_takes_every_nth_part_however_many_readings_it_has(
    restart: bool, size: int, raised: int
) -> None:
    line = Line(f"{GIVEN}, thin: 3, subgroup: {{size: {size}, counter: count}}", restart=restart)
    found = []
    for part in range(1, 13):
        value = 9.0 if part not in {1, 4} else 0.0
        found += [(part, t.event) for t in line.make([9.0] * 4 + [value], count=part)]
    assert found[:1] == [(raised, "raised")], "the next part ends the seventh, or the tenth beside it"


@pytest.mark.parametrize(
    ("sample", "remedy"),
    [
        ("subgroup: {size: 1, counter: count}", "use larger subgroups, every {}. part (thin) or, of single values"),
        ("subgroup: {size: 2}", "use larger subgroups, every {}. value (thin) or, of single values"),
        ("subgroup: {every: 2s}", "use larger subgroups or, of single values"),
        ("chart: xbar_r, subgroup: {every: 2s}", "use larger subgroups"),
    ],
)
def test_thinning_is_advised_where_it_sets_points_farther_apart(restart: bool, sample: str, remedy: str) -> None:
    line, z, draw = Line(f"{GIVEN.replace('sigma: 1', 'sigma: 5')}, {sample}", restart=restart), 0.0, Random(3)
    told: list[Transition] = []
    for part in range(1, 80):
        z = 0.95 * z + draw.gauss(0, 0.3)
        told += line.make(z, count=part)
    (comment,) = (t.reason for t in told if t.event == "commented")
    every = comment["checks"]["autocorrelation"]["thinning"]
    assert remedy.format(every) in comment["text"]
    assert ("(thin)" in comment["text"]) is ("(thin)" in remedy)


def test_a_part_counter_makes_one_value_of_each_part(restart: bool) -> None:
    line = Line(f"{GIVEN}, chart: xbar_r, subgroup: {{size: 2, counter: count}}", restart=restart)
    for part, values in enumerate([[9.0, 0.0], [9.0, 9.0, 0.0], [0.0, 5.0], [5.0]]):
        assert events(line.make(values, count=part)) == [], "the first two parts ended in control"
    assert events(line.told(count=4)) == ["raised"]


def test_single_parts_may_be_charted(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 1, counter: count}}", restart=restart)
    assert events(line.make([9.0, 9.0, 0.0], count=1) + line.make([1.0, 9.0], count=2)) == []
    assert events(line.told(count=3)) == ["raised"]


def wandering(count: int, phi: float, seed: int) -> list[float]:
    draw, z, made = Random(seed), 0.0, []
    for _ in range(count):
        z = phi * z + draw.gauss(0, (1 - phi * phi) ** 0.5)
        made.append(10 + z)
    return made


def alarms(detect: str, values: list[float]) -> int:
    return events(Line(detect).make(values)).count("raised")


def test_residuals_of_an_autoregression_keep_the_false_alarms_of_the_book() -> None:
    values = wandering(20_000, 0.8, seed=5)
    raw = alarms("type: ewma, signal: x, mean: 10, sigma: 1, on_signal: restart, clear_after: 1", values)
    known = "type: ewma, signal: x, mean: 10, sigma: 0.6, autoregression: 0.8, on_signal: restart, clear_after: 1"
    residual = alarms(known, values)
    assert raw > 400
    assert 20 <= residual <= 62, "20,000 values at one false alarm every 500, within three standard errors"


def test_an_autoregression_is_learned_with_the_limits(restart: bool) -> None:
    line = Line(LEARN.replace("20", "400") + ", autoregression: learn", restart=restart)
    values = wandering(400, 0.8, seed=6)
    (told,) = line.make(values)
    assert told.reason["autoregression"] == pytest.approx(0.8, abs=0.1)
    assert told.reason["sigma"] == pytest.approx(0.6, abs=0.08)
    assert "autoregression: 0." in told.reason["text"]
    assert "follows the one before" not in told.reason["text"]
    (raised,) = line.make([10.0, 14.0])
    assert "charted is what a value does not owe to the one before" in raised.reason["text"]
