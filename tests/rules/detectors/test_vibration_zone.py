"""Zones of ISO 20816-3 and ISO 10816-7."""

from __future__ import annotations

import pytest

from rules.detectors.vibration_zone import ZONES
from tests.rules.plant import refused, seen, told, typed, watching

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


def test_boundaries_of_ones_own_need_a_source():
    own = "{type: vibration_zone, signal: v, machine_group: 1, support: rigid, boundaries: [1, 2, 3]"
    assert "source" in refused(own + "}")
    m = watching(own + ", source: maker's manual 4.2}")
    assert told(m, seen(0, v=2.5)) == [("r", 0, "raised")]


def test_the_reason_names_the_zone():
    (raised,) = watching(MOTOR).handle(seen(0, v=5.5))
    assert raised.reason["text"] == "v 5.5 mm/s is in zone D (limit 4.5)"
