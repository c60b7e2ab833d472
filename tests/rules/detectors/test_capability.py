"""Capability: what may be asked for, when a window is judged, and what is said of it."""

from __future__ import annotations

import json
from itertools import pairwise
from math import log
from random import Random
from statistics import NormalDist, fmean, stdev
from typing import Any

import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.events import SECOND
from rules.statistics.capability import (
    Index,
    Specification,
    about_target,
    actual,
    by_percentiles,
    freedom_individuals,
    potential,
)
from tests.rules.plant import T0, refused, rules_of, seen, set_back, story, told, watching

ABLE = "type: capability, signal: x, lower_spec: -4, upper_spec: 4"
PRODUCTS = (
    "types: {filler: {signals: {x: {}, recipe: {type: text}}, context: {product: recipe}}}\n"
    "assets: {m: {type: filler}}\n"
)


def judge(keys: str, *, more: str = "", assets: str | None = None) -> AssetMonitor:
    return watching(f"{{{keys}}}", more=more, kind="quality", assets=assets)


def normal(count: int, seed: int = 1) -> list[float]:
    draw = Random(seed)
    return [draw.gauss(0, 1) for _ in range(count)]


def even(count: int, sigma: float, mean: float = 0.0) -> list[float]:
    """As normal as so many values can be, in no order."""
    values = [NormalDist(mean, sigma).inv_cdf((i + 0.5) / count) for i in range(count)]
    Random(7).shuffle(values)
    return values


def made(m: AssetMonitor, values: list[float], start: int = 1, **context: str) -> list[Transition]:
    """These values, one a second."""
    return [t for second, v in enumerate(values, start) for t in m.handle(seen(second, x=v, **context))]


