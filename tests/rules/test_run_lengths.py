"""Simulated run lengths of the charts as they run in a plant, against the published tables of average run lengths.

Over 20,000 runs of every chart and shift in the tables (some twenty minutes on one core, half of it on two), a line each:

    pytest -m long tests/rules/test_run_lengths.py -n 2 -rP

What was simulated since the core last changed is remembered, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final, NamedTuple

import numpy as np
import pytest

import rules
from rules.asset import AssetMonitor
from rules.events import SECOND, Observation, Quality, Reading
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
DRAWN: Final = 10_000
"""So many values are drawn at a time."""
RUNS: Final = {0: 20, 1: 60, 2: 500, 4: 1000}
"""How many runs are quick enough for every day, by the shift of the mean."""
MANY: Final = 20_000


class Cell(NamedTuple):
    """A chart and a shift of the mean, with the run lengths that tables give for it, as they print them."""

    table: str
    detect: str
    shift: float
    lengths: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.table}: {self.detect.removeprefix('type: ')}, shift {self.shift:g}"


def shewhart() -> Iterator[tuple[str, float, str]]:
    for row in rows(SET, "shewhart_western_electric.csv"):
        for key, length in row.items():
            name, _, source = key.partition("_")
            if source in {"recomputed", "published"} and name.startswith("C"):
                chosen = ", ".join(f"western_electric_{digit}" for digit in name[1:])
                yield f"type: control_chart, chart: individuals, rules: [{chosen}]", float(row["shift_sigma"]), length


def ewma() -> Iterator[tuple[str, float, str]]:
    for row in rows(SET, "ewma_fixed_limits_arl0_500.csv"):
        for key, length in row.items():
            if key.startswith("lambda"):
                weight = float(key.split("_")[0].removeprefix("lambda"))
                limit = EWMA_LIMITS[weight]
                detect = f"type: ewma, lambda: {weight}, limit: {limit}, limits: asymptotic"
                yield detect, float(row["shift_sigma"]), length


def cusum() -> Iterator[tuple[str, float, str]]:
    for row in rows(SET, "cusum_two_sided_k0.5.csv"):
        for key, length in row.items():
            if key.startswith("h"):
                h = key.split("_")[0].removeprefix("h")
                head = ", head_start: 2" if "FIR" in key else ""
                yield f"type: cusum, k: 0.5, h: {h}{head}", float(row["shift_sigma"]), length
    for row in rows(SET, "cusum_k_h_for_arl0_370.csv"):
        yield f"type: cusum, k: {row['k']}, h: {row['h']}", 0.0, row["arl0_recomputed"]


TABLES: Final = {"Shewhart": shewhart, "EWMA": ewma, "CUSUM": cusum}


def cells(table: str) -> list[Cell]:
    """A table's charts and shifts, each once."""
    found: dict[tuple[str, float], list[str]] = {}
    for detect, shift, length in TABLES[table]():
        found.setdefault((detect, shift), []).append(length)
    return [Cell(table, detect, shift, tuple(lengths)) for (detect, shift), lengths in found.items()]


def every_cell() -> list[Cell]:
    return [cell for table in TABLES for cell in cells(table)]


def ruled(detect: str, keys: str = RESTART) -> Any:
    return rules_of(f"  - {{id: r, kind: quality, assets: m, detect: {{{detect}, signal: x, {keys}}}}}\n")


def drawn(shift: float, seed: object) -> Iterator[float]:
    """Normal values without end; each seed has a stream of its own."""
    rng = np.random.default_rng(list(repr(seed).encode()))
    while True:
        yield from rng.normal(shift, 1.0, DRAWN).tolist()


def raised(detect: str, values: Iterator[float], keys: str = RESTART) -> Iterator[int]:
    """The numbers of the samples at which an alarm is raised: by the rule's own detector, told of each reading."""
    (watch,) = AssetMonitor("m", ruled(detect, keys)).watching("r")
    detector, (signal, *_), held = watch.detector, watch.inputs, False
    update, good, at = detector.update, Quality.GOOD, T0
    for number, value in enumerate(values, 1):
        signal.at = at = at + SECOND
        signal.take(value, good)
        (on,) = update(at)
        if on:
            if detector.renewed or not held:
                yield number
            held = True
        elif held:
            held = False


def raised_by_the_core(detect: str, values: Iterator[float]) -> Iterator[int]:
    """The same through a fleet, as a plant's readings go."""
    fleet = Fleet(ruled(detect))
    for number, value in enumerate(values, 1):
        at = T0 + number * SECOND
        for transition in fleet.handle(Observation("m", at, at, (Reading("x", value),))):
            assert transition.at == at
            if transition.event == "raised":
                yield number


def run_lengths(detect: str, shift: float, runs: int, seed: object, keys: str = RESTART) -> list[int]:
    """Samples from one raised alarm to the next."""
    return [b - a for a, b in pairwise([0, *islice(raised(detect, drawn(shift, seed), keys), runs)])]


class Simulated(NamedTuple):
    """The mean of simulated run lengths with its standard error."""

    mean: float
    error: float

    def off(self, length: str) -> float:
        """How many standard errors a table's length lies away, as near as its rounding lets it come."""
        distance = self.mean - float(length)
        return math.copysign(max(0.0, abs(distance) - rounding(length)), distance) / self.error


