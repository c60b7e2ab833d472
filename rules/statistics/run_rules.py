"""Run rules of Nelson (1984) and Western Electric (1956), one standardised point at a time.

"2 of 3" and "4 of 5" signal at a point that is itself beyond. A rule goes on signalling while its pattern holds, until
it is restarted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isnan
from typing import Any, Final

from rules.statistics.patterns import Directions, Majority, Outside, Pattern, SameSide, Within

FARTHEST: Final = 1e12
"""Points are drawn in to this many sigma, so that the state stays finite."""

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

SIDED: Final = frozenset(RULES) - {"nelson_3", "nelson_4", "nelson_7", "nelson_8"}
"""The rules whose run lies on one side of the centre line, that of its newest point."""

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
