"""What a sample is made of: every n-th value, parts by a counter, residuals; and by what product and tool it is judged."""

from __future__ import annotations

from random import Random

import pytest

from rules.events import SECOND
from tests.rules.plant import T0, seen
from tests.rules.test_chart_limits_in_service import GIVEN, LEARN, Line, events, normal


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def restart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_thinning_takes_every_nth_value(restart: bool) -> None:
    line = Line(f"{GIVEN}, thin: 3", restart=restart)
    assert events(line.make([0.0, 9.0, 9.0, 0.0, 9.0, 9.0])) == []
    assert events(line.make(9.0)) == ["raised"]


def test_a_part_counter_makes_one_value_of_each_part(restart: bool) -> None:
    line = Line(f"{GIVEN}, chart: xbar_r, subgroup: {{size: 2, counter: count}}", restart=restart)
    for part, values in enumerate([[9.0, 0.0], [9.0, 9.0, 0.0], [0.0, 5.0], [5.0]]):
        assert events(line.make(values, count=part)) == [], "the first two parts ended in control"
    assert events(line.told(count=4)) == ["raised"]


def test_single_parts_may_be_charted(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 1, counter: count}}", restart=restart)
    assert events(line.make([9.0, 9.0, 0.0], count=1) + line.make([1.0, 9.0], count=2)) == []
    assert events(line.told(count=3)) == ["raised"]


BOXES = "type: control_chart, signal: x, chart: xbar_r, mean: 10, sigma: 1, subgroup: {size: 5, counter: count}"
PARTS = "type: control_chart, signal: x, mean: 10, sigma: 1, subgroup: {size: 1, counter: count}, rules: [nelson_1]"


@pytest.mark.parametrize(
    ("detect", "change", "batch"),
    [
        (f"{BOXES}, per: product", "recipe", 5),
        (BOXES, "nozzle", 5),
        (f"{PARTS}, per: product", "recipe", 1),
        (PARTS, "nozzle", 1),
        ("type: control_chart, signal: x, chart: xbar_r, mean: 10, sigma: 1, subgroup: {size: 5}", "nozzle", 5),
    ],
)
def test_finished_parts_are_judged_though_the_next_one_is_another_product_or_comes_from_another_tool(
    detect: str, change: str, batch: int, restart: bool
) -> None:
    line = Line(f"{detect}, on_signal: restart, clear_after: 1", restart=restart)
    out = [t for part in range(21) for t in line.make(100.0, count=part, **{change: f"T{part // batch}"})]
    assert events(out).count("raised") == 20 // batch


def test_the_limits_of_a_part_are_those_of_the_product_it_was_made_as(restart: bool) -> None:
    """A is made at 0, B at 50; what comes with the number of the next part is that part's."""
    line = Line(f"{LEARN}, subgroup: {{size: 1, counter: count}}, per: product", restart=restart)
    for part, value in enumerate(normal(24)):
        line.make(value, count=part, recipe="A")
    for part, value in enumerate(normal(24, mean=50, seed=2), 24):
        line.make(value, count=part, recipe="B")
    for part in range(48, 60):
        assert line.make(0.0 if part % 2 else 50.0, count=part, recipe="A" if part % 2 else "B") == []
    assert line.make(50.0, count=60, recipe="A") == []
    (raised,) = line.make(50.0, count=61, recipe="B")
    assert (raised.event, raised.reason["value"]) == ("raised", 50.0)
    assert raised.reason["mean"] < 1


def test_a_change_of_product_in_a_message_of_its_own_leaves_the_part_before_to_the_old_one(restart: bool) -> None:
    line = Line(f"{PARTS}, per: product, on_signal: restart, clear_after: 1", restart=restart)
    told = []
    for part in range(6):
        line.told(recipe="AB"[part % 2])
        told += line.told(count=part) + line.make(100.0)
    assert events(told).count("raised") == 5


def test_a_part_that_has_a_value_of_the_new_product_is_one_of_it_alone(restart: bool) -> None:
    line = Line(f"{PARTS}, per: product", restart=restart)
    line.make(100.0, count=1, recipe="A")
    line.make(10.0, recipe="B")
    assert line.told(count=2) == []
    line.make(10.0, recipe="A")
    line.make(100.0, recipe="B")
    assert events(line.told(count=3)) == ["raised"]


def test_a_subgroup_that_a_change_cuts_short_is_left_out(restart: bool) -> None:
    line = Line(f"{BOXES}, per: product", restart=restart)
    out = [t for part in range(24) for t in line.make(100.0, count=part, recipe=f"P{part // 4}")]
    assert out == []


def test_an_interval_that_ends_before_the_change_is_judged_by_what_it_was_made_under(restart: bool) -> None:
    timed = "type: control_chart, signal: x, chart: xbar_r, mean: 10, sigma: 1, subgroup: {every: 10s}"
    line = Line(f"{timed}, per: product", restart=restart)
    line.second = -(T0 // SECOND) % 10
    line.make([100.0] * 8, recipe="A")
    assert line.told(recipe="B") == []
    assert events(line.make(10.0)) == ["raised"]


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


def test_a_counter_that_is_bad_for_a_while_ends_no_part(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 1, counter: count}}", restart=restart)
    line.make(0.0, count=1)
    line.second += 1
    line.handle(seen(line.second, x=9.0, count=65535, bad=("count",)))
    assert events(line.make(0.0, count=1) + line.told(count=2)) == []
    ignoring = Line(f"{GIVEN}, subgroup: {{size: 1, counter: count}}", keys=", on_bad_quality: ignore")
    assert events(ignoring.make(9.0, count=1) + ignoring.handle(seen(9, count=2, bad=("count",)))) == ["raised"]
