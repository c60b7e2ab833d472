"""Functions of the recent past work wherever an expression stands, and what time alone changes comes by a deadline."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Link, Revision
from rules.stages import Stages
from tests.rules.plant import T0, refused, rules_of, seen, story, tick, told, typed, watching

Story = list[tuple[str, float, str]]


def over(expression: str, more: str = "") -> AssetMonitor:
    return watching(f'{{type: condition, expression: "{expression}"}}', more=more)


def through_json(monitor: AssetMonitor) -> AssetMonitor:
    return AssetMonitor.restore(monitor.rules, json.loads(json.dumps(monitor.snapshot(), allow_nan=False)))


def second(monitor: AssetMonitor) -> float | None:
    due = monitor.next_deadline()
    return None if due is None else (due - T0) / SECOND


# -- age ------------------------------------------------------------------------------------------------------------


def test_an_age_exceeds_its_limit_at_a_deadline_and_no_reading_is_needed() -> None:
    m = over("age(level) > 60")
    assert told(m, seen(0, level=5), seen(10, level=5)) == []
    assert second(m) == 70
    assert told(m, tick(69.999999999)) == []
    assert told(m, tick(70)) == [("r", 70, "raised")]
    assert told(m, seen(80, level=5)) == [("r", 80, "cleared")]


def test_the_deadline_is_inclusive_and_comes_before_the_reading_at_that_time() -> None:
    assert told(over("age(level) > 60"), seen(0, level=5), seen(60, level=5)) == [
        ("r", 60, "raised"),
        ("r", 60, "cleared"),
    ]


@pytest.mark.parametrize(
    ("expression", "raised"),
    [
        ("age(x) >= 60", 60),
        ("60 < age(x)", 60),
        ("60 <= age(x)", 60),
        ("not age(x) < 60", 60),
        ("not 60 > age(x)", 60),
        ("10 < age(x) < 20", 10),
        ("age(x) > 0.1", 0.1),
        ("age(x) > limit * 2", 8),
        ("age(x) > max(limit, 5) and mean(limit, 5m) == 4", 5),
        ("age(x) > 30 or age(y) > 20", 20),
        ("(age(x) > 30) == flag", 30),
        ("(1 if age(x) > 40 else 0) > 0", 40),
    ],
)
def test_the_instant_is_exact_whatever_it_is_compared_with(expression: str, raised: float) -> None:
    m = over(expression)
    assert told(m, seen(0, x=1, y=1, limit=4, flag=True)) == []
    assert told(m, tick(raised - 1e-6)) == []
    assert told(m, tick(100))[0] == ("r", raised, "raised")


def test_a_band_of_ages_ends_by_itself() -> None:
    m = over("10 < age(x) < 20")
    assert told(m, seen(0, x=1), tick(100)) == [("r", 10, "raised"), ("r", 20, "cleared")]


def test_a_limit_that_changes_moves_the_deadline() -> None:
    m = over("age(x) > limit")
    assert told(m, seen(0, x=1, limit=60), seen(10, limit=30)) == []
    assert second(m) == 30
    assert told(m, seen(20, limit=15)) == [("r", 20, "raised")]


def test_any_reading_is_young_again_also_a_bad_one_or_one_that_repeats() -> None:
    m = over("age(x) > 60", more=", fault_after: 1d")
    assert told(m, seen(0, x=1), seen(50, x=1), seen(100, x=None), seen(150, x=7, bad=("x",)), tick(209)) == []
    assert told(m, tick(210)) == [("r", 210, "raised")]


def test_of_what_never_came_the_age_is_unknown() -> None:
    assert told(over("age(x) > 60"), seen(0, other=1), tick(1000)) == []
    assert told(over("not age(x) > 60"), seen(0, other=1), tick(1000)) == []
    assert told(over("age(x) > 60 or other == 1"), seen(0, other=0), seen(1, other=1)) == [("r", 1, "raised")]


def test_nothing_ages_while_our_own_link_is_down() -> None:
    m = over("age(x) > 60")
    m.heard_through("main")
    told(m, seen(0, x=1))
    assert told(m, Link(T0 + 20 * SECOND, "main", False, T0 + 20 * SECOND), tick(500)) == []
    assert second(m) is None
    assert told(m, Link(T0 + 520 * SECOND, "main", True, T0 + 20 * SECOND), tick(559)) == []
    assert told(through_json(m), tick(560)) == [("r", 560, "raised")]


def test_the_age_of_a_mapped_state_and_of_a_computed_signal_is_that_of_what_they_are_made_of() -> None:
    assets = (
        "types: {x: {states: {signal: mode, map: {1: running}}, derived: {twice: 'x * 2'}}}\nassets: {m: {type: x}}\n"
    )
    m = watching('{type: condition, expression: "age(state) > 60 or age(twice) > 90"}', assets=assets)
    assert told(m, seen(0, mode=1, x=1), seen(50, mode=1), tick(89)) == []
    assert told(m, tick(90), seen(91, x=1), tick(110)) == [
        ("r", 90, "raised"),
        ("r", 91, "cleared"),
        ("r", 110, "raised"),
    ]


@pytest.mark.parametrize(
    "expression", ["age(x) == 60", "age(x) + 1 > 60", "age(x)", "age(x) > age(y)", "2 > (age(x) if y > 1 else 0)"]
)
def test_an_age_that_cannot_be_foretold_is_refused_with_how_to_write_it(expression: str) -> None:
    told = refused(f"{{type: condition, expression: '{expression}'}}")
    assert "cannot be foretold" in told
    assert "age(level) > 60" in told


def test_an_age_may_be_shown_in_any_calculation() -> None:
    m = watching("{type: condition, expression: 'y > 1', show: 'age(x) / 60'}")
    told(m, seen(0, x=1))
    (raised,) = m.handle(seen(90, y=2))
    assert raised.value == 1.5


# -- everywhere -----------------------------------------------------------------------------------------------------

LIMITS = "{type: limits, signal: t, high: 5}"


def test_a_gate_looks_back_from_the_first_reading_on_and_closes_by_time() -> None:
    m = watching(LIMITS, more=", when: 'mean(speed, 10s) > 100', when_false: clear")
    assert told(m, seen(0, speed=50, t=9), seen(1, speed=90)) == []
    assert told(m, seen(2, speed=400)) == [("r", 2, "raised")]
    ((_, closed, event),) = told(m, seen(3, speed=0), tick(60))
    assert event == "cleared"
    assert 12 <= closed <= 12 + 10 / 60


def test_a_gate_over_an_age_opens_and_closes_at_its_deadlines() -> None:
    m = watching(LIMITS, more=", when: 'age(beat) < 30', when_false: clear, settle: 5s")
    assert told(m, seen(0, beat=1, t=9), seen(1, beat=1)) == []
    assert told(m, tick(6)) == [("r", 5, "raised")]
    assert second(m) == 31
    assert told(through_json(m), tick(31)) == [("r", 31, "cleared")]


def test_a_gate_that_closes_at_the_end_of_a_delay_closes_first() -> None:
    detect = "{type: limits, signal: t, high: 5, on_delay: 30s}"
    m = watching(detect, more=", when: 'age(beat) < 30', when_false: clear")
    assert told(m, seen(0, beat=1, t=9), tick(60)) == []


def test_a_suppression_by_design_may_look_back() -> None:
    m = watching(LIMITS, more=", suppress_when: 'changed(door, 60s)'")
    assert told(m, seen(0, door=False, t=1), seen(5, door=True), seen(6, t=9), tick(65)) == [
        ("r", 5, "suppressed"),
        ("r", 6, "raised"),
        ("r", 65, "unsuppressed"),
    ]


def test_a_count_of_what_comes_about_by_time_alone() -> None:
    m = watching('{type: count, expression: "age(beat) > 10", at_least: 2, within: 100s}')
    assert told(m, seen(0, beat=1), seen(15, beat=1), tick(24)) == []
    (raised,) = through_json(m).handle(tick(25))
    assert (raised.at - T0) / SECOND == 25
    assert "age(beat) 10" in raised.reason["text"]
    assert told(m, tick(25), seen(30, beat=1), tick(200)) == [("r", 25, "raised"), ("r", 125, "cleared")]


@pytest.mark.parametrize(
    ("within", "missing", "expected"),
    [
        ("9s", "false", [("r", 10, "raised"), ("r", 18, "cleared")]),
        ("7s", "true", [("r", 9, "raised"), ("r", 10, "cleared")]),
    ],
)
def test_a_sequence_of_what_is_looked_back_on(within: str, missing: str, expected: Story) -> None:
    detect = f'{{type: sequence, first: "max(x, 10s) > 5", then: "age(x) > 2", within: {within}, missing: {missing}}}'
    m = watching(detect)
    quiet = [seen(0, x=1), seen(1, x=1), seen(2, x=9), *(seen(s, x=1) for s in range(3, 9))]
    assert told(m, *quiet) == []
    assert told(through_json(m), tick(17.9), seen(18, x=1)) == expected


def test_hours_of_a_machine_that_is_busy_on_average() -> None:
    detect = '{type: usage, while: "mean(load, 10s) > 50", every: 60s, reset_by: "count(serviced, 5s) > 0"}'
    m = watching(detect)
    assert told(m, seen(0, load=80), seen(30, load=80), seen(55, load=80)) == []
    m = through_json(m)
    assert told(m, *(seen(s, load=80) for s in range(60, 120, 5)))[0][2] == "raised"
    assert told(m, seen(120, serviced=1)) == [("r", 120, "cleared")]


def test_a_safety_function_whose_bypass_is_an_average() -> None:
    m = watching(
        '{type: safety_function, demand: "age(beat) > 5", bypass: "min(muted, 10s) > 0", max_bypass: 20s}',
        kind="safety",
    )
    assert [t.part for e in (seen(0, beat=1, muted=0), tick(5)) for t in m.handle(e)] == ["demand"]
    m = through_json(m)
    events = [*(seen(5 + n, beat=1, muted=0) for n in range(5)), *(seen(10 + n, beat=1, muted=1) for n in range(50))]
    raised = [t for e in events for t in m.handle(e) if t.event == "raised"]
    assert [t.part for t in raised] == ["bypass"]
    assert 39 <= (raised[0].at - T0) / SECOND <= 40


def test_a_safety_rule_that_looks_back_on_nothing_cannot_tell_and_says_so() -> None:
    m = watching('{type: condition, expression: "min(gas, 10s) > 5"}', kind="safety")
    told(m, seen(0, gas=1))
    (raised,) = m.handle(tick(11))
    assert raised.reason["level"] == "bad_quality"


def test_looking_back_begins_anew_when_the_rule_is_armed_in_every_detector() -> None:
    m = watching('{type: count, expression: "max(x, 60s) > 5", at_least: 1, within: 60s}', more=", when: 'run == true'")
    assert (
        told(m, seen(0, run=False, x=1), seen(1, x=9), seen(1.5, x=1), seen(2, run=True), seen(3, x=1), seen(4, x=2))
        == []
    )
    assert told(m, seen(5, x=9)) == [("r", 5, "raised")]


def test_over_several_machines_too() -> None:
    rule = """
  - id: r
    kind: equipment
    when: 'count(asset("a").on, 10s) > 1'
    detect: {type: condition, scope: plant, expression: 'age(asset("b").x) > 20'}
