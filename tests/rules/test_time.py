"""Time in every corner: clocks that are wrong, data that come late, links that go, hours that are made up for."""

from __future__ import annotations

import json

import pytest

from rules.asset import AssetMonitor
from rules.builtin import OWN_ASSET
from rules.events import EVERY_BROKER, SECOND, Link, Observation
from rules.fleet import Fleet
from rules.ruleset import RuleSet
from tests.rules.plant import T0, reading, rules_of, seen, story, tick, told, watching

HOUR = 3600
YEARS = 20 * 365 * 24 * HOUR
RULES = rules_of(
    "  - {id: hot, kind: equipment, assets: m, detect: {type: limits, signal: t, high: 80, on_delay: 10s}}\n"
    "  - {id: now, kind: equipment, assets: m, detect: {type: limits, signal: t, high: 80}}\n"
    "  - {id: gone, kind: equipment, assets: m, detect: {type: silence, after: 30s}}\n"
)


LIMITS = rules_of(
    "  - {id: hot, kind: equipment, assets: m, detect: {type: limits, signal: t, high: 80, on_delay: 10s}}\n"
    "  - {id: now, kind: equipment, assets: m, detect: {type: limits, signal: t, high: 80}}\n"
)


def monitor(asset: str = "m", rules: RuleSet = RULES) -> AssetMonitor:
    return AssetMonitor(asset, rules)


def link(second: float, up: bool, since: float | None = None, broker: str = "main") -> Link:
    at = T0 + round(second * SECOND)
    return Link(at, broker, up, at if since is None else T0 + round(since * SECOND))


def stamped(at: float, received: float, **values: float) -> Observation:
    return seen(at, late=received - at, **values)


def restarted(m: AssetMonitor) -> AssetMonitor:
    again = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    again.broker = m.broker
    return again


# -- stamps ---------------------------------------------------------------------------------------------------------


def test_a_stamp_from_the_future_never_moves_the_high_water_mark() -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    before = m.clock.latest
    assert told(m, stamped(HOUR, 1, t=1)) == [("system.clock", 1, "raised")]
    assert (m.clock.latest, m.ahead) == (before, 1)
    assert told(m, stamped(2, 2, t=99)) == [("now", 2, "raised")]


@pytest.mark.parametrize(("ahead", "believed"), [(4.9, True), (5, True), (5.1, False)])
def test_a_stamp_is_believed_up_to_max_ahead(ahead: float, believed: bool) -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    m.handle(stamped(1 + ahead, 1, t=1))
    assert (m.ahead == 0) is believed


def test_what_is_ahead_is_uncertain() -> None:
    m = monitor(rules=rules_of("  - {id: r, kind: safety, assets: m, detect: {type: limits, signal: t, high: 80}}\n"))
    m.handle(stamped(0, 0, t=1))
    found = m.handle(stamped(HOUR, 1, t=1))
    assert [(t.rule, t.event, t.reason["quality"]) for t in found if t.rule == "r"] == [
        ("r", "raised", {"t": "uncertain"})
    ]


def test_a_gateway_that_never_set_its_clock_is_watched_as_well_as_any() -> None:
    m = monitor()
    events = [stamped(s - YEARS, s, t=99 if s >= 20 else 1) for s in range(0, 40, 5)]
    found = [t for event in events for t in m.handle(event)]
    assert [(t.rule, t.event) for t in found] == [("now", "raised"), ("hot", "raised")]
    assert [t.reason.get("late") for t in found] == [None, None]
    assert told(m, tick(35 + 30)) == [("gone", 65 - YEARS, "raised")]


def test_a_repeat_of_the_same_reading_changes_nothing() -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=99))
    state = m.snapshot()
    assert told(m, stamped(0, 0, t=99)) == []
    assert m.snapshot() == state


def test_late_readings_decide_nothing_are_counted_and_are_a_sign_of_life() -> None:
    m = monitor()
    m.handle(stamped(100, 100, t=1))
    assert told(m, stamped(90, 125, t=99), tick(150)) == []
    assert m.late == 1
    assert told(m, tick(156)) == [("gone", 155, "raised")]


def test_a_clock_set_back_is_accepted_and_delays_go_on_with_the_new_one() -> None:
    m = monitor()
    m.handle(stamped(HOUR, HOUR, t=1))
    events = [stamped(s, HOUR + s, t=99) for s in range(1, 31)]
    assert told(m, *events) == [("now", 11, "raised"), ("hot", 21, "raised")]
    assert (m.clock.timeline, m.late) == (1, 10)


def test_old_stamps_before_and_after_we_were_away_are_not_old_stamps_all_the_while() -> None:
    m = monitor()
    m.handle(stamped(HOUR, HOUR, t=1))
    kept = [stamped(HOUR - 9 + s, HOUR + s, t=1) for s in (1, 2)]
    again = [stamped(HOUR - 7 + s, HOUR + 30 + s, t=1) for s in (1, 2)]
    assert told(m, *kept, link(HOUR + 2, False), link(HOUR + 30, True, HOUR + 2), *again) == []
    assert (m.clock.timeline, m.late) == (0, 4)
    m.handle(stamped(HOUR + 1, HOUR + 33, t=1))
    assert (m.clock.timeline, m.late) == (0, 4)