def rounding(length: str) -> float:
    """How far a printed number may lie from what it was rounded from."""
    return 0.5 * 10.0 ** -len(length.partition(".")[2])


def simulated(cell: Cell, runs: int) -> Simulated:
    lengths = run_lengths(cell.detect, cell.shift, runs, (cell.detect, cell.shift))
    return Simulated(fmean(lengths), stdev(lengths) / math.sqrt(runs))


@cache
def core() -> str:
    """What the core is made of, in a word."""
    sources = sorted(Path(rules.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


def remembered(cell: Cell, folder: Path, runs: int = MANY) -> Simulated:
    """The cell over many runs; at once if it was simulated since the core last changed."""
    path = folder / (hashlib.sha256(repr((cell[:3], runs, core())).encode()).hexdigest()[:24] + ".json")
    if not path.exists():
        (own := path.with_suffix(f".{os.getpid()}")).write_text(json.dumps(simulated(cell, runs)))
        own.replace(path)
    return Simulated(*json.loads(path.read_text()))


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    return request.config.cache.mkdir("run-lengths")  # type: ignore[union-attr]


@pytest.mark.parametrize("table", TABLES)
def test_run_lengths_are_those_of_the_tables(table: str) -> None:
    quick = [cell for cell in cells(table) if cell.shift in RUNS and float(cell.lengths[0]) < 230]
    scores = [simulated(cell, RUNS[cell.shift]).off(cell.lengths[0]) for cell in quick]
    assert max(map(abs, scores)) < 4
    assert 0.5 < math.sqrt(fmean(score * score for score in scores)) < 1.5, "they scatter as chance would have it"


@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
@pytest.mark.parametrize(
    "detect",
    [
        "type: control_chart, rules: [western_electric_1, western_electric_2, western_electric_3, western_electric_4]",
        "type: control_chart, rules: [nelson_1]",
        "type: control_chart",
        "type: ewma, lambda: 0.1, limit: 2.814, limits: asymptotic",
        "type: ewma, lambda: 0.1, limit: 2.814",
        "type: cusum, k: 0.5, h: 4, head_start: 2",
        "type: cusum, k: 0.5, h: 5",
    ],
)
def test_a_detector_asked_directly_signals_where_the_whole_core_does(detect: str, shift: float) -> None:
    values = list(islice(drawn(shift, "the same for both"), 3000))
    found = list(raised(detect, iter(values)))
    assert found == list(raised_by_the_core(detect, iter(values)))
    assert len(found) >= 3


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("cell", every_cell() if (DATA / SET).is_dir() else [], ids=str)
def test_run_lengths_are_those_of_the_tables_over_20_000_runs(cell: Cell, folder: Path) -> None:
    """Where chance puts one of so many beyond four errors, ten times the runs tell it from a chart that is wrong."""
    worst = compared(cell, remembered(cell, folder))
    if worst >= 4:
        worst = compared(cell, remembered(cell, folder, 10 * MANY))
    assert worst < 4


def compared(cell: Cell, found: Simulated) -> float:
    """The largest distance of a table's lengths in standard errors; all are printed."""
    scores = [found.off(length) for length in cell.lengths]
    told = ", ".join(f"{length} ({score:+.2f})" for length, score in zip(cell.lengths, scores, strict=True))
    print(f"{cell}: simulated {found.mean:.4f}, standard error {found.error:.4f}; table {told}")
    return max(map(abs, scores))


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_over_20_000_runs_they_scatter_as_chance_would_have_it(folder: Path) -> None:
    """Each chart and shift counts once, for its values are its own, and where a length's rounding is as good as none."""
    found = [(remembered(cell, folder), cell.lengths[0]) for cell in every_cell()]
    scores = [(seen.mean - float(length)) / seen.error for seen, length in found if rounding(length) < 0.1 * seen.error]
    freedom, squares = len(scores), math.fsum(score * score for score in scores)
    beyond = sum(abs(score) > 2 for score in scores) / freedom
    print(f"{freedom} scores: sum of squares {squares:.1f}, mean {fmean(scores):+.3f}, {beyond:.1%} beyond 2")
    assert abs(squares - freedom) < 3 * math.sqrt(2 * freedom)
    assert abs(fmean(scores)) < 3 / math.sqrt(freedom)


def test_what_the_moving_range_costs_is_what_is_said_of_the_chart() -> None:
    lengths = run_lengths("type: control_chart, rules: [nelson_1], spread: true", 0.0, 300, "moving range")
    assert abs(fmean(lengths) - chart_run_length("individuals", ["nelson_1"])) < 4 * stdev(lengths) / math.sqrt(300)


def test_exact_limits_of_an_ewma_find_a_shift_at_the_start_sooner() -> None:
    detect = "type: ewma, lambda: 0.1, limit: 2.814"
    exact = fmean(run_lengths(f"{detect}, limits: exact", 1.0, 500, 1))
    assert exact < fmean(run_lengths(f"{detect}, limits: asymptotic", 1.0, 500, 1)) - 1
