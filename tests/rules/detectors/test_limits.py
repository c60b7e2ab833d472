"""Limits that depend on the asset, or on what is being made."""

from __future__ import annotations

import pytest

from rules.asset import AssetMonitor
from rules.ruleset import load_rules
from tests.rules.plant import refused, rules_of, seen, tick, told, watching

FILLER = (
    "types: {filler: {signals: {weight: {}, recipe: {type: text}, size: {}}, context: {product: recipe, size: size}}}\n"
    "assets: {m: {type: filler}}\n"
)
WEIGHT = "{type: limits, signal: weight, high: {by: product, small: 105, large: 510}, low: {by: product, small: 95, large: 490}}"


def test_the_limits_are_those_of_the_product_being_made():
    m = watching(WEIGHT, assets=FILLER)
    assert told(m, seen(0, recipe="small", weight=100), seen(1, weight=106)) == [("r", 1, "raised")]
    assert told(m, seen(2, weight=104), seen(3, recipe="large", weight=500)) == [("r", 2, "cleared")]
    assert told(m, seen(4, weight=480)) == [("r", 4, "raised")]


def test_a_change_of_product_alone_changes_what_is_too_much():
    m = watching(WEIGHT, assets=FILLER)
    events = (seen(0, recipe="large", weight=500), seen(1, recipe="small"), seen(2, recipe="large"))
    assert told(m, *events) == [("r", 1, "raised"), ("r", 2, "cleared")]


def test_nothing_can_be_told_before_the_product_is_known_and_one_without_limits_has_none():
    m = watching(WEIGHT, assets=FILLER)
    assert told(m, seen(0, weight=9999), seen(1, recipe="sample"), seen(2, weight=-5)) == []


def test_the_default_is_for_what_the_table_leaves_out():
    m = watching("{type: limits, signal: weight, high: {by: size, 2: 200, default: 100}}", assets=FILLER)
    assert told(m, seen(0, weight=150)) == [("r", 0, "raised")]
    assert told(m, seen(1, size=2), seen(2, size=3)) == [("r", 1, "cleared"), ("r", 2, "raised")]


def test_the_reason_names_the_limit_that_held():
    m = watching(WEIGHT, assets=FILLER)
    (raised,) = m.handle(seen(0, recipe="large", weight=520))
    assert (raised.reason["limit"], raised.reason["context"]) == (510, {"product": "large"})
    (cleared,) = m.handle(seen(1, recipe="sample"))
    assert (cleared.event, cleared.reason["limit"]) == ("cleared", None)


def test_the_limits_of_the_product_survive_a_restart():
    m = watching(WEIGHT, assets=FILLER)
    told(m, seen(0, recipe="large", weight=500))
    m = AssetMonitor.restore(m.rules, m.snapshot())
    assert told(m, seen(1, weight=505), seen(2, weight=511)) == [("r", 2, "raised")]


def test_the_product_that_is_not_known_now_is_the_last_known_one():
    m = watching(WEIGHT, assets=FILLER)
    told(m, seen(0, recipe="large", weight=500), seen(1, recipe="small", bad=("recipe",)))
    m = AssetMonitor.restore(m.rules, m.snapshot())
    (raised,) = m.handle(seen(2, weight=520))
    assert (raised.reason["limit"], raised.reason["context"]) == (510, {"product": "large"})
    assert told(m, seen(3, recipe="", bad=("recipe",)), seen(4, recipe="small", weight=100)) == [("r", 4, "cleared")]


def test_a_snapshot_from_before_goes_by_the_last_value():
    m = watching(WEIGHT, assets=FILLER)
    told(m, seen(0, recipe="large", weight=500))
    saved = m.snapshot()
    saved["signals"] = {name: state[:4] for name, state in saved["signals"].items()}
    m = AssetMonitor.restore(m.rules, saved)
    assert told(m, seen(1, recipe="", bad=("recipe",)), seen(2, weight=520)) == [("r", 2, "raised")]


def test_a_table_by_asset():
    rules = rules_of(
        "  - {id: r, kind: equipment, detect: {type: limits, signal: t, high: {by: asset, m: 85, default: 80}}}\n"
    )
    assert told(AssetMonitor("m", rules), seen(0, t=82)) == []
    assert told(AssetMonitor("n", rules), seen(0, asset="n", t=82)) == [("r", 0, "raised")]


def test_deviations_go_by_the_product_too():
    detect = "{type: deviation, signal: weight, from: 100, high: {by: product, small: 5, large: 50}}"
    m = watching(detect, assets=FILLER)
    assert told(m, seen(0, recipe="large", weight=110), seen(1, recipe="small")) == [("r", 1, "raised")]


def test_a_context_that_no_asset_has_is_refused():
    assert "unknown context `produkt`, did you mean `product`?" in refused(
        WEIGHT.replace("by: product", "by: produkt"), assets=FILLER
    )
    assert "unknown context" in refused("{type: limits, signal: t, high: {by: product, a: 1}}")


