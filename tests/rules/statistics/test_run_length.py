"""Average run lengths against the published ones, and against each other where they must agree."""

from __future__ import annotations

import math
import random
import statistics

import numpy as np
import pytest

from rules.statistics.autocorrelated_run_length import (
    cusum_autocorrelated,
    ewma_autocorrelated,
    shewhart_autocorrelated,
    spread_by_ranges,
)
from rules.statistics.capability import freedom_individuals
from rules.statistics.chart_run_length import chart_run_length, moving_range_run_length
from rules.statistics.charts import CHARTS
from rules.statistics.count_run_length import count_run_length
from rules.statistics.integral_run_length import (
    cusum_run_length,
    ewma_run_length,
    exact_ewma_run_length,
    shewhart_run_length,
)
from rules.statistics.limits import Parameters
from rules.statistics.run_length import learned_run_lengths, run_length, run_length_when_autocorrelated
from rules.statistics.run_rules import RunRules
from rules.statistics.variables import estimate_individuals
from tests.rules.statistics import published

TABLES = "arl_tables"


def nelson(numbers: str) -> list[str]:
    return [f"nelson_{number}" for number in numbers]


def western_electric(numbers: str) -> list[str]:
    return [f"western_electric_{number}" for number in numbers]


@pytest.mark.parametrize("numbers", ["1", "12", "13", "14", "123", "124", "134", "1234"])
def test_western_electric_rules_as_champ_and_woodall_have_them(numbers: str) -> None:
    for row in published.rows(TABLES, "shewhart_western_electric.csv"):
        computed = run_length(western_electric(numbers), float(row["shift_sigma"]))
        assert computed == pytest.approx(float(row[f"C{numbers}_recomputed"]), abs=6e-5 + 1e-6 * computed)
        if row.get(f"C{numbers}_published"):
            assert computed == pytest.approx(float(row[f"C{numbers}_published"]), abs=0.0055)


def test_the_ewma_as_lucas_and_saccucci_have_it() -> None:
    for row in published.rows(TABLES, "ewma_fixed_limits_arl0_500.csv"):
        shift = float(row["shift_sigma"])
        for name, text in row.items():
            if name.endswith("recomputed"):
                weight, width = name.removeprefix("lambda").removesuffix("_recomputed").split("_L")
                assert ewma_run_length(float(weight), float(width), shift) == pytest.approx(float(text), abs=1e-4)
        for weight, width in ((0.5, 3.071), (0.03, 2.437)):
            printed = float(row[f"lambda{weight}_published"])
            assert ewma_run_length(weight, width, shift) == pytest.approx(printed, rel=3e-3)


def test_the_ewma_as_crowder_has_it() -> None:
    for weight, printed in ((0.5, (26.45, 11.89, 4.91, 1.94)), (0.05, (127.53, 18.97, 8.38, 4.04))):
        computed = [ewma_run_length(weight, 2, shift) for shift in (0, 0.5, 1, 2)]
        assert computed == pytest.approx(printed, abs=0.0055)


def test_the_cusum_as_lucas_and_crosier_have_it() -> None:
    for row in published.rows(TABLES, "cusum_two_sided_k0.5.csv"):
        shift = float(row["shift_sigma"])
        for h, name in ((4, "h4_recomputed"), (5, "h5_recomputed"), (4.77, "h4.77_recomputed")):
            assert cusum_run_length(0.5, h, shift) == pytest.approx(float(row[name]), abs=1e-4)
        plain = float(row["h4_published_LucasCrosier1982"])
        assert cusum_run_length(0.5, 4, shift) == pytest.approx(plain, rel=3e-3)
        started = float(row["h4_FIR_headstart2_published_LucasCrosier1982"])
        assert cusum_run_length(0.5, 4, shift, head_start=2) == pytest.approx(started, rel=5e-3)


def test_cusums_of_one_false_alarm_rate_as_hawkins_has_them() -> None:
    for row in published.rows(TABLES, "cusum_k_h_for_arl0_370.csv"):
        assert cusum_run_length(float(row["k"]), float(row["h"])) == pytest.approx(
            float(row["arl0_recomputed"]), abs=0.01
        )


@pytest.mark.parametrize(
    ("numbers", "known"),
    [("1", 370.4), ("2", 511), ("3", 420), ("4", 600), ("5", 510), ("6", 290), ("7", 960), ("12", 217), ("1256", 110)],
)
def test_nelson_rules_in_control(numbers: str, known: float) -> None:
    assert run_length(nelson(numbers)) == pytest.approx(known, rel=0.01)


def test_a_run_of_nine_on_one_side_takes_as_long_as_with_a_coin() -> None:
    assert run_length(["nelson_2"]) == pytest.approx(2**9 - 1)


def test_rule_8_hardly_ever_alarms_in_vain() -> None:
    assert run_length(["nelson_8"]) > 10_000


def test_the_order_of_points_says_nothing_of_a_shift() -> None:
    assert run_length(nelson("34"), 2.0) == run_length(nelson("34"))


