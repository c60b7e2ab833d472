"""The stages above the assets decide the same however the work is cut, restarted or spread, and tell one story."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.alarms import Transition
from rules.events import Event, Observation, Tick
from rules.fleet import Fleet
from rules.group import Group, Outcome
from rules.grouping.tree import underneath
from rules.ruleset import RuleSet
from rules.stages import Stages
from tests.properties.hashseeds import agreed
from tests.properties.streams import ASSETS, stream, streams
from tests.rules.plant import rules_of

RULES = """
version: 1
rules:
  - {id: trip, kind: equipment, assets: "a*", group: press, detect: {type: limits, signal: x, high: 7}}
  - {id: low, kind: equipment, inhibited_by: [trip, both], group: "press", detect: {type: limits, signal: y, low: 5, off_delay: 2s}}
  - {id: worse, kind: equipment, priority: critical, inhibited_by: [low], detect: {type: limits, signal: y, low: 2}}
  - {id: latched, kind: quality, latch: true, inhibited_by: [system.comms-lost, trip], detect: {type: limits, signal: x, low: 2}}
  - {id: guard, kind: safety, group: "press", detect: {type: condition, expression: "guard == true and x > 2"}}
  - {id: blind, kind: equipment, on_bad_quality: alarm, fault_after: 4s, detect: {type: condition, expression: "x + y > 12"}}
  - {id: quiet, kind: equipment, assets: ["a", "a/*"], detect: {type: silence, after: 6s}}
  - {id: rhythm, kind: safety, assets: "a/*", detect: {type: silence, after: learn, at_least: 1s, at_most: 20s}}
  - id: both
    kind: equipment
    when: 'asset("a/2").state == "run"'
    detect: {type: condition, scope: plant, expression: 'asset("a/1").x + asset("a/2").sum > 14', show: 'asset("a/1").x', on_delay: 1s}
