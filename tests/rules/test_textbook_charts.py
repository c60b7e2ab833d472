"""Textbook sets, reading by reading through the detectors: exactly the published signals, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.statistics.charts import CHARTS
from tests.rules.plant import rules_of, seen
from tests.rules.statistics.published import column, rows

SET = "spc_textbook"
ONE = "rules: [western_electric_1], on_signal: restart, clear_after: 1"


def raised(detect: str, readings: Sequence[dict[str, float]]) -> list[tuple[int, Transition]]:
    """The number of each reading that raised the alarm, with the transition."""
    rules = rules_of(f"  - {{id: r, kind: quality, assets: m, detect: {{signal: x, {detect}}}}}\n")
    monitor = AssetMonitor("m", rules)
    told = ((i, t) for i, values in enumerate(readings, 1) for t in monitor.handle(seen(i, **values)))
    return [(i, t) for i, t in told if t.event == "raised"]


def numbers(detect: str, readings: Sequence[dict[str, float]]) -> list[int]:
    return [i for i, _ in raised(detect, readings)]


def x_of(values: Sequence[float]) -> list[dict[str, float]]:
    return [{"x": value} for value in values]


def counts(name: str, key: str) -> list[dict[str, float]]:
    return [{"x": float(row[key]), "n": float(row["size"])} for row in rows(SET, name)]


def mean_of(chart: str, samples: Sequence[dict[str, float]]) -> str:
    return f"mean: {CHARTS[chart].estimate([(s['x'], s['n']) for s in samples]).mean!r}"


@pytest.mark.parametrize("limits", ["given", "learned"])
def test_piston_rings_on_xbar_and_r(limits: str) -> None:
    rings = rows(SET, "pistonrings.txt")
    groups = [[float(r["diameter"]) for r in g] for _, g in groupby(rings, lambda r: r["sample"])]
    process = CHARTS["xbar_r"].estimate(groups[:25])
    given = f"mean: {process.mean!r}, sigma: {process.sigma!r}"
    source = given if limits == "given" else "learn: {subgroups: 25}"
    detect = f"type: control_chart, chart: xbar_r, subgroup: {{size: 5}}, {source}, {ONE}"
    found = raised(detect, x_of([value for group in groups for value in group]))
    assert [i / 5 for i, _ in found] == [37, 38, 39]
    reason = found[0][1].reason
    assert reason["chart"] == "X-bar"
    assert reason["provisional"] is (limits == "learned")
    limits_told = reason["limits"]
    assert (limits_told["lower"], limits_told["center"], limits_told["upper"]) == pytest.approx(
        (73.9880, 74.0012, 74.0143), rel=1e-3
    )


def test_orange_juice_cans_on_p_and_np() -> None:
    cans = counts("orangejuice.txt", "D")
    for chart in ("p", "np"):
        detect = f"type: control_chart, chart: {chart}, inspected: n, {mean_of(chart, cans[:30])}, {ONE}"
        assert numbers(detect, cans) == [15, 23, 41]


def test_orange_juice_cans_without_the_samples_that_had_a_cause() -> None:
    cans = counts("orangejuice.txt", "D")
    kept = [s for i, s in enumerate(cans[:30], 1) if i not in {15, 23}]
    detect = f"type: control_chart, chart: p, inspected: 50, {mean_of('p', kept)}, {ONE}"
    assert numbers(detect, cans[:30]) == [15, 21, 23]


def test_orange_juice_cans_learned_leave_out_what_had_a_cause_and_say_so() -> None:
    cans = counts("orangejuice.txt", "D")
    bad_batch = [*cans[:30], {"x": 40.0, "n": 50.0}]
    found = raised(f"type: control_chart, chart: p, inspected: n, learn: {{subgroups: 30}}, {ONE}", bad_batch)
    assert [i for i, _ in found] == [31]
    reason = found[0][1].reason
    assert reason["checks"]["stretch"]["left_out"] == [15, 21, 23]
    assert "learned from 30 samples, 3 of them left out" in reason["text"]


def test_orange_juice_cans_of_the_second_set() -> None:
    cans = counts("orangejuice2.txt", "D")
    assert numbers(f"type: control_chart, chart: p, inspected: n, {mean_of('p', cans[:24])}, {ONE}", cans) == []


def test_circuit_boards_on_c() -> None:
    boards = [{"x": s["x"], "n": 1.0} for s in counts("circuit.txt", "x")]
    assert numbers(f"type: control_chart, chart: c, {mean_of('c', boards[:26])}, {ONE}", boards[:26]) == [6, 20]
    revised = [s for i, s in enumerate(boards[:26], 1) if i not in {6, 20}]
    assert numbers(f"type: control_chart, chart: c, {mean_of('c', revised)}, {ONE}", boards[26:]) == []


@pytest.mark.parametrize("name", ["pcmanufact.txt", "dyedcloth.txt"])
def test_defects_per_unit_on_u(name: str) -> None:
    units = counts(name, "x")
    assert numbers(f"type: control_chart, chart: u, inspected: n, {mean_of('u', units)}, {ONE}", units) == []


def test_viscosity_on_individuals_and_moving_range() -> None:
    values = column(SET, "viscosity.txt", "viscosity")
    process = CHARTS["individuals"].estimate(values[:20])
    given = f"mean: {process.mean!r}, sigma: {process.sigma!r}"
    found = raised(
        f"type: control_chart, {given}, rules: [western_electric_1], spread: true, clear_after: 1", x_of(values)
    )
    assert [i for i, _ in found] == [4]
    signals = [(s["chart"], len(s["points"])) for s in found[0][1].reason["signals"]]
    assert signals == [("individuals", 1), ("moving range", 2)]


def test_the_example_of_individuals_in_the_nist_handbook() -> None:
    values = column(SET, "nist_individuals_example.csv", "x")
    process = CHARTS["individuals"].estimate(values)
    given = f"mean: {process.mean!r}, sigma: {process.sigma!r}"
    assert numbers(f"type: control_chart, {given}, {ONE}", x_of(values)) == []


def test_the_example_of_an_ewma_in_the_nist_handbook() -> None:
    values = column(SET, "nist_ewma_example.csv", "x")
    detect = "type: ewma, lambda: 0.3, limit: 3, limits: asymptotic, mean: 50, sigma: 2.0539"
    assert numbers(detect, x_of(values)) == []
    monitor = AssetMonitor("m", rules_of(f"  - {{id: r, kind: quality, assets: m, detect: {{signal: x, {detect}}}}}\n"))
    for i, (value, expected) in enumerate(
        zip(values, column(SET, "nist_ewma_example.csv", "ewma_expected"), strict=True)
    ):
        monitor.handle(seen(i, x=value))
        assert statistic(monitor)[0] == pytest.approx(expected, abs=0.006)


def test_the_example_of_a_cusum_in_the_nist_handbook() -> None:
    table = rows(SET, "nist_cusum_example.csv")
    detect = "type: cusum, k: 0.3175, h: 4.1959, mean: 325, sigma: 1"
    monitor = AssetMonitor("m", rules_of(f"  - {{id: r, kind: quality, assets: m, detect: {{signal: x, {detect}}}}}\n"))
    events = []
    for i, row in enumerate(table, 1):
        events += [(i, t) for t in monitor.handle(seen(i, x=float(row["x"])))]
        high, low, *_ = statistic(monitor)
        assert (high, low) == pytest.approx((float(row["s_hi_expected"]), float(row["s_lo_expected"])), abs=0.006)
    assert [(i, t.event) for i, t in events] == [(14, "raised")], "and from there to the end it stays beyond"
    assert "the upper sum is beyond h" in events[0][1].reason["text"]
    assert all(b > a for a, b in pairwise(events[0][1].reason["points"]))


def statistic(monitor: AssetMonitor) -> Any:
    return next(state["detector"]["statistic"] for rule, _, _, state in monitor.snapshot()["watches"] if rule == "r")
