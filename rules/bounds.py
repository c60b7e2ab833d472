"""What is known of a number before all of it was seen: the ends between which it lies.

Comparisons decide where every number between the ends gives the same answer, calculations carry the ends on.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, isfinite, isnan
from typing import Any, Final, Self, TypeAlias

from rules.events import Value


@dataclass(frozen=True, slots=True)
class Bound:
    """A number from `low` to `high`, ends included; nothing is known on the side of an end that is infinite.

    `low` is less than `high` and one of them finite: what is known exactly is a plain number, of what nothing is known
    is None.
    """

    low: float
    high: float

    @property
    def seen(self) -> float:
        """The number that people are shown: the end that was seen, the lower one if both were."""
        return self.low if self.low > -inf else self.high

    @property
    def ends(self) -> tuple[float, ...]:
        """Those of both ends that are finite."""
        return tuple(filter(isfinite, (self.low, self.high)))

    def snapshot(self) -> list[float | None]:
        """Both ends as JSON; None stands for an infinite one."""
        return [self.low if self.low > -inf else None, self.high if self.high < inf else None]

    @classmethod
    def restore(cls, data: list[float | None]) -> Self:
        """The reverse of `snapshot`."""
        low, high = data
        return cls(-inf if low is None else float(low), inf if high is None else float(high))


Known: TypeAlias = Value | Bound
"""What is known of a value: all, only its bounds, or nothing (None)."""


def decided(compare: Callable[[Any, Any], bool], first: float | Bound, second: float | Bound) -> bool | None:
    """What a comparison is for all numbers between the ends; None if it is not for all the same."""
    if compare in (operator.eq, operator.ne):
        apart = decided(operator.lt, first, second) or decided(operator.gt, first, second)
        return compare is operator.ne if apart else None
    found = {compare(one, other) for one, other in product(_ends(first), _ends(second))}
    return found.pop() if len(found) == 1 else None


def carried(calculate: Callable[..., Any], numbers: Sequence[Known]) -> Known:
    """What is known of the result of a calculation; None where it is none that carries bounds on."""
    operands = [number for number in numbers if isinstance(number, (float, Bound))]
    if len(operands) < len(numbers):
        return None
    if calculate in (min, max):
        ends = list(map(_ends, operands))
        return _between(calculate(end[0] for end in ends), calculate(end[-1] for end in ends))
    if calculate is abs:
        return _size(operands[0])
    if calculate in _RISING or (calculate in _SCALING and _scaled(calculate, operands)):
        return _of_the_ends(calculate, operands)
    return None


_RISING: Final = (operator.add, operator.sub, operator.neg, operator.pos)
_SCALING: Final = (operator.mul, operator.truediv)
"""With a number these rise or fall throughout, so that the ends of the result come of the ends."""


def _scaled(calculate: Callable[..., Any], operands: Sequence[float | Bound]) -> bool:
    left, right = operands
    return isinstance(right, float) or (isinstance(left, float) and calculate is operator.mul)


def _of_the_ends(calculate: Callable[..., Any], operands: Sequence[float | Bound]) -> Known:
    """The least and the greatest that come of the ends; what infinity less infinity gives is never one of them."""
    try:
        found = [calculate(*ends) for ends in product(*map(_ends, operands))]
    except ArithmeticError:
        return None
    numbers = [number for number in found if not isnan(number)]
    return _between(min(numbers), max(numbers))


def _size(number: float | Bound) -> Known:
    low, *_, high = _ends(number) * 2
    if low < 0 < high:
        return _between(0.0, max(-low, high))
    return _between(*sorted((abs(low), abs(high))))


def _between(low: float, high: float) -> Known:
    if low == high:
        return low if isfinite(low) else None
    return Bound(low, high) if isfinite(low) or isfinite(high) else None


def _ends(number: float | Bound) -> tuple[float, ...]:
    return (number.low, number.high) if isinstance(number, Bound) else (number,)
