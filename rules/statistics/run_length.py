"""Average run length of a set of run rules: how many independent points until its first signal, exactly.

Rules that look at zones make a Markov chain whose states are what the rules themselves remember (Champ & Woodall 1987).
Rules 3 and 4 of Nelson look only at the order of the points, which does not depend on their distribution: they are
counted over random permutations. A set with both kinds is combined as if they were independent: a few per cent short.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from math import exp, inf, log, sqrt
from statistics import quantiles
from typing import Any, Final, TypeAlias

import numpy as np

from rules.statistics.integral_run_length import shewhart_run_length
from rules.statistics.numerics import NORMAL, chi_square_quantile, mean_survival, normal_cdf
from rules.statistics.patterns import Directions
from rules.statistics.run_rules import RULES, RunRules

ZONES: Final = (-3.5, -2.5, -1.5, -0.5, 0.0, 0.5, 1.5, 2.5, 3.5)
"""A point of each zone, and one on the centre line."""
SIGNALLED: Final = -1
CENTRES: Final = 6
WIDTHS: Final = 20
"""So many errors of the centre line and of the width are looked at where limits are learned,"""
MOST_STATES: Final = 100
"""by solving for the run length from each of so many states at most."""

_Chain: TypeAlias = list[tuple[int, ...]]
"""For each state the state that follows a point of each zone; the first is the start."""


def run_length(names: Iterable[str], shift: float = 0.0) -> float:
    """The average run length of independent normal points whose mean has shifted by so many sigma from the start."""
    chosen = set(names)
    directions = frozenset(name for name in chosen if name in DIRECTIONAL)
    rates = [1 / _directions_run_length(directions)] if directions else []
    if chosen - directions:
        rates.append(1 / _zones_run_length(frozenset(chosen - directions), shift))
    return 1 / sum(rates) if sum(rates) else inf


def run_length_of_points(names: Iterable[str], points: Iterable[tuple[float, float]]) -> float:
    """The same of points that have certain values only, given as pairs of sigmas from the centre line and chance.

    For rules that look at zones: a point on a line counts for neither side of it.
    """
    chances = [0.0] * len(ZONES)
    for z, chance in points:
        chances[zone_of(z)] += chance
    chain = zone_chain(frozenset(names))
    return mean_survival(_survival(chain, chances))


def zone_of(z: float) -> int:
    """Which of `ZONES` a point lies in; on a line, in the inner one."""
    size = sum(abs(z) > bound for bound in range(4))
    return len(ZONES) // 2 + (size if z > 0 else -size)


def run_length_when_autocorrelated(names: Iterable[str], phi: float) -> float:
    """About how many points until the first false alarm, when each follows the one before with lag-1 correlation phi.

    Limits from moving ranges are meant, which a positive phi makes too narrow. Exact for rule 1 alone; other sets are
    read from simulated AR(1) series, between whose phi the logarithm is interpolated; for a set not among them, the
    smallest there that contains it, so never too good.
    """
    chosen = frozenset(names)
    if phi <= 0:
        return run_length(chosen)
    if chosen <= RULE_1:
        return shewhart_run_length(phi=phi)
    row = next((lengths for names, lengths in SIMULATED if chosen <= names), SIMULATED[-1][1])
    length = _interpolated(phi, [(0.0, run_length(chosen)), *zip(PHIS, row, strict=True)])
    return min(length, shewhart_run_length(phi=phi)) if chosen & RULE_1 else length


def _names(family: str, numbers: str) -> frozenset[str]:
    return frozenset(f"{family}_{number}" for number in numbers)


DIRECTIONAL: Final = _names("nelson", "34")
RULE_1: Final = _names("nelson", "1") | _names("western_electric", "1")
PHIS: Final = (0.25, 0.5, 0.8, 0.9)
SIMULATED: Final[tuple[tuple[frozenset[str], tuple[float, ...]], ...]] = (
    (RULE_1 | _names("nelson", "2"), (69, 25, 9, 6)),
    (RULE_1 | _names("western_electric", "234"), (30, 13, 6, 4)),
    (frozenset(RULES), (29, 13, 6, 4)),
)
"""Run lengths at each of `PHIS`, from 8,000 to 20,000 simulated series each (within about 2 %)."""


def _interpolated(phi: float, points: Sequence[tuple[float, float]]) -> float:
    for (low, before), (high, after) in pairwise(points):
        if phi <= high:
            return exp(log(before) + (log(after) - log(before)) * (phi - low) / (high - low))
    return points[-1][1]


@lru_cache(maxsize=1024)
def _zones_run_length(names: frozenset[str], shift: float) -> float:
    return mean_survival(_survival(zone_chain(names), _chances(shift)))


def _chances(shift: float, width: float = 1.0) -> list[float]:
    """Of a normal point to lie in each of `ZONES`; they are `width` sigma wide where a learned sigma is off by that."""
    bounds = [normal_cdf(bound * width - shift) for bound in (-3, -2, -1, 0, 0, 1, 2, 3)]
    return [after - before for before, after in pairwise((0.0, *bounds, 1.0))]


@lru_cache(maxsize=64)
def learned_run_lengths(names: frozenset[str], samples: int, freedom: float) -> tuple[float, float] | None:
    """The quartiles, over all limits that so many samples may teach, of the mean run length that a chart then has.

    The centre line is off by a normal error of variance 1 / `samples`, the width of the zones by sqrt(chi-square /
    `freedom`), made to have mean 1 (Patnaik 1950; Quesenberry 1993 on what it does). Each is taken at the middles of
    equally likely stretches. Rules that look at order alone do not depend on limits. None for sets of rules that
    remember too much.
    """
    ordered = names & DIRECTIONAL
    rate = 1 / _directions_run_length(ordered) if ordered else 0.0
    centres = [NORMAL.inv_cdf(0.5 + (i + 0.5) / (2 * CENTRES)) / sqrt(samples) for i in range(CENTRES)]
    unbiased = 1 + 1 / (4 * freedom)
    widths = [unbiased * sqrt(chi_square_quantile((i + 0.5) / WIDTHS, freedom) / freedom) for i in range(WIDTHS)]
    chain = zone_chain(names - ordered)
    if len(chain) > MOST_STATES or not chain:
        return None
    lengths = sorted(1 / (rate + 1 / _solved(chain, _chances(centre, width))) for centre in centres for width in widths)
    low, _, high = quantiles(map(log, lengths), n=4)
    return exp(low), exp(high)


def _solved(chain: _Chain, chances: Sequence[float]) -> float:
    """The mean run length by the fundamental matrix of the chain."""
    size = len(chain)
    moves = np.zeros((size, size + 1))
    for state, targets in enumerate(chain):
        for target, chance in zip(targets, chances, strict=True):
            moves[state, target] += chance
    return float(np.linalg.solve(np.eye(size) - moves[:, :size], np.ones(size))[0])


def _survival(chain: _Chain, chances: Sequence[float]) -> Iterator[tuple[float, float]]:
    shares = [1.0] + [0.0] * (len(chain) - 1)
    while True:
        following = [0.0] * (len(chain) + 1)
        for share, targets in zip(shares, chain, strict=True):
            if share:
                for target, chance in zip(targets, chances, strict=True):
                    following[target] += share * chance
        yield sum(shares), following.pop()
        shares = following


@lru_cache(maxsize=64)
def zone_chain(names: frozenset[str]) -> _Chain:
    """Every state that the rules can come to, those merged from which the future is the same."""
    rules = RunRules(sorted(names))
    numbers = {_key(rules): 0}
    memories = [rules.snapshot()]
    chain: _Chain = []
    while len(chain) < len(memories):
        here = memories[len(chain)]
        targets = []
        for z in ZONES:
            rules.restore(here)
            if rules.feed(z):
                targets.append(SIGNALLED)
                continue
            targets.append(numbers.setdefault(_key(rules), len(numbers)))
            if len(numbers) > len(memories):
                memories.append(rules.snapshot())
        chain.append(tuple(targets))
    return _merged(chain)


def _key(rules: RunRules) -> tuple[Any, ...]:
    return tuple(tuple(state) for state in rules.snapshot().values())


def _merged(chain: _Chain) -> _Chain:
    """Moore's partition refinement."""
    groups, count = [0] * len(chain), 1
    while True:
        kinds: dict[tuple[int, ...], int] = {}
        finer = [
            kinds.setdefault((group, *(SIGNALLED if t < 0 else groups[t] for t in targets)), len(kinds))
            for group, targets in zip(groups, chain, strict=True)
        ]
        if len(kinds) == count:
            return [key[1:] for key in kinds]
        groups, count = finer, len(kinds)