def test_one_signal_or_several_and_not_both_or_none():
    assert "either `signal` or `each" in refused("{type: limits, high: 5}")
    assert "either `signal` or `each" in refused("{type: limits, signal: t, each: [t, u], high: 5}")


def test_what_was_exceeded_before_the_rule_was_armed_again_leaves_no_deadband_behind():
    m = watching("{type: limits, signal: t, high: 80, deadband: 5}", more=", when: 'run == true', when_false: clear")
    assert told(m, seen(0, run=True, t=85), seen(1, run=False)) == [("r", 0, "raised"), ("r", 1, "cleared")]
    assert told(m, seen(2, t=78), seen(3, run=True), seen(4, t=79)) == []


def test_what_is_said_while_the_signal_is_bad_goes_by_the_last_value():
    m = watching("{type: limits, signal: t, high: 80}", more=", escalate: [{after: 10s, priority: high}]")
    told(m, seen(0, t=85), seen(1, t=None))
    (risen,) = m.handle(tick(10))
    assert (risen.value, risen.reason["values"]) == (85, {"t": 85})
    assert risen.reason["text"].endswith("t 85 above high limit 80")


def asked(detect: str, assets: str | None = None) -> list[str]:
    """Every problem of a rule, as `check` tells it, but that nobody told of a context."""
    text = f'version: 1\nrules:\n  - {{id: r, kind: equipment, assets: "line1/*", detect: {detect}}}\n'
    loaded = load_rules({"rules/test.yaml": text}, None if assets is None else ("assets.yaml", assets))
    return [text for problem in loaded.problems if "unknown context" not in (text := str(problem))]


MILLS = "assets: {line1/mill3: {values: {own: 100}}, line1/mill4: {values: {own: 80}}}"


def test_a_table_by_asset_names_no_patterns():
    (problem,) = asked("{type: limits, signal: t, high: {by: asset, 'line1/*': 85}}")
    assert "error: `line1/*` is a pattern, and a table by asset names assets" in problem
    assert "`values` in assets.yaml" in problem
    assert asked("{type: limits, signal: t, high: {by: product, 'A*': 85}}") == []


def test_a_row_of_an_asset_that_nobody_knows_is_doubted():
    table = "{type: limits, signal: t, high: {by: asset, line1/mil3: 85, line1/mill4: 80}}"
    (problem,) = asked(table, MILLS)
    assert "warning: unknown asset `line1/mil3`, did you mean `line1/mill3`?" in problem
    assert asked(table) == []
    assert asked(table, "types: {x: {}}") == []
    assert "unknown asset" in asked("{type: capability, signal: t, upper_spec: {by: asset, line1/mil3: 8}}", MILLS)[0]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ("high: {by: asset, a: 90, b: 80}, high_high: {by: asset, a: 85, b: 85}", "asset `a` high 90 is above high_high 85"),
        ("high: {by: asset, a: 90, b: 80}, high_high: 85", "asset `a` high 90 is above high_high 85"),
        ("low: 10, high: {by: product, A7: 5, default: 80}", "product `A7` low 10 is above high 5"),
        ("low: 10, high: {by: product, A7: 50, default: 8}", "product `default` low 10 is above high 8"),
        ("low: {by: product, A7: 9}, high_high: {by: product, B2: 50, default: 8}", "product `A7` low 9 is above high_high 8"),
    ],
)  # fmt: skip
def test_rows_in_which_limits_do_not_rise_are_refused(limits: str, told: str):
    (problem,) = asked(f"{{type: limits, signal: t, {limits}}}")
    assert f"error: in the row of {told} (hint: limits must rise in the order low_low" in problem


@pytest.mark.parametrize(
    "limits",
    [
        "high: {by: asset, a: 85, b: 80}, high_high: {by: asset, a: 85}",
        "high: {by: asset, a: 85}, high_high: {by: asset, b: 80}",
        "high: {by: asset, a: 85}, high_high: {by: product, a: 80}",
        "low: 10, high: {by: product, A7: 50}, high_high: 60",
    ],
)
def test_rows_in_which_limits_rise_or_do_not_meet_are_right(limits: str):
    assert asked(f"{{type: limits, signal: t, {limits}}}") == []


def test_limits_that_do_not_rise_with_the_values_of_an_asset_are_refused():
    (problem,) = asked("{type: limits, signal: t, high: own, high_high: 95}", MILLS)
    assert "error: on the asset `line1/mill3` high 100 is above high_high 95" in problem
    table = "{type: limits, signal: t, high: own, high_high: {by: asset, line1/mill3: 100, line1/mill4: 79}}"
    (problem,) = asked(table, MILLS)
    assert "on the asset `line1/mill4` high 80 is above high_high 79" in problem