"""
    stages = Stages(rules_of(rule))
    events = [seen(0, asset="b", x=2), seen(1, asset="a", on=1), seen(2, asset="a", on=1), tick(30)]
    found = [t for event in events for t in stages.handle(event).shown]
    assert story(found) == []
    events = [seen(31, asset="b", x=2), *(seen(s, asset="a", on=1) for s in range(32, 60, 2))]
    assert story([t for event in events for t in stages.handle(event).shown]) == [("r", 54, "raised")]


def test_new_texts_of_a_rule_keep_what_it_looks_back_on() -> None:
    rule = "  - {id: r, kind: equipment, assets: m, when: 'mean(x, 60s) > 5', detect: {type: condition, expression: 'age(y) > 60'}}\n"
    m = AssetMonitor("m", rules_of(rule))
    told(m, seen(0, x=9, y=1), Revision(T0 + 10 * SECOND, rules_of(rule.replace("kind:", "title: New, kind:"))))
    assert second(m) == 60
    assert told(m, tick(60)) == [("r", 60, "raised")]


# -- types ----------------------------------------------------------------------------------------------------------

TYPES = "n: {}, mode: {type: text}, flag: {type: boolean}"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("mean(mode, 5m) > 1", "mean() is for numbers: the signal `mode` is a text"),
        ("count(flag, 5m) > 1", "count() is for numbers: the signal `flag` is a boolean"),
        ("mode > 3", "the signal `mode` is a text: it is neither above nor below a number"),
        ("n == 'running'", "'running' is a text: it never equals a number"),
        ("flag != 'on'", "'on' is a text: it never equals a boolean"),
        ("mode", "is a text, and a text is neither true nor false"),
        ("n > 1 and mode", "the signal `mode` is a text, and a text is neither true nor false"),
        ("not mode", "neither true nor false"),
        ("(1 if mode else 2) > 1", "neither true nor false"),
        ("mode + 1 > 2", "the signal `mode` is a text, and one calculates with numbers"),
        ("abs(flag) > 2", "the signal `flag` is a boolean, and one calculates with numbers"),
        ("-mode > 2", "one calculates with numbers"),
        ("(n > 1) * 2 > 1", "a part of it is a boolean"),
    ],
)
@pytest.mark.parametrize("place", ["detect", "when"])
def test_what_can_never_work_is_refused_when_the_rule_is_read(expression: str, expected: str, place: str) -> None:
    quoted = json.dumps(expression)
    detect, more = (
        (f"{{type: condition, expression: {quoted}}}", "")
        if place == "detect"
        else ("{type: silence, after: 5s}", f", when: {quoted}")
    )
    assert expected in refused(detect, more=more, assets=typed(TYPES))


@pytest.mark.parametrize(
    "expression",
    [
        "flag == 1", "flag", "n", "mode == 'on' or flag > 0", "mode < 'b'", "changed(mode, 5s)", "age(mode) > 5",
        "other == 'x'", "pi * n > 1", "(mode if flag else 'x') == 'y'", "max(n, 2) == n", "rate(n, 5s) ** 2 > 1",
    ],
)  # fmt: skip
def test_what_may_work_is_not_refused(expression: str) -> None:
    known = typed(TYPES) if "other" not in expression else None
    assert watching(f"{{type: condition, expression: {json.dumps(expression)}}}", assets=known)


def test_types_are_checked_on_other_assets_and_of_mapped_states() -> None:
    assets = (
        "types: {o: {signals: {mode: {}}, states: {signal: mode, map: {1: running}}}}\nassets: {o: {type: o}, m: {}}\n"
    )
    plant = "{type: condition, scope: plant, expression: 'asset(\"o\").state > 3'}"
    assert 'the signal `asset("o").state` is a text' in refused(plant, assets=assets)


def test_a_computed_signal_is_of_the_present() -> None:
    assets = "types: {x: {derived: {calm: 'mean(y, 5m)'}}}\nassets: {m: {type: x}}\n"
    assert "looks back, and a computed signal is of the present alone" in refused(
        "{type: silence, after: 5s}", assets=assets
    )
