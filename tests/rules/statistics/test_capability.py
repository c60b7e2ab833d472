"""Capability indices against worked examples, and bounds that keep their promise."""

from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean, stdev

import pytest

from rules.statistics.capability import (
    Index,
    Specification,
    Verdict,
    about_target,
    actual,
    by_percentiles,
    freedom_individuals,
    freedom_within,
    freedom_xbar_r,
    freedom_xbar_s,
    potential,
)


def test_the_flow_width_of_the_hard_bake_process() -> None:
    cp = potential(Specification(1.00, 2.00), 0.32521 / 2.326, freedom_xbar_r(25, 5))
    assert cp is not None
    assert cp.value == pytest.approx(1.192, abs=1e-3)


def test_the_bounds_of_cp_are_the_chi_square_ones_of_the_textbook() -> None:
    cp = potential(Specification(38, 62), 1.75, 19, confidence=0.975)
    assert cp is not None
    assert (cp.value, cp.lower, cp.upper) == pytest.approx((2.29, 1.57, 3.01), abs=0.01)


def test_two_processes_of_the_same_cpk_are_told_apart_by_cpm() -> None:
    spec = Specification(35, 65, target=50)
    for mean, sigma, cpm in ((50, 5, 1.0), (57.5, 2.5, 0.632)):
        cpk = actual(spec, mean, sigma, 100, 99)
        assert cpk is not None
        assert cpk.value == pytest.approx(1.0)
        index = about_target(spec, mean, sigma, 100)
        assert index is not None
        assert index.value == pytest.approx(cpm, abs=1e-3)


def test_the_bounds_of_cpk_by_hand() -> None:
    cpk = actual(Specification(lower=0), 4, 1, 100, 99)
    assert cpk is not None
    reach = 1.644854 * math.sqrt(1 / 900 + (4 / 3) ** 2 / 198)
    assert (cpk.value, cpk.lower, cpk.upper) == pytest.approx((4 / 3, 4 / 3 - reach, 4 / 3 + reach), rel=1e-6)


def test_a_mean_outside_the_specification_has_a_negative_cpk() -> None:
    for spec in (Specification(lower=0), Specification(upper=-2), Specification(0, 10)):
        cpk = actual(spec, -1, 1, 100, 99)
        assert cpk is not None
        assert cpk.value == pytest.approx(-1 / 3)


def test_one_side_has_no_cp_and_no_cpm() -> None:
    one = Specification(upper=10)
    assert potential(one, 1, 99) is None
    assert about_target(one, 5, 1, 100) is None
    assert actual(one, 4, 1, 100, 99) is not None


def test_values_without_spread_have_no_index() -> None:
    spec = Specification(0, 10)
    assert potential(spec, 0, 99) is None
    assert actual(spec, 5, 0.0, 100, 99) is None
    assert about_target(spec, 5, 0.0, 100) is None
    assert by_percentiles(spec, [5.0] * 100) == {}
    assert potential(spec, 1e-310, 99) is None
    assert actual(spec, 5, 1e-310, 100, 99) is None


def test_values_without_spread_beyond_the_specification_are_proven_incapable() -> None:
    spec = Specification(0, 10)
    for sigma in (0.0, 1e-310):
        for found in (actual(spec, 12, sigma, 100, 99), about_target(spec, 12, sigma, 100)):
            assert found is not None
            assert found.verdict(0.3) is Verdict.INCAPABLE
    assert about_target(Specification(0, 10, 12), 12, 0.0, 100) is None
    assert by_percentiles(spec, [12.0] * 100)["ppk"].verdict(0.1) is Verdict.INCAPABLE
    assert by_percentiles(spec, [-1.0] * 100)["ppk"].verdict(0.1) is Verdict.INCAPABLE
    assert by_percentiles(spec, [10.0] * 100) == {}, "on the side is within"


def test_a_side_without_a_tail_leaves_the_other_to_be_judged() -> None:
    most_beyond = [12.0] * 90 + [10.0] * 10
    assert by_percentiles(Specification(9, 11), most_beyond)["ppk"].verdict(1.0) is Verdict.INCAPABLE
    assert by_percentiles(Specification(upper=11), most_beyond)["ppk"].verdict(1.0) is Verdict.INCAPABLE
    found = by_percentiles(Specification(9, 13), most_beyond)
    assert found["ppk"].value == pytest.approx(1.5)
    assert found["pp"].value == pytest.approx(2.0)
    assert by_percentiles(Specification(upper=13), most_beyond) == {}, "there is no tail on that side"
    few_beyond = [12.0] * 10 + [10.0] * 90
    assert by_percentiles(Specification(9, 11), few_beyond)["ppk"].verdict(1.0) is Verdict.INCAPABLE