@cache
def _directions_run_length(names: frozenset[str]) -> float:
    return mean_survival(_permutations(list(RunRules(sorted(names)).patterns.values())))


def _permutations(patterns: Sequence[Any]) -> Iterator[tuple[float, float]]:
    """Permutations grow by a point of random rank; kept are the shares by what the rules remember and the last rank."""
    begin = tuple((1, 0) for _ in patterns)
    shares = {begin: [1.0]}
    yield 1.0, 0.0
    while True:
        following: dict[tuple[tuple[int, int], ...], list[float]] = {}
        size = len(next(iter(shares.values()))) + 1
        lost = 0.0
        for memory, ranks in shares.items():
            below = [0.0, *accumulate(ranks)]
            for direction, parts in ((1, below), (-1, [below[-1] - part for part in below])):
                after = _turned(patterns, memory, direction)
                if after is None:
                    lost += sum(parts) / size
                    continue
                known = following.setdefault(after, [0.0] * size)
                for rank, part in enumerate(parts):
                    known[rank] += part / size
        yield sum(map(sum, shares.values())), lost
        shares = following


def _turned(
    patterns: Sequence[Directions], memory: tuple[tuple[int, int], ...], direction: int
) -> tuple[tuple[int, int], ...] | None:
    after = []
    for pattern, (count, before) in zip(patterns, memory, strict=True):
        pattern.count, pattern.direction = count, before
        if pattern.turn(direction):
            return None
        after.append((pattern.count, pattern.direction))
    return tuple(after)
