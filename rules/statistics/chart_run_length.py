"""The in-control run length of a whole chart: its run rules together with the limits of its spread.

The spread's three-sigma limits are not those of a normal statistic, and cost more false alarms than most run rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import inf
from typing import Final

from rules.statistics.constants import c4, constants, range_cdf
from rules.statistics.numerics import chi_square_cdf, normal_cdf, solve
from rules.statistics.run_length import RULE_1, run_length

CELLS: Final = 90


def chart_run_length(chart: str, names: Iterable[str], n: int = 1) -> float:
    """Points until the first false alarm of a chart with these run rules, of independent normal values by n.

    Charts of counts are taken as normal. What a set of rules adds is added to what the spread costs, rule by rule.
    """
    chosen = frozenset(names)
    rate = 1 / run_length(chosen) if chosen else 0.0
    if chart == "individuals":
        single = chosen & RULE_1
        rate += 1 / moving_range_run_length(3.0 if single else inf) - (1 / run_length(single) if single else 0.0)
    elif chart in SPREADS:
        rate += SPREADS[chart](n)
    return 1 / rate if rate else inf


def range_false_alarms(n: int) -> float:
    """The chance that the range of n normal values lies beyond D3 Rbar or D4 Rbar."""
    known = constants(n)
    return 1 - range_cdf(n, known.D4 * known.d2) + (range_cdf(n, known.D3 * known.d2) if known.D3 else 0.0)


def s_false_alarms(n: int) -> float:
    """The chance that the standard deviation of n normal values lies beyond B3 sbar or B4 sbar."""
    known = constants(n)
    low, high = ((n - 1) * (bound * c4(n)) ** 2 for bound in (known.B3, known.B4))
    return 1 - chi_square_cdf(high, n - 1) + chi_square_cdf(low, n - 1)


SPREADS: Final = {"xbar_r": range_false_alarms, "xbar_s": s_false_alarms}


@cache
def moving_range_run_length(limit: float) -> float:
    """Moving ranges within 3.267 MRbar and values within +- `limit` sigma: a chain over cells of the last value.

    After Crowder 1987, who computes the combined individuals and moving range chart.
    """
    edge = min(limit, 6.0)
    width = 2 * edge / CELLS
    longest = constants(2).D4 * constants(2).d2
    middles = [-edge + (i + 0.5) * width for i in range(CELLS)]

    def chance(here: float, there: float) -> float:
        low, high = max(there - width / 2, here - longest), min(there + width / 2, here + longest)
        return normal_cdf(high) - normal_cdf(low) if low < high else 0.0

    rows = [[(u == v) - chance(u, v) for v in middles] for u in middles]
    lengths = solve(rows, [1.0] * CELLS)
    return 1 + sum(chance(v, v) * length for v, length in zip(middles, lengths, strict=True))
