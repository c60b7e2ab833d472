"""The start of a drift: exact on clean steps, honest on noisy ones."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.statistics.change_point import change_point
from rules.statistics.checks import Autoregression
from rules.statistics.memory_charts import cusum


@given(st.integers(1, 40), st.integers(1, 20), st.sampled_from([-4.0, -2.0, 2.0, 4.0]))
def test_a_clean_step_is_found_where_it_is(before: int, after: int, size: float) -> None:
    found = change_point([0.0] * before + [size] * after)
    assert (found.index, found.shift) == (before, size)
    assert found.earliest <= before <= found.latest


def test_the_likelihood_by_hand() -> None:
    found = change_point([0.0, 1.0, 3.0], drop=0.6)
    assert found.index == 2
    assert found.shift == 3.0
    assert found.likely == (1, 2)


def test_a_shift_older_than_the_points_given_is_said_to_be_open() -> None:
    assert change_point([2.0] * 10).open
    assert change_point([4.0]).open
    assert not change_point([0.0] * 30 + [3.0] * 10).open


def test_a_step_to_a_known_side_is_looked_for_on_that_side_alone() -> None:
    points = [-0.6] * 100 + [3.2]
    assert change_point(points).shift < 0
    found = change_point(points, side=1)
    assert (found.index, found.shift, found.likely) == (100, 3.2, (100,))
    mirrored = change_point([-z for z in points], side=-1)
    assert (mirrored.index, mirrored.shift, mirrored.likely) == (100, -3.2, (100,))


@pytest.mark.parametrize("phi", [-0.5, 0.3, 0.8])
def test_a_shift_of_residuals_is_told_in_sigma_of_the_values(phi: float) -> None:
    model = Autoregression(10.0, phi, 0.6)
    sigma = 0.6 / math.sqrt(1 - phi * phi)
    values = [10.0] * 30 + [10.0 + 2 * sigma] * 12
    points = [residual / 0.6 for residual in model.residuals(values)]
    for last in (31, 32, 42):
        found = change_point(points[:last], phi=phi)
        assert found.index == 30
        assert found.shift == pytest.approx(2)


def test_no_points_are_refused() -> None:
    with pytest.raises(ValueError, match="points up to the signal"):
        change_point([])


def test_points_of_different_sizes_count_by_their_values() -> None:
    found = change_point([0.1, 5, 5, 0.7], [25, 100, 100, 4])
    assert found.index == 1
    assert found.shift == pytest.approx((10 * 5 + 10 * 5 + 2 * 0.7) / 204)
    alike = change_point([0.1, 5, 5, 0.7], [4] * 4)
    assert (alike.index, alike.likely) == (change_point([0.1, 5, 5, 0.7]).index, change_point([0.1, 5, 5, 0.7]).likely)
    assert alike.shift == pytest.approx(change_point([0.1, 5, 5, 0.7]).shift / 2)


def until_a_cusum_signals(draw: random.Random, shift: float, start: int) -> list[float]:
    chart = cusum(0, 1, 0.5, 5)
    while True:
        points: list[float] = []
        high = low = 0.0
        while not chart.signals(high, low):
            points.append(draw.gauss(shift if len(points) >= start else 0.0, 1))
            high, low = chart.step(high, low, points[-1])
        if len(points) > start:
            return points


@pytest.mark.parametrize(("shift", "off"), [(1.0, 6.0), (2.0, 1.5), (3.0, 0.8)])
def test_after_a_signal_the_likely_starts_hold_the_true_one_nine_times_of_ten(shift: float, off: float) -> None:
    draw = random.Random(9)
    found = [change_point(until_a_cusum_signals(draw, shift, 50)) for _ in range(400)]
    assert sum(50 in point.likely for point in found) >= 0.89 * len(found)
    assert sum(abs(point.index - 50) for point in found) / len(found) < off