def test_one_old_stamp_among_good_ones_sets_no_clock_back() -> None:
    m = monitor()
    for second in range(60):
        m.handle(stamped(HOUR + second, HOUR + second, t=1))
        m.handle(stamped(second, HOUR + second + 0.5, t=99))
    assert (m.clock.timeline, m.late) == (0, 60)


def two_sources(since: int, until: int, behind: int) -> list[Observation]:
    """`u` comes from a source whose clock is right, `t` half a second later from one that is so many seconds behind."""
    pairs = ((seen(n, u=1), stamped(n + 0.5 - behind, n + 0.5, t=99 if behind else 1)) for n in range(since, until))
    return [event for pair in pairs for event in pair]


def test_one_of_two_sources_that_is_set_back_is_seen_again_after_ten_seconds() -> None:
    m = monitor(rules=RULES)
    told(m, *two_sources(0, 60, 0), *two_sources(60, 66, HOUR))
    m = restarted(m)
    assert told(m, *two_sources(66, 100, HOUR)) == [("now", 70.5, "raised"), ("hot", 80.5, "raised")]
    assert (m.clock.timeline, m.late) == (0, 10)
    m = restarted(m)
    assert told(m, *two_sources(100, HOUR + 200, HOUR)) == []
    assert told(m, seen(HOUR + 200, u=1), seen(HOUR + 200.5, t=1)) == [
        ("hot", HOUR + 200.5, "cleared"),
        ("now", HOUR + 200.5, "cleared"),
    ]
    assert m.late == 10


def test_a_source_that_is_set_right_again_is_read_as_it_stamps() -> None:
    m = monitor()
    told(m, *two_sources(0, 60, 0), *two_sources(60, 100, HOUR), seen(100.5, t=1), seen(102, u=1))
    assert told(m, stamped(101, 102.1, t=99)) == [("now", 102, "raised")]
    assert m.clock.behind == {}


def test_a_source_that_is_behind_is_behind_no_more_once_the_asset_was_set_back_too() -> None:
    m = monitor()
    told(m, *two_sources(0, 60, 0), *two_sources(60, 100, HOUR))
    told(m, *(stamped(n - HOUR, n, u=1) for n in range(100, 115)))
    assert (m.clock.timeline, m.clock.behind) == (1, {})


@pytest.mark.parametrize("detect", ["{type: silence, after: 60s, signal: t}", "{type: silence, after: 60s, signal: d}"])
def test_a_signal_is_heard_when_it_comes_in_however_slow_the_clock_of_its_source_is(detect: str) -> None:
    m = watching(detect, assets="types: {x: {derived: {d: 2 * t}}}\nassets: {m: {type: x}}\n")
    for n in range(0, 900, 10):
        assert told(m, seen(n, u=1), stamped(n - 300, n, t=5)) == []
        m = restarted(m)
    assert told(m, *(seen(n, u=1) for n in range(900, 960, 10))) == [("r", 950, "raised")]
    assert told(m, stamped(560, 960, t=5)) == [("r", 960, "cleared")], "a reading that comes late is one, too"


# -- our own links --------------------------------------------------------------------------------------------------


def test_silence_does_not_count_while_the_link_is_down_and_goes_on_after() -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    assert told(m, link(10, False), tick(HOUR), link(HOUR, True, 10), tick(HOUR + 19)) == []
    assert told(m, tick(HOUR + 20)) == [("gone", HOUR + 20, "raised")]


@pytest.mark.parametrize(
    "detect", ["{type: silence, signal: x, after: 60s}", "{type: condition, expression: age(x) > 60}"]
)
def test_a_word_that_was_kept_for_us_while_the_link_was_down_is_no_older_than_it_is(detect: str) -> None:
    m = watching(detect)
    told(m, *(stamped(n, n, x=1) for n in (0, 45)), link(94, False), link(600, True, 94))
    assert told(m, *(stamped(n, 601, x=1) for n in range(95, 600, 50)), tick(644), stamped(645, 645, x=1)) == []
    assert told(m, tick(704), tick(706)) == [("r", 705, "raised")]


def test_a_machine_on_another_broker_is_still_missed() -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    m.heard_through("east")
    assert told(m, link(10, False, broker="west"), tick(30)) == [("gone", 30, "raised")]


def test_a_machine_waits_for_its_own_broker_alone() -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    m.heard_through("east")
    down = [link(10, False, broker=broker) for broker in ("east", "west")]
    assert told(m, *down, link(20, True, 10, broker="west"), tick(HOUR)) == []
    m = restarted(m)
    assert told(m, link(HOUR, True, 10, broker="east"), tick(HOUR + 20)) == [("gone", HOUR + 20, "raised")]


