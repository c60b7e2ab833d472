"""One index of a window's values: what they are like, and so which method and which bounds serve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Any, Final

from rules.charting.window import Window
from rules.statistics.capability import (
    Index,
    Specification,
    about_target,
    actual,
    by_percentiles,
    effective,
    potential,
)
from rules.statistics.checks import autocorrelation, normality

FEWEST: Final = 25
"""A window of fewer values proves nothing of use, nor do fewer tell a distribution."""
REFUSED: Final = 0.001
"""The p-value below which values are clearly not normal."""
INDEPENDENT: Final = 10.0
"""A window that is as good as fewer independent values has no bounds."""
PERCENTILES: Final = {"cp": "pp", "cpk": "ppk", "pp": "pp", "ppk": "ppk"}
"""What stands for each index where values are not normal; Cpm has nothing."""


@dataclass(frozen=True, slots=True)
class Character:
    """What values are like: how far each follows the one before (0 unless clearly), and whether they may be normal.

    `count` is how many independent values they are as good as; `p_value` is None where that cannot be told.
    """

    phi: float
    count: float
    p_value: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Character:
        """Of a window of at least four. Normality is asked of values so far apart that they are as good as independent.

        The estimate of phi is short by (1 + 3 phi) / n (Kendall 1954), which is made good.
        """
        many, found = len(values), autocorrelation(values)
        follows = found.significant and found.phi > 0
        phi = min(0.9999, (many * found.phi + 1) / (many - 3)) if follows else 0.0
        count = effective(many, phi)
        apart = values[:: ceil(many / count)]
        return cls(phi, count, normality(apart).p_value if len(apart) >= FEWEST else None)

    @property
    def refused(self) -> bool:
        """Whether the values are clearly not normal."""
        return self.p_value is not None and self.p_value < REFUSED

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {"phi": self.phi, "independent": self.count, "p_value": self.p_value}


class Gauge:
    """One index of the values of a window; `distribution` any goes by percentiles whatever they are like."""

    def __init__(self, name: str, distribution: str) -> None:
        self.name = name
        self._normal = distribution == "normal"

    def read(self, spec: Specification, window: Window, character: Character) -> Index | None:
        """The index with its bounds; None where there is no spread. A bound that there is none of is infinite."""
        if not self.by_percentiles(character):
            index = self._normally(spec, window, max(character.count, 2.0))
            unproven = self._normal and character.refused
        else:
            step = ceil(len(window) / character.count)
            index = by_percentiles(spec, window.values, step=step).get(PERCENTILES[self.name])
            unproven = False
        if index is not None and (unproven or character.count < INDEPENDENT):
            return Index(index.value, -inf, inf)
        return index

    def by_percentiles(self, character: Character) -> bool:
        """Whether the index goes by percentiles, as the rule says or as values ask for that are not normal."""
        return not self._normal or (character.refused and self.name in PERCENTILES)

    def _normally(self, spec: Specification, window: Window, count: float) -> Index | None:
        if self.name == "cpm":
            return about_target(spec, window.mean, window.overall, count)
        sigma, freedom = window.overall, count - 1
        if self.name.startswith("c"):
            sigma, freedom = window.short_term()
            freedom *= count / len(window)
        if self.name.endswith("k"):
            return actual(spec, window.mean, sigma, count, freedom)
        return potential(spec, sigma, freedom)

    def remarks(self, character: Character) -> list[str]:
        """What is to be said of the values beside the index."""
        said = []
        if self._normal and character.refused:
            p = character.p_value or 0.0
            method = "by percentiles" if self.name in PERCENTILES else "there are no bounds"
            said.append(f"the values are hardly normal (p {'below 0.0001' if p < 0.0001 else f'{p:.4f}'}): {method}")
        if character.phi:
            good = f"as good as {character.count:.3g} independent ones"
            short = "" if character.count >= INDEPENDENT else ", too few for bounds"
            said.append(f"each value follows the one before (phi {character.phi:.2f}): they are {good}{short}")
        return said
