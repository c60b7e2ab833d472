"""What a chart's own rules find in the stretch that it was learned from, beside single points, which are left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import sqrt
from typing import Any

from rules.charting.recipe import Hit, Recipe
from rules.statistics.limits import Parameters
from rules.statistics.run_length import RULE_1, run_length
from rules.statistics.run_rules import RULES


class Finding:
    """How often a rule began to signal, and the samples, counted from 1, of its first run up to the last signal."""

    def __init__(self, hit: Hit) -> None:
        self._hit = hit
        self._samples = (0, 0)
        self._times = 0
        self._last = -2

    def add(self, at: int, first: int, last: int) -> None:
        """It signals at the point `at`, of a run from sample `first` to `last`."""
        begins = self._last < at - 1
        self._times += begins
        if self._times == 1:
            self._samples = (first if begins else self._samples[0], last)
        self._last = at

    def more_than_chance(self, points: int, between: float) -> bool:
        """Whether false alarms, one in `between` points, would be fewer: by one standard deviation (Poisson)."""
        expected = points / between
        return self._times > expected + sqrt(expected)

    @property
    def told(self) -> dict[str, Any]:
        """As JSON."""
        hit = self._hit
        samples = list(self._samples)
        return {"chart": hit.chart, "rule": hit.rule, "says": hit.says, "samples": samples, "times": self._times}


def signals_in(
    samples: Sequence[Any], recipe: Recipe, process: Parameters, left_out: Collection[int]
) -> list[dict[str, Any]]:
    """The rules that signal, as JSON.

    A run of which half was left out is not told again. What was left out has no part in a chart that remembers it.
    """
    drawn = [i for i in range(len(samples)) if not (recipe.remembers and i in left_out)]
    statistic, found = recipe.make(process), dict[str, Finding]()
    for at, i in enumerate(drawn):
        for hit in statistic.feed(samples[i]):
            run = [drawn[at - step] for step in hit.points if step <= at]
            if hit.rule not in RULE_1 and 2 * sum(j in left_out for j in run) < len(run):
                found.setdefault(hit.rule, Finding(hit)).add(at, min(run) + 1, i + 1)
    return [
        seen.told for rule, seen in found.items() if seen.more_than_chance(len(drawn), _between(rule, recipe, process))
    ]


def _between(rule: str, recipe: Recipe, process: Parameters) -> float:
    """How many points lie between two false alarms."""
    return run_length([rule]) if rule in RULES else recipe.run_length(1, process)


def in_words(signal: dict[str, Any]) -> str:
    """One of the rules that signal."""
    first, last = signal["samples"]
    where = f"samples {first} to {last}" if last > first else f"sample {first}"
    more = f", {signal['times']} times in all" if signal["times"] > 1 else ""
    return f"{signal['says']} ({signal['rule']} on the {signal['chart']} chart, {where}{more})"
