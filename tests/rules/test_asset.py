"""What one asset's rules decide: delays, deadbands, levels, gates, quality, silence, time."""

from __future__ import annotations

import json

from rules.asset import AssetMonitor
from rules.builtin import OWN_ASSET
from rules.events import SECOND, Command, Fault, Link, Revision
from tests.rules.plant import T0, rules_of, seen, set_back, story, tick, told, watching

HOT = """
  - id: hot
    kind: equipment
    assets: m
    priority: {high: medium, high_high: critical}
    detect: {type: limits, signal: t, high: 80, high_high: 90, deadband: 2, on_delay: 10s, off_delay: 5s}
"""


def monitor(rules: str, assets: str | None = None, asset: str = "m") -> AssetMonitor:
    return AssetMonitor(asset, rules_of(rules, assets))


def simple(extra: str = "", detect: str = "{type: limits, signal: t, high: 80}") -> str:
    return f"  - {{id: r, kind: equipment, assets: m, detect: {detect}{extra}}}\n"


def test_a_limit_is_exceeded_by_more_than_it_and_normal_at_it():
    m = monitor(simple())
    assert told(m, seen(0, t=80), seen(1, t=80.5), seen(2, t=80)) == [("r", 1, "raised"), ("r", 2, "cleared")]


def test_the_deadband_holds_the_alarm_until_the_value_is_back_within_it():
    m = monitor(simple(detect="{type: limits, signal: t, high: 80, deadband: 2}"))
    assert told(m, seen(0, t=81), seen(1, t=79), seen(2, t=78.1)) == [("r", 0, "raised")]
    assert told(m, seen(3, t=78)) == [("r", 3, "cleared")]


def test_an_on_delay_ends_at_its_deadline_and_a_normal_reading_exactly_then_comes_too_late():
    m = monitor(HOT)
    assert told(m, seen(0, t=81), seen(10, t=70)) == [("hot", 10, "raised")]
    assert told(m, tick(15)) == [("hot", 15, "cleared")]


def test_a_condition_that_does_not_last_raises_nothing():
    assert told(monitor(HOT), seen(0, t=81), seen(9.9, t=70), tick(60)) == []


def test_high_to_high_high_is_one_alarm_whose_priority_rises_and_falls():
    m = monitor(HOT)
    events = told(
        m, seen(0, t=81), tick(10), seen(20, t=95), tick(30), seen(40, t=85), tick(45), seen(50, t=20), tick(60)
    )
    assert events == [
        ("hot", 10, "raised"), ("hot", 30, "raised_priority"), ("hot", 45, "lowered_priority"), ("hot", 55, "cleared"),
    ]  # fmt: skip


def test_a_transition_carries_its_reason():
    m = monitor(HOT)
    m.handle(seen(0, t=81.25))
    (raised,) = m.handle(tick(12))
    assert raised.at == T0 + 10 * SECOND
    assert raised.id == raised.alarm == f"m:hot:{raised.at}:0"
    assert (raised.value, raised.from_, raised.to, raised.priority) == (81.25, "A", "B", "medium")
    assert raised.reason["text"] == "t 81.25 above high limit 80"
    assert raised.reason["limit"] == 80
    assert raised.reason["began"] == T0
    assert raised.reason["revision"]


def test_two_limits_of_equal_severity_clear_and_raise_at_once():
    m = monitor(simple(detect="{type: limits, signal: t, low: 10, high: 80}"))
    assert told(m, seen(0, t=90), seen(1, t=5)) == [("r", 0, "raised"), ("r", 1, "cleared"), ("r", 1, "raised")]
    m = monitor(simple(detect="{type: limits, signal: t, low: 10, high: 80}"))
    ids = [t.id for e in (seen(0, t=90), seen(1, t=5)) for t in m.handle(e)]
    assert [i.rsplit(":", 1)[1] for i in ids] == ["0", "0", "1"]


def test_each_signal_of_a_rule_has_an_alarm_of_its_own():
    m = monitor(simple(detect="{type: limits, each: [a, b], high: 1}"))
    first = m.handle(seen(0, a=2, b=2))
    assert [(t.part, t.event) for t in first] == [("a", "raised"), ("b", "raised")]
    assert [(t.part, t.event) for t in m.handle(seen(1, a=0, b=2))] == [("a", "cleared")]


def test_readings_of_one_message_are_applied_before_anything_is_evaluated():
    m = monitor(simple(detect="{type: condition, expression: 'a > b'}"))
    assert told(m, seen(0, a=1, b=2), seen(1, a=5, b=6), seen(2, b=5, a=4)) == []


