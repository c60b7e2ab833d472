"""Whether a signal that is lively by habit has come to stand still, or hardly moves any more.

Judged by its own past alone: how far it usually moves from one reading to the next, and for how many readings at a
stretch it was calm. A signal that is calm often, or moves one way only, is never told of.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

LEARNED: Final = 300
"""Readings in which nothing is told."""
RATE: Final = 1 / 16
"""How fast the present movement follows,"""
USUAL_RATE: Final = 1 / 1000
"""and the usual one, with the shares,"""
EVEN: Final = int(1 / USUAL_RATE)
"""once so many readings were averaged evenly."""
CALM: Final = 1 / 4
"""Up to this part of the usual movement a signal is calm."""
CLIP: Final = 5.0
"""A step counts for no more than so many usual ones."""
LIVELY: Final = 0.1
"""A signal is lively that was calm in no larger share of its readings, and rose and fell in no smaller one."""
LEAST: Final = 30.0
"""A calm of fewer readings is never told of,"""
FACTOR: Final = 6.0
"""nor one that is not so many times the longest remembered."""
FADE: Final = 1 / 3000
"""With each lively reading the longest calm is remembered as shorter by this part,"""
MOST_FADE: Final = 1 / 50
"""but by no more than this part of a reading."""
NOISE: Final = 1e-12
"""Movements below this part of the value are rounding."""


class Still(NamedTuple):
    """A signal at `value` has been calm for so many readings, and that is told from `bar` on.

    `repeats` counts the readings just like the one before them, `longest` is the longest calm remembered; `movement`
    and `usual` are mean distances from one reading to the next, now and by habit.
    """

    value: float
    calm: int
    bar: float
    repeats: int
    longest: float
    movement: float
    usual: float


class Stillness:
    """Readings in; `on` says whether the signal stands still though it is lively by habit, `found` what there is to it.

    `demand` scales how long a calm is told of. A calm that is over, told of or not, is part of the habit.
    """

    __slots__ = (
        "_calm", "_calm_share", "_count", "_demand", "_fallen", "_longest", "_movement", "_repeats", "_risen", "_usual",
        "_value", "on",
    )  # fmt: skip

    def __init__(self, demand: float) -> None:
        self._demand = demand
        self._count = self._calm = self._repeats = 0
        self._value = self._movement = self._usual = self._longest = 0.0
        self._calm_share = self._risen = self._fallen = 0.0
        self.on = False

    def read(self, value: float) -> bool:
        """Take a reading in; returns `on`."""
        count, usual = self._count, self._usual
        self._count = count + 1
        step = value - self._value if count else 0.0
        self._value = value
        self._repeats = 0 if step else self._repeats + 1
        size, most = abs(step), CLIP * usual
        if size > most > 0.0:
            size = most
        rate = 1 / count if 0 < count < EVEN else USUAL_RATE
        self._movement = movement = self._movement + RATE * (size - self._movement)
        self._usual = usual = usual + rate * (size - usual)
        if movement <= CALM * usual:
            self._calm += 1
            self.on = self.on or self._remarkable()
        else:
            if self._calm:
                self._awake(rate)
            self._move(rate, step)
        return self.on

    def _remarkable(self) -> bool:
        return (
            self._calm >= self._bar
            and self._count > LEARNED
            and self._calm_share <= LIVELY <= min(self._risen, self._fallen)
            and self._usual > NOISE * abs(self._value)
        )

    @property
    def _bar(self) -> float:
        return self._demand * max(LEAST, FACTOR * self._longest)

    def _awake(self, rate: float) -> None:
        """A calm is over, and joins the habit."""
        calm, self._calm, self.on = self._calm, 0, False
        self._longest = max(self._longest, float(calm))
        self._calm_share = 1.0 - (1.0 - self._calm_share) * (1.0 - rate) ** calm

    def _move(self, rate: float, step: float) -> None:
        """A lively reading."""
        self._longest -= min(FADE * self._longest, MOST_FADE)
        self._calm_share -= rate * self._calm_share
        self._risen += rate * ((step > 0.0) - self._risen)
        self._fallen += rate * ((step < 0.0) - self._fallen)

    @property
    def found(self) -> Still:
        """What there is to tell now."""
        return Still(self._value, self._calm, self._bar, self._repeats, self._longest, self._movement, self._usual)

    def snapshot(self) -> list[Any]:
        """All state as JSON."""
        return [getattr(self, name) for name in STATE]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        for name, value in zip(STATE, data, strict=True):
            setattr(self, name, value)


STATE: Final = tuple(name for name in Stillness.__slots__ if name != "_demand")
