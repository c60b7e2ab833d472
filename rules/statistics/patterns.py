"""The patterns that run rules look for, each with a few integers of state, fed one standardised point at a time.

A point on a line counts for neither side of it, and equal values break a rise or fall.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Pattern(ABC):
    """What one rule remembers. `STATE` names its variables with their values at the start; all of them are JSON."""

    __slots__ = ()
    STATE: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.restart()

    @abstractmethod
    def feed(self, z: float) -> bool:
        """Whether the rule signals at this point."""

    @abstractmethod
    def points(self) -> tuple[int, ...]:
        """The points that make up the signal just given, as steps back from the newest (0)."""

    def restart(self) -> None:
        """Forget every point."""
        self.restore(list(self.STATE.values()))

    def snapshot(self) -> list[Any]:
        """The state in the order of `STATE`."""
        return [getattr(self, name) for name in self.STATE]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        for name, value in zip(self.STATE, data, strict=True):
            setattr(self, name, value)


class Run(Pattern):
    """`length` points in a row that have something in common; `count` is how many there are, up to `length`."""

    __slots__ = ("count", "length")
    count: int
    STATE: ClassVar[dict[str, Any]] = {"count": 0}

    def __init__(self, length: int) -> None:
        self.length = length
        super().__init__()

    def points(self) -> tuple[int, ...]:
        """The last `length` of them."""
        return tuple(range(self.length))


class SameSide(Run):
    """In a row on one side of the centre line; `count` is negative below it."""

    __slots__ = ()

    def feed(self, z: float) -> bool:
        """Whether the run is long enough."""
        count, length = self.count, self.length
        if z > 0:
            self.count = count = 1 if count < 0 else count + 1 if count < length else length
            return count == length
        if z < 0:
            self.count = count = -1 if count > 0 else count - 1 if count > -length else -length
            return count == -length
        self.count = 0
        return False


class Within(Run):
    """In a row within one sigma, on either side."""

    __slots__ = ()

    def feed(self, z: float) -> bool:
        """Whether the run is long enough."""
        if -1 < z < 1:
            if self.count < self.length:
                self.count += 1
            return self.count == self.length
        self.count = 0
        return False


class Outside(Run):
    """In a row beyond one sigma with both sides used; `same` is how many of the last lie on one side."""

    __slots__ = ("same",)
    same: int
    STATE: ClassVar[dict[str, Any]] = {"count": 0, "same": 0}

    def feed(self, z: float) -> bool:
        """Whether the run is long enough and not all on one side."""
        if -1 <= z <= 1:
            self.count = self.same = 0
            return False
        length, same, side = self.length, self.same, 1 if z > 0 else -1
        if self.count < length:
            self.count += 1
        self.same = same = side if same * side <= 0 else same + side if abs(same) < length else same
        return self.count == length and abs(same) < length


class Directions(Run):
    """In a row keeping to one direction (`keeps` 1) or changing it every time (`keeps` -1)."""

    __slots__ = ("direction", "keeps", "last")
    direction: int
    last: float | None
    STATE: ClassVar[dict[str, Any]] = {"count": 0, "direction": 0, "last": None}

    def __init__(self, length: int, keeps: int) -> None:
        self.keeps = keeps
        super().__init__(length)

    def feed(self, z: float) -> bool:
        """Whether the run is long enough."""
        last = self.last
        self.last = z
        if last is None:
            self.count = 1
            return False
        return self.turn(1 if z > last else -1 if z < last else 0)

    def turn(self, direction: int) -> bool:
        """The same for a point of which only the direction from the one before is known."""
        if not direction:
            self.count = 1
        elif direction != self.keeps * self.direction:
            self.count = 2
        elif self.count < self.length:
            self.count += 1
        self.direction = direction
        return self.count == self.length


class Majority(Pattern):
    """At least `least` of `among` points beyond `level` sigma on one side; one bit a point, the newest lowest."""

    __slots__ = ("above", "among", "below", "least", "level", "mask")
    above: int
    below: int
    STATE: ClassVar[dict[str, Any]] = {"above": 0, "below": 0}

    def __init__(self, least: int, among: int, level: float) -> None:
        self.least, self.among, self.level = least, among, level
        self.mask = (1 << among) - 1
        super().__init__()

    def feed(self, z: float) -> bool:
        """Whether this point is beyond and enough of those before it are."""
        above, below = self.above << 1 & self.mask, self.below << 1 & self.mask
        signals = False
        if z > self.level:
            above |= 1
            signals = above.bit_count() >= self.least
        elif z < -self.level:
            below |= 1
            signals = below.bit_count() >= self.least
        self.above, self.below = above, below
        return signals

    def points(self) -> tuple[int, ...]:
        """Those beyond on the newest point's side."""
        bits = self.above if self.above & 1 else self.below
        return tuple(i for i in range(self.among) if bits >> i & 1)