def test_a_machine_never_heard_may_be_on_any_broker() -> None:
    m = monitor()
    m.handle(tick(0))
    down = [link(10, False, broker=broker) for broker in ("east", "west")]
    assert told(m, *down, link(20, True, 10, broker="west"), tick(HOUR)) == []
    m = restarted(m)
    m.handle(stamped(HOUR, HOUR, t=1))
    m.heard_through("west")
    assert told(m, tick(HOUR + 30)) == [("gone", HOUR + 30, "raised")]


def test_a_lost_link_is_one_alarm_and_our_own_absence_none() -> None:
    m = monitor(OWN_ASSET)
    m.handle(tick(0))
    assert told(m, link(HOUR, False, 0), link(HOUR + 1, True, 0)) == []
    assert told(m, link(HOUR + 2, False), tick(HOUR + 12), link(HOUR + 13, True, HOUR + 2)) == [
        ("system.broker-lost", HOUR + 12, "raised"), ("system.broker-lost", HOUR + 13, "cleared"),
    ]  # fmt: skip


def test_a_step_of_our_clock_is_no_silence_and_no_lost_link() -> None:
    own, m = monitor(OWN_ASSET), monitor()
    m.handle(stamped(0, 0, t=1))
    step = [link(1, False, broker=EVERY_BROKER), link(HOUR, True, HOUR, broker=EVERY_BROKER)]
    assert told(m, *step, tick(HOUR + 28)) == []
    assert told(own, tick(0), *step, tick(HOUR + 28)) == []


# -- backlogs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", [0, YEARS])
def test_what_happened_while_our_link_was_down_is_marked_late(slow: int) -> None:
    m = monitor(rules=LIMITS)
    m.handle(stamped(0 - slow, 0, t=1))
    m.handle(link(10, False))
    m.handle(link(HOUR, True, 10))
    found = [t for at, value in ((20, 99), (40, 1), (HOUR + 60, 99)) for t in m.handle(
        stamped(at - slow, max(HOUR + 1, at), t=value)
    )]  # fmt: skip
    assert [(t.rule, t.event, (t.at - T0) / SECOND + slow) for t in found] == [
        ("now", "raised", 20), ("hot", "raised", 30), ("hot", "cleared", 40), ("now", "cleared", 40), ("now", "raised", HOUR + 60),
    ]  # fmt: skip
    assert [t.reason.get("late", False) for t in found] == [True] * 4 + [False]


def test_late_stays_late_over_a_restart_and_a_second_loss() -> None:
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    for event in (link(10, False), link(HOUR, True, 10), stamped(20, HOUR + 1, t=1)):
        m.handle(event)
    m = restarted(m)
    for event in (link(HOUR + 2, False), link(HOUR + 3, True, HOUR + 2)):
        m.handle(event)
    (raised,) = m.handle(stamped(25, HOUR + 4, t=99))
    assert raised.reason["late"] is True


def test_nothing_is_late_after_a_short_loss_or_through_another_broker() -> None:
    m = monitor()
    for event in (stamped(0, 0, t=1), link(1, False), link(10, True, 1)):
        m.handle(event)
    assert "late" not in m.handle(stamped(10, 10, t=99))[0].reason
    m = monitor()
    m.handle(stamped(0, 0, t=1))
    m.heard_through("east")
    for event in (link(1, False, broker="west"), stamped(20, 20, t=1), link(30, True, 1, broker="west")):
        m.handle(event)
    assert "late" not in m.handle(stamped(31, 31, t=99))[0].reason


def test_hours_are_worked_off_with_the_durations_they_had() -> None:
    """Ticks carry the time of the journal: between two readings no wall clock gets a word in."""
    fleet = Fleet(RULES)
    every = [
        Observation("m", T0 + s * SECOND, T0 + s * SECOND, (reading("t", 99 if 1000 <= s < 1015 else 1),))
        for s in range(0, 4 * HOUR, 5)
    ]
    found = [t for offset, event in enumerate(every) for t in fleet.handle(event, offset)]
    assert story(found) == [
        ("now", 1000, "raised"), ("hot", 1010, "raised"), ("hot", 1015, "cleared"), ("now", 1015, "cleared"),
    ]  # fmt: skip


def test_a_silence_that_is_held_while_the_rule_is_disarmed_ends_only_with_a_word() -> None:
    m = monitor(
        rules=rules_of(
            "  - {id: gone, kind: equipment, assets: m, when: 'run == true', "
            "detect: {type: silence, signal: level, after: 60s}}\n"
        )
    )
    assert told(m, seen(0, level=10, run=True), tick(60), seen(70, run=False)) == [("gone", 60, "raised")]
    assert told(m, seen(80, run=True), tick(85), seen(90, level=10)) == [("gone", 90, "cleared")]
    assert told(m, tick(149), tick(150)) == [("gone", 150, "raised")]
