"""The meaning of expressions: small functions over a mapping of values, put together from one another.

None is unknown. Every closure made here is total: whatever the mapping holds, it gives a value and never raises.
Only those made `bounded` look for values of which no more than bounds are known; to the others such a one is unknown.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, Final, TypeAlias

from rules.bounds import Bound, Known, carried, decided

Closure: TypeAlias = Callable[[Mapping[str, Known]], Known]
Truth: TypeAlias = Callable[[Mapping[str, Known]], bool | None]

Compare: TypeAlias = Callable[[Any, Any], bool]

FAILURES: Final = (ArithmeticError, ValueError)
"""What arithmetic raises where it has no finite real result: overflow, division by zero, outside the domain."""


def signal(name: str) -> Closure:
    """The value of a signal, unknown where it is missing."""

    def read(values: Mapping[str, Known]) -> Known:
        return values.get(name)

    return read


def constant(value: Known) -> Closure:
    """Always this value."""

    def same(_: Mapping[str, Known]) -> Known:
        return value

    return same


def as_truth(value: Closure, *, bounded: bool = False) -> Truth:
    """A value as a condition: a number is true unless it is 0; text is unknown."""
    if bounded:
        return _as_truth_of_bounds(value)

    def judge(values: Mapping[str, Known]) -> bool | None:
        found = value(values)
        return None if found is None or isinstance(found, str) else found != 0

    return judge


def _as_truth_of_bounds(value: Closure) -> Truth:
    exact = as_truth(itemgetter(0))

    def judge(values: Mapping[str, Known]) -> bool | None:
        found: Any = value(values)
        return decided(operator.ne, found, 0.0) if type(found) is Bound else exact([found])  # type: ignore[arg-type]

    return judge


def conjunction(operands: Sequence[Truth]) -> Truth:
    """Kleene's `and`: false if any is false, else unknown if any is unknown."""
    return _both(*operands) if len(operands) == 2 else _fold(operands, absorbing=False)


def disjunction(operands: Sequence[Truth]) -> Truth:
    """Kleene's `or`: true if any is true, else unknown if any is unknown."""
    return _fold(operands, absorbing=True)


def _both(left: Truth, right: Truth) -> Truth:
    def run(values: Mapping[str, Known]) -> bool | None:
        first = left(values)
        if first is False:
            return False
        second = right(values)
        return first if second is True else second

    return run


def _fold(operands: Sequence[Truth], *, absorbing: bool) -> Truth:
    def run(values: Mapping[str, Known]) -> bool | None:
        result: bool | None = not absorbing
        for operand in operands:
            found = operand(values)
            if found is absorbing:
                return absorbing
            if found is None:
                result = None
        return result

    return run


def negation(operand: Truth) -> Truth:
    """Kleene's `not`."""

    def run(values: Mapping[str, Known]) -> bool | None:
        found = operand(values)
        return None if found is None else not found

    return run


def choice(condition: Truth, then: Closure, otherwise: Closure) -> Closure:
    """`then if condition else otherwise`; under an unknown condition what both branches agree on, else unknown."""

    def run(values: Mapping[str, Known]) -> Known:
        chosen = condition(values)
        if chosen is None:
            first, second = then(values), otherwise(values)
            return first if type(first) is type(second) and first == second else None
        return then(values) if chosen else otherwise(values)

    return run


def comparison(compare: Compare, left: Closure, right: Closure, *, bounded: bool = False) -> Truth:
    """One comparison; unknown where an operand is, or where text is ordered against a number."""
    if bounded:
        return _among_bounds(compare, left, right)
    if compare in EQUALITIES:
        return _equality(compare, left, right)

    def run(values: Mapping[str, Known]) -> bool | None:
        try:
            return compare(left(values), right(values))
        except TypeError:
            return None

    return run


def _equality(compare: Compare, left: Closure, right: Closure) -> Truth:
    def run(values: Mapping[str, Known]) -> bool | None:
        first, second = left(values), right(values)
        return None if first is None or second is None else compare(first, second)

    return run