def test_all_eight_are_a_few_per_cent_short_of_simulation() -> None:
    assert 0.93 < run_length(nelson("12345678")) / 74 < 1


def test_no_rule_never_alarms() -> None:
    assert run_length([]) == math.inf


def simulated(names: list[str], draw: random.Random, *, moving_range: bool = False) -> int:
    rules, last, count = RunRules(names), None, 0
    while True:
        z = draw.gauss(0, 1)
        count += 1
        if rules.feed(z) or (moving_range and last is not None and abs(z - last) > 3.68599):
            return count
        last = z


@pytest.mark.parametrize("numbers", ["34", "268"])
def test_simulation_agrees(numbers: str) -> None:
    draw = random.Random(10)
    lengths = [simulated(nelson(numbers), draw) for _ in range(400)]
    assert sum(lengths) / 400 == pytest.approx(run_length(nelson(numbers)), rel=4 / math.sqrt(400))


@pytest.mark.parametrize(("phi", "known"), [(0.25, 108), (0.5, 34), (0.8, 10), (0.9, 6.3)])
def test_autocorrelation_makes_rule_1_alarm_in_vain(phi: float, known: float) -> None:
    assert shewhart_run_length(phi) == pytest.approx(known, rel=0.02)
    assert run_length_when_autocorrelated(["nelson_1"], phi) == shewhart_run_length(phi)


def test_without_autocorrelation_the_two_ways_agree() -> None:
    assert shewhart_run_length() == pytest.approx(run_length(["nelson_1"]), rel=1e-6)


