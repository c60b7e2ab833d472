"""Whatever people, machines and restarts do to alarms: their stories hold together, and no suppression is endless."""

from __future__ import annotations

import json
from itertools import pairwise
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.alarms import State, Transition
from rules.asset import AssetMonitor
from rules.commands import ACTIONS, GRANT_WITHIN
from rules.escalation import LONGEST_OUT_OF_SERVICE
from rules.events import SECOND, Command, Event, Observation, Reading, Tick
from tests.rules.plant import T0, rules_of

RULESET = rules_of("""
version: 1
rules:
  - id: level
    kind: equipment
    assets: m
    priority: {high: low, high_high: medium}
    latch: true
    re_alarm_after: 40s
    ack_expires: 70s
    max_shelve: 60s
    escalate: [{after: 5s, priority: high}, {after: 20s, priority: critical}]
    suppress_when: cleaning == true
    detect: {type: limits, signal: x, high: 5, high_high: 8, on_delay: 2s}
  - {id: gated, kind: quality, assets: m, when: x < 7, when_false: clear, settle: 3s, suppress_when: cleaning == true,
     ack_expires: 15s, detect: {type: limits, each: [x, y], low: 2, high: 4}}
  - {id: guard, kind: safety, assets: m, escalate: [{after: 10s, priority: critical}], detect: {type: limits, signal: y, high: 5}}
""")
ALARMS = ("m:level", "m:gated:x", "m:gated:y", "m:guard", "m:system.clock", "m:nothing")
LENGTHS = (None, 1, 10, 50, 4000, -1)
PAUSES = (0, 1, SECOND, SECOND, 3 * SECOND, 20 * SECOND, 90 * SECOND)
EXAMPLES = settings(max_examples=60, deadline=None)


def _event(rng: Random, received: int) -> Event:
    kind = rng.random()
    if kind < 0.1:
        return Tick(received)
    if kind < 0.55:
        length = rng.choice(LENGTHS)
        until = None if length is None else received + length * SECOND
        people, comments = rng.choice(("kim", "lee", "lee ")), rng.choice(("why", "why", ""))
        action = rng.choice(tuple(ACTIONS))
        limits = {"high": float(rng.randint(2, 9))} if action == "override" else {}
        return Command(received, action, "m", rng.choice(ALARMS), people, comments, until, limits)
    readings = [Reading("x", float(rng.randint(0, 10))), Reading("y", float(rng.randint(0, 10)))]
    if rng.random() < 0.4:
        readings.append(Reading("cleaning", rng.choice((True, False, None))))
    age = rng.choice((0, 0, 0, 0, 30 * SECOND))
    return Observation("m", received - age, received, tuple(rng.sample(readings, rng.randint(1, len(readings)))))


def _stream(seed: int, length: int) -> list[Event]:
    rng, received, events = Random(seed), T0, []
    for _ in range(length):
        received += rng.choice(PAUSES)
        events.append(_event(rng, received))
    return events


streams = st.builds(_stream, st.integers(0, 2**32), st.integers(0, 150))


def _told(events: list[Event]) -> list[Transition]:
    monitor = AssetMonitor("m", RULESET)
    return [t for event in events for t in monitor.handle(event)]


@EXAMPLES
@given(streams)
def test_each_transition_begins_where_the_last_one_of_its_alarm_ended(events: list[Event]) -> None:
    out = _told(events)
    assert len({t.id for t in out}) == len(out)
    stories: dict[tuple[str, str | None], list[Transition]] = {}
    for t in out:
        stories.setdefault((t.rule, t.part), []).append(t)
    for told in stories.values():
        assert told[0].from_ == "A"
        assert all(one.to == two.from_ for one, two in pairwise(told))
        assert all(t.reason["text"] for t in told)


@EXAMPLES
@given(streams, st.data())
def test_restarts_change_nothing(events: list[Event], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, max(0, len(events) - 1)), max_size=8))
    monitor, out = AssetMonitor("m", RULESET), []
    for number, event in enumerate(events):
        out += monitor.handle(event)
        if number in cuts:
            monitor = AssetMonitor.restore(RULESET, json.loads(json.dumps(monitor.snapshot(), allow_nan=False)))
    assert out == _told(events)


@EXAMPLES
@given(streams)
def test_no_suppression_is_endless(events: list[Event]) -> None:
    monitor = AssetMonitor("m", RULESET)
    for event in events:
        monitor.handle(event)
        monitor.handle(Tick(event.received))
        now = monitor.clock.reads(event.received)
        for watch in monitor._roster.watches:
            for state, hold in watch.alarm.holds.items():
                if state is State.SUPPRESSED_BY_DESIGN:
                    assert watch.suppressor is not None
                    assert watch.suppressor.open is True
                else:
                    assert hold.end is not None
                    assert now < hold.end <= now + LONGEST_OUT_OF_SERVICE
    end = events[-1].received if events else T0
    monitor.handle(Tick(end + LONGEST_OUT_OF_SERVICE))
    assert {s for w in monitor._roster.watches for s in w.alarm.holds} <= {State.SUPPRESSED_BY_DESIGN}
    assert all(w.alarm.request is None for w in monitor._roster.watches)


@EXAMPLES
@given(streams)
def test_a_command_is_refused_with_a_reason_or_leaves_a_transition(events: list[Event]) -> None:
    monitor = AssetMonitor("m", RULESET)
    for event in events:
        if isinstance(event, Command):
            monitor.handle(Tick(event.received))
            expected = monitor.refusal(event)
            out = monitor.handle(event)
            assert monitor.refused == expected
            assert bool(out) is (expected is None)
            assert all(t.by in (event.by, "andon") for t in out)
        else:
            monitor.handle(event)


@EXAMPLES
@given(streams)
def test_a_safety_alarm_is_never_out_of_sight_by_one_person_alone(events: list[Event]) -> None:
    asked: list[Transition] = []
    for t in _told(events):
        if t.rule != "guard":
            continue
        if "request" in t.reason:
            asked.append(t)
        assert t.event != "suppressed"
        if t.event in ("shelved", "out_of_service"):
            assert any(t.at - a.at < GRANT_WITHIN and a.by.strip() != t.by.strip() for a in asked)
