"""Maintenance by hours and cycles."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Link, Revision
from tests.rules.plant import T0, refused, seen, set_back, tick, told, watching

GREASE = "{type: usage, while: \"state == 'run'\", every: 2h, reset_by: 'greased == true'}"
CYCLES = "{type: usage, counter: strokes, every: 100, reset_by: 'serviced == true'}"
HOUR = 3600


def test_only_the_hours_it_ran_are_counted():
    m = watching(GREASE)
    assert told(m, seen(0, state="run"), seen(HOUR, state="idle"), tick(50 * HOUR), seen(60 * HOUR, state="run")) == []
    (due,) = m.handle(tick(61 * HOUR))
    assert due.value == 2
    assert due.reason["text"] == "due: state == 'run' for 2 h since greased == true, every 2 h"


def test_it_stays_due_until_it_is_done():
    m = watching(GREASE)
    events = (
        seen(0, state="run", greased=False),
        seen(3 * HOUR, state="idle"),
        seen(4 * HOUR, greased=True),
        seen(5 * HOUR, greased=False),
    )
    assert told(m, *events) == [("r", 2 * HOUR, "raised"), ("r", 4 * HOUR, "cleared")]
    assert told(m, seen(6 * HOUR, state="run"), tick(9 * HOUR)) == [("r", 8 * HOUR, "raised")]


def revised(m: AssetMonitor, second: float, detect: str, more: str = "") -> list[tuple[str, float, str]]:
    """What comes of another rule from a second of the test on."""
    return told(m, Revision(T0 + round(second * SECOND), watching(detect, more=more).rules))


def test_time_in_which_the_expression_is_unknown_is_not_counted():
    m = watching(GREASE)
    events = (seen(0, state="run"), seen(HOUR, state=None), tick(10 * HOUR), seen(20 * HOUR, state="run"))
    assert {rule for rule, *_ in told(m, *events)} == {"system.instrument-fault"}
    assert told(m, tick(21 * HOUR)) == [("r", 21 * HOUR, "raised")]


def test_silence_ends_the_time_where_the_expression_says_so():
    while_heard = GREASE.replace("state == 'run'", "state == 'run' and age(state) < 60").replace("2h", "90s")
    m = watching(while_heard)
    assert told(m, seen(0, state="run"), tick(HOUR), seen(HOUR, state="run"), tick(HOUR + 29)) == []
    assert told(m, tick(HOUR + 30)) == [("r", HOUR + 30, "raised")]


def test_time_in_which_our_link_is_down_is_not_counted():
    m = watching(GREASE)
    down = Link(T0 + HOUR * SECOND, "main", False, T0 + HOUR * SECOND)
    assert told(m, seen(0, state="run"), down, tick(10 * HOUR)) == []
    m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    assert told(m, Link(T0 + 20 * HOUR * SECOND, "main", True, T0 + HOUR * SECOND), tick(21 * HOUR - 1)) == []
    assert told(m, tick(21 * HOUR)) == [("r", 21 * HOUR, "raised")]


def test_a_link_that_comes_back_counts_nothing_that_stands():
    m = watching(GREASE)
    down = Link(T0 + HOUR * SECOND, "main", False, T0 + HOUR * SECOND)
    up = Link(T0 + 2 * HOUR * SECOND, "main", True, T0 + HOUR * SECOND)
    assert told(m, seen(0, state="run"), seen(HOUR / 2, state="idle"), down, up, up, tick(30 * HOUR)) == []


def test_another_interval_keeps_the_hours():
    m = watching(GREASE)
    told(m, seen(0, state="run"), seen(1.5 * HOUR, other=1))
    assert revised(m, 1.5 * HOUR, GREASE.replace("2h", "3h")) == []
    assert told(m, tick(3 * HOUR - 1)) == []
    assert told(m, tick(3 * HOUR)) == [("r", 3 * HOUR, "raised")]


def test_an_interval_that_is_over_already_is_due_at_once():
    m = watching(GREASE)
    told(m, seen(0, state="run"), tick(2 * HOUR))
    assert revised(m, 2.5 * HOUR, GREASE.replace("2h", "1h")) == [
        ("r", 2.5 * HOUR, "cleared"), ("r", 2.5 * HOUR, "raised"),
    ]  # fmt: skip


def test_another_expression_or_detector_begins_anew():
    for other in (GREASE.replace("'run'", "'work'"), CYCLES, "{type: condition, expression: a > 1}"):
        m = watching(GREASE)
        told(m, seen(0, state="run", strokes=0), seen(HOUR, state="run"))
        assert revised(m, HOUR, other) == []
        assert told(m, seen(HOUR, state="work", strokes=0), tick(3 * HOUR - 1)) == []
        assert revised(m, 3 * HOUR - 1, GREASE) == [], "what was counted by another rule is not taken over"


def test_hours_that_an_older_snapshot_names_no_expression_for_begin_anew():
    m = watching(GREASE)
    told(m, seen(0, state="run"), seen(HOUR, state="run"))
    saved = m.snapshot()
    for *_, state in (watch for watch in saved["watches"] if watch[0] == "r"):
        state["detector"] = [state["detector"][0], state["detector"][1][:2]]
    same = AssetMonitor.restore(m.rules, json.loads(json.dumps(saved)))
    assert told(same, tick(2 * HOUR)) == [("r", 2 * HOUR, "raised")]
    other = AssetMonitor.restore(watching(GREASE.replace("2h", "119m")).rules, json.loads(json.dumps(saved)))
    assert told(other, seen(HOUR, state="run"), tick(2 * HOUR)) == []


def test_another_reset_keeps_the_hours_and_has_not_come_about_yet():
    m = watching(GREASE)
    told(m, seen(0, state="run", greased=False, oiled=True), tick(HOUR))
    assert revised(m, HOUR, GREASE.replace("greased", "oiled")) == []
    assert told(m, tick(2 * HOUR)) == [("r", 2 * HOUR, "raised")]


def test_a_rule_that_is_not_armed_when_it_changes_counts_no_further():
    m = watching(GREASE)
    told(m, seen(0, state="run", auto=False), seen(HOUR, state="run"))
    assert revised(m, HOUR, GREASE, ", when: 'auto == true'") == []
    assert told(m, tick(9 * HOUR), seen(10 * HOUR, auto=True), tick(11 * HOUR)) == [("r", 11 * HOUR, "raised")]


def test_another_amount_keeps_what_was_counted():
    m = watching(CYCLES)
    told(m, seen(0, strokes=1000, auto=False), seen(1, strokes=1060))
    assert revised(m, 2, CYCLES.replace("100", "70")) == []
    assert told(m, seen(3, strokes=1070)) == [("r", 3, "raised")]
    assert revised(m, 4, CYCLES, ", when: 'auto == true'") == [("r", 4, "cleared")]
    assert told(m, seen(5, strokes=5000), seen(6, auto=True), seen(7, strokes=5029)) == []
    assert told(m, seen(8, strokes=5030)) == [("r", 8, "raised")]
    assert revised(m, 9, CYCLES.replace("counter: strokes", "counter: pieces")) == [("r", 9, "cleared")]


def test_the_hours_survive_a_restart():
    m = watching(GREASE)
    told(m, seen(0, state="run"), seen(1.5 * HOUR, state="idle"))
    m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    assert told(m, seen(2 * HOUR, state="run"), tick(3 * HOUR)) == [("r", 2.5 * HOUR, "raised")]


def test_what_happens_while_the_rule_is_not_armed_is_not_counted():
    m = watching(GREASE, more=", when: 'auto == true'")
    events = (seen(0, state="run", auto=True), seen(HOUR, auto=False), seen(10 * HOUR, auto=True))
    assert told(m, *events, tick(12 * HOUR)) == [("r", 11 * HOUR, "raised")]


def test_a_counter_adds_up_over_its_own_resets():
    m = watching(CYCLES)
    assert told(m, seen(0, strokes=1000), seen(1, strokes=1060), seen(2, strokes=5), seen(3, strokes=39)) == []
    (due,) = m.handle(seen(4, strokes=40))
    assert due.value == 100
    assert told(m, seen(5, serviced=False), seen(6, serviced=True)) == [("r", 6, "cleared")]
    assert told(m, seen(7, strokes=139.5), seen(8, strokes=140)) == [("r", 8, "raised")]


def test_a_counter_that_trembles_adds_no_more_than_it_rises():
    m = watching(CYCLES)
    events = (seen(0, strokes=5000.4), seen(1, strokes=5000.3), seen(2, strokes=5000.4), seen(3, strokes=5099.3))
    assert told(m, *events) == []
    (due,) = m.handle(seen(4, strokes=5100.3))
    assert due.value == pytest.approx(100)


def test_a_counter_that_fell_to_half_was_corrected_and_below_that_began_anew():
    m = watching(CYCLES)
    assert told(m, seen(0, strokes=1000), seen(1, strokes=500), seen(2, strokes=599)) == []
    assert told(m, seen(3, strokes=1)) == [("r", 3, "raised")]


def test_a_counter_that_is_not_known_for_a_while_loses_nothing():
    m = watching(CYCLES)
    assert told(m, seen(0, strokes=0), seen(1, strokes=None), seen(2, strokes=100)) == [("r", 2, "raised")]


@pytest.mark.parametrize(
    "detect",
    [
        "{type: usage, every: 2h, reset_by: 'a == 1'}",
        "{type: usage, counter: c, every: 2h, reset_by: 'a == 1'}",
        "{type: usage, while: 'a == 1', every: 5, reset_by: 'a == 1'}",
        "{type: usage, counter: c, every: -1, reset_by: 'a == 1'}",
        "{type: usage, counter: c, every: 0, reset_by: 'a == 1'}",
        "{type: usage, counter: c, every: .inf, reset_by: 'a == 1'}",
        "{type: usage, counter: c, while: 'b == 1', every: 5, reset_by: 'a == 1'}",
        "{type: usage, while: 'b == 1', every: 0s, reset_by: 'a == 1'}",
    ],
)
def test_what_does_not_fit_together_is_refused(detect: str):
    assert refused(detect)


def test_what_is_counted_while_the_rule_is_not_armed_is_not_added():
    m = watching(CYCLES, more=", when: 'auto == true'")
    told(m, seen(0, auto=True, strokes=0), seen(1, strokes=40), seen(2, auto=False), seen(3, strokes=500))
    assert told(m, seen(4, auto=True), seen(5, strokes=559)) == []
    (due,) = m.handle(seen(6, strokes=560))
    assert due.reason["text"] == "due: strokes rose by 100 since serviced == true, every 100"
    assert (due.reason["limit"], due.reason["values"]) == (100, {"strokes": 560})


@pytest.mark.parametrize("detect", ["while: run == true, every: 10s", "counter: n, every: 10"])
def test_the_work_is_done_also_while_the_rule_is_not_armed(detect: str):
    m = watching(f"{{type: usage, {detect}, reset_by: 'greased == true'}}", more=", when: 'run == true'")
    told(m, seen(0, run=True, greased=False, n=0), seen(8, n=8), seen(8.5, run=False))
    told(m, seen(20, greased=True), seen(21, greased=False), seen(30, run=True, n=20))
    assert told(m, seen(35, n=25), tick(39)) == []
    assert told(m, seen(40, n=30)) == [("r", 40, "raised")]


@pytest.mark.parametrize("detect", ["while: run == true, every: 10s", "counter: n, every: 10"])
def test_what_is_due_ends_when_it_is_done_though_the_rule_is_not_armed(detect: str):
    m = watching(f"{{type: usage, {detect}, reset_by: 'greased == true'}}", more=", when: 'run == true'")
    told(m, seen(0, run=True, greased=False, n=0), seen(12, n=12), seen(13, run=False))
    (done,) = m.handle(seen(20, greased=True))
    assert (done.event, done.reason["text"]) == ("cleared", "done: greased == true")
    assert told(m, seen(21, greased=False), seen(30, run=True, n=13), seen(38, n=18)) == []


def test_a_counter_that_falls_below_zero_has_used_nothing():
    m = watching(CYCLES)
    assert told(m, seen(0, strokes=10), seen(1, strokes=-500), seen(2, strokes=-401)) == []
    assert told(m, seen(3, strokes=-400)) == [("r", 3, "raised")]


@pytest.mark.parametrize(("detect", "values"), [(GREASE, {"state": "run"}), (CYCLES, {"strokes": 1000})])
def test_the_reason_says_by_what_it_is_done(detect: str, values: dict[str, object]):
    m = watching(detect)
    told(m, seen(0, greased=False, serviced=False, strokes=0), seen(1, **values), tick(3 * HOUR))
    (done,) = m.handle(seen(3 * HOUR + 1, greased=True, serviced=True))
    assert done.event == "cleared"
    assert done.reason["text"] in {"done: greased == true", "done: serviced == true"}


def test_an_amount_may_be_less_than_one():
    m = watching(CYCLES.replace("100", "0.5"))
    assert told(m, seen(0, strokes=0), seen(1, strokes=0.4), seen(2, strokes=0.5)) == [("r", 2, "raised")]


def test_the_hours_are_counted_on_though_the_clock_is_set_back():
    m = watching(GREASE)
    told(m, seen(2 * HOUR, state="run"), seen(3 * HOUR, state="run"))
    assert [*set_back(m, 3 * HOUR, state="run"), *told(m, tick(4 * HOUR - 1))] == []
    assert told(m, tick(4 * HOUR)) == [("r", 3 * HOUR, "raised")]


def test_a_counter_that_stands_still_while_something_else_is_read_adds_nothing():
    m = watching(CYCLES)
    events = (
        seen(0, strokes=60, serviced=False),
        seen(1, serviced=True),
        seen(2, serviced=False),
        seen(3, strokes=159),
    )
    assert told(m, *events) == []
    assert told(m, seen(4, strokes=160)) == [("r", 4, "raised")]


def test_a_counter_may_be_reset_by_time_alone():
    m = watching(CYCLES.replace("serviced == true", "age(strokes) > 60"))
    assert told(m, seen(0, strokes=0), seen(10, strokes=100), tick(70)) == [("r", 10, "raised"), ("r", 70, "cleared")]


@pytest.mark.parametrize(
    "detect", ["{type: usage, while: run == 1, every: 10s}", "{type: usage, counter: km, every: 10}"]
)
def test_a_person_may_say_that_the_work_is_done_before_or_after_it_is_due(detect: str) -> None:
    m = watching(detect)
    done = [Command(T0 + second * SECOND, "dispose", "m", "m:r", "kim", "greased") for second in (6, 20)]
    happened = [m.handle(seen(second, run=1, km=second)) for second in range(7)]
    (early,) = m.handle(done[0])
    assert (early.event, early.to, early.reason["done"]["by"]) == ("commented", "A", "kim")
    happened = [t for second in range(7, 20) for t in m.handle(seen(second, run=1, km=second))]
    assert [(t.event, (t.at - T0) // SECOND) for t in happened] == [("raised", 16)]
    _, over = m.handle(done[1])
    assert (over.event, over.reason["text"]) == ("cleared", "done by kim: greased")
    assert told(m, *[seen(second, run=1, km=second) for second in range(20, 29)]) == []


def test_without_a_signal_for_it_only_a_person_says_that_it_is_done() -> None:
    m = watching("{type: usage, counter: km, every: 10}")
    (due,) = m.handle(seen(0, km=0)) + m.handle(seen(1, km=12))
    assert due.reason["text"] == "due: km rose by 12 since it was done last, every 10"