"""
MACHINES = """
types: {x: {states: {signal: mode, map: {run: run, idle: idle}}, derived: {sum: "x + y"}}}
assets: {a/1: {type: x, gateway: g, bind: {mode: state, x: y, y: x}}, a/2: {type: x, gateway: g, bind: {mode: state}}, b: {parent: a}}
"""
RULESET = rules_of(RULES, MACHINES)
EXAMPLES = settings(max_examples=25, deadline=None)

Told = tuple[int, str, str, str, str | None]
"""At which event, transition, state, text, and the gateway whose loss says the same already."""


def restarted(stages: Stages, saved: dict[str, dict[str, object]], offset: int) -> Stages:
    """After a stop: everything from snapshots as text."""
    fresh = Stages(RULESET)
    for monitor in stages.fleet.monitors.values():
        fresh.fleet.adopt(RULESET, json.loads(json.dumps(monitor.snapshot(), allow_nan=False)), offset)
    if saved:
        fresh.restore(RULESET, json.loads(json.dumps(saved, allow_nan=False)), offset)
    return fresh


def run(events: list[Event], cuts: frozenset[int] = frozenset()) -> tuple[list[Transition], list[Told]]:
    """All that is shown, and what people are told of, with the event at which they are."""
    stages, shown, told, saved = Stages(RULESET), [], [], {}
    for offset, event in enumerate(events):
        out = stages.handle(event, offset)
        shown += out.shown
        told += [(offset, t.id, t.to.value, t.reason["text"], t.reason.get("covered")) for t in out.told]
        if offset in cuts:
            if stages.touched is not None:
                saved |= stages.snapshot()
            stages = restarted(stages, saved, offset)
    return shown, told


@EXAMPLES
@given(streams(), st.data())
def test_a_restart_at_any_event_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    cuts = data.draw(st.frozensets(st.integers(0, max(0, len(events) - 1)), max_size=5))
    assert run(events, cuts) == run(events)


@EXAMPLES
@given(streams(), st.data())
def test_recovery_from_snapshots_of_different_ages_decides_the_same_again(
    events: list[Event], data: st.DataObject
) -> None:
    """Assets are saved one by one, and with each what stands above them; after a crash the past is told again."""
    crash = data.draw(st.integers(0, len(events)))
    stages, above, known, saved = Stages(RULESET), {}, -1, {}
    for offset, event in enumerate(events[:crash]):
        stages.handle(event, offset)
        for asset in data.draw(st.sets(st.sampled_from(ASSETS), max_size=2)):
            if asset in stages.fleet.touched:
                monitor = stages.fleet.monitors[asset]
                saved[asset] = (stages.fleet.offsets[asset], json.loads(json.dumps(monitor.snapshot())))
                del stages.fleet.touched[asset]
                if stages.touched is not None:
                    above |= json.loads(json.dumps(stages.snapshot()))
                    known = offset
    unsaved = crash if stages.touched is None else stages.touched
    floor = min(next(iter(stages.fleet.touched.values()), crash), unsaved)
    fresh = Stages(RULESET)
    for offset, body in saved.values():
        fresh.fleet.adopt(RULESET, body, offset)
    if above:
        fresh.restore(RULESET, above, known)
    again = [(offset, fresh.handle(events[offset], offset)) for offset in range(floor, len(events))]
    whole = Stages(RULESET)
    expected = [(offset, whole.handle(event, offset)) for offset, event in enumerate(events)]
    assert [(o, out.shown, out.told) for o, out in again if o >= crash] == [
        (o, out.shown, out.told) for o, out in expected if o >= crash
    ]


@EXAMPLES
@given(streams())
def test_what_is_shown_forms_a_story_and_everybody_hears_of_everything_once(events: list[Event]) -> None:
    closing = [Tick(events[-1].received + n * 10**13) for n in range(1, 5)] if events else []
    shown, told = run([*events, *closing])
    assert len({t.id for t in shown}) == len(shown)
    covered = {name for *_, name, _, _, gateway in told if gateway}
    again = [name for *_, name, _, _, gateway in told if name in covered and not gateway]
    assert len(again) == len(set(again)), "told after all, once"
    assert sorted(name for *_, name, _, _, gateway in told if gateway or name not in covered) == sorted(
        t.id for t in shown
    )
    by_alarm: dict[tuple[str, str, str | None], list[Transition]] = {}
    for t in shown:
        by_alarm.setdefault((t.asset, t.rule, t.part), []).append(t)
    for story in by_alarm.values():
        assert story[0].from_ == "A"
        assert all(a.to == b.from_ for a, b in pairwise(story))


@EXAMPLES
@given(streams())
def test_the_overlay_hides_and_changes_nothing_else(events: list[Event]) -> None:
    fleet, stages = Fleet(RULESET), Stages(RULESET)
    for event in events:
        alone, out = fleet.handle(event), stages.handle(event)
        own = {t.id for t in out.shown if t.event in {"suppressed", "unsuppressed", "commented"}}
        seen = [t for t in out.shown if t.id not in own and t.id in {a.id for a in alone}]
        assert [(t.id, t.event, underneath(t)) for t in seen] == [(t.id, t.event, underneath(t)) for t in alone]
        assert all(t.kind != "safety" or t.event != "suppressed" for t in out.shown)
        assert all(t in out.told for t in out.shown if t.kind == "safety" and t.id not in own and t.event != "raised")


@EXAMPLES
@given(streams(), st.integers(0, 2**32))
def test_assets_that_are_decided_apart_make_the_same_group(events: list[Event], seed: int) -> None:
    """A fleet for each asset, their transitions brought together event by event."""
    rules = RuleSet(tuple(r for r in RULESET.rules if not r.plant_wide), RULESET.assets)
    together, apart = Group(rules), Group(rules)
    fleet, fleets = Fleet(rules), {asset: Fleet(rules) for asset in ASSETS}
    for event in (e for e in events if isinstance(e, Observation)):
        one, other = Outcome(), Outcome()
        together.advance(event.received, one)
        together.take(fleet.handle(event), event.received, one)
        apart.advance(event.received, other)
        apart.take(fleets[event.asset].handle(event), event.received, other)
        assert one == other


def test_the_streams_bring_about_every_sort_of_overlay() -> None:
    shown = [t for seed in range(12) for t in run(stream(seed, 200))[0]]
    found = {(t.event, t.reason.get("why")) for t in shown}
    assert found >= {
        ("suppressed", "inhibited"),
        ("unsuppressed", "inhibited"),
        ("commented", "first_out"),
        ("commented", "stale"),
    }
    assert {t.rule for t in shown if t.event == "raised"} >= {"both", "system.comms-lost", "trip", "low", "worse"}


SCRIPT = """
import sys, msgspec
from tests.properties.hashseeds import agreed
from tests.properties.streams import stream
from tests.properties.test_group import RULESET, run
for t in run(stream(5, 400))[0]:
    sys.stdout.buffer.write(msgspec.json.encode(t) + b"\\n")
"""


def test_two_processes_with_different_hash_seeds_agree() -> None:
    assert agreed(SCRIPT).count(b"\n") > 100
