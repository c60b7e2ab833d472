"""Zones of ISO 20816-3 and ISO 10816-7."""

from __future__ import annotations

import pytest

from rules.asset import AssetMonitor
from rules.detectors.vibration_zone import ZONES
from tests.rules.plant import refused, rules_of, seen, tick, told, typed, watching

MOTOR = "{type: vibration_zone, signal: v, machine_group: 2, support: rigid}"


def test_zone_c_is_an_alarm_and_zone_d_raises_its_priority():
    m = watching(MOTOR, more=", priority: {zone_c: medium, zone_d: critical}")
    assert told(m, seen(0, v=2.8), seen(1, v=2.81), seen(2, v=4.51), seen(3, v=4.5), seen(4, v=2.8)) == [
        ("r", 1, "raised"), ("r", 2, "raised_priority"), ("r", 3, "lowered_priority"), ("r", 4, "cleared"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("group", "b_c", "c_d"),
    [
        ("machine_group: 1, support: rigid", 4.5, 7.1),
        ("machine_group: 1, support: flexible", 7.1, 11.0),
        ("machine_group: 2, support: rigid", 2.8, 4.5),
        ("machine_group: 2, support: flexible", 4.5, 7.1),
        ("machine_group: pump-1, power: 200", 4.0, 6.6),
        ("machine_group: pump-1, power: 201", 5.0, 7.6),
        ("machine_group: pump-2, power: 75", 5.1, 8.5),
        ("machine_group: pump-2, power: 400", 6.1, 9.5),
    ],
)
def test_the_boundaries_are_those_of_the_standards(group: str, b_c: float, c_d: float):
    m = watching(f"{{type: vibration_zone, signal: v, {group}}}")
    assert told(m, seen(0, v=b_c)) == []
    (c,) = m.handle(seen(1, v=b_c + 0.01))
    assert (c.reason["level"], c.reason["limit"]) == ("zone_c", b_c)
    d = m.handle(seen(2, v=c_d + 0.01))[-1]
    assert (d.reason["level"], d.reason["limit"]) == ("zone_d", c_d)


@pytest.mark.parametrize(
    ("group", "a_b"),
    [
        ("machine_group: 1, support: rigid", 2.3),
        ("machine_group: 1, support: flexible", 3.5),
        ("machine_group: 2, support: rigid", 1.4),
        ("machine_group: 2, support: flexible", 2.3),
        ("machine_group: pump-1, power: 200", 2.5),
        ("machine_group: pump-1, power: 201", 3.5),
        ("machine_group: pump-2, power: 75", 3.2),
        ("machine_group: pump-2, power: 400", 4.2),
    ],
)
def test_below_the_alarm_the_reason_tells_zone_a_from_zone_b(group: str, a_b: float):
    m = watching(f"{{type: vibration_zone, signal: v, {group}}}")
    for second, value, zone in ((0, a_b, "A"), (2, a_b + 0.01, "B")):
        m.handle(seen(second, v=20))
        assert f"is in zone {zone} (back below" in m.handle(seen(second + 1, v=value))[0].reason["text"]


def test_the_table_rises_in_every_row():
    assert all(0 < zones.a_b < zones.b_c < zones.c_d for zones in ZONES.values())


def test_only_zone_d_is_an_alarm_if_the_rule_says_so():
    m = watching("{type: vibration_zone, signal: v, machine_group: 2, support: rigid, alarm_zone: D}")
    assert told(m, seen(0, v=4), seen(1, v=5)) == [("r", 1, "raised")]


@pytest.mark.parametrize(("value", "alarm"), [(1.7, False), (1.71, True), (0.31, False), (0.29, True)])
def test_a_change_by_a_quarter_of_the_boundary_matters_up_or_down(value: float, alarm: bool):
    m = watching("{type: vibration_zone, signal: v, machine_group: 2, support: rigid, baseline: 1.0}")
    found = m.handle(seen(0, v=value))
    assert bool(found) is alarm
    if found:
        assert (found[0].reason["level"], found[0].reason["limit"]) == ("change", 0.7)


def test_the_baseline_may_be_zero():
    m = watching("{type: vibration_zone, signal: v, machine_group: 2, support: rigid, baseline: 0}")
    assert told(m, seen(0, v=0.7), seen(1, v=0.71)) == [("r", 1, "raised")]


def test_the_baseline_may_be_a_value_of_the_asset():
    assets = "types: {x: {signals: {v: {unit: mm/s}}}}\nassets: {m: {type: x, values: {new: 2.0}}}\n"
    m = watching(
        "{type: vibration_zone, signal: v, machine_group: 2, support: rigid, baseline: new}",
        assets=assets,
        more=", priority: {zone_c: high, zone_d: high, change: low}",
    )
    (raised,) = m.handle(seen(0, v=1.2))
    assert raised.reason["text"] == "v 1.2 mm/s is -0.8 off its baseline 2: more than 0.7"
    assert raised.priority == "low"
    assert told(m, seen(1, v=3)) == [("r", 1, "raised_priority")]


def test_a_signal_in_another_unit_is_refused():
    assert "is in um" in refused(MOTOR, assets=typed("v: {unit: um}"))
    watching(MOTOR, assets=typed("v: {unit: mm/s}"))
    watching(MOTOR, assets=typed("v: {}"))


def test_a_rule_that_leaves_the_machine_open_is_refused():
    assert "needs `support`" in refused("{type: vibration_zone, signal: v, machine_group: 1}")
    assert "needs `power`" in refused("{type: vibration_zone, signal: v, machine_group: pump-1}")
    assert "machine_group" in refused("{type: vibration_zone, signal: v, machine_group: 3, support: rigid}")
    assert "machine_group" in refused("{type: vibration_zone, signal: v, support: rigid}")


def test_a_deadband_that_nothing_leaves_is_refused():
    assert "finite" in refused(MOTOR.replace("}", ", deadband: .inf}"))


def test_boundaries_of_ones_own_need_a_source():
    own = "{type: vibration_zone, signal: v, machine_group: 1, support: rigid, boundaries: [1, 2, 3]"
    assert "source" in refused(own + "}")
    m = watching(own + ", source: maker's manual 4.2}")
    assert told(m, seen(0, v=2.5)) == [("r", 0, "raised")]


def test_the_reason_names_the_zone():
    (raised,) = watching(MOTOR).handle(seen(0, v=5.5))
    assert raised.reason["text"] == "v 5.5 mm/s is in zone D (limit 4.5)"


def test_what_was_exceeded_before_the_rule_was_armed_again_leaves_no_deadband_behind():
    detect = MOTOR.replace("}", ", baseline: 2.0, deadband: 0.3}")
    for before, after in ((2.9, 2.6), (4.6, 4.3), (2.75, 2.6), (1.25, 1.4)):
        m = watching(detect, more=", when: 'run == true', when_false: clear")
        told(m, seen(0, run=True, v=before), seen(1, run=False), seen(2, v=after))
        armed, fresh = m.handle(seen(3, run=True)), watching(detect).handle(seen(3, v=after))
        assert [t.reason["level"] for t in armed] == [t.reason["level"] for t in fresh]


def test_a_zone_that_is_held_while_the_rule_is_disarmed_is_left_by_its_deadband():
    m = watching(MOTOR.replace("}", ", deadband: 0.3}"), more=", when: 'run == true'")
    assert told(m, seen(0, run=True, v=2.9), seen(1, run=False), seen(2, v=2.6), seen(3, run=True)) == [
        ("r", 0, "raised")
    ]
    assert told(m, seen(4, v=2.4)) == [("r", 4, "cleared")]


@pytest.mark.parametrize(("changed", "within", "back"), [(1.25, 1.4, 1.6), (2.75, 2.6, 2.4)])
def test_a_change_that_is_held_while_the_rule_is_disarmed_is_left_by_its_deadband(
    changed: float, within: float, back: float
):
    m = watching(MOTOR.replace("}", ", baseline: 2.0, deadband: 0.3}"), more=", when: 'run == true'")
    assert told(m, seen(0, run=True, v=changed), seen(1, run=False), seen(2, v=within), seen(3, run=True)) == [
        ("r", 0, "raised")
    ]
    assert told(m, seen(4, v=within)) == []
    assert told(m, seen(5, v=back)) == [("r", 5, "cleared")]


def test_the_reason_says_what_it_is_back_below():
    m = watching(MOTOR.replace("}", ", baseline: 2.0}"), more=", priority: {zone_c: high, zone_d: high, change: low}")
    told(m, seen(0, v=3))
    (lower,) = m.handle(seen(1, v=1.2))
    assert lower.reason["text"] == "v 1.2 mm/s is -0.8 off its baseline 2: more than 0.7"
    (over,) = m.handle(seen(2, v=1.4))
    assert over.reason["text"] == "v 1.4 mm/s is -0.6 off its baseline 2: no longer more than 0.7"
    assert (over.value, over.reason["limit"], over.reason["values"]) == (1.4, 0.7, {"v": 1.4})
    told(m, seen(3, v=2.9))
    assert m.handle(seen(4, v=2))[0].reason["text"] == "v 2 mm/s is in zone B (back below 2.8)"


def test_what_is_over_is_told_with_the_value_though_the_signal_was_bad_meanwhile():
    m = watching(MOTOR.replace("}", ", off_delay: 10s}"))
    told(m, seen(0, v=3), seen(1, v=2), seen(5, v=None), seen(8, v=2))
    over = next(t for t in m.handle(tick(14)) if t.rule == "r")
    assert (over.reason["text"], over.value) == ("v 2 mm/s is in zone B (back below 2.8)", 2)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("machine_group: 1, support: rigid, power: 5", "for the groups 1 and 2"),
        ("machine_group: pump-1, support: rigid, power: 5", "for the groups 1 and 2"),
        ("machine_group: 1, support: rigid, boundaries: [2, 2, 3], source: x", "must rise"),
        ("machine_group: 1, support: rigid, boundaries: [1, 3, 3], source: x", "must rise"),
        ("machine_group: 1, support: rigid, boundaries: [0, 1, 3], source: x", "must rise"),
        ("machine_group: 1, support: rigid, boundaries: [1, 2, .inf], source: x", "must rise"),
    ],
)
def test_what_does_not_fit_the_machine_is_refused(more: str, why: str):
    assert why in refused(f"{{type: vibration_zone, signal: v, {more}}}")


def test_a_change_may_be_left_out_though_there_is_a_baseline():
    m = watching(MOTOR.replace("}", ", baseline: 1.0, change: false}"))
    assert told(m, seen(0, v=2.5)) == []


def test_an_asset_without_a_baseline_is_judged_by_its_zones_alone():
    assets = "assets: {m: {}, n: {values: {new: 1.0}}}\n"
    rules = rules_of(f"  - {{id: r, kind: equipment, detect: {MOTOR.replace('}', ', baseline: new}')}}}\n", assets)
    assert told(AssetMonitor("m", rules), seen(0, v=2.5), seen(1, v=2.9)) == [("r", 1, "raised")]
    assert told(AssetMonitor("n", rules), seen(0, asset="n", v=2.5)) == [("r", 0, "raised")]


def test_a_level_that_gives_way_to_an_equal_one_is_not_told_to_be_over():
    m = watching("{type: vibration_zone, signal: v, machine_group: 2, support: rigid, baseline: 1, change: true}")
    told(m, seen(0, v=1), seen(1, v=1.75))
    over, _ = m.handle(seen(2, v=2.9))
    assert over.event == "cleared"
    assert "no longer" not in over.reason["text"]
    assert "told as another level from here on" in over.reason["text"]
