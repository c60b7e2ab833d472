"""What a stretch is checked for before a chart is armed on it."""

from __future__ import annotations

import math
import random
from itertools import accumulate, pairwise
from statistics import NormalDist

import pytest

from rules.statistics.checks import autocorrelation, fit_autoregression, normality, resolution


def series(phi: float, count: int, seed: int = 1) -> list[float]:
    draw = random.Random(seed)
    return list(accumulate((draw.gauss(0, 1) for _ in range(count)), lambda before, new: phi * before + new))


def test_perfect_normal_quantiles_are_plausible() -> None:
    assert normality([NormalDist(5, 2).inv_cdf((i + 0.5) / 50) for i in range(50)]).p_value > 0.9


@pytest.mark.parametrize("significance", [0.01, 0.05, 0.1, 0.5])
def test_normal_values_are_doubted_as_often_as_the_p_value_says(significance: float) -> None:
    draw = random.Random(4)
    low = sum(normality([draw.gauss(0, 1) for _ in range(40)]).p_value < significance for _ in range(1500)) / 1500
    assert low == pytest.approx(significance, abs=4 * math.sqrt(significance / 1500))


def test_skewed_and_constant_values_are_not_normal() -> None:
    draw = random.Random(4)
    assert not normality([draw.expovariate(1) for _ in range(100)]).plausible
    assert not normality([draw.expovariate(1) ** 9 for _ in range(5000)]).plausible
    assert not normality([3.0] * 20).plausible


def test_an_extreme_outlier_is_no_error() -> None:
    assert normality([*(float(i % 7) for i in range(10_000)), 1e9]).p_value == 0


def test_too_few_values_tell_nothing() -> None:
    with pytest.raises(ValueError, match="eight are needed"):
        normality([1.0] * 7)
    with pytest.raises(ValueError, match="autocorrelation cannot be told"):
        autocorrelation([1.0, 2.0])


def test_autocorrelation_by_hand() -> None:
    found = autocorrelation([1.0, 2.0, 3.0, 4.0])
    assert found.phi == pytest.approx((0.75 - 0.25 + 0.75) / 5)
    assert found.error == 0.5
    assert not found.significant


def test_autocorrelation_is_found_and_independence_is_not_doubted() -> None:
    assert autocorrelation(series(0.8, 400)).phi == pytest.approx(0.8, abs=0.06)
    assert autocorrelation(series(0.8, 400)).significant
    assert not autocorrelation(series(0.0, 400)).significant
    assert autocorrelation([2.0] * 9).phi == 0


def test_values_left_out_hide_no_autocorrelation() -> None:
    values = series(0.5, 400)
    whole = autocorrelation(values)
    assert autocorrelation(values, ()) == whole
    holes = set(range(7, 400, 20))
    spoilt = [1e3 if i in holes else value for i, value in enumerate(values)]
    assert not autocorrelation(spoilt).significant
    found = autocorrelation(spoilt, holes)
    assert found.phi == pytest.approx(whole.phi, abs=0.05)
    assert found.error == pytest.approx(1 / math.sqrt(399 - 2 * len(holes) + 1))


def test_autocorrelation_without_a_value_by_hand() -> None:
    """Of 1, 2, _, 3, 2: mean 2, products 0 and 0; of 1, 2, 3, _, 2: 0 and 0 as well; of 4, 3, _, 1, 0: 2 and 2."""
    assert autocorrelation([1.0, 2.0, 9.0, 3.0, 2.0], {2}).phi == 0
    found = autocorrelation([4.0, 3.0, 9.0, 1.0, 0.0], {2})
    assert found.phi == pytest.approx(2 * 3 / 10)
    assert found.error == pytest.approx(1 / math.sqrt(3))


def test_values_of_which_none_follow_each_other_tell_nothing() -> None:
    assert autocorrelation([1.0, 9.0, 2.0, 9.0, 3.0], {1, 3}).phi == 0
    with pytest.raises(ValueError, match="autocorrelation cannot be told from 2 values"):
        autocorrelation([1.0, 9.0, 2.0], {1})
    with pytest.raises(ValueError, match="do not follow each other"):
        fit_autoregression([1.0, 9.0, 2.0, 9.0, 3.0], {1, 3})


def test_an_autoregression_is_fitted_without_values_left_out() -> None:
    values = [50 + 2 * v for v in series(0.8, 3000)]
    spoilt = [1e4 if i % 50 == 25 else value for i, value in enumerate(values)]
    model = fit_autoregression(spoilt, set(range(25, 3000, 50)))
    whole = fit_autoregression(values)
    assert model.mean == pytest.approx(whole.mean, abs=0.2)
    assert model.phi == pytest.approx(whole.phi, abs=0.02)
    assert model.sigma == pytest.approx(whole.sigma, rel=0.02)


def test_thinning_by_what_is_told_leaves_hardly_any_autocorrelation() -> None:
    values = series(0.8, 20_000)
    every = autocorrelation(values).thinning()
    assert every in {10, 11}
    assert abs(autocorrelation(values[::every]).phi) < 0.15
    assert autocorrelation(series(0.0, 20_000)).thinning() == 1
    assert autocorrelation([float(i) for i in range(100_000)]).thinning() < 100_000


@pytest.mark.parametrize(("step", "adequate"), [(0.01, True), (0.5, True), (1.5, False)])
def test_resolution_is_adequate_up_to_a_step_of_one_sigma(step: float, adequate: bool) -> None:
    draw = random.Random(6)
    found = resolution([round(draw.gauss(20, 1) / step) * step for _ in range(200)], 1.0)
    assert found.step == pytest.approx(step)
    assert found.adequate is adequate


def test_rounding_of_the_last_bit_is_no_resolution() -> None:
    found = resolution([0.1 + 0.2, 0.3, 0.4, 0.4], 0.05)
    assert (found.distinct, found.step) == (2, pytest.approx(0.1))


def test_constant_values_have_no_resolution() -> None:
    assert not resolution([7.0, 7.0], 0.0).adequate
    assert resolution([7.0, 7.0], 0.0).distinct == 1


def test_the_residuals_of_an_autoregression_are_independent() -> None:
    values = [50 + 2 * v for v in series(0.9, 3000)]
    model = fit_autoregression(values)
    assert model.phi == pytest.approx(0.9, abs=0.03)
    assert model.sigma == pytest.approx(2, rel=0.05)
    left = model.residuals(values)
    assert left == [model.first(values[0]), *(model.residual(b, a) for a, b in pairwise(values))]
    assert abs(autocorrelation(left).phi) < 0.06
