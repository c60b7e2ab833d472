"""Capability by subgroups: the spread within them, and where they begin and end."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from rules.asset import AssetMonitor
from rules.statistics.capability import (
    Specification,
    actual,
    freedom_xbar_r,
    freedom_xbar_s,
    potential,
)
from rules.statistics.variables import estimate_xbar_r, estimate_xbar_s
from tests.rules.detectors.test_capability import (
    ABLE,
    PRODUCTS,
    judge,
    made,
    products,
)
from tests.rules.plant import refused, seen, told


def boxes(count: int, size: int, seed: int = 2) -> list[list[float]]:
    """Each of spread 1 within, and half as much again from box to box."""
    draw = Random(seed)
    return [[draw.gauss(mean, 1) for _ in range(size)] for mean in (draw.gauss(0, 1.5) for _ in range(count))]


def verdict(m: AssetMonitor) -> dict[str, Any]:
    (watch,) = m.watching("r")
    return watch.detector.describe("on", on=False)


@pytest.mark.parametrize("size", [5, 12])
@pytest.mark.parametrize("index", ["cp", "cpk"])
def test_the_spread_within_subgroups_is_that_of_range_or_standard_deviation(size: int, index: str):
    made_of = boxes(25, size)
    m = judge(f"{ABLE}, index: {index}, window: {25 * size}, subgroup: {{size: {size}}}")
    made(m, [value for box in made_of for value in box])
    told_of, ranges = verdict(m), size <= 10
    parameters = (estimate_xbar_r if ranges else estimate_xbar_s)(made_of)
    assert told_of["within"] == pytest.approx(parameters.sigma)
    assert told_of["within"] == pytest.approx(1, abs=0.2)
    assert told_of["phi"] > 0.3
    freedom = (freedom_xbar_r if ranges else freedom_xbar_s)(25, size) * told_of["independent"] / (25 * size)
    spec = Specification(-4, 4)
    wanted = (
        potential(spec, parameters.sigma, freedom)
        if index == "cp"
        else actual(spec, told_of["mean"], parameters.sigma, told_of["independent"], freedom)
    )
    assert wanted is not None
    assert (told_of["value"], told_of["lower"], told_of["upper"]) == pytest.approx(
        (wanted.value, wanted.lower, wanted.upper)
    )


def test_a_subgroup_that_lost_its_oldest_values_teaches_nothing_of_the_spread_within():
    made_of = boxes(30, 4)
    m = judge(f"{ABLE}, index: cpk, window: 50, subgroup: {{size: 4}}")
    made(m, [value for box in made_of for value in box][:104])
    assert verdict(m)["within"] == pytest.approx(estimate_xbar_r(made_of[14:26]).sigma)


def test_subgroups_may_be_those_of_a_time_or_of_parts_that_are_counted():
    made_of = boxes(30, 4)
    m = judge(f"{ABLE}, index: cpk, window: 100, subgroup: {{every: 10s}}")
    for number, box in enumerate(made_of[:26]):
        made(m, box, 10 * number)
    assert verdict(m)["within"] == pytest.approx(estimate_xbar_r(made_of[:25]).sigma)
    m = judge(f"{ABLE}, index: cpk, window: 100, subgroup: {{size: 4, counter: part}}")
    part = 0
    for box in made_of:
        for value in box:
            part += 1
            told(m, seen(3 * part, x=99, part=part), seen(3 * part + 1, x=value))
    assert verdict(m)["within"] == pytest.approx(estimate_xbar_r(made_of[:25]).sigma)


def test_a_subgroup_under_way_outlives_a_restart_and_ends_with_the_product():
    m = judge(f"{ABLE}, index: cpk, window: 30, per: product, subgroup: {{size: 4}}", assets=PRODUCTS)
    made(m, [1.0, 2.0, 3.0], recipe="A")
    m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    made(m, [4.0, 5.0], 4, recipe="A")
    assert products(m)["A"][0] == 4
    made(m, [6.0] * 4, 6, recipe="B")
    assert {name: count for name, (count, _, _) in products(m).items()} == {"A": 4, "B": 4}


def test_subgroups_are_for_indices_of_the_spread_within_them():
    assert "`ppk` is of all values" in refused(f"{{{ABLE}, subgroup: {{size: 5}}}}")
    judge(f"{ABLE}, subgroup: {{size: 1, counter: part}}")
