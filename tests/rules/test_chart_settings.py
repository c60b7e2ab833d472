"""By which product and tool a part, or a subgroup, is judged."""

from __future__ import annotations

import pytest

from rules.events import SECOND
from tests.rules.plant import T0, seen
from tests.rules.test_chart_limits_in_service import GIVEN, LEARN, Line, events, normal


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def restart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


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


def test_a_counter_that_is_bad_for_a_while_ends_no_part(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 1, counter: count}}", restart=restart)
    line.make(0.0, count=1)
    line.second += 1
    line.handle(seen(line.second, x=9.0, count=65535, bad=("count",)))
    assert events(line.make(0.0, count=1) + line.told(count=2)) == []
    ignoring = Line(f"{GIVEN}, subgroup: {{size: 1, counter: count}}", keys=", on_bad_quality: ignore")
    assert events(ignoring.make(9.0, count=1) + ignoring.handle(seen(9, count=2, bad=("count",)))) == ["raised"]
