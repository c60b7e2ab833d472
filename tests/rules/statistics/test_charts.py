"""Control limits: textbook sets give their published limits and signals; learning and given values agree."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

import pytest

from rules.statistics.attributes import limits_np, limits_p
from rules.statistics.charts import CHARTS, learn
from rules.statistics.constants import constants
from rules.statistics.limits import FAR, LARGEST, Limits, Parameters
from tests.rules.statistics import published

SET = "spc_textbook"


def signals(chart: str, parameters: Parameters, samples: list[Any], first: int = 1) -> list[int]:
    kind = CHARTS[chart]
    plotted = [kind.plot(sample) for sample in samples]
    return [i for i, p in enumerate(plotted, first) if kind.location(parameters, p.n).broken_by(p.location)]


def counts(name: str, key: str) -> list[tuple[float, float]]:
    return [(float(row[key]), float(row["size"])) for row in published.rows(SET, name)]


def near(limits: Limits, center: float, lower: float, upper: float) -> bool:
    return (limits.center, limits.lower, limits.upper) == pytest.approx((center, lower, upper), rel=1e-3)


def test_piston_rings_on_xbar_and_r() -> None:
    rows = published.rows(SET, "pistonrings.txt")
    groups = [[float(r["diameter"]) for r in g] for _, g in groupby(rows, lambda r: r["sample"])]
    chart = CHARTS["xbar_r"]
    process = chart.estimate(groups[:25])
    location = chart.location(process, 5)
    assert chart.spread is not None
    spread = chart.spread(process, 5)
    assert (location.center, location.lower, location.upper) == pytest.approx((74.0012, 73.9880, 74.0143), abs=6e-5)
    assert spread.center == pytest.approx(0.0228, abs=5e-5)
    assert spread.upper == pytest.approx(0.0481, abs=5e-5)
    assert spread.lower == 0
    assert signals("xbar_r", process, groups) == [37, 38, 39]
    assert not any(spread.broken_by(max(g) - min(g)) for g in groups)


def test_orange_juice_cans_on_p() -> None:
    cans = counts("orangejuice.txt", "D")
    process = CHARTS["p"].estimate(cans[:30])
    assert near(CHARTS["p"].location(process, 50), 0.2313, 0.0524, 0.4102)
    assert signals("p", process, cans) == [15, 23, 41]


def test_orange_juice_cans_on_np_signal_alike() -> None:
    cans = counts("orangejuice.txt", "D")
    assert signals("np", CHARTS["np"].estimate(cans[:30]), cans) == [15, 23, 41]


def test_orange_juice_cans_without_the_samples_that_had_a_cause() -> None:
    cans = counts("orangejuice.txt", "D")[:30]
    process = CHARTS["p"].estimate([s for i, s in enumerate(cans, 1) if i not in {15, 23}])
    assert near(CHARTS["p"].location(process, 50), 0.2150, 0.0407, 0.3893)
    assert signals("p", process, cans) == [15, 21, 23]


def test_orange_juice_cans_after_the_adjustment() -> None:
    process = CHARTS["p"].estimate(counts("orangejuice.txt", "D")[30:])
    assert near(CHARTS["p"].location(process, 50), 0.1108, 0.0, 0.2440)


def test_orange_juice_cans_of_the_second_set() -> None:
    cans = counts("orangejuice2.txt", "D")
    process = CHARTS["p"].estimate(cans[:24])
    assert near(CHARTS["p"].location(process, 50), 0.1108, 0.0, 0.2440)
    assert signals("p", process, cans) == []


def test_circuit_boards_on_c() -> None:
    boards = [(x, 1.0) for x, _ in counts("circuit.txt", "x")]
    process = CHARTS["c"].estimate(boards[:26])
    assert near(CHARTS["c"].location(process, 1), 19.846, 6.481, 33.211)
    assert signals("c", process, boards[:26]) == [6, 20]
    revised = CHARTS["c"].estimate([s for i, s in enumerate(boards[:26], 1) if i not in {6, 20}])
    assert near(CHARTS["c"].location(revised, 1), 19.67, 6.36, 32.97)
    assert signals("c", revised, boards[26:], 27) == []


def test_personal_computers_on_u() -> None:
    computers = counts("pcmanufact.txt", "x")
    process = CHARTS["u"].estimate(computers)
    assert near(CHARTS["u"].location(process, 5), 1.93, 0.0661, 3.7939)
    assert signals("u", process, computers) == []


def test_dyed_cloth_on_u_has_limits_of_its_own_for_every_roll() -> None:
    rolls = counts("dyedcloth.txt", "x")
    process = CHARTS["u"].estimate(rolls)
    assert process.mean == pytest.approx(153 / 107.5)
    assert [CHARTS["u"].location(process, n).upper for n in (8, 13)] == pytest.approx([2.689, 2.416], abs=6e-4)
    assert signals("u", process, rolls) == []


def test_viscosity_on_individuals_and_moving_range() -> None:
    values = published.column(SET, "viscosity.txt", "viscosity")
    chart = CHARTS["individuals"]
    process = chart.estimate(values[:20])
    assert near(chart.location(process, 1), 34.088, 32.565, 35.611)
    assert chart.spread is not None
    ranges = chart.spread(process, 1)
    assert (ranges.center, ranges.upper) == pytest.approx((0.5726, 1.871), rel=1e-3)
    assert signals("individuals", process, values) == [4]
    assert [i for i, (a, b) in enumerate(pairwise(values), 2) if ranges.broken_by(abs(b - a))] == [4]


def test_the_example_of_individuals_in_the_nist_handbook() -> None:
    values = published.column(SET, "nist_individuals_example.csv", "x")
    process = CHARTS["individuals"].estimate(values)
    assert near(CHARTS["individuals"].location(process, 1), 50.81, 45.8159, 55.8041)
    assert signals("individuals", process, values) == []


def test_given_mean_and_sigma_give_the_textbook_limits() -> None:
    location = CHARTS["xbar_s"].location(Parameters(10.0, 2.0), 4)
    assert (location.lower, location.upper, location.sigma) == (7.0, 13.0, 1.0)
    assert CHARTS["xbar_s"].spread is not None
    spread, known = CHARTS["xbar_s"].spread(Parameters(10.0, 2.0), 10), constants(10)
    assert (spread.lower, spread.upper) == pytest.approx((known.B3 * known.c4 * 2, known.B4 * known.c4 * 2))


def test_xbar_and_s_learn_from_subgroups_of_different_sizes() -> None:
    draw = random.Random(7)
    groups = [[draw.gauss(50, 3) for _ in range(draw.randint(2, 9))] for _ in range(2000)]
    for chart in ("xbar_r", "xbar_s"):
        process = CHARTS[chart].estimate(groups)
        assert process.mean == pytest.approx(50, abs=0.1)
        assert process.sigma == pytest.approx(3, rel=0.02)


def test_limits_follow_the_number_inspected() -> None:
    assert limits_p(Parameters(0.1), 100).upper == pytest.approx(0.19)
    assert limits_p(Parameters(0.1), 900).upper == pytest.approx(0.13)
    assert limits_np(Parameters(0.1), 900).upper == pytest.approx(117)


def test_no_limit_leaves_what_a_share_can_be() -> None:
    assert limits_p(Parameters(0.01), 20).lower == 0
    assert limits_p(Parameters(0.99), 20).upper == 1


def test_laney_leaves_binomial_counts_alone_and_widens_for_those_that_vary_more() -> None:
    draw = random.Random(3)
    plain = [(sum(draw.random() < 0.3 for _ in range(200)), 200) for _ in range(300)]
    assert CHARTS["p_laney"].estimate(plain).sigma == pytest.approx(1, abs=0.12)
    varying = [(count * 50 + draw.gauss(0, 400), 10_000) for count, _ in plain]
    process = CHARTS["p_laney"].estimate(varying)
    assert process.sigma > 5
    assert len(signals("p", CHARTS["p"].estimate(varying), varying)) > 100
    assert len(signals("p_laney", process, varying)) <= 5


def test_laney_u_by_hand() -> None:
    process = CHARTS["u_laney"].estimate([(4, 1), (16, 1), (4, 1), (16, 1)])
    assert process.mean == 10
    assert process.sigma == pytest.approx(12 / 10**0.5 / 1.128379, rel=1e-6)


def test_without_spread_any_other_value_is_far_away() -> None:
    limits = CHARTS["individuals"].location(CHARTS["individuals"].estimate([5.0, 5.0, 5.0]), 1)
    assert limits.standardise(5.0) == 0
    assert limits.standardise(5.1) == FAR
    assert limits.standardise(4.9) == -FAR
    assert limits.broken_by(5.1)
    assert not limits.broken_by(5.0)


@pytest.mark.parametrize("chart", ["individuals", "xbar_r", "xbar_s"])
def test_the_largest_values_are_no_error(chart: str) -> None:
    samples = [LARGEST, -LARGEST] if chart == "individuals" else [[LARGEST, -LARGEST], [0.0, 1.0]]
    process = CHARTS[chart].estimate(samples)
    plotted = CHARTS[chart].plot(samples[0])
    assert math.isfinite(CHARTS[chart].location(process, plotted.n).standardise(plotted.location))


def test_a_point_on_the_limit_is_within() -> None:
    assert not Limits(0, -3, 3, 1).broken_by(3.0)
    assert Limits(0, -3, 3, 1).broken_by(3.0000001)


@pytest.mark.parametrize("mean", [0.3, 1.0, 10.0, 74.0, 1234.5, -10.0, 1e6])
@pytest.mark.parametrize("sigma", [0.1, 0.3, 0.01])
@pytest.mark.parametrize("n", [1, 4, 9])
def test_what_lies_on_a_line_in_decimals_lies_on_it_in_binary_too(mean: float, sigma: float, n: int) -> None:
    limits = CHARTS["xbar_s"].location(Parameters(mean, sigma), n)
    unit, parts = sigma / math.sqrt(n), round(math.sqrt(n))
    for line in range(-3, 4):
        value = float(Fraction(str(mean)) + line * Fraction(str(sigma)) / parts)
        assert limits.standardise(value) == line
        assert not limits.broken_by(value)
        assert limits.standardise(value + 1e-4 * unit) == pytest.approx(line + 1e-4, abs=1e-5)
    assert limits.broken_by(mean + 3.0001 * unit)
    assert limits.broken_by(mean - 3.0001 * unit)


def test_a_limit_at_nought_is_as_fuzzy_as_the_centre_line_it_is_reckoned_from() -> None:
    limits = CHARTS["individuals"].location(Parameters(0.3, 0.1))
    assert limits.lower != 0
    assert not limits.broken_by(0.0)
    assert limits.standardise(0.0) == -3


def test_learning_leaves_out_what_was_not_in_control_and_says_so() -> None:
    cans = [(float(d), 50.0) for d in (12, 9, 11, 30, 10, 8, 13, 11, 12, 10, 9, 28, 11, 12)]
    learned = learn("p", cans)
    assert learned.excluded == (3, 11)
    assert learned.settled
    assert learned.parameters == CHARTS["p"].estimate([s for i, s in enumerate(cans) if i not in {3, 11}])


def test_learning_looks_at_the_spread_of_subgroups_too() -> None:
    draw = random.Random(2)
    groups = [[draw.gauss(0, 1) for _ in range(5)] for _ in range(30)]
    groups[17] = [-6.0, 6.0, 0.0, 0.0, 0.0]
    assert learn("xbar_r", groups).excluded == (17,)


@pytest.mark.parametrize("size", [12.0, -12.0, 1000.0])
def test_isolated_outliers_among_single_values_do_not_hide_each_other(size: float) -> None:
    draw = random.Random(4)
    values = [draw.gauss(10, 1) for _ in range(25)]
    clean = learn("individuals", values)
    assert clean.excluded == ()
    odd = (3, 9, 15, 21)
    learned = learn("individuals", [value + size * (i in odd) for i, value in enumerate(values)])
    assert learned.excluded == odd
    assert learned.settled
    rest = [value for i, value in enumerate(values) if i not in odd]
    assert learned.parameters == CHARTS["individuals"].estimate(rest)


def test_the_robust_look_at_single_values_leaves_nothing_out_by_itself() -> None:
    draw = random.Random(4)
    stretches = [[draw.gauss(10, 1) for _ in range(25)] for _ in range(300)]
    learned = [(values, learn("individuals", values)) for values in stretches]
    assert sum(len(found.excluded) for _, found in learned) < 0.15 * len(learned)
    step = [*stretches[0][:13], *(value + 20 for value in stretches[0][13:])]
    assert learn("individuals", step).excluded == ()
    coarse = [10.0, 10.0, 11.0] * 9
    assert learn("individuals", coarse).excluded == ()


def test_learning_gives_up_on_a_stretch_that_has_no_centre() -> None:
    learned = learn("c", [(2.0, 1.0), (40.0, 1.0)] * 10)
    assert not learned.settled
    assert learned.excluded == ()


@pytest.mark.parametrize(
    ("chart", "samples"),
    [("individuals", [1.0]), ("xbar_r", [[1.0, 2.0]]), ("xbar_s", []), ("p", [(0, 0)]), ("u_laney", [(1, 1)])],
)
def test_too_little_to_learn_from_is_refused(chart: str, samples: list[Any]) -> None:
    with pytest.raises(ValueError, match="limits need"):
        CHARTS[chart].estimate(samples)