def _among_bounds(compare: Compare, left: Closure, right: Closure) -> Truth:
    exact = comparison(compare, itemgetter(0), itemgetter(1))

    def run(values: Mapping[str, Known]) -> bool | None:
        pair: Any = (left(values), right(values))
        types = {type(one) for one in pair}
        return decided(compare, *pair) if Bound in types and types <= _NUMBERS else exact(pair)

    return run


_NUMBERS: Final = frozenset({float, bool, Bound})


def chain(compares: Sequence[Compare], operands: Sequence[Closure], *, bounded: bool = False) -> Truth:
    """`a < b <= c`: Kleene's `and` of the neighbours' comparisons, each operand evaluated once."""
    pairs = [(itemgetter(n), itemgetter(n + 1)) for n in range(len(compares))]
    links = [comparison(compare, *pair, bounded=bounded) for compare, pair in zip(compares, pairs, strict=True)]

    def run(values: Mapping[str, Known]) -> bool | None:
        found: Any = [operand(values) for operand in operands]
        truths = [link(found) for link in links]
        if False in truths:
            return False
        return None if None in truths else True

    return run


def calculation(calculate: Callable[..., Any], operands: Sequence[Closure], *, bounded: bool = False) -> Closure:
    """A function of numbers; unknown where an operand is no number or the result is not finite and real."""
    if bounded:
        return _carrying(calculate, operands)
    return _binary(calculate, *operands) if len(operands) == 2 else _any_number(calculate, operands)


def _binary(calculate: Callable[..., Any], left: Closure, right: Closure) -> Closure:
    def run(values: Mapping[str, Known]) -> Known:
        first, second = left(values), right(values)
        if type(first) is not float or type(second) is not float:
            return None
        try:
            result = calculate(first, second)
        except FAILURES:
            return None
        return result if type(result) is float and isfinite(result) else None

    return run


def _any_number(calculate: Callable[..., Any], operands: Sequence[Closure]) -> Closure:
    def run(values: Mapping[str, Known]) -> Known:
        numbers: list[Any] = [operand(values) for operand in operands]
        if any(type(number) is not float for number in numbers):
            return None
        try:
            result = calculate(*numbers)
        except FAILURES:
            return None
        return result if type(result) is float and isfinite(result) else None

    return run


def _carrying(calculate: Callable[..., Any], operands: Sequence[Closure]) -> Closure:
    exact = calculation(calculate, [itemgetter(n) for n in range(len(operands))])

    def run(values: Mapping[str, Known]) -> Known:
        numbers: Any = [operand(values) for operand in operands]
        return carried(calculate, numbers) if Bound in map(type, numbers) else exact(numbers)

    return run


def _round(number: float, digits: float = 0.0) -> float:
    if not digits.is_integer():
        raise ValueError("digits must be whole")
    return round(number, int(digits))


ARITHMETIC: Final[dict[str, Callable[..., Any]]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "USub": operator.neg,
    "UAdd": operator.pos,
}
"""Operators by the name of their syntax node."""

COMPARISONS: Final[dict[str, Compare]] = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
}
"""Comparisons by the name of their syntax node."""

AGEING: Final[tuple[dict[str, Compare], dict[str, Compare]]] = (
    {"Lt": operator.lt, "LtE": operator.lt, "Gt": operator.ge, "GtE": operator.ge},
    {"Lt": operator.le, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.gt},
)
"""Comparisons with an age on their left, on their right: one that has reached the other side exceeds it."""

EQUALITIES: Final = (operator.eq, operator.ne)
"""These raise nothing where an operand is unknown or of another type, so it must be asked."""

FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], int, int]]] = {
    "abs": (abs, 1, 1),
    "min": (min, 2, 100),
    "max": (max, 2, 100),
    "round": (_round, 1, 2),
    "sqrt": (math.sqrt, 1, 1),
    "exp": (math.exp, 1, 1),
    "log": (math.log, 1, 2),
}
"""Functions by name, with the least and the most arguments they take."""
