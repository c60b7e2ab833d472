"""Run rules of Nelson (1984) and Western Electric (1956), one standardised point at a time.

Each rule is a pattern with a few integers of state. A point on a line counts for neither side of it, equal values break
a rise or fall, and "2 of 3" and "4 of 5" signal at a point that is itself beyond. A rule goes on signalling while its
pattern holds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isnan
from typing import Any, ClassVar, Final

FARTHEST: Final = 1e12
"""Points are drawn in to this many sigma, so that the state stays finite."""


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


RULES: Final[dict[str, tuple[Callable[[], Pattern] | None, str]]] = {
    "nelson_1": (None, "1 point beyond 3 sigma"),
    "nelson_2": (lambda: SameSide(9), "9 points in a row on one side of the centre line"),
    "nelson_3": (lambda: Directions(6, 1), "6 points in a row steadily rising or falling"),
    "nelson_4": (lambda: Directions(14, -1), "14 points in a row alternating up and down"),
    "nelson_5": (lambda: Majority(2, 3, 2), "2 of 3 points beyond 2 sigma on the same side"),
    "nelson_6": (lambda: Majority(4, 5, 1), "4 of 5 points beyond 1 sigma on the same side"),
    "nelson_7": (lambda: Within(15), "15 points in a row within 1 sigma"),
    "nelson_8": (lambda: Outside(8), "8 points in a row beyond 1 sigma, on both sides"),
    "western_electric_1": (None, "1 point beyond 3 sigma"),
    "western_electric_2": (lambda: Majority(2, 3, 2), "2 of 3 points beyond 2 sigma on the same side"),
    "western_electric_3": (lambda: Majority(4, 5, 1), "4 of 5 points beyond 1 sigma on the same side"),
    "western_electric_4": (lambda: SameSide(8), "8 points in a row on one side of the centre line"),
}
"""Every rule by the name it has in rule files: its pattern (none for a single point), and what it says."""

LONGEST_RUN: Final = 15
"""No signal reaches further back than this many points."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A rule that signals at the newest point; `points` are those of its run, as steps back from the newest (0)."""

    rule: str
    points: tuple[int, ...]

    @property
    def text(self) -> str:
        """What the rule says."""
        return RULES[self.rule][1]


class RunRules:
    """A chosen set of rules over one series of points.

    Raises:
        ValueError: a name that is no rule's.
    """

    __slots__ = ("_feeds", "_single", "patterns")

    def __init__(self, names: Iterable[str]) -> None:
        names = list(dict.fromkeys(names))
        unknown = [name for name in names if name not in RULES]
        if unknown:
            raise ValueError(f"no run rule is called {', '.join(map(repr, unknown))}; there are {', '.join(RULES)}")
        self.patterns: dict[str, Pattern] = {name: make() for name in names if (make := RULES[name][0])}
        self._feeds = tuple((name, pattern.feed) for name, pattern in self.patterns.items())
        self._single = tuple(Signal(name, (0,)) for name in names if name not in self.patterns)

    def feed(self, z: float) -> tuple[Signal, ...]:
        """The rules that signal at this point, in sigma from the centre line; what is no number breaks every run."""
        found: tuple[Signal, ...] = ()
        if not -3 <= z <= 3:
            if isnan(z):
                self.restart()
                return ()
            found, z = self._single, max(-FARTHEST, min(FARTHEST, z))
        for name, feed in self._feeds:
            if feed(z):
                found = (*found, Signal(name, self.patterns[name].points()))
        return found

    def restart(self) -> None:
        """Forget every point: runs begin anew."""
        for pattern in self.patterns.values():
            pattern.restart()

    def snapshot(self) -> dict[str, list[Any]]:
        """The state by rule: JSON, bounded."""
        return {name: pattern.snapshot() for name, pattern in self.patterns.items()}

    def restore(self, data: dict[str, list[Any]]) -> None:
        """The reverse of `snapshot`; rules without state there begin anew."""
        for name, pattern in self.patterns.items():
            if name in data:
                pattern.restore(data[name])
            else:
                pattern.restart()
