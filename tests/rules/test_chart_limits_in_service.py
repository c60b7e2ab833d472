"""Limits in the hands of people: proposed, frozen, learned anew, by product."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Revision
from rules.ruleset import RuleSet
from tests.rules.plant import T0, rules_of, seen

ASSETS = (
    "types: {filler: {signals: {x: {}, count: {}, recipe: {type: text}, order: {type: text}, serial: {}, nozzle: {}}, "
    "context: {product: recipe, lot: order, part: serial, tool: nozzle}}}\nassets: {m: {type: filler}}\n"
)
LEARN = "type: control_chart, signal: x, rules: [nelson_1], spread: false, learn: {subgroups: 20}"
GIVEN = "type: control_chart, signal: x, rules: [nelson_1, nelson_2], spread: false, mean: 0, sigma: 1"


class Line:
    """A filler, one reading a second; every step may restart the monitor."""

    def __init__(self, detect: str, *, more: str = "", restart: bool = False, keys: str = "") -> None:
        self.rules = ruled(detect, more, keys)
        self.monitor = AssetMonitor("m", self.rules)
        self.second = 0
        self.restart = restart

    def handle(self, event: Any) -> list[Transition]:
        if self.restart:
            self.monitor = AssetMonitor.restore(self.rules, json.loads(json.dumps(self.monitor.snapshot())))
        return self.monitor.handle(event)

    def make(self, values: list[float] | float, **context: Any) -> list[Transition]:
        out = []
        for value in values if isinstance(values, list) else [values]:
            self.second += 1
            out += self.handle(seen(self.second, x=float(value), **context))
        return out

    def told(self, **values: Any) -> list[Transition]:
        self.second += 1
        return self.handle(seen(self.second, **values))

    def revise(self, detect: str, keys: str = "") -> list[Transition]:
        self.second += 1
        rules = ruled(detect, keys=keys)
        out = self.handle(Revision(T0 + self.second * SECOND, rules))
        self.rules = rules
        return out

    def order(self, action: str, comment: str = "after the trial run") -> list[Transition]:
        self.second += 1
        return self.handle(Command(T0 + self.second * SECOND, action, "m", "m:r", "kim", comment))


def ruled(detect: str, more: str = "", keys: str = "") -> RuleSet:
    return rules_of(f"  - {{id: r, kind: quality, assets: m{keys}, detect: {{{detect}}}}}\n{more}", ASSETS)


def events(out: list[Transition]) -> list[str]:
    return [t.event for t in out]


def normal(count: int, mean: float = 0.0, seed: int = 1) -> list[float]:
    draw = Random(seed)
    return [mean + max(-2.5, min(2.5, draw.gauss(0, 1))) for _ in range(count)]


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def restart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


# -- freezing -------------------------------------------------------------------------------------------------------


def test_what_was_learned_is_proposed_to_people(restart: bool) -> None:
    line = Line(LEARN, restart=restart)
    (told,) = line.make(normal(20))
    assert (told.event, told.by) == ("commented", "andon")
    assert told.reason["text"].startswith("x: limits are proposed, learned from 20 samples: mean: ")
    assert "they serve provisionally until a person freezes them" in told.reason["text"]


def test_frozen_limits_carry_revision_person_and_reason_and_are_provisional_no_more(restart: bool) -> None:
    line = Line(LEARN, restart=restart)
    proposed = line.make(normal(20))[0].reason
    (frozen,) = line.order("freeze")
    assert (frozen.event, frozen.by, frozen.reason["comment"]) == ("commented", "kim", "after the trial run")
    assert frozen.reason["frozen"] | {"limits": ""} == {
        "revision": 1,
        "mean": proposed["mean"],
        "sigma": proposed["sigma"],
        "limits": "",
    }
    (raised,) = line.make(9.0)
    assert (raised.reason["provisional"], raised.reason["limits_revision"]) == (False, 1)
    assert "provisional" not in raised.reason["text"]


def test_learning_anew_proposes_and_leaves_frozen_limits_in_force(restart: bool) -> None:
    line = Line(LEARN, restart=restart)
    line.make(normal(20))
    line.order("freeze")
    line.order("relearn", "new gauge")
    out = line.make(normal(20, mean=20, seed=2))
    assert events(out)[0] == "raised", "a bad set-up is not learned as normal by itself"
    assert "those in force stay until a person freezes them" in out[-1].reason["text"]
    (second,) = line.order("freeze", "the gauge was set to zero")
    assert second.reason["frozen"]["revision"] == 2
    assert events(line.make(normal(8, mean=20, seed=3))) == ["cleared"]


@pytest.mark.parametrize(
    ("detect", "action", "why"),
    [
        (GIVEN, "freeze", "no limits are proposed"),
        (LEARN, "relearn", "limits are being learned already"),
        (GIVEN, "dispose", "the chart is in control: there is nothing to dispose of"),
        ("type: limits, signal: x, high: 5", "freeze", "its rule has no chart: there is nothing to freeze"),
    ],
)
def test_an_order_that_does_not_apply_is_refused_with_the_reason(detect: str, action: str, why: str) -> None:
    line = Line(detect)
    line.make(0.0)
    assert line.order(action) == []
    assert why in (line.monitor.refused or "")


def test_an_order_needs_its_reason() -> None:
    line = Line(LEARN)
    line.make(normal(20))
    assert line.order("freeze", " ") == []
    assert "needs a comment" in (line.monitor.refused or "")


def test_given_limits_are_learned_anew_where_a_person_asks_for_it() -> None:
    line = Line(GIVEN)
    line.make(0.0)
    assert events(line.order("relearn", "new resin")) == ["commented"]
    assert events(line.make(normal(25, seed=4))) == ["commented"]
    assert events(line.order("freeze", "new resin")) == ["commented"]


# -- disposition ----------------------------------------------------------------------------------------------------


def test_a_person_who_disposes_of_an_alarm_clears_it_and_the_chart_begins_anew(restart: bool) -> None:
    line = Line(GIVEN, restart=restart)
    assert events(line.make([0.5] * 9)) == ["raised"]
    out = line.order("dispose", "cause: worn nozzle; action: replaced")
    assert events(out) == ["commented", "cleared"]
    assert out[1].reason["text"] == "x: disposed of by kim: cause: worn nozzle; action: replaced"
    assert events(line.make([0.5] * 8)) == []
    assert events(line.make(0.5)) == ["raised"]


def test_the_very_next_point_may_be_out_of_control_again(restart: bool) -> None:
    line = Line(GIVEN, restart=restart)
    assert events(line.make(9.0)) == ["raised"]
    line.order("dispose")
    assert events(line.make(9.0)) == ["raised"]


# -- products and tools ---------------------------------------------------------------------------------------------


def test_each_product_has_its_own_limits(restart: bool) -> None:
    line = Line(f"{LEARN}, per: product", restart=restart)
    assert line.make(normal(30)) == [], "the product is not known"
    line.make(normal(20), recipe="A")
    line.order("freeze")
    assert events(line.make(normal(20, mean=50, seed=2), recipe="B")) == ["commented"]
    assert events(line.make(normal(10, mean=50, seed=3), recipe="B")) == []
    assert events(line.make(50.0, recipe="A")) == ["raised"]
    assert line.make(50.0, recipe="A") == []
    assert events(line.make(0.0, recipe="B")) == [], "the alarm stays until it is calm for long enough"
    assert events(line.make(normal(8, mean=50, seed=4), recipe="B")) == ["cleared"]


@pytest.mark.parametrize("freeze", [True, False])
def test_however_many_products_are_remembered_the_one_being_made_is_judged_by_its_own_limits(
    restart: bool, monkeypatch: pytest.MonkeyPatch, freeze: bool
) -> None:
    monkeypatch.setattr("rules.charting.book.MOST_PAGES", 3)
    line = Line(f"{LEARN}, per: product", restart=restart)
    for number, recipe in enumerate(["A", "B", "C", "D"]):
        assert events(line.make(normal(20, mean=50 * number), recipe=recipe)) == ["commented"]
        if freeze:
            (told,) = line.order("freeze", "trial run")
            assert told.reason["text"].startswith(f"freeze by kim: trial run; limits of {recipe} (revision 1): mean: ")
            assert told.reason["product"] == recipe
        assert events(line.make(normal(10, mean=50 * number, seed=3))) == []
    assert events(line.make(0.0)) == ["raised"]
    (watch,) = line.monitor.watching("r")
    assert len(watch.snapshot()["detector"]["book"]) == 3


def test_a_book_that_was_saved_without_the_product_being_made_is_opened_at_its_page() -> None:
    line = Line(f"{LEARN}, per: product")
    line.make(normal(20), recipe="A")
    line.make(normal(5, mean=50), recipe="B")
    saved = json.loads(json.dumps(line.monitor.snapshot()))
    held = next(watch[3]["detector"] for watch in saved["watches"] if watch[0] == "r")
    held["book"] = [page for page in held["book"] if page[0] != "B"]
    line.monitor = AssetMonitor.restore(line.rules, saved)
    assert events(line.make(normal(20, mean=50, seed=2))) == ["commented"]


def test_a_change_of_product_ends_a_run(restart: bool) -> None:
    line = Line(f"{GIVEN}, per: product", restart=restart)
    assert events(line.make([0.5] * 8, recipe="A") + line.make([0.5] * 8, recipe="B")) == []
    assert events(line.make(0.5, recipe="B")) == ["raised"]


def test_a_change_of_tool_begins_the_runs_anew_and_keeps_the_limits(restart: bool) -> None:
    line = Line(LEARN.replace("[nelson_1]", "[nelson_1, nelson_2]"), restart=restart)
    line.make(normal(20), nozzle=1)
    above = 1.5
    assert events(line.make([above] * 8, nozzle=1) + line.make([above] * 8, nozzle=2)) == []
    assert events(line.make(above, nozzle=2)) == ["raised"]


def test_a_rule_may_name_what_begins_the_runs_anew_or_nothing() -> None:
    line = Line(f"{GIVEN}, restart_on: []")
    line.make([0.5] * 8, nozzle=1)
    assert events(line.make(0.5, nozzle=2)) == ["raised"]
    line = Line(f"{GIVEN}, restart_on: [lot]")
    line.make([0.5] * 8, order="a")
    assert events(line.make(0.5, order="b")) == []


def test_the_alarm_names_the_lots_and_parts_made_since_it_began() -> None:
    line = Line(GIVEN)
    for serial in range(6):
        line.make((-0.5, 0.5)[serial % 2], order="L1", serial=serial)
    for serial in range(6, 15):
        (*_, last) = line.make(2.0, order="L2" if serial > 9 else "L1", serial=serial) or [None]
        if last is not None:
            break
    assert last is not None
    assert last.reason["lots"] == ["L1", "L2"]
    assert last.reason["parts"][-1] == 13
    assert "lots made since: L1, L2; parts made since: " in last.reason["text"]


def since(line: Line, values: list[float], lot: int = 3, **more: Any) -> dict[str, Any]:
    """Why the alarm of these parts was raised; a lot is so many of them."""
    for serial, value in enumerate(values, 1):
        if out := line.make(value, order=f"L{serial // lot}", serial=serial, **more):
            return out[0].reason
    raise AssertionError("no alarm")


def test_a_subgroup_stands_for_all_lots_and_parts_that_are_in_it(restart: bool) -> None:
    boxes = "type: control_chart, signal: x, chart: xbar_r, mean: 0, sigma: 1, subgroup: {size: 5}"
    told = since(Line(boxes, restart=restart), [0.5, -0.5, 0.0, 0.2, -0.2] * 2 + [3.0] * 5)
    assert told["lots"] == ["L3", "L4", "L5"]
    assert told["parts"] == [11, 12, 13, 14, 15]
    assert "lots made since: L3, L4, L5; parts made since: 11, 12, 13, 14, 15" in told["text"]


def test_parts_that_a_counter_tells_apart_are_listed_up_to_the_last_of_the_subgroup(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 2, counter: count}}", restart=restart)
    for part, value in enumerate([0.5, -0.5, 0.2, 0.0, 9.0, 9.0, 0.0], 1):
        if out := line.make([0.0, value], order="L", serial=part, count=part):
            break
    assert out[0].reason["parts"] == [5, 6]


def test_parts_whose_values_are_skipped_or_bad_are_among_those_made_since(restart: bool) -> None:
    line = Line(f"{GIVEN}, thin: 4", restart=restart)
    assert since(line, [0.0] * 6 + [9.0] * 4)["parts"] == [6, 7, 8, 9]
    line = Line(GIVEN, restart=restart)
    since_bad = [(0.0, 1, ()), (9.0, 2, ("x",)), (9.0, 3, ())]
    for value, serial, bad in since_bad:
        line.second += 1
        out = line.handle(seen(line.second, x=value, serial=serial, bad=bad))
    assert out[0].reason["parts"] == [2, 3]


def test_what_was_made_before_a_change_of_tool_is_not_made_since(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 3}}", restart=restart)
    for serial in range(1, 6):
        assert line.make(0.0, serial=serial, nozzle=1) == []
    out = [t for serial in range(6, 9) for t in line.make(9.0, serial=serial, nozzle=2)]
    assert out[0].reason["parts"] == [6, 7, 8]


def test_very_many_parts_are_named_up_to_a_number_and_the_others_counted(restart: bool) -> None:
    line = Line(f"{GIVEN}, subgroup: {{size: 150}}")
    told = since(line, [0.0] * 150 + [9.0] * 150)
    assert told["parts"] == [*range(151, 250), 300]
    assert told["parts_unnamed"] == 50
    assert "lots_unnamed" not in told
    assert "parts made since: 151 to 300" in told["text"]
    line = Line(GIVEN.replace("[nelson_1, nelson_2]", "[nelson_2]") + ", subgroup: {size: 120}", restart=False)
    told = since(line, [0.5] * 9 * 120)
    assert told["parts"][-1] == 1080
    assert len(told["parts"]) + told["parts_unnamed"] == 1080
    line = Line("type: cusum, signal: x, mean: 0, sigma: 1, thin: 50")
    told = since(line, [0.78] * 2500)
    assert (len(told["parts"]), told["parts"][0]) == (851, 1)
    line = Line("type: cusum, signal: x, mean: 0, sigma: 1, h: 20, thin: 90")
    told = since(line, [0.8] * 9000)
    assert (len(told["parts"]), told["parts_unnamed"]) == (1000, told["parts"][-1] - 1000)


def test_what_the_first_release_kept_of_lots_and_parts_is_told_still() -> None:
    line = Line(GIVEN)
    for serial in range(4):
        line.make(0.0, order="L1", serial=serial)
    line.make([1.5] * 3, order="L2", serial=7)
    saved = json.loads(json.dumps(line.monitor.snapshot()))
    chart = next(watch[3]["detector"] for watch in saved["watches"] if watch[0] == "r")
    chart["origin"] = ["L2", 7]
    del chart["made"]
    for point in chart["trace"]:
        _, _, (lot,), _, (part,), *_ = point
        point[2:] = [lot, part]
    line.monitor = AssetMonitor.restore(line.rules, saved)
    (raised,) = line.make(9.0, order="L3", serial=8)
    assert raised.reason["lots"] == ["L2", "L3"]
    assert raised.reason["parts"] == [7, 8]


# -- another version of the rule ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "rules: [nelson_1, nelson_2, nelson_3]",
        "rules: [nelson_1], spread: true",
        "rules: [nelson_1], clear_after: 3, on_signal: restart",
    ],
)
def test_what_a_chart_has_learned_outlives_a_change_that_leaves_its_grounds(change: str, restart: bool) -> None:
    line = Line(LEARN, restart=restart)
    line.make(normal(20))
    line.order("freeze")
    assert line.revise(LEARN.replace("rules: [nelson_1], spread: false", change)) == []
    raised = line.make(9.0)[0]
    assert (raised.event, raised.reason["provisional"], raised.reason["limits_revision"]) == ("raised", False, 1)


def test_another_chart_of_the_same_values_rests_on_the_same_frozen_limits() -> None:
    line = Line(LEARN)
    line.make(normal(20))
    line.order("freeze")
    assert line.revise("type: ewma, signal: x, learn: {subgroups: 20}") == []
    assert line.make(9.0)[0].reason["limits_revision"] == 1


def test_learning_goes_on_through_a_change_that_leaves_its_grounds(restart: bool) -> None:
    line = Line(LEARN, restart=restart)
    line.make(normal(10))
    line.revise(LEARN.replace("[nelson_1]", "[nelson_1, nelson_5]"))
    assert events(line.make(normal(10, seed=2))) == ["commented"]


def test_how_much_is_learned_from_matters_to_limits_that_nobody_has_frozen_alone(restart: bool) -> None:
    line = Line(f"{LEARN}, per: product", restart=restart)
    line.make(normal(20), recipe="A")
    line.order("freeze")
    line.make(normal(20), recipe="B")
    assert line.revise(f"{LEARN}, per: product".replace("subgroups: 20", "subgroups: 30")) == []
    assert events(line.make(9.0, recipe="A")) == ["raised"]
    assert line.order("dispose")
    assert events(line.make(normal(29), recipe="B")) == []
    assert events(line.make(normal(1, seed=2), recipe="B")) == ["commented"]


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("signal: x", "signal: count", "signal"),
        ("signal: x", "signal: x, subgroup: {size: 2}", "subgroup"),
        ("signal: x", "signal: x, thin: 3", "thin"),
        ("learn: {subgroups: 20}", "mean: 0, sigma: 1", "mean, sigma"),
    ],
)
def test_frozen_limits_that_a_change_takes_away_are_told_of(before: str, after: str, what: str, restart: bool) -> None:
    line = Line(LEARN, restart=restart)
    line.make(normal(20))
    limits = line.order("freeze")[0].reason["frozen"]["limits"]
    (told,) = line.revise(LEARN.replace(before, after))
    assert told.event == "commented"
    assert f"the rule's {what} changed, so frozen limits no longer apply: {limits}" in told.reason["text"]
    assert "(revision 1, frozen by kim: after the trial run)" in told.reason["text"]
    assert told.reason["lost"][0]["revision"] == 1
    assert line.make(0.0) == [], "it is told once"


def test_limits_that_are_lost_are_told_of_though_the_rule_is_not_armed() -> None:
    line = Line(LEARN)
    line.make(normal(20))
    line.order("freeze")
    changed = LEARN.replace("signal: x", "signal: count")
    assert events(line.revise(changed, keys=", when: \"order == 'none'\"")) == ["commented"]


# -- capability -----------------------------------------------------------------------------------------------------

ABLE = "type: capability, signal: x, lower_spec: -4, upper_spec: 4"


def test_each_product_is_judged_by_its_own_values_and_specification(restart: bool) -> None:
    line = Line(
        "type: capability, signal: x, per: product, lower_spec: {by: product, A: -3, B: 40}, "
        "upper_spec: {by: product, A: 3, B: 60}",
        restart=restart,
    )
    for _ in range(4):
        assert line.make(normal(20, mean=50, seed=2), recipe="B") == []
    assert events(line.make(normal(110), recipe="A")) == ["raised"]
    assert events(line.make(normal(1, mean=50), recipe="B")) == ["cleared"]


def test_nothing_is_judged_while_a_chart_of_the_signal_is_out_of_control(restart: bool) -> None:
    chart = f"  - {{id: chart, kind: quality, assets: m, detect: {{{GIVEN}}}}}\n"
    wild = [value for _ in range(60) for value in (-9.0, 9.0)]
    alone, watched = Line(ABLE, restart=restart), Line(ABLE, more=chart, restart=restart)
    assert "r" in {t.rule for t in alone.make(wild)}
    assert {t.rule for t in watched.make(wild)} == {"chart"}


@pytest.mark.parametrize(("policy", "judged"), [("clear", True), ("hold", False)])
def test_a_chart_that_is_not_armed_any_more_counts_as_long_as_its_alarm_is_held(
    restart: bool, policy: str, judged: bool
) -> None:
    chart = f"""  - id: chart
    kind: quality
    assets: m
    when: "count == 1"
    when_false: {policy}
    detect: {{{GIVEN}}}
"""
    line = Line(ABLE, more=chart, restart=restart)
    line.make([0.0, 9.0], count=1.0)
    made = line.make([value for _ in range(60) for value in (-9.0, 9.0)], count=0.0)
    assert ("r" in {t.rule for t in made}) is judged


def test_without_normal_values_the_index_goes_by_percentiles() -> None:
    draw = Random(8)
    values = [draw.expovariate(1) for _ in range(3000)]
    told = "type: capability, signal: x, upper_spec: 7, window: 2500, at_least: 1.33"
    skewed = Line(f"{told}, distribution: any").make(values)
    assert events(skewed)[0] == "raised"
    assert skewed[0].reason["value"] == pytest.approx(6.3 / 5.9, rel=0.25)
