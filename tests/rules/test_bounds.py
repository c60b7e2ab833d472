"""Of a number that is not wholly known comparisons and calculations say what is certain, and nothing else."""

from __future__ import annotations

import json
import operator
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.bounds import Bound, Known, carried, decided
from rules.expressions import compile_expression
from rules.windowed import WindowCall

AT_LEAST_5 = Bound(5.0, inf)
AT_MOST_5 = Bound(-inf, 5.0)
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
CARRYING = (operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, operator.pos, abs, min, max)
SECOND = 1_000_000_000
NUMBERS = st.integers(-4, 4).map(lambda n: n / 2)


@st.composite
def around(draw: st.DrawFn, number: float) -> float | Bound:
    """The number itself, or bounds between which it lies."""
    below, above = (draw(st.sampled_from((0.0, 1.0, 2.5, inf))) for _ in range(2))
    if below == above == 0.0:
        return number
    return Bound(number - below, inf if below == above else number + above)


def holds(text: str, **functions: Known) -> bool | None:
    """A condition over calls of functions of `x` and 1 s, of which this much is known."""
    known = {WindowCall(name, "x", SECOND).key: value for name, value in functions.items()}
    return compile_expression(text).holds(known)


@given(st.data(), st.sampled_from(COMPARISONS), NUMBERS, NUMBERS)
def test_what_is_decided_is_true_of_every_number_between(
    data: st.DataObject, compare: object, first: float, second: float
) -> None:
    found = decided(compare, data.draw(around(first)), data.draw(around(second)))  # type: ignore[arg-type]
    assert found is None or found is compare(first, second)  # type: ignore[operator]


@given(st.data(), st.sampled_from(CARRYING), NUMBERS, NUMBERS)
def test_what_is_carried_on_contains_the_result(
    data: st.DataObject, calculate: object, first: float, second: float
) -> None:
    numbers = (first,) if calculate in (abs, operator.neg, operator.pos) else (first, second)
    found = carried(calculate, [data.draw(around(number)) for number in numbers])  # type: ignore[arg-type]
    if isinstance(found, Bound):
        assert found.low < found.high
        assert found.low <= calculate(*numbers) <= found.high  # type: ignore[operator]
    elif found is not None:
        assert found == calculate(*numbers)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("max(x, 1s) > 4", AT_LEAST_5, True),
        ("max(x, 1s) > 5", AT_LEAST_5, None),
        ("max(x, 1s) >= 5", AT_LEAST_5, True),
        ("max(x, 1s) < 5", AT_LEAST_5, False),
        ("max(x, 1s) < 6", AT_LEAST_5, None),
        ("4 < max(x, 1s)", AT_LEAST_5, True),
        ("4 < max(x, 1s) < 6", AT_LEAST_5, None),
        ("6 < max(x, 1s) < 3", AT_LEAST_5, False),
        ("max(x, 1s) == 4", AT_LEAST_5, False),
        ("max(x, 1s) != 4", AT_LEAST_5, True),
        ("max(x, 1s) == 6", AT_LEAST_5, None),
        ("max(x, 1s) == 'five'", AT_LEAST_5, False),
        ("max(x, 1s) < 'five'", AT_LEAST_5, None),
        ("max(x, 1s) > nothing", AT_LEAST_5, None),
        ("max(x, 1s)", AT_LEAST_5, True),
        ("max(x, 1s) - 9", AT_LEAST_5, None),
        ("not max(x, 1s) - 5 >= 0", AT_LEAST_5, False),
        ("max(x, 1s) + 1 > 5", AT_LEAST_5, True),
        ("10 - max(x, 1s) <= 5", AT_LEAST_5, True),
        ("-max(x, 1s) < -4", AT_LEAST_5, True),
        ("max(x, 1s) * -2 <= -10", AT_LEAST_5, True),
        ("max(x, 1s) * 0 == 0", AT_LEAST_5, True),
        ("max(x, 1s) / 5 >= 1", AT_LEAST_5, True),
        ("max(x, 1s) / 0 >= 1", AT_LEAST_5, None),
        ("5 / max(x, 1s) <= 1", AT_LEAST_5, None),
        ("max(x, 1s) ** 2 > 1", AT_LEAST_5, None),
        ("sqrt(max(x, 1s)) > 1", AT_LEAST_5, None),
        ("abs(-max(x, 1s)) >= 5", AT_LEAST_5, True),
        ("abs(max(x, 1s) - 8) >= 0", AT_LEAST_5, True),
        ("min(max(x, 1s), 3) == 3", AT_LEAST_5, True),
        ("max(max(x, 1s), 3, 4) >= 5", AT_LEAST_5, True),
        ("(max(x, 1s) if true else 1) > 4", AT_LEAST_5, True),
        ("(1 if max(x, 1s) > 4 else 0) == 1", AT_LEAST_5, True),
        ("(1 if max(x, 1s) > 9 else 0) == 1", AT_LEAST_5, None),
        ("max(x, 1s) > 9 or max(x, 1s) > 4", AT_LEAST_5, True),
    ],
)
def test_an_expression_decides_what_can_be_decided(text: str, known: Bound, expected: bool | None) -> None:
    assert holds(text, max=known) is expected


def test_the_spread_seen_is_the_least_that_it_can_be() -> None:
    text = "max(x, 1s) - min(x, 1s) > 10"
    assert holds(text, max=Bound(15.0, inf), min=Bound(-inf, 4.0)) is True
    assert holds(text, max=Bound(15.0, inf), min=Bound(-inf, 5.0)) is None
    assert holds(text, max=15.0, min=5.0) is False


def test_people_are_shown_the_end_that_was_seen() -> None:
    assert (AT_LEAST_5.seen, AT_MOST_5.seen, Bound(1.0, 2.0).seen) == (5.0, 5.0, 1.0)


@pytest.mark.parametrize("bound", [AT_LEAST_5, AT_MOST_5, Bound(1.0, 2.0)])
def test_it_is_saved_without_infinities(bound: Bound) -> None:
    assert Bound.restore(json.loads(json.dumps(bound.snapshot(), allow_nan=False))) == bound