@pytest.mark.parametrize(
    "names", [nelson("12"), western_electric("1234"), nelson("12345678"), nelson("5"), nelson("126")]
)
def test_more_autocorrelation_means_more_false_alarms(names: list[str]) -> None:
    lengths = [run_length_when_autocorrelated(names, phi / 100) for phi in range(-10, 100, 5)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == run_length(names)


def test_autocorrelated_sets_between_the_simulated_ones() -> None:
    assert run_length_when_autocorrelated(nelson("12"), 0.5) == pytest.approx(25)
    assert 13 < run_length_when_autocorrelated(western_electric("1234"), 0.4) < 30


def test_the_moving_range_costs_more_than_a_run_rule() -> None:
    draw = random.Random(12)
    for names, limit in (([], math.inf), (["nelson_1"], 3.0)):
        lengths = [simulated(names, draw, moving_range=True) for _ in range(1500)]
        assert moving_range_run_length(limit) == pytest.approx(sum(lengths) / 1500, rel=4 / math.sqrt(1500))
    assert chart_run_length("individuals", ["nelson_1"]) == pytest.approx(105, rel=0.01)
    assert chart_run_length("individuals", nelson("12")) == pytest.approx(87.5, rel=0.02)
    assert chart_run_length("individuals", []) == pytest.approx(120, rel=0.01)


def test_the_spread_of_subgroups_is_part_of_a_charts_cost() -> None:
    assert chart_run_length("xbar_r", ["nelson_1"], 5) == pytest.approx(137, rel=0.01)
    assert chart_run_length("xbar_s", ["nelson_1"], 5) == pytest.approx(151.5, rel=0.01)
    assert chart_run_length("xbar_r", [], 2) == pytest.approx(chart_run_length("xbar_s", [], 2), rel=1e-6)
    assert chart_run_length("p", ["nelson_1"], 50) == run_length(["nelson_1"])
    assert chart_run_length("c", []) == math.inf


@pytest.mark.parametrize(
    ("chart", "mean", "inspected", "length"),
    [("p", 0.02, 50, 56.3), ("np", 0.005, 50, 38.3), ("p", 0.01, 100, 54.4), ("c", 0.5, 1, 69.5), ("u", 0.5, 4, 220.6)],
)
def test_counts_signal_by_their_own_distribution(chart: str, mean: float, inspected: float, length: float) -> None:
    computed = count_run_length(chart, western_electric("1"), Parameters(mean), inspected)
    assert computed == pytest.approx(length, abs=0.06)


def test_a_chart_of_counts_with_run_rules_signals_as_often_as_computed() -> None:
    draw, names, process = random.Random(5), western_electric("1234"), Parameters(0.1)
    location = CHARTS["np"].location(process, 50)
    lengths = []
    for _ in range(300):
        rules, points = RunRules(names), 1
        while not rules.feed(location.standardise(sum(draw.random() < 0.1 for _ in range(50)))):
            points += 1
        lengths.append(points)
    computed = count_run_length("np", names, process, 50)
    assert abs(statistics.fmean(lengths) - computed) < 4 * statistics.stdev(lengths) / math.sqrt(300)


@pytest.mark.parametrize("chart", ["p", "np", "c", "u"])
def test_large_counts_are_as_good_as_normal_and_none_inspected_tells_nothing(chart: str) -> None:
    names = western_electric("12")
    assert count_run_length(chart, names, Parameters(0.4), 1e12) == run_length(names)
    assert count_run_length(chart, names, Parameters(0.4), 200_000) == pytest.approx(run_length(names), rel=0.02)
    assert count_run_length(chart, names, Parameters(0.4), 0) == math.inf


def test_of_laney_nothing_but_the_normal_length_is_known() -> None:
    assert count_run_length("p_laney", ["nelson_1"], Parameters(0.02, 1.3), 50) == run_length(["nelson_1"])


@pytest.mark.parametrize(("weight", "width"), [(0.3, 3.023), (0.1, 2.814), (0.05, 2.615)])
def test_an_ewma_with_exact_limits_alarms_sooner_than_one_with_asymptotic_limits(weight: float, width: float) -> None:
    rng = np.random.default_rng(1)
    average, lengths, runs = np.zeros(6000), np.zeros(6000), np.arange(6000)
    for point in range(1, 12_000):
        average[runs] += weight * (rng.standard_normal(len(runs)) - average[runs])
        limit = width * math.sqrt(weight / (2 - weight) * (1 - (1 - weight) ** (2 * point)))
        lengths[runs] = point
        runs = runs[np.abs(average[runs]) <= limit]
    exact = exact_ewma_run_length(weight, width)
    assert abs(lengths.mean() - exact) < 4 * lengths.std() / math.sqrt(6000)
    assert exact < ewma_run_length(weight, width)


def test_exact_limits_of_an_ewma_without_memory_are_the_asymptotic_ones() -> None:
    assert exact_ewma_run_length(1, 3) == pytest.approx(run_length(["nelson_1"]))
    assert exact_ewma_run_length(0.001, 2) == ewma_run_length(0.001, 2), "which is a bit too long"


def test_the_run_length_of_learned_limits_is_spread_about_that_of_known_ones() -> None:
    rng = np.random.default_rng(2)
    normal_tail = statistics.NormalDist().cdf
    found = []
    for values in rng.standard_normal((4000, 50)):
        process = estimate_individuals(values.tolist())
        low, high = process.mean - 3 * process.sigma, process.mean + 3 * process.sigma
        found.append(1 / (normal_tail(low) + normal_tail(-high)))
    computed = learned_run_lengths(frozenset(["nelson_1"]), 50, freedom_individuals(50))
    assert computed == pytest.approx(np.quantile(found, [0.25, 0.75]), rel=0.15)
    near = learned_run_lengths(frozenset(nelson("12")), 10**6, 1e6)
    assert near == pytest.approx([run_length(nelson("12"))] * 2, rel=0.01)
    assert learned_run_lengths(frozenset(nelson("12345678")), 25, 20) is None


AUTOCORRELATED = {
    "rule 1": lambda phi, spread: shewhart_autocorrelated(frozenset(nelson("1")), phi, spread),
    "rules 1 and 2": lambda phi, spread: shewhart_autocorrelated(frozenset(nelson("12")), phi, spread),
    "EWMA": lambda phi, spread: ewma_autocorrelated(0.2, 2.962, phi, spread),
    "CUSUM": lambda phi, spread: cusum_autocorrelated(0.5, 5, phi, spread),
}


@pytest.mark.parametrize(
    ("chart", "known", "from_ranges"),
    [("rule 1", 552, 10.1), ("rules 1 and 2", 22, 9), ("EWMA", 32.5, 7.5), ("CUSUM", 29.4, 7.8)],
)
def test_what_autocorrelation_costs_is_what_simulations_say(chart: str, known: float, from_ranges: float) -> None:
    """Of 4,000 AR(1) series with phi 0.8 each, that of rule 1 of 20,000."""
    assert AUTOCORRELATED[chart](0.8, 1.0) == pytest.approx(known, rel=0.05)
    assert AUTOCORRELATED[chart](0.8, spread_by_ranges(0.8)) == pytest.approx(from_ranges, rel=0.05)


@pytest.mark.parametrize("chart", AUTOCORRELATED)
def test_without_autocorrelation_it_costs_nothing_and_no_input_breaks_it(chart: str) -> None:
    plain = {"rule 1": 370.4, "rules 1 and 2": 216.7, "EWMA": 499.7, "CUSUM": 465.4}[chart]
    assert AUTOCORRELATED[chart](0.0, 1.0) == pytest.approx(plain, rel=0.03)
    for phi in (-0.5, 0.999999, 1.0):
        for spread in (1.0, 1e9):
            assert AUTOCORRELATED[chart](phi, spread) >= 1


def test_rules_that_look_at_order_alone_count_as_if_values_were_independent() -> None:
    assert shewhart_autocorrelated(frozenset(nelson("3")), 0.8, 1) == pytest.approx(run_length(nelson("3")))
    both = shewhart_autocorrelated(frozenset(nelson("13")), 0.8, 1)
    assert both == pytest.approx(1 / (1 / run_length(nelson("3")) + 1 / 552), rel=0.02)
    assert shewhart_autocorrelated(frozenset(nelson("12345678")), 0.8, 1) == math.inf, "too large a set"
