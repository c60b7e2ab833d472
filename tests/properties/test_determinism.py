"""Same rules, same snapshot, same events: the same transitions, however the work is cut, restarted or spread."""

from __future__ import annotations

import json
from itertools import accumulate, pairwise
from math import sin
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.alarms import Transition
from rules.events import Event, Observation, Reading, Tick
from rules.fleet import Fleet
from rules.replay import replay
from tests.properties.hashseeds import agreed
from tests.properties.streams import ASSETS, MACHINES, RULES, streams
from tests.rules.plant import T0, rules_of, seen

RULESET = rules_of(RULES, MACHINES)

EXAMPLES = settings(max_examples=12, deadline=None)


def undisturbed(events: list[Event]) -> list[Transition]:
    fleet = Fleet(RULESET)
    return [t for offset, event in enumerate(events) for t in fleet.handle(event, offset)]


def through_json(fleet: Fleet, offset: int) -> Fleet:
    """The fleet after a stop: every monitor from its snapshot as text, without NaN or infinity."""
    fresh = Fleet(RULESET)
    for monitor in fleet.monitors.values():
        fresh.adopt(RULESET, json.loads(json.dumps(monitor.snapshot(), allow_nan=False)), offset)
    return fresh


@EXAMPLES
@given(streams(), st.data())
def test_a_restart_at_any_event_changes_nothing(events: list[Event], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, max(0, len(events) - 1)), max_size=5))
    fleet, out = Fleet(RULESET), []
    for offset, event in enumerate(events):
        out += fleet.handle(event, offset)
        if offset in cuts:
            fleet = through_json(fleet, offset)
    assert out == undisturbed(events)


LOOKING_BACK = (
    "{type: condition, expression: 'mean(x, 10s) > 85'}",
    "{type: condition, expression: 'rate(x, 10s) > 1'}",
    "{type: condition, expression: 'max(x, 20s) - min(x, 20s) > 25'}",
    "{type: rate_of_change, signal: x, rise: 1, over: 10s}",
    "{type: forecast, signal: x, limit: 110, horizon: 30s, window: 20s}",
)


@pytest.mark.parametrize("detect", LOOKING_BACK)
def test_how_long_a_message_was_on_its_way_changes_nothing_about_its_past(detect: str) -> None:
    """A live reading is received later than its stamp, a recorded one is not: both give the same ids."""
    rules = rules_of(f"  - {{id: r, kind: equipment, assets: m, detect: {detect}}}\n")
    draw = Random(3)
    stamps = list(accumulate(draw.randint(300, 1_200) for _ in range(600)))
    rows = [(s, round(75 + 20 * sin(s / 20_000) + draw.gauss(0, 4), 3)) for s in stamps]
    live, recorded = (
        [t.id for t in replay(rules, [seen(s / 1000, late=late, x=x) for s, x in rows])] for late in (0.04, 0.0)
    )
    assert live == recorded
    assert live


@EXAMPLES
@given(streams(), st.data())
def test_recovery_from_snapshots_of_different_ages_decides_the_same_again(
    events: list[Event], data: st.DataObject
) -> None:
    """Assets are saved one by one; after a crash each goes on from its own snapshot, and the past is told again."""
    crash = data.draw(st.integers(0, len(events)))
    fleet, saved = Fleet(RULESET), {}
    for offset, event in enumerate(events[:crash]):
        fleet.handle(event, offset)
        for asset in data.draw(st.sets(st.sampled_from(ASSETS), max_size=2)):
            if asset in fleet.touched:
                saved[asset] = (fleet.offsets[asset], msgspec.json.encode(fleet.monitors[asset].snapshot()))
                del fleet.touched[asset]
    floor = next(iter(fleet.touched.values()), crash)
    fresh = Fleet(RULESET)
    for offset, body in saved.values():
        fresh.adopt(RULESET, msgspec.json.decode(body), offset)
    again = [(offset, t) for offset in range(floor, len(events)) for t in fresh.handle(events[offset], offset)]
    whole = Fleet(RULESET)
    expected = [(offset, t) for offset, event in enumerate(events) for t in whole.handle(event, offset)]
    assert {t.id for _, t in again} <= {t.id for _, t in expected}
    assert [(o, t) for o, t in again if o >= crash] == [(o, t) for o, t in expected if o >= crash]


@EXAMPLES
@given(streams())
def test_assets_decide_the_same_alone_and_together(events: list[Event]) -> None:
    together = undisturbed(events)
    for asset in ASSETS:
        fleet = Fleet(RULESET)
        mine = [e for e in events if not isinstance(e, Observation) or e.asset == asset]
        alone = [t for e in mine for t in fleet.handle(e) if t.asset == asset]
        born = next((i for i, e in enumerate(events) if isinstance(e, Observation) and e.asset == asset), None)
        if born is not None:
            assert [t.id for t in alone] == [t.id for t in together if t.asset == asset]


@EXAMPLES
@given(streams())
def test_transitions_of_an_asset_form_a_story(events: list[Event]) -> None:
    """Each begins in the state in which the last one of its alarm ended; ids are unique; time runs on within a timeline."""
    out = undisturbed(events)
    assert len({t.id for t in out}) == len(out)
    by_alarm: dict[tuple[str, str, str | None], list[Transition]] = {}
    for t in out:
        by_alarm.setdefault((t.asset, t.rule, t.part), []).append(t)
    for told in by_alarm.values():
        assert told[0].from_ == "A"
        assert all(a.to == b.from_ for a, b in pairwise(told))


@EXAMPLES
@given(streams())
def test_state_is_json_and_deadlines_lie_ahead(events: list[Event]) -> None:
    fleet = Fleet(RULESET)
    for event in events:
        fleet.handle(event)
        for monitor in fleet.monitors.values():
            json.dumps(monitor.snapshot(), allow_nan=False)
    if events:
        fleet.handle(Tick(events[-1].received))
        due = fleet.next_due()
        assert due is None or due > events[-1].received


@EXAMPLES
@given(streams())
def test_a_recording_replays_the_same_in_any_order_of_assets(events: list[Event]) -> None:
    seen = [e for e in events if isinstance(e, Observation)]
    stamped = [msgspec.structs.replace(e, at=e.received) for e in seen]
    together = {t.id for t in replay(RULESET, stamped)}
    end = stamped[-1].received if stamped else T0
    apart: set[str] = set()
    for asset in ASSETS:
        mine = [e for e in stamped if e.asset == asset]
        closing = [Observation("z", end, end, (Reading("other", 0.0),))]
        apart |= {t.id for t in replay(RULESET, [*mine, *closing]) if t.asset == asset and mine}
    assert {i for i in together if not i.startswith(("andon", "z"))} == apart


SCRIPT = """
import sys, msgspec
from rules.events import Observation, Reading
from rules.replay import replay
from tests.properties.hashseeds import agreed
from tests.properties.streams import MACHINES, RULES
from tests.rules.plant import T0, rules_of, seen
def stream():
    state = 12345
    for i in range(1000):
        state = (state * 1103515245 + 12345) % 2**31
        at = T0 + i * 700_000_000
        values = (Reading("x", float(state % 11)), Reading("y", float(state // 11 % 11)), Reading("state", "run"),
                  Reading("guard", state % 3 == 0))
        yield Observation(("a/1", "a/2", "b")[state % 3], at, at, values)
for t in replay(rules_of(RULES, MACHINES), stream()):
    sys.stdout.buffer.write(msgspec.json.encode(t) + b"\\n")
"""


def test_two_processes_with_different_hash_seeds_agree() -> None:
    assert agreed(SCRIPT).count(b"\n") > 300
