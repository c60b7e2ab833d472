"""Simulated run lengths of the charts as they run in a plant, against the published tables of average run lengths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count, pairwise
from random import Random
from statistics import fmean, stdev
from typing import Final, NamedTuple

import pytest

from rules.events import SECOND, Observation, Reading
from rules.fleet import Fleet
from rules.statistics.chart_run_length import chart_run_length
from tests.public_data import DATA
from tests.rules.plant import T0, rules_of
from tests.rules.statistics.published import rows

SET = "arl_tables"
RESTART: Final = "mean: 0, sigma: 1, on_signal: restart, clear_after: 1"
EWMA_LIMITS: Final = {
    1: 3.09, 0.75: 3.087, 0.5: 3.071, 0.4: 3.054, 0.3: 3.023, 0.25: 2.998, 0.2: 2.962, 0.1: 2.814, 0.05: 2.615, 0.03: 2.437,
}  # fmt: skip


RUNS: Final = {0: 20, 1: 60, 2: 500, 4: 1000}
"""How many runs are quick enough, by the shift of the mean."""


class Cell(NamedTuple):
    """A value of a table: the chart it is of, the shift of the mean, and the run length."""

    detect: str
    shift: float
    length: float


def shewhart() -> Iterator[Cell]:
    for row in rows(SET, "shewhart_western_electric.csv"):
        for key, length in row.items():
            name, _, source = key.partition("_")
            if source in {"recomputed", "published"} and name.startswith("C"):
                chosen = ", ".join(f"western_electric_{digit}" for digit in name[1:])
                detect = f"type: control_chart, chart: individuals, rules: [{chosen}]"
                yield Cell(detect, float(row["shift_sigma"]), float(length))


def ewma() -> Iterator[Cell]:
    for row in rows(SET, "ewma_fixed_limits_arl0_500.csv"):
        for key, length in row.items():
            if key.startswith("lambda"):
                weight = float(key.split("_")[0].removeprefix("lambda"))
                limit = EWMA_LIMITS[weight]
                detect = f"type: ewma, lambda: {weight}, limit: {limit}, limits: asymptotic"
                yield Cell(detect, float(row["shift_sigma"]), float(length))


def cusum() -> Iterator[Cell]:
    for row in rows(SET, "cusum_two_sided_k0.5.csv"):
        for key, length in row.items():
            if key.startswith("h"):
                h = key.split("_")[0].removeprefix("h")
                head = ", head_start: 2" if "FIR" in key else ""
                yield Cell(f"type: cusum, k: 0.5, h: {h}{head}", float(row["shift_sigma"]), float(length))
    for row in rows(SET, "cusum_k_h_for_arl0_370.csv"):
        yield Cell(f"type: cusum, k: {row['k']}, h: {row['h']}", 0.0, float(row["arl0_recomputed"]))


def run_lengths(detect: str, shift: float, runs: int, seed: object, keys: str = RESTART) -> list[int]:
    """Samples from one raised alarm to the next, through a fleet's monitor."""
    rules = rules_of(f"  - {{id: r, kind: quality, assets: m, detect: {{{detect}, signal: x, {keys}}}}}\n")
    fleet, draw, raised = Fleet(rules), Random(repr(seed)), [0]
    for number in count(1):
        at = T0 + number * SECOND
        for transition in fleet.handle(Observation("m", at, at, (Reading("x", draw.gauss(shift, 1.0)),))):
            assert transition.at == at
            if transition.event == "raised":
                raised.append(number)
        if len(raised) > runs:
            return [b - a for a, b in pairwise(raised)]
    raise AssertionError


def off(cell: Cell, runs: int) -> float:
    """How many standard errors the simulated mean lies from the published one."""
    lengths = run_lengths(cell.detect, cell.shift, runs, cell)
    return (fmean(lengths) - cell.length) / (stdev(lengths) / math.sqrt(runs))


def cells() -> list[Cell]:
    """Every value of the tables."""
    return [*shewhart(), *ewma(), *cusum()] if DATA.exists() else []


@pytest.mark.parametrize("table", [shewhart, ewma, cusum])
def test_run_lengths_are_those_of_the_tables(table) -> None:
    wanted = {(c.detect, c.shift): c for c in table() if c.shift in RUNS and c.length < 230}
    scores = [off(cell, RUNS[cell.shift]) for cell in wanted.values()]
    assert max(map(abs, scores)) < 4
    assert 0.5 < math.sqrt(fmean(score * score for score in scores)) < 1.5, "they scatter as chance would have it"


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.detect} at {cell.shift:g} is {cell.length:g}")
def test_run_lengths_are_those_of_the_tables_over_20_000_runs(cell: Cell) -> None:
    assert abs(off(cell, 20_000)) < 4


def test_what_the_moving_range_costs_is_what_is_said_of_the_chart() -> None:
    lengths = run_lengths("type: control_chart, rules: [nelson_1], spread: true", 0.0, 300, "moving range")
    assert abs(fmean(lengths) - chart_run_length("individuals", ["nelson_1"])) < 4 * stdev(lengths) / math.sqrt(300)


def test_exact_limits_of_an_ewma_find_a_shift_at_the_start_sooner() -> None:
    detect = "type: ewma, lambda: 0.1, limit: 2.814"
    exact = fmean(run_lengths(f"{detect}, limits: exact", 1.0, 500, 1))
    assert exact < fmean(run_lengths(f"{detect}, limits: asymptotic", 1.0, 500, 1)) - 1
