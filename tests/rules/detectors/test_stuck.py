"""A signal that does not move."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND, Link
from tests.rules.plant import T0, refused, seen, set_back, tick, told, typed, watching

LEVEL = "{type: stuck, signal: level, for: 60s, tolerance: 0.5}"


def test_a_value_that_stays_is_an_alarm_at_the_deadline_and_cleared_when_it_moves():
    m = watching(LEVEL)
    assert told(m, seen(0, level=10), seen(30, level=10), tick(59)) == []
    assert told(m, tick(60), seen(70, level=10), seen(80, level=11)) == [("r", 60, "raised"), ("r", 80, "cleared")]


def test_noise_within_the_tolerance_is_no_movement_but_a_slow_drift_is():
    noisy = watching(LEVEL)
    assert told(noisy, *[seen(s, level=10 + 0.5 * (s % 2)) for s in range(62)]) == [("r", 60, "raised")]
    drifting = watching(LEVEL)
    assert told(drifting, *[seen(s, level=10 + s / 50) for s in range(300)]) == []


def restored(m: AssetMonitor) -> AssetMonitor:
    return AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))


SILENT = [
    (LEVEL, {"level": 10}, {"level": 10.5}, {"level": 20}),
    ("{type: stuck, signal: mode, for: 60s}", {"mode": "auto"}, {"mode": "auto"}, {"mode": "hand"}),
    ("{type: stuck, signal: state, for: 60s}", {"word": 3}, {"word": 3}, {"word": 4}),
]
WORD = "types: {x: {signals: {word: {}, mode: {}, level: {}}, states: {signal: word, map: {3: run, 4: fault}}}}\nassets: {m: {type: x}}\n"


@pytest.mark.parametrize(("detect", "first", "still", "other"), SILENT)
def test_a_signal_that_is_not_reported_any_more_is_not_stuck(
    detect: str, first: dict[str, object], still: dict[str, object], other: dict[str, object]
):
    def silent() -> AssetMonitor:
        m = watching(detect, assets=WORD)
        assert told(m, seen(0, **first), seen(29, **first), tick(60), tick(600)) == []
        return restored(m)

    m = silent()
    assert told(m, seen(700, **still), seen(710, **other)) == [("r", 700, "raised"), ("r", 710, "cleared")]
    m = silent()
    assert told(m, seen(700, **other), seen(730, **other), tick(759)) == [], "it moved: patience begins again"
    assert told(m, tick(760)) == [("r", 760, "raised")]


@pytest.mark.parametrize(("detect", "first", "still", "other"), SILENT)
def test_half_of_the_time_without_a_reading_is_not_yet_silence(
    detect: str, first: dict[str, object], still: dict[str, object], other: dict[str, object]
):
    m = watching(detect, assets=WORD)
    assert told(m, seen(0, **first), seen(30, **still), tick(60)) == [("r", 60, "raised")]


def test_the_end_of_a_ramp_is_not_stuck_for_being_the_last_that_was_heard():
    m = watching("{type: stuck, signal: level, for: 10m}")
    assert told(m, *[seen(60 * n, level=5 + n) for n in range(4)], tick(1000), seen(1010, level=9)) == []


def test_bad_quality_while_nothing_is_decided_begins_anew():
    m = watching(LEVEL)
    assert told(m, seen(0, level=10), tick(60), seen(70, level=None), seen(80, level=10)) == []
    assert told(m, seen(120, level=10), tick(140)) == [("r", 140, "raised")]


def test_bad_quality_stops_the_count():
    m = watching(LEVEL)
    assert (
        told(m, seen(0, level=10), seen(50, level=None), tick(100), seen(101, level=10), seen(131, level=10), tick(160))
        == []
    )
    assert told(m, tick(161)) == [("r", 161, "raised")]


def test_the_loss_of_our_own_link_stops_the_count():
    m = watching(LEVEL)
    m.handle(seen(0, level=10))
    down, up = Link(T0 + 20 * SECOND, "main", False, T0 + 20 * SECOND), Link(T0 + 50 * SECOND, "main", True, 0)
    assert told(m, down, tick(40), up, seen(60, level=10), tick(89)) == []
    assert told(m, tick(90)) == [("r", 90, "raised")]


def test_texts_and_truth_values_can_be_stuck_too():
    m = watching("{type: stuck, signal: mode, for: 10s}")
    assert told(m, seen(0, mode="auto"), seen(5, mode="hand"), seen(10, mode="hand"), tick(15), seen(20, mode="auto")) == [
        ("r", 15, "raised"), ("r", 20, "cleared"),
    ]  # fmt: skip


def test_a_signal_reported_on_change_is_refused():
    assert "reported on change" in refused(LEVEL, assets=typed("level: {report: on_change}"))
    watching(LEVEL, assets=typed("level: {report: periodic}"))


def test_patience_begins_when_the_rule_is_armed():
    m = watching(LEVEL, more=", when: 'run == true'")
    assert told(m, seen(0, level=10, run=False), seen(100, run=True), seen(130, level=10), tick(159)) == []
    assert told(m, tick(160)) == [("r", 160, "raised")]


def test_what_was_stuck_before_the_rule_was_disarmed_needs_the_whole_time_again():
    m = watching(LEVEL, more=", when: 'run == true', when_false: clear")
    assert told(m, seen(0, level=10, run=True), seen(30, level=10), tick(60)) == [("r", 60, "raised")]
    events = (seen(70, run=False), seen(80, level=10, run=True), seen(110, level=10), tick(139))
    assert told(m, *events) == [("r", 70, "cleared")]
    assert told(m, tick(140)) == [("r", 140, "raised")]


def test_an_alarm_that_is_held_while_the_rule_is_disarmed_ends_only_when_the_value_moves():
    m = watching(LEVEL, more=", when: 'run == true'")
    told(m, seen(0, level=10, run=True), seen(30, level=10), tick(60), seen(70, run=False))
    assert told(m, seen(80, level=10, run=True), seen(90, level=10), seen(95, level=11)) == [("r", 95, "cleared")]


def test_the_reason_says_what_stands_still():
    m = watching(LEVEL, assets=typed("level: {unit: m}"))
    told(m, seen(0, level=2.5), seen(30, level=2.5))
    (raised,) = m.handle(tick(60))
    assert (raised.reason["text"], raised.value) == ("level 2.5 m has not moved for 1m", 2.5)


def test_without_a_tolerance_any_movement_counts():
    m = watching("{type: stuck, signal: level, for: 10s}")
    assert told(m, seen(0, level=10), seen(5, level=10.01), seen(10, level=10.01), tick(14)) == []
    assert told(m, tick(15)) == [("r", 15, "raised")]


def test_it_waits_as_long_though_the_clock_is_set_back():
    m = watching(LEVEL)
    told(m, seen(4000, level=10))
    assert [*set_back(m, 4000, level=10), *told(m, seen(430, late=3600, level=10), tick(4059))] == []
    assert told(m, tick(4060)) == [("r", 460, "raised")]


def test_the_reason_says_that_it_moves_again():
    m = watching(LEVEL)
    told(m, seen(0, level=10), seen(30, level=10), tick(60))
    (over,) = m.handle(seen(70, level=12))
    assert (over.reason["text"], over.value, over.reason["limit"]) == ("level 12 moves again", 12, 60)


def test_what_is_said_while_the_signal_is_bad_goes_by_the_last_value():
    m = watching(LEVEL, more=", escalate: [{after: 10s, priority: high}]")
    told(m, seen(0, level=10), seen(30, level=10), tick(60), seen(65, level=None))
    (risen,) = m.handle(tick(70))
    assert (risen.event, risen.value, risen.reason["values"]) == ("raised_priority", 10, {"level": 10})
