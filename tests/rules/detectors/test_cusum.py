"""Cumulative sums: what is refused, what of a sum is told, and from where its run counts."""

from __future__ import annotations

from typing import Any

import pytest

from rules.events import SECOND
from tests.rules.plant import T0, refused, seen, told, watching

GIVEN = "{type: cusum, signal: x, mean: 10, sigma: 2"


def reason(values: list[float], detect: str = GIVEN + "}") -> dict[str, Any]:
    """Why the last of these values raised the alarm; one a second."""
    m = watching(detect, kind="quality")
    *before, last = (m.handle(seen(second, x=value)) for second, value in enumerate(values))
    assert not any(before)
    return last[0].reason


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("mean: 10", "limits need mean and sigma"),
        ("mean: 10, sigma: 2, learn: {subgroups: 20}", "given or learned, not both"),
        ("mean: 10, sigma: 2, head_start: 5", "a head start of h or more is an alarm from the start"),
        ("mean: 10, sigma: 2, h: 4, head_start: 4.5", "a head start of h or more is an alarm from the start"),
    ],
)
def test_what_makes_no_chart_is_refused(keys: str, why: str):
    assert why in refused(f"{{type: cusum, signal: x, {keys}}}")


def test_the_extremes_of_what_may_be_asked_for_are_accepted():
    for keys in ("k: 0", "k: 10", "h: 100, head_start: 99.9", "h: 0.1, head_start: 0"):
        watching(f"{GIVEN}, {keys}}}", kind="quality")
    for keys in ("k: -0.1", "k: 10.1", "h: 0", "h: 100.1", "head_start: -0.1", "h: 100, head_start: 100.1"):
        assert refused(f"{GIVEN}, {keys}}}")


@pytest.mark.parametrize(("sign", "side"), [(1, "upper"), (-1, "lower")])
def test_a_sum_is_told_with_its_side_its_limits_and_the_points_of_its_run(sign: int, side: str):
    """Nothing lies on the reference value at first, then each value is half a sigma beyond it."""
    found = reason([10.0] * 3 + [10 + sign * 1.0] * 2 + [10 + sign * 2.0] * 11)
    assert (found["rule"], found["limits"]) == (f"cusum_{side}", {"lower": -10, "center": 0, "upper": 10})
    assert (found["value"], found["limit"]) == (sign * 11, sign * 10)
    assert found["points"] == [T0 + second * SECOND for second in range(5, 16)]
    assert f"the {side} sum is beyond h" in found["text"]
    assert [hit["rule"] for hit in found["signals"]] == [f"cusum_{side}"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_run_begins_as_soon_as_the_sum_leaves_zero(sign: int):
    found = reason([10 + sign * 1.5] + [10 + sign * 3.0] * 5)
    assert found["points"] == [T0 + second * SECOND for second in range(6)]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_that_is_at_h_is_not_beyond_it(sign: int):
    m = watching(GIVEN + "}", kind="quality")
    assert told(m, *(seen(second, x=10 + sign * 3.0) for second in range(5)), seen(5, x=10 + sign * 1.0)) == []
    assert told(m, seen(6, x=10 + sign * 1.5)) == [("r", 6, "raised")]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_head_start_is_in_sigma_and_on_both_sides(sign: int):
    found = reason([10 + sign * 3.0] * 3, f"{GIVEN}, head_start: 2.5}}")
    assert found["value"] == sign * 11
    assert len(found["points"]) == 3


def test_how_far_it_shifted_is_in_sigma():
    assert reason([10.0] * 20 + [14.0] * 4)["shift"] == pytest.approx(2)


def test_a_fall_after_a_rise_is_a_run_of_its_own():
    m = watching(f"{GIVEN}, clear_after: 1, on_signal: restart}}", kind="quality")
    rises = [seen(second, x=13) for second in range(6)]
    falls = [seen(second, x=7) for second in range(6, 12)]
    told_of = [t for event in rises + falls for t in m.handle(event) if t.event == "raised"]
    assert [t.reason["rule"] for t in told_of] == ["cusum_upper", "cusum_lower"]
    assert [len(t.reason["points"]) for t in told_of] == [6, 6]


@pytest.mark.parametrize(
    ("keys", "known"),
    [("k: 0.5, h: 20", True), ("k: 0.4, h: 20.5", False), ("k: 1.01, h: 10", False), ("k: 10, h: 1", True)],
)
def test_how_often_it_is_wrong_is_said_where_it_can_be_reckoned(keys: str, known: bool):
    m = watching(f"{GIVEN}, {keys}}}", kind="quality")
    m.handle(seen(0, x=10))
    (watch,) = m.watching("r")
    assert ("a false alarm comes about every" in watch.says("on", on=False)) is known
