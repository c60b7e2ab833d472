"""What could not be read and is fed again takes its place in time, proves no life and sets no clock."""

from __future__ import annotations

from rules.asset import AssetMonitor
from rules.events import SECOND, Refed
from rules.fleet import Fleet
from tests.rules.plant import T0, rules_of, seen, story, tick, told, watching

HIGH = "{type: limits, signal: t, high: 80}"


def again(now: float, second: float, *, late: float = 0.0, **values: object) -> Refed:
    """The asset's values at a second, received `late` seconds after, fed again at the second `now`."""
    return Refed(T0 + round(now * SECOND), seen(second, late=late, **values))


def test_a_value_that_nothing_followed_decides_at_its_own_time():
    m = watching(HIGH)
    assert told(m, seen(0, t=1), again(500, 10, t=99)) == [("r", 10, "raised")]


def test_a_value_older_than_what_came_since_decides_nothing():
    m = watching(HIGH)
    assert told(m, seen(0, t=1), seen(20, t=1), again(500, 10, t=99)) == []
    assert m.late == 1


def test_a_straggler_of_another_signal_counts():
    m = watching("{type: condition, expression: 'a > 5'}")
    assert told(m, seen(0, a=1), seen(20, b=1), again(500, 10, a=9)) == [("r", 20, "raised")]


def test_old_stamps_begin_no_timeline_however_long_they_come():
    m = watching(HIGH)
    m.handle(seen(1000, t=1))
    assert told(m, *(again(2000 + s, s, t=99) for s in range(60))) == []
    assert (m.late, m.clock.timeline) == (60, 0)
    assert told(m, seen(2100, t=99)) == [("r", 2100, "raised")]


def test_it_is_no_sign_of_life():
    m = watching("{type: silence, after: 10s}")
    assert told(m, seen(0, x=1), again(9, -5, x=2), again(9, 3, x=2), tick(12.5)) == []
    assert told(m, tick(13)) == [("r", 13, "raised")]


def test_the_clock_goes_on_as_if_it_had_been_read_at_once():
    once, twice = watching(HIGH), watching(HIGH)
    for m in (once, twice):
        m.handle(seen(0, t=1))
    once.handle(seen(10, late=2, t=1))
    twice.handle(again(100, 10, late=2, t=1))
    assert once.clock.reads(T0 + 200 * SECOND) == twice.clock.reads(T0 + 200 * SECOND)


def test_an_asset_that_was_never_read_begins_with_it():
    m = watching(HIGH)
    assert told(m, again(1000, 10, t=99), seen(1001, t=1)) == [("r", 10, "raised"), ("r", 1001, "cleared")]


def test_a_stamp_from_the_future_becomes_the_first_receipt():
    m = watching(HIGH)
    m.handle(seen(0, t=1))
    (raised,) = m.handle(again(500, 3600, late=-3590, t=99))
    assert story([raised]) == [("r", 10, "raised")]


def test_a_fleet_tells_the_asset_that_it_is_of_and_survives_a_restore():
    rules = rules_of(f"  - {{id: r, kind: equipment, detect: {HIGH}}}\n")
    fleet = Fleet(rules)
    fleet.handle(seen(0, asset="a", t=1))
    fleet.handle(seen(0, asset="b", t=1))
    kept = AssetMonitor.restore(rules, fleet.monitors["a"].snapshot())
    event = Refed(T0 + 500 * SECOND, seen(10, asset="a", t=99))
    assert [t.asset for t in fleet.handle(event)] == ["a"]
    assert story(kept.handle(event)) == [("r", 10, "raised")]