def test_safety_rules_are_evaluated_first():
    m = monitor(simple() + "  - {id: s, kind: safety, assets: m, detect: {type: limits, signal: t, high: 80}}\n")
    assert [r for r, _, _ in told(m, seen(0, t=99))] == ["s", "r"]


def test_a_gate_arms_after_settling_and_a_spike_before_leaves_no_deadband():
    m = monitor(
        "  - {id: r, kind: equipment, assets: m, when: \"state == 'running'\", settle: 60s, "
        "detect: {type: limits, signal: t, high: 80, deadband: 5}}\n"
    )
    assert told(m, seen(0, t=99, state="idle"), seen(1, t=99, state="running"), seen(30, t=99), seen(59, t=78)) == []
    assert told(m, tick(61), seen(62, t=78)) == []
    assert told(m, seen(63, t=81)) == [("r", 63, "raised")]


def test_settling_ends_while_the_condition_holds():
    rules = (
        "  - {id: r, kind: equipment, assets: m, when: \"state == 'running'\", settle: 60s, "
        "detect: {type: limits, signal: t, high: 80, on_delay: 10s}}\n"
    )
    assert told(monitor(rules), seen(0, t=99, state="running"), tick(100)) == [("r", 70, "raised")]


def test_when_false_hold_keeps_the_alarm_and_clear_ends_it():
    gate = ", when: 'run == true'"
    held = monitor(simple(gate))
    assert told(held, seen(0, run=True, t=99), seen(1, run=False), seen(2, t=10)) == [("r", 0, "raised")]
    assert told(held, seen(3, run=True)) == [("r", 3, "cleared")]
    cleared = monitor(simple(gate + ", when_false: clear"))
    assert told(cleared, seen(0, run=True, t=99), seen(1, run=False)) == [("r", 0, "raised"), ("r", 1, "cleared")]


def test_what_ends_with_the_gate_says_so_and_what_ended_behind_it_says_what_it_reads() -> None:
    detect = "  - {id: r, kind: equipment, assets: m, when: 'run == true', when_false: %s, detect: {type: limits, signal: t, high: 80}}\n"
    m = AssetMonitor("m", rules_of(detect % "clear"))
    m.handle(seen(0, run=True, t=99))
    assert m.handle(seen(1, run=False))[0].reason["text"] == "no longer watched: run == true does not hold"
    m = AssetMonitor("m", rules_of(detect % "hold"))
    told(m, seen(0, run=True, t=99), seen(1, run=False), seen(2, t=7))
    (cleared,) = m.handle(seen(3, run=True))
    assert (cleared.reason["why"], cleared.reason["text"]) == ("gate", "t 7 no longer above high limit 80")


def test_settling_lasts_as_long_though_the_clock_is_set_back() -> None:
    m = watching("{type: limits, signal: t, high: 80}", more=", when: 'run == true', settle: 60s")
    told(m, seen(4000, run=True, t=99))
    assert [*set_back(m, 4000, t=99), *told(m, tick(4059))] == []
    assert told(m, tick(4060)) == [("r", 460, "raised")]


def test_what_is_due_meanwhile_does_not_end_settling_early() -> None:
    m = watching(
        "{type: limits, signal: t, high: 80}",
        more=", when: 'run == true', settle: 60s, escalate: [{after: 10m, priority: high}]",
    )
    assert told(m, seen(0, run=True, t=99), tick(60)) == [("r", 60, "raised")]
    told(m, seen(655, run=False), seen(656, run=True), seen(657, t=1))
    assert told(m, tick(800)) == [("r", 660, "raised_priority"), ("r", 716, "cleared")]


def test_an_unknown_gate_leaves_a_safety_rule_armed_and_others_unarmed():
    detect = "when: 'run == true', detect: {type: limits, signal: t, high: 80}}"
    m = monitor(f"  - {{id: r, kind: equipment, assets: m, {detect}\n  - {{id: s, kind: safety, assets: m, {detect}\n")
    assert told(m, seen(0, t=99)) == [("s", 0, "raised")]


def test_bad_quality_holds_by_default():
    m = monitor(simple())
    assert told(m, seen(0, t=99), seen(1, t=10, bad=("t",)), seen(2, t=None)) == [("r", 0, "raised")]
    assert told(m, seen(3, t=10)) == [("r", 3, "cleared")]


