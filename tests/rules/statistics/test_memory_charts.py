"""EWMA and CUSUM against the worked examples of the NIST/SEMATECH handbook."""

from __future__ import annotations

import pytest

from rules.statistics.memory_charts import cusum, ewma_limits
from tests.rules.statistics import published

SET = "spc_textbook"


def test_the_ewma_example_of_the_nist_handbook() -> None:
    limits = ewma_limits(50, 2.0539, 0.3, 3)
    assert (limits.lower, limits.upper) == pytest.approx((47.4115, 52.5884), rel=1e-5)
    z = 50.0
    for row in published.rows(SET, "nist_ewma_example.csv"):
        z = 0.3 * float(row["x"]) + 0.7 * z
        assert z == pytest.approx(float(row["ewma_expected"]), abs=0.011)
        assert not limits.broken_by(z)


def test_the_cusum_example_of_the_nist_handbook() -> None:
    chart = cusum(325, 0.635, 0.5, 4.1959 / 0.635)
    high = low = 0.0
    signals = []
    for row in published.rows(SET, "nist_cusum_example.csv"):
        high, low = chart.step(high, low, float(row["x"]))
        assert (high, low) == pytest.approx((float(row["s_hi_expected"]), float(row["s_lo_expected"])), abs=0.011)
        signals += [int(row["i"])] if chart.signals(high, low) else []
    assert signals == [14, 15, 16, 17, 18, 19, 20]


def test_exact_ewma_limits_open_up_to_the_asymptotic_ones() -> None:
    widths = [ewma_limits(0, 1, 0.2, 3, count).upper for count in (1, 2, 5, 200)]
    assert widths[0] == pytest.approx(0.6)
    assert widths == sorted(widths)
    assert widths[-1] == pytest.approx(ewma_limits(0, 1, 0.2, 3).upper)
    assert ewma_limits(0, 1, 1.0, 3, 1).upper == 3


@pytest.mark.parametrize("weight", [0.0, -0.1, 1.01, float("nan")])
def test_an_impossible_weight_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="the weight lambda"):
        ewma_limits(0, 1, weight, 3)


def test_a_head_start_is_in_sigma_and_for_both_sides() -> None:
    chart = cusum(100, 2, 0.5, 4, 2)
    assert (chart.reference, chart.decision, chart.start) == (1, 8, 4)
    assert chart.step(chart.start, chart.start, 100) == (3, 3)
    assert not chart.signals(8, 8)
    assert chart.signals(8.01, 0)


def test_a_sum_is_not_beyond_its_interval_by_the_rounding_of_its_values() -> None:
    chart, high = cusum(1, 0.1, 0.5, 5), 0.0
    for _ in range(10):
        high, _ = chart.step(high, 0.0, 1.1)
    assert high > chart.decision, "in binary it is"
    assert not chart.beyond(high)
    assert chart.beyond(chart.step(high, 0.0, 1.0501)[0])
