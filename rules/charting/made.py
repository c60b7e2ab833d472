"""What was made: the lots and parts that a point of a chart stands for, and those of an alarm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from rules.events import Value

MOST_OF_A_POINT: Final = 100
"""So many lots and so many parts of a point are kept by name: the first ones and the newest."""
MOST_OF_AN_ALARM: Final = 1000
"""And of an alarm so many."""


class Roll(NamedTuple):
    """Names in the order in which they were made; `unnamed` counts those left out before the last."""

    names: list[Value]
    unnamed: int = 0


class Made(NamedTuple):
    """Lots and parts."""

    lots: Roll
    parts: Roll

    def snapshot(self) -> list[Any]:
        """Lots, how many are left out, parts, how many are left out."""
        return [*self.lots, *self.parts]

    @classmethod
    def restored(cls, data: list[Any]) -> Made:
        """The reverse of `snapshot`; a lot and a part alone are what the first release kept of a point."""
        if len(data) == len(cls._fields):
            return cls(*(Roll([] if name is None else [_value(name)]) for name in data))
        lots, lots_unnamed, parts, parts_unnamed = data
        return cls(Roll([_value(lot) for lot in lots], lots_unnamed), Roll([_value(p) for p in parts], parts_unnamed))


NOTHING: Final = Made(Roll([]), Roll([]))


class Ledger:
    """Lots and parts since the last point, whether or not their readings were charted."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = NOTHING

    def note(self, lot: Value, part: Value) -> None:
        """These are being made as a reading comes."""
        made = self.made
        self.made = Made(_noted(made.lots, lot), _noted(made.parts, part))

    def take(self) -> Made:
        """All of them, for the point that is drawn now."""
        made, self.made = self.made, NOTHING
        return made


def _noted(roll: Roll, name: Value) -> Roll:
    names = roll.names
    if name is None or (names and names[-1] == name):
        return roll
    if len(names) < MOST_OF_A_POINT:
        return Roll([*names, name], roll.unnamed)
    return Roll([*names[:-1], name], roll.unnamed + 1)


def together(rolls: Iterable[Roll]) -> Roll:
    """What several points stand for."""
    found: dict[Value, None] = {}
    unnamed = 0
    for roll in rolls:
        found |= dict.fromkeys(roll.names)
        unnamed += roll.unnamed
    names = list(found)
    if len(names) <= MOST_OF_AN_ALARM:
        return Roll(names, unnamed)
    return Roll([*names[: MOST_OF_AN_ALARM - 1], names[-1]], unnamed + len(names) - MOST_OF_AN_ALARM)


def _value(name: Any) -> Value:
    return float(name) if type(name) is int else name