def test_bad_quality_may_be_the_alarm_or_be_ignored():
    loud = monitor(simple(", on_bad_quality: alarm"))
    assert told(loud, seen(0, t=10), seen(1, t=None), seen(2, t=10)) == [("r", 1, "raised"), ("r", 2, "cleared")]
    deaf = monitor(simple(", on_bad_quality: ignore"))
    assert told(deaf, seen(0, t=10), seen(1, t=99, bad=("t",))) == [("r", 1, "raised")]


def test_not_a_number_and_infinity_are_bad_quality():
    m = monitor(simple(", on_bad_quality: alarm"))
    assert told(m, seen(0, t=float("nan"))) == [("r", 0, "raised")]
    assert told(m, seen(1, t=1.0), seen(2, t=float("inf"))) == [("r", 1, "cleared"), ("r", 2, "raised")]


def test_a_signal_bad_for_long_is_one_instrument_fault_whatever_the_policy():
    m = monitor(simple(", on_bad_quality: ignore, fault_after: 30s"))
    m.handle(seen(0, t=1))
    (fault,) = [t for e in (seen(1, t=None), seen(20, t=None), tick(40)) for t in m.handle(e)]
    assert (fault.rule, fault.part, fault.at) == ("system.instrument-fault", "t", T0 + 31 * SECOND)
    assert told(m, seen(50, t=1)) == [("system.instrument-fault", 50, "cleared")]


def test_sentinels_and_values_out_of_range_are_bad_quality():
    assets = "types: {x: {signals: {t: {unit: degC, range: [0, 200], sentinels: [99.9]}}}}\nassets: {m: {type: x}}\n"
    m = monitor(simple(", on_bad_quality: alarm"), assets)
    assert [e for _, _, e in told(m, seen(0, t=10), seen(1, t=3276.7), seen(2, t=10), seen(3, t=99.9))] == [
        "raised", "cleared", "raised",
    ]  # fmt: skip


def test_states_are_mapped_from_a_mode_signal():
    assets = (
        "types: {x: {signals: {mode: {}, t: {}}, states: {signal: mode, map: {3: running, 0: off}}}}\n"
        "assets: {m: {type: x}}\n"
    )
    m = monitor(simple(", when: \"state == 'running'\""), assets)
    assert told(m, seen(0, mode=0, t=99), seen(1, mode=3)) == [("r", 1, "raised")]


def test_safety_latches_until_it_was_acknowledged_and_reset():
    m = monitor("  - {id: s, kind: safety, assets: m, detect: {type: limits, signal: t, high: 80}}\n")
    (raised,) = m.handle(seen(0, t=99))
    assert told(m, seen(1, t=1)) == [("s", 1, "latched")]
    acts = [
        Command(T0 + s * SECOND, a, "m", raised.id, "kim") for s, a in ((2, "reset"), (3, "acknowledge"), (4, "reset"))
    ]
    assert told(m, *acts) == [("s", 3, "acknowledged"), ("s", 4, "reset"), ("s", 4, "cleared")]


def test_silence_is_found_by_a_deadline_and_ended_by_the_first_word():
    m = monitor(simple(detect="{type: silence, after: 10s}"))
    assert told(m, seen(0, x=1), seen(9, x=1), tick(18)) == []
    assert told(m, tick(25), seen(30, x=1)) == [("r", 19, "raised"), ("r", 30, "cleared")]


def test_an_asset_that_never_spoke_is_silent_since_the_journal_began():
    assert told(monitor(simple(detect="{type: silence, after: 10s}")), tick(0), tick(10)) == [("r", 10, "raised")]


def test_silence_of_one_signal():
    m = monitor(simple(detect="{type: silence, after: 10s, signal: a}"))
    assert told(m, seen(0, a=1, b=1), seen(8, b=1), seen(10, b=1), seen(11, a=1)) == [
        ("r", 10, "raised"), ("r", 11, "cleared"),
    ]  # fmt: skip


def test_silence_means_nothing_while_our_own_link_is_down():
    m = monitor(simple(detect="{type: silence, after: 10s}"))
    m.handle(seen(0, x=1))
    down, up = Link(T0 + 5 * SECOND, "main", False, T0 + 4 * SECOND), Link(T0 + 60 * SECOND, "main", True, 0)
    assert told(m, down, tick(50), up, tick(65)) == []
    assert told(m, tick(66)) == [("r", 66, "raised")]


def test_a_lost_broker_is_one_system_alarm():
    m = monitor(simple(), asset=OWN_ASSET)
    events = told(
        m, tick(0), Link(T0 + SECOND, "main", False, T0 + SECOND), tick(20), Link(T0 + 30 * SECOND, "main", True, 0)
    )
    assert events == [("system.broker-lost", 11, "raised"), ("system.broker-lost", 30, "cleared")]