def products(m: AssetMonitor) -> dict[str, Any]:
    """How many values are in the window, how many are new, and the verdict, by product."""
    saved = next(saved["detector"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")
    return {name: (len(window[0]), new, verdict.get("verdict")) for name, (window, new, verdict) in saved[2]}


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("target: 1", "capability needs lower_spec, upper_spec or both"),
        ("lower_spec: 2, upper_spec: 2", "lower_spec 2 is not below upper_spec 2"),
        ("lower_spec: 1, window: 24", "a window holds 25 to 10000 values, or is a time"),
        ("lower_spec: 1, window: 10001", "a window holds 25 to 10000 values, or is a time"),
        ("lower_spec: 1, window: true", "a window holds 25 to 10000 values, or is a time"),
        ("lower_spec: 1, window: 30.5", "a window holds 25 to 10000 values, or is a time"),
        ("lower_spec: 1, upper_spec: 2, index: cp, distribution: any", "`cp` assumes normal values"),
        ("lower_spec: 1, upper_spec: 2, index: cpm, distribution: any", "`cpm` assumes normal values"),
        ("lower_spec: 1, index: cp", "`cp` needs both"),
        ("upper_spec: 1, index: pp", "`pp` needs both"),
        ("upper_spec: 1, index: cpm", "`cpm` needs both"),
        ("lower_spec: {by: asset, m: 5}, upper_spec: {by: asset, m: 4}", "lower_spec 5 is not below upper_spec 4"),
        ("lower_spec: {by: asset, m: 3, default: 5}, upper_spec: 4", "lower_spec 5 is not below upper_spec 4"),
        ("lower_spec: 1, at_least: 0", "greater than 0"),
        ("lower_spec: 1, at_least: 100.1", "less than or equal to 100"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_reason(keys: str, why: str):
    assert why in refused(f"{{type: capability, signal: x, {keys}}}")


@pytest.mark.parametrize(
    "keys",
    [
        "lower_spec: 1",
        "upper_spec: 1, index: cpk",
        "lower_spec: 1, window: 25",
        "lower_spec: 1, window: 10000",
        "lower_spec: 1, window: 8h",
        "lower_spec: 1, upper_spec: 2, index: cpm, target: 1.5",
        "lower_spec: 1, upper_spec: 2, target: 1.5, index: cpk",
        "lower_spec: 1, upper_spec: 2, index: pp, distribution: any",
        "lower_spec: 1, distribution: any",
        "lower_spec: 1, at_least: 100",
    ],
)
def test_what_can_be_judged_is_accepted(keys: str):
    judge(f"type: capability, signal: x, {keys}")


@pytest.mark.parametrize(("window", "length"), [("8h", 8 * 3600), ("30", 30)])
def test_a_window_is_written_as_it_was_given(window: str, length: int):
    (watch,) = judge(f"{ABLE}, window: {window}").watching("r")
    config = watch.rule.detect
    assert str(config.model_dump(mode="json")["window"]) == window
    assert config.window == length * (SECOND if window.endswith("h") else 1)


def test_a_window_is_judged_when_it_is_full_and_again_when_all_of_it_is_new():
    m = judge(f"{ABLE}, window: 30")
    assert made(m, normal(29)) == []
    assert products(m) == {"": (29, 29, None)}
    made(m, normal(1), 30)
    assert products(m)[""][:2] == (30, 0)
    made(m, normal(29), 31)
    assert products(m)[""][:2] == (30, 29)
    made(m, normal(1), 60)
    assert products(m)[""][:2] == (30, 0)


def test_a_large_window_is_judged_at_a_hundred_values_when_it_is_full_and_when_all_of_it_is_new():
    m = judge(f"{ABLE}, window: 250")
    judged = []
    for second, value in enumerate(normal(800), 1):
        made(m, [value], second)
        judged += [second] if products(m)[""][1] == 0 else []
    assert judged == [100, 250, 500, 750]


def test_a_window_of_time_is_judged_from_a_hundred_values_on_and_again_when_all_of_it_is_new():
    m = judge(f"{ABLE}, window: 5m")
    made(m, normal(99))
    assert products(m) == {"": (99, 99, None)}
    made(m, normal(1), 100)
    assert products(m)[""][:2] == (100, 0)
    made(m, normal(299), 101)
    assert products(m)[""][:2] == (300, 299)
    made(m, normal(1), 400)
    assert products(m)[""][:2] == (300, 0)


def test_a_process_just_better_than_asked_is_hardly_ever_proven_incapable_however_long_it_is_watched():
    raised = [
        made(judge("type: capability, signal: x, lower_spec: -4.2, upper_spec: 4.2"), normal(5000, seed))
        for seed in range(4)
    ]
    assert sum(t.event == "raised" for out in raised for t in out) <= 4, "of 200 windows, at most one in twenty"


def test_the_reason_says_what_is_proven_by_which_bounds():
    m = judge(f"{ABLE}, window: 30")
    (watch,) = m.watching("r")
    nothing = "x: undecided, not proven incapable of Ppk 1.33: no spread to speak of (0 values)"
    assert watch.says("on", on=False) == nothing
    values = even(30, 3)
    (raised,) = made(m, values)
    reason = raised.reason
    assert (reason["verdict"], reason["index"], reason["limit"], reason["count"]) == ("incapable", "ppk", 1.33, 30)
    assert (reason["phi"], reason["independent"], reason["percentiles"]) == (0, 30, False)
    assert reason["mean"] == pytest.approx(0)
    assert reason["overall"] == pytest.approx(stdev(values))
    assert reason["within"] == pytest.approx(fmean(abs(b - a) for a, b in pairwise(values)) / 1.128379, rel=1e-5)
    assert reason["value"] == pytest.approx(4 / 3 / reason["overall"])
    assert reason["text"] == (
        f"x: proven incapable of Ppk 1.33: Ppk {reason['value']:.3g}, 95 % bounds {reason['lower']:.3g} and "
        f"{reason['upper']:.3g} (30 values)"
    )
    assert reason["lower"] < reason["value"] < reason["upper"] < 1.33
    made(m, even(60, 0.01), 31)
    assert watch.says("on", on=False).startswith("x: proven capable of Ppk 1.33: Ppk ")


SKEWED = [-log(1 - (i + 0.5) / 1000) for i in range(1000)]
"""Exponential values: with an upper limit of 7.5 their Ppk is 1.15 by percentiles, and 2.17 as if they were normal."""


def shuffled(values: list[float]) -> list[float]:
    return Random(3).sample(values, len(values))


@pytest.mark.parametrize("index", ["ppk", "cpk"])
def test_values_that_are_clearly_not_normal_are_judged_by_percentiles(index: str):
    m = judge(f"type: capability, signal: x, upper_spec: 7.5, window: 1000, index: {index}")
    assert made(m, shuffled(SKEWED)) == []
    (watch,) = m.watching("r")
    told_of = watch.detector.describe("on", on=False)
    wanted = by_percentiles(Specification(upper=7.5), SKEWED)["ppk"]
    assert (told_of["verdict"], told_of["percentiles"]) == ("undecided", True)
    assert (told_of["value"], told_of["lower"], told_of["upper"]) == tuple(
        pytest.approx(bound) for bound in (wanted.value, wanted.lower, wanted.upper)
    )
    assert told_of["value"] == pytest.approx(1.15, rel=0.1)
    assert told_of["text"].endswith("; the values are hardly normal (p below 0.0001): by percentiles")


def test_there_is_no_cpm_of_values_that_are_not_normal():
    m = judge("type: capability, signal: x, lower_spec: -8, upper_spec: 10, target: 1, window: 1000, index: cpm")
    made(m, shuffled(SKEWED))
    (watch,) = m.watching("r")
    assert watch.says("on", on=False).endswith(
        "95 % bounds none and none (1000 values); the values are hardly normal (p below 0.0001): there are no bounds"
    )


def following(count: int, phi: float, seed: int = 5) -> list[float]:
    """Normal values of standard deviation 1, each of which follows the one before."""
    draw, values = Random(seed), [0.0]
    while len(values) < count + 500:
        values.append(phi * values[-1] + draw.gauss(0, (1 - phi * phi) ** 0.5))
    return values[500:]


def test_values_that_follow_each_other_count_for_fewer():
    m = judge(f"{ABLE}, window: 500")
    made(m, following(500, 0.8))
    (watch,) = m.watching("r")
    reason = watch.detector.describe("on", on=False)
    assert reason["count"] == 500
    count = 500 * (1 - reason["phi"]) / (1 + reason["phi"])
    assert (reason["phi"], reason["independent"]) == (pytest.approx(0.8, abs=0.1), pytest.approx(count))
    wanted = actual(Specification(-4, 4), reason["mean"], reason["overall"], count, count - 1)
    assert wanted == Index(reason["value"], reason["lower"], reason["upper"])
    assert f"; each value follows the one before (phi {reason['phi']:.2f}): they are as good as " in reason["text"]


@pytest.mark.parametrize("index", ["ppk", "cpk", "pp", "cpm"])
@pytest.mark.parametrize("distribution", ["normal", "any"])
def test_a_stream_that_hardly_moves_proves_nothing(index: str, distribution: str):
    if distribution == "any" and index[0] == "c":
        return
    m = judge(
        f"type: capability, signal: x, lower_spec: -4.8, upper_spec: 4.8, index: {index}, distribution: {distribution}"
    )
    assert made(m, following(5000, 0.99)) == []
    (watch,) = m.watching("r")
    assert watch.says("on", on=False).endswith(" independent ones, too few for bounds")


@pytest.mark.parametrize("index", ["cp", "cpk", "pp", "ppk", "cpm"])
def test_the_bounds_are_those_of_the_index_with_as_many_values_as_there_are(index: str):
    m = judge(f"{ABLE}, window: 30, index: {index}")
    (raised,) = made(m, even(30, 3, 0.5))
    reason, spec = raised.reason, Specification(-4, 4)
    mean, overall, within = reason["mean"], reason["overall"], reason["within"]
    wanted = {
        "cp": potential(spec, within, freedom_individuals(30)),
        "cpk": actual(spec, mean, within, 30, freedom_individuals(30)),
        "pp": potential(spec, overall, 29),
        "ppk": actual(spec, mean, overall, 30, 29),
        "cpm": about_target(spec, mean, overall, 30),
    }[index]
    assert wanted == Index(reason["value"], reason["lower"], reason["upper"])


@pytest.mark.parametrize("values", [[12.0] * 100, [12.0 if i % 10 else 10.0 for i in range(100)]])
@pytest.mark.parametrize("index", ["ppk", "cpk"])
def test_parts_beyond_the_specification_are_told_however_coarse_the_gauge(values: list[float], index: str):
    m = judge(f"type: capability, signal: x, lower_spec: 9, upper_spec: 11, window: 100, index: {index}")
    (raised,) = made(m, values)
    assert raised.event == "raised"
    assert "beyond the specification, without spread to speak of (100 values)" in raised.reason["text"]
    assert json.dumps(raised.reason, allow_nan=False)


def test_a_bound_that_there_is_none_of_is_said_to_be_none():
    m = judge(f"{ABLE}, window: 100, distribution: any")
    made(m, normal(100))
    (watch,) = m.watching("r")
    saved = next(saved["detector"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")
    verdict = saved[2][0][1][2]
    assert verdict["verdict"] == "undecided"
    assert json.dumps(verdict, allow_nan=False)
    assert f"95 % bounds {verdict['lower']:.3g} and {verdict['upper']:.3g} (100 values)" in watch.says("on", on=False)


def test_a_specification_may_lie_on_one_side_of_the_target():
    m = judge("type: capability, signal: x, lower_spec: -4, upper_spec: 4, target: 3, index: cpm, window: 30")
    values = even(30, 1)
    (raised,) = made(m, values)
    assert raised.reason["value"] == pytest.approx(8 / 6 / (stdev(values) ** 2 + 9) ** 0.5)


def test_values_that_are_too_large_bad_or_no_numbers_are_left_out_and_hold_the_alarm():
    m = judge(f"{ABLE}, window: 30")
    made(m, even(30, 3)[:20])
    assert told(m, seen(30, x=1e151), seen(31, x=-1e151), seen(32, x="n/a"), seen(33, x=None)) == []
    assert told(m, seen(34, bad=("x",), x=9)) == []
    assert products(m)[""][0] == 20
    assert story(made(m, even(30, 3)[20:], 40)) == [("r", 49, "raised")]
    assert told(m, seen(60, x=None), seen(61, x=1e151)) == []
    m = judge(f"{ABLE}, window: 30")
    made(m, [1e150, -1e150] * 2)
    assert products(m)[""][0] == 4, "the largest that can be charted"


def test_an_observation_of_other_signals_is_no_value():
    m = judge(f"{ABLE}, window: 30")
    told(m, seen(1, x=1), seen(2, y=1), seen(3, x=1), seen(4, y=1, x=1))
    assert products(m)[""][0] == 3


def test_a_product_that_is_not_known_has_no_window():
    m = judge(f"{ABLE}, window: 30, per: product", assets=PRODUCTS)
    assert made(m, even(40, 3)) == []
    assert products(m) == {}
    made(m, [3.0], 50, recipe="A")
    assert products(m) == {"A": (1, 1, None)}


def test_of_more_than_twenty_products_the_one_not_made_for_longest_goes():
    m = judge(f"{ABLE}, window: 30, per: product", assets=PRODUCTS)
    for number in range(20):
        made(m, [0.0], number, recipe=f"p{number}")
    made(m, [0.0], 20, recipe="p0")
    assert len(products(m)) == 20
    assert products(m)["p0"] == (2, 2, None)
    made(m, [0.0], 21, recipe="p20")
    assert len(products(m)) == 20
    assert "p1" not in products(m)
    assert {"p0", "p2", "p20"} < products(m).keys()


def test_a_specification_by_asset_is_that_of_the_asset_or_the_default():
    for table, room in (("{by: asset, m: 2, default: 9}", 2), ("{by: asset, n: 9, default: 3}", 3)):
        (raised,) = made(judge(f"type: capability, signal: x, upper_spec: {table}, window: 30"), even(30, 3))
        assert raised.reason["value"] == pytest.approx(room / 3 / stdev(even(30, 3)))


def test_where_the_table_has_no_specification_nothing_is_decided():
    table = "{by: product, A: 2}"
    m = judge(f"type: capability, signal: x, upper_spec: {table}, window: 30", assets=PRODUCTS)
    assert made(m, even(30, 3), recipe="B") == []
    assert products(m)[""] == (30, 0, "undecided")
    assert story(made(m, even(30, 3), 31, recipe="A")) == [("r", 60, "raised")]


# -- arming ---------------------------------------------------------------------------------------------------------

GATED = ", when: 'run == true'"


def test_values_made_while_the_rule_is_not_armed_are_left_out_and_those_before_stay():
    m = judge(f"{ABLE}, window: 30", more=GATED)
    told(m, seen(0, run=True, x=1), seen(1, x=2), seen(2, run=False), seen(3, x=3), seen(4, run=True), seen(5, x=4))
    assert products(m)[""][0] == 3, "the one that came with arming counts"
    told(m, seen(6, run=False, x=5), seen(7, run=True, x=6))
    assert products(m)[""][0] == 4
    told(m, seen(7, run=False), seen(7, run=True))
    assert products(m)[""][0] == 4, "and counts once"


@pytest.mark.parametrize(("policy", "kept"), [("clear", 0), ("hold", 30)])
def test_a_process_proven_incapable_is_judged_anew_unless_its_alarm_is_held(policy: str, kept: int):
    m = judge(f"{ABLE}, window: 30", more=f"{GATED}, when_false: {policy}")
    m.handle(seen(0, run=True))
    assert [t.event for t in made(m, even(30, 3))] == ["raised"]
    told(m, seen(40, run=False), seen(41, run=True))
    assert products(m)[""] == ((30, 0, "incapable") if kept else (0, 0, None))


def test_one_that_is_not_proven_incapable_keeps_its_values_when_it_is_armed_again():
    m = judge(f"{ABLE}, window: 30", more=GATED)
    m.handle(seen(0, run=True))
    made(m, normal(30))
    told(m, seen(40, run=False), seen(41, run=True))
    assert products(m)[""] == (30, 0, "undecided")


@pytest.mark.parametrize("second", [0, 3600])
def test_after_a_clock_was_set_back_a_value_that_comes_with_arming_counts_at_whatever_time(second: int):
    m = judge(f"{ABLE}, window: 30", more=GATED)
    told(m, seen(0, run=True, x=1))
    set_back(m, 10, other=1)
    told(m, seen(second - 1, late=3600, run=False), seen(second, late=3600, run=True, x=2))
    assert products(m)[""][0] == 2


def test_a_clock_may_be_set_back_before_there_is_a_value():
    m = judge(f"{ABLE}, window: 30")
    m.handle(seen(0, other=1))
    assert set_back(m, 10, other=1) == []


def test_a_window_of_time_moves_with_a_clock_that_is_set_back():
    m = judge(f"{ABLE}, window: 60s")
    made(m, [1.0, 2.0, 3.0], 0)
    set_back(m, 10, other=1)
    told(m, seen(30 - 3600, late=3600, x=4))
    assert products(m)[""][0] == 4
    told(m, seen(63 - 3600, late=3600, x=5))
    assert products(m)[""][0] == 2


def test_what_cannot_be_read_is_bad_and_what_was_not_read_yet_is_not():
    m = judge(f"{ABLE}, window: 30", more=", on_bad_quality: alarm")
    assert told(m, seen(0, y=1), seen(1, x=1)) == []
    assert told(m, seen(2, x="n/a"), seen(3, x=1)) == [("r", 2, "raised"), ("r", 3, "cleared")]


WATCHED = (
    "  - {id: r, kind: quality, assets: m, detect: {type: capability, signal: x, lower_spec: -2, upper_spec: 2}}\n"
    "  - {id: chart, kind: quality, assets: m, detect: {type: control_chart, signal: x, mean: 0, sigma: 1, "
    "rules: [nelson_1]}}\n"
)


@pytest.mark.parametrize("restart", [False, True])
def test_an_alarm_that_stands_while_a_chart_is_out_of_control_says_that_it_is_not_judged(restart: bool):
    m = AssetMonitor("m", rules_of(WATCHED))
    made(m, even(100, 0.9))
    (watch,) = m.watching("r")
    assert watch.detector.update(T0) == (True,)
    out = []
    for second, value in enumerate([9.0] * 5 + [0.0] * 9 + [9.0] * 2, 101):
        if restart:
            m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
        out += [t for t in m.handle(seen(second, x=value)) if t.rule == "r"]
    assert [(t.event, t.at // SECOND - T0 // SECOND) for t in out] == [("commented", 102), ("commented", 116)]
    stands = "x: not judged while a chart of it is out of control: the alarm stands by 100 values before"
    assert {(t.reason["text"], t.reason["why"]) for t in out} == {(stands, "not_judged")}
    (watch,) = m.watching("r")
    assert watch.says("on", on=True).endswith("; not judged anew while a chart of it is out of control")
    assert [t.event for t in m.handle(seen(117, x=0)) if t.rule == "r"] == []


def test_without_an_alarm_nothing_is_said_of_a_chart_out_of_control():
    m = AssetMonitor("m", rules_of(WATCHED))
    assert [t for t in made(m, [*even(98, 0.9), 9.0, 9.0, 9.0]) if t.rule == "r"] == []


def test_one_chart_out_of_control_is_enough_to_leave_a_value_out():
    chart = "  - {id: %s, kind: quality, assets: m, detect: {type: control_chart, signal: x, mean: 0, sigma: %d, rules: [nelson_1]}}\n"
    m = AssetMonitor(
        "m",
        rules_of(
            f"  - {{id: r, kind: quality, assets: m, detect: {{{ABLE}, window: 30}}}}\n"
            + chart % ("tight", 1)
            + chart % ("wide", 100)
        ),
    )
    assert {t.rule for t in made(m, [9.0, -9.0] * 30) if t.event == "raised"} == {"tight"}
    assert products(m)[""][0] <= 1
