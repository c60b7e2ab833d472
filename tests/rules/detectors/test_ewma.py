"""The moving average: its first limits, its last ones, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rules.asset import AssetMonitor
from tests.rules.plant import T0, refused, seen, told, watching

GIVEN = "{type: ewma, signal: x, mean: 10, sigma: 2"


def ewma(keys: str = "") -> AssetMonitor:
    return watching(f"{GIVEN}{keys}}}", kind="quality")


def first(m: AssetMonitor, *values: float) -> dict[str, Any]:
    """Why the alarm was raised, at the last of the values and not before."""
    *before, last = (m.handle(seen(second, x=value)) for second, value in enumerate(values))
    assert not any(before)
    return last[0].reason


@pytest.mark.parametrize(
    ("keys", "why"),
    [("mean: 10", "limits need mean and sigma"), ("sigma: 2, learn: {subgroups: 20}", "given or learned, not both")],
)
def test_limits_are_given_whole_or_learned(keys: str, why: str):
    assert why in refused(f"{{type: ewma, signal: x, {keys}}}")


def test_the_extremes_of_what_may_be_asked_for_are_accepted():
    for keys in ("lambda: 1", "lambda: 0.001", "limit: 100", "limit: 0.001"):
        ewma(f", {keys}")
    for keys in ("lambda: 0", "lambda: 1.01", "limit: 0", "limit: 100.1"):
        assert refused(f"{GIVEN}, {keys}}}")


@pytest.mark.parametrize("sign", [1, -1])
def test_exact_limits_are_those_of_a_single_value_at_first_and_then_wider(sign: int):
    found = first(ewma(), 10 + sign * 6.0)
    assert found["value"] == pytest.approx(10 + sign * 1.2)
    assert found["points"] == [T0]
    reach = 2.962 * 2 * 0.2
    assert found["limits"] == pytest.approx({"lower": 10 - reach, "center": 10, "upper": 10 + reach})
    second = first(ewma(), 10, 10 + sign * 8.0)
    assert second["limits"]["upper"] == pytest.approx(10 + reach * (1 + 0.8**2) ** 0.5)


def test_asymptotic_limits_are_the_last_ones_from_the_start():
    m = ewma(", limits: asymptotic")
    assert told(m, seen(0, x=16)) == []
    found = first(ewma(", limits: asymptotic"), 20.0)
    assert found["limits"]["upper"] == pytest.approx(10 + 2.962 * 2 / 3)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_average_at_its_limit_is_not_beyond_it(sign: int):
    shewhart = ", lambda: 1, limit: 3"
    assert told(ewma(shewhart), seen(0, x=10 + sign * 6.0)) == []
    assert told(ewma(shewhart), seen(0, x=10 + sign * 6.01)) == [("r", 0, "raised")]


def test_limits_that_have_settled_are_not_reckoned_anew():
    """0.8 ** (2 * 62) is the first such power below 1e-12."""
    m = ewma()
    for second in range(200):
        m.handle(seen(second, x=10 + second % 2))
    (saved,) = (saved["detector"]["statistic"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")
    assert saved[1] == 62
    m.handle(seen(300, x=10))
    (raised,) = m.handle(seen(301, x=40))
    assert raised.reason["limits"]["upper"] == pytest.approx(10 + 2.962 * 2 / 3)


def test_how_far_it_shifted_is_in_sigma():
    values = [10.0] * 20 + [14.0] * 5
    m = ewma()
    raised, *_ = [t for second, value in enumerate(values) for t in m.handle(seen(second, x=value))]
    assert raised.reason["shift"] == pytest.approx(2)


def test_restarting_begins_on_the_centre_line_with_the_first_limits():
    m = ewma(", on_signal: restart, clear_after: 1")
    assert told(m, seen(0, x=16), seen(1, x=15)) == [("r", 0, "raised"), ("r", 1, "cleared")]


@pytest.mark.parametrize(("width", "known"), [(6, True), (6.1, False)])
def test_how_often_it_is_wrong_is_said_where_it_can_be_reckoned(width: float, known: bool):
    m = ewma(f", limit: {width}")
    m.handle(seen(0, x=10))
    (watch,) = m.watching("r")
    assert ("a false alarm comes about every" in watch.says("on", on=False)) is known