def fault(second: float, active: bool, text: str = "", part: str | None = None) -> Fault:
    return Fault(T0 + round(second * SECOND), "system.journal-full", part, active, text)


def test_what_the_monitor_notices_of_itself_is_a_system_alarm_on_its_own_asset_for_each_part():
    m = monitor(simple(), asset=OWN_ASSET)
    (raised,) = m.handle(fault(1, True, "no room"))
    assert (raised.rule, raised.part, raised.reason["text"]) == ("system.journal-full", None, "no room")
    assert told(m, fault(2, True, "still none"), fault(3, True, part="b")) == [("system.journal-full", 3, "raised")]
    restored = AssetMonitor.restore(rules_of(simple()), json.loads(json.dumps(m.snapshot())))
    for one in (m, restored):
        (cleared,) = one.handle(fault(4, False, "room again"))
        assert (cleared.event, cleared.part, cleared.reason["text"]) == ("cleared", None, "room again")


def test_a_fault_of_an_unknown_kind_or_told_to_another_asset_changes_nothing():
    unknown = Fault(T0, "system.of-a-later-version", None, True, "")
    assert told(monitor(simple(), asset=OWN_ASSET), unknown) == []
    assert told(monitor(simple()), fault(0, True)) == []


def test_a_stamp_from_the_future_becomes_the_receipt_and_raises_a_clock_alarm():
    m = monitor(simple())
    future = seen(3600, late=-3600, t=99)
    assert told(m, seen(0, t=1), future) == [("system.clock", 0, "raised"), ("r", 0, "raised")]
    assert told(m, seen(1, t=1), tick(61)) == [("r", 1, "cleared"), ("system.clock", 61, "cleared")]


def test_a_recording_of_long_ago_is_decided_as_it_was():
    m = monitor(HOT)
    age = 20 * 365 * 86400
    events = told(m, seen(0, late=age, t=85), seen(5, late=age, t=85), tick(age + 10))
    assert events == [("hot", 10, "raised")]


def test_a_late_reading_decides_nothing():
    m = monitor(simple())
    assert told(m, seen(10, t=1), seen(5, t=99, late=6)) == []
    assert m.late == 1


def test_a_straggler_of_another_signal_is_not_late():
    m = monitor(simple(detect="{type: condition, expression: 'a > 5'}"))
    assert told(m, seen(10, b=1, a=1), seen(10.5, b=1), seen(10.2, a=9, late=0.4)) == [("r", 10.5, "raised")]


def test_a_clock_set_back_is_accepted_after_ten_seconds_of_older_stamps():
    m = monitor(simple())
    m.handle(seen(1000, t=1))
    back = [seen(s, late=1001, t=99) for s in range(12)]
    events = [t for e in back for t in m.handle(e)]
    assert story(events) == [("r", 10, "raised")]
    assert m.late == 10
    assert events[0].id.endswith(":1.0")


def test_a_changed_rule_clears_its_alarm_and_an_untouched_one_goes_on():
    two = (
        simple() + "  - {id: q, kind: quality, assets: m, detect: {type: limits, signal: t, high: 50, on_delay: 5s}}\n"
    )
    m = monitor(two)
    m.handle(seen(0, t=99))
    renamed = two.replace("id: q, kind: quality", "id: q, kind: quality, title: Other words")
    changed = rules_of(renamed.replace("high: 80", "high: 200"))
    events = m.handle(Revision(T0 + 2 * SECOND, changed))
    assert [(t.rule, t.event, t.reason["why"]) for t in events] == [("r", "cleared", "rule_changed")]
    assert told(m, tick(5)) == [("q", 5, "raised")]


def test_a_removed_rule_clears_its_alarm():
    m = monitor(simple())
    m.handle(seen(0, t=99))
    assert told(m, Revision(T0 + SECOND, rules_of(HOT))) == [("r", 1, "cleared")]


def test_a_rule_in_shadow_decides_and_says_so():
    (raised,) = monitor(simple(", mode: shadow")).handle(seen(0, t=99))
    assert raised.mode == "shadow"


def test_bad_data_never_raises():
    m = monitor(HOT + simple())
    for value in (None, "text", True, float("-inf"), 1e308, ""):
        m.handle(seen(0, t=value))
    assert m.snapshot()["asset"] == "m"