def test_a_mean_far_from_the_target_leaves_cpm_a_number() -> None:
    index = about_target(Specification(0, 1), 1e140, 1e-3, 100)
    assert index is not None
    assert 0 <= index.lower <= index.value <= index.upper < 1e-6


@pytest.mark.parametrize(
    ("gate", "verdict"),
    [(1.2, "proven"), (1.3, "proven"), (1.33, "undecided"), (1.5, "undecided"), (1.51, "incapable")],
)
def test_the_verdict_follows_from_the_bounds(gate: float, verdict: str) -> None:
    assert Index(1.4, 1.3, 1.5).verdict(gate) is Verdict(verdict)


@pytest.mark.parametrize("sides", [(None, None), (5, 5), (6, 5)])
def test_an_impossible_specification_is_refused(sides: tuple[float | None, float | None]) -> None:
    with pytest.raises(ValueError, match="lower_spec"):
        Specification(*sides)


@pytest.mark.parametrize("index", ["pp", "ppk", "cpm"])
def test_the_lower_bound_lies_below_the_truth_nineteen_times_of_twenty(index: str) -> None:
    draw, spec = random.Random(11), Specification(-4, 4)
    held = 0
    for _ in range(1000):
        values = [draw.gauss(0.5, 1) for _ in range(100)]
        mean, sigma = fmean(values), stdev(values)
        found, truth = {
            "pp": (potential(spec, sigma, 99), 4 / 3),
            "ppk": (actual(spec, mean, sigma, 100, 99), 3.5 / 3),
            "cpm": (about_target(spec, mean, sigma, 100), 4 / 3 / math.sqrt(1.25)),
        }[index]
        assert found is not None
        held += found.lower <= truth
    assert held / 1000 == pytest.approx(0.95, abs=0.025)


def test_degrees_of_freedom_are_those_of_the_estimates_of_sigma() -> None:
    assert freedom_xbar_r(25, 5) == pytest.approx(90.6, abs=0.1)
    assert freedom_xbar_s(25, 5) == pytest.approx(94.9, abs=0.1)
    assert freedom_individuals(101) == pytest.approx(60.5, abs=0.1)


def test_subgroups_of_different_sizes_give_as_many_degrees_of_freedom_as_their_estimates_vary() -> None:
    assert freedom_within([5] * 25, ranges=True) == pytest.approx(freedom_xbar_r(25, 5))
    assert freedom_within([12] * 25, ranges=False) == pytest.approx(freedom_xbar_s(25, 12))
    assert freedom_within([3] * 10, ranges=True) < freedom_within([3, 7] * 5, ranges=True)


def quantiles(count: int, inverse: object) -> list[float]:
    return [inverse((i + 0.5) / count) for i in range(count)]  # type: ignore[operator]


def test_percentiles_of_normal_values_give_the_usual_indices() -> None:
    found = by_percentiles(Specification(-4, 5), quantiles(100_000, NormalDist().inv_cdf))
    assert found["pp"].value == pytest.approx(1.5, rel=0.01)
    assert found["ppk"].value == pytest.approx(4 / 3, rel=0.01)


def test_percentiles_of_skewed_values_follow_their_tails() -> None:
    values = quantiles(100_000, lambda p: -math.log(1 - p))
    found = by_percentiles(Specification(upper=10), values)
    assert set(found) == {"ppk"}
    middle, tail = math.log(2), -math.log(NormalDist().cdf(-3))
    assert found["ppk"].value == pytest.approx((10 - middle) / (tail - middle), rel=0.01)
    assert found["ppk"].lower < found["ppk"].value < found["ppk"].upper


def test_few_values_cannot_prove_what_lies_in_the_tails() -> None:
    draw = random.Random(5)
    found = by_percentiles(Specification(-9, 9), [draw.gauss(0, 1) for _ in range(500)])
    assert found["ppk"].lower == 0
    assert found["ppk"].verdict(1.33) is Verdict.UNDECIDED
    assert found["ppk"].verdict(9.0) is Verdict.INCAPABLE


def test_the_bounds_of_percentiles_hold_for_any_distribution() -> None:
    draw, spec = random.Random(8), Specification(upper=10)
    middle, tail = math.log(2), -math.log(NormalDist().cdf(-3))
    truth = (10 - middle) / (tail - middle)
    found = [by_percentiles(spec, [draw.expovariate(1) for _ in range(3000)])["ppk"] for _ in range(150)]
    assert sum(index.lower <= truth for index in found) >= 0.9 * len(found)
    assert sum(index.upper >= truth for index in found) >= 0.9 * len(found)