def test_infinity_is_bad_quality_even_where_nobody_looks_at_the_moment():
    m = monitor(simple(", when: 'run == true'"))
    told(m, seen(0, run=False, t=1), seen(1, t=float("inf")))
    assert m.snapshot()["signals"]["t"][1] is None


MILL = (
    "types:\n  mill:\n    signals: {torque: {}, speed: {range: [0, 5000]}, recipe_no: {type: text}, order_no: {}}\n"
    "    context: {product: recipe_no, lot: order_no}\n"
    "    derived: {power: torque * speed, kilo: power / 1000}\n"
    "assets:\n  m: {type: mill, bind: {torque: TQ_1}}\n"
)
POWER = "{type: limits, signal: kilo, high: 10}"


def test_a_bound_signal_is_delivered_under_the_gateways_name():
    m = monitor(simple(detect="{type: limits, signal: torque, high: 5}"), MILL)
    assert told(m, seen(0, torque=99), seen(1, TQ_1=6), seen(2, TQ_1=6), seen(3, TQ_1=4)) == [
        ("r", 1, "raised"), ("r", 3, "cleared"),
    ]  # fmt: skip


def test_a_bound_signal_works_in_expressions_even_while_it_is_quiet():
    m = monitor(simple(detect="{type: condition, expression: torque > speed}"), MILL)
    assert told(m, seen(0, TQ_1=1, speed=2), seen(1, TQ_1=3)) == [("r", 1, "raised")]


def test_a_derived_signal_follows_its_inputs_and_may_be_derived_from_derived_ones():
    m = monitor(simple(detect=POWER), MILL)
    assert told(m, seen(0, TQ_1=9), seen(1, speed=2000), seen(2, speed=1000)) == [
        ("r", 1, "raised"),
        ("r", 2, "cleared"),
    ]


def test_inputs_of_one_message_are_all_applied_before_a_derived_signal_is_judged():
    m = monitor(simple(detect=POWER), MILL)
    assert told(m, seen(0, TQ_1=9, speed=1000), seen(1, TQ_1=1, speed=5000), seen(2, speed=1000, TQ_1=9)) == []


def test_a_derived_signal_is_as_bad_as_its_worst_input_and_the_input_is_what_is_faulty():
    m = monitor(simple(", on_bad_quality: alarm, fault_after: 5s", detect=POWER), MILL)
    m.handle(seen(0, TQ_1=1, speed=1))
    (blind,) = m.handle(seen(1, speed=9999))
    assert blind.reason["quality"] == {"kilo": "bad"}
    faults = [t.part for t in m.handle(tick(10))]
    assert faults == ["speed"]


def test_every_transition_tells_what_was_being_made():
    m = monitor(simple(detect="{type: limits, signal: speed, high: 100}"), MILL)
    (raised,) = m.handle(seen(0, speed=200, recipe_no="A7", order_no=12))
    assert raised.reason["context"] == {"product": "A7", "lot": 12}
    (cleared,) = m.handle(seen(1, speed=1, order_no=13))
    assert cleared.reason["context"] == {"product": "A7", "lot": 13}


def test_derived_bound_and_context_signals_survive_a_restart():
    m = monitor(simple(detect=POWER), MILL)
    told(m, seen(0, TQ_1=9, speed=1000, recipe_no="A7"))
    m = AssetMonitor.restore(m.rules, m.snapshot())
    (raised,) = m.handle(seen(1, speed=2000))
    assert (raised.value, raised.reason["context"]) == (18, {"product": "A7"})


def test_a_limit_whose_value_the_asset_loses_or_gets_begins_anew_and_the_rest_of_the_line_goes_on() -> None:
    rule = "  - {id: r, kind: equipment, assets: [m, n], detect: {type: limits, signal: t, high: 5, high_high: top}}\n"
    with_value = rules_of(rule, "assets: {m: {values: {top: 9}}, n: {values: {top: 9}}}\n")
    without = rules_of(rule, "assets: {m: {}, n: {values: {top: 9}}}\n")
    m = AssetMonitor("m", with_value)
    assert told(m, seen(0, t=10), Revision(T0 + SECOND, without)) == [
        ("r", 0, "raised"),
        ("r", 1, "cleared"),
        ("r", 1, "raised"),
    ]
    assert told(m, Revision(T0 + 2 * SECOND, with_value)) == [("r", 2, "cleared"), ("r", 2, "raised")]
    other = rules_of(rule, "assets: {m: {values: {top: 8}}, n: {values: {top: 9}}}\n")
    assert told(m, Revision(T0 + 3 * SECOND, other)) == [], "another number is no other rule"
