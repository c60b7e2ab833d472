"""What holds for every detector there is, found by looking at the registry: nobody has to remember to test it."""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.detectors import CONFIGS
from rules.detectors.base import Detector
from rules.events import SECOND, Duration, Event, Link, Observation, Quality, Reading, Tick
from rules.ruleset import RuleSet
from tests.properties.streams import MACHINES, RULES, stream
from tests.rules.plant import rules_of

ASSET = "a/1"
RULESET = rules_of(RULES, MACHINES)
TYPES = sorted(CONFIGS)
WEEK: Duration = 7 * 86_400 * SECOND


def rules_with(name: str) -> RuleSet:
    """The rules of tests/properties/streams.py that use a detector: add one there for a new detector."""
    found = [rule for rule in RULESET.rules if getattr(rule.detect, "type", "") == name]
    assert found, f"tests/properties/streams.py has no rule with the detector {name}: add one"
    return RuleSet(tuple(found), RULESET.assets)


def events(seed: int, length: int) -> list[Event]:
    """What one asset is told."""
    return [e for e in stream(seed, length) if not isinstance(e, Observation) or e.asset == ASSET]


def as_json(monitor: AssetMonitor) -> str:
    return json.dumps(monitor.snapshot(), allow_nan=False, sort_keys=True)


def told(rules: RuleSet, seed: int = 1, length: int = 600) -> list[Transition]:
    monitor = AssetMonitor(ASSET, rules)
    return [t for event in events(seed, length) for t in monitor.handle(event)]


def detectors(name: str) -> Iterator[Detector]:
    monitor = AssetMonitor(ASSET, rules_with(name))
    for event in events(3, 200):
        monitor.handle(event)
    yield from (watch.detector for watch in monitor._roster.watches if watch.rule.kind != "system")


@pytest.mark.parametrize("name", TYPES)
def test_its_state_goes_through_json_at_every_event(name: str) -> None:
    rules = rules_with(name)
    steady, restored = AssetMonitor(ASSET, rules), AssetMonitor(ASSET, rules)
    for event in events(2, 250):
        assert steady.handle(event) == restored.handle(event)
        assert steady.next_deadline() == restored.next_deadline()
        restored = AssetMonitor.restore(rules, json.loads(as_json(restored)))
        assert as_json(steady) == as_json(restored)


@pytest.mark.parametrize("name", TYPES)
def test_the_same_events_bring_the_same_transitions(name: str) -> None:
    assert told(rules_with(name)) == told(rules_with(name))


@pytest.mark.parametrize("name", TYPES)
def test_its_state_does_not_grow_with_the_readings(name: str) -> None:
    monitor = AssetMonitor(ASSET, rules_with(name))
    sizes = []
    for number, event in enumerate(events(4, 3_000)):
        monitor.handle(event)
        if number % 50 == 0:
            sizes.append(len(as_json(monitor)))
    half = len(sizes) // 2
    assert max(sizes[half:]) <= 1.5 * max(sizes[:half]) + 200  # what grows with every reading doubles


def stamped(*, set_back: bool) -> Iterator[Event]:
    """What an asset with a clock that keeps time is told; halfway it is set back, and for a while nothing counts."""
    told = events(7, 1_000)
    turn = len(told) // 2
    halfway = told[turn].received
    yield from (on_time(event) for event in told[:turn])
    late = WEEK if set_back else 0
    for second in range(1, 13):
        at = halfway + second * SECOND
        yield Tick(at)
        yield Observation(ASSET, at - late, at, (Reading("unheard", 1.0, Quality.GOOD),))
    for event in told[turn + 1 :]:
        yield on_time(msgspec.structs.replace(event, received=event.received + 12 * SECOND), late)


def on_time(event: Event, late: Duration = 0) -> Event:
    return msgspec.structs.replace(event, at=event.received - late) if isinstance(event, Observation) else event


@pytest.mark.parametrize("name", TYPES)
def test_a_clock_that_is_set_back_takes_all_that_it_remembers_along(name: str) -> None:
    """A week back, so that shifts and days are the same: what comes is the same but for the stamps."""
    stories = []
    for set_back in (False, True):
        monitor, story = AssetMonitor(ASSET, rules_with(name)), []
        for event in stamped(set_back=set_back):
            for t in monitor.handle(event):
                moved = WEEK if ":1." in t.id else 0
                story.append((t.rule, t.part, t.event, t.at + moved, t.reason["text"]))
        assert monitor.clock.timeline == int(set_back)
        stories.append(story)
    assert stories[0] == stories[1]


@pytest.mark.parametrize("name", TYPES)
def test_it_changes_neither_its_configuration_nor_what_it_is_told(name: str) -> None:
    rules = rules_with(name)
    config = [rule.model_dump() for rule in rules.rules]
    given = events(5, 300)
    before = copy.deepcopy(given)
    monitor = AssetMonitor(ASSET, rules)
    for event in given:
        monitor.handle(event)
    assert given == before
    assert [rule.model_dump() for rule in rules.rules] == config


@pytest.mark.parametrize("name", TYPES)
def test_it_names_every_signal_that_it_looks_at(name: str) -> None:
    """Beside those that tell the context, which a table of limits goes by."""
    monitor = AssetMonitor(ASSET, rules_with(name))
    context = RULESET.assets.context(ASSET).values()
    for watch in monitor.watches:
        if watch.rule.kind != "system":
            assert {signal.name for signal in watch.inputs} - {*context} <= {*watch.rule.detect.signals()}


@pytest.mark.parametrize("name", TYPES)
def test_it_says_what_it_is_for(name: str) -> None:
    config = CONFIGS[name]
    assert config.__doc__
    assert len(config.__doc__) > 30
    assert inspect.getmodule(config).__doc__.startswith(f"`{name}`")  # type: ignore[union-attr]
    for detector in detectors(name):
        assert type(detector).__doc__


@pytest.mark.parametrize("name", TYPES)
def test_it_gives_a_reason_for_every_level_that_comes_and_goes(name: str) -> None:
    for detector in detectors(name):
        assert detector.levels
        for level in detector.levels:
            for on in (True, False):
                reason: dict[str, Any] = detector.describe(level, on=on)
                assert reason["text"].strip()
                json.dumps(reason, allow_nan=False)


@pytest.mark.parametrize("name", TYPES)
def test_its_deadlines_lie_ahead_of_what_was_decided(name: str) -> None:
    monitor = AssetMonitor(ASSET, rules_with(name))
    for event in events(6, 400):
        monitor.handle(event)
        monitor.handle(Tick(event.received))
        due = monitor.next_deadline()
        assert due is None or isinstance(event, Link) or due > monitor.clock.reads(event.received)


@pytest.mark.parametrize("name", TYPES)
def test_its_rule_is_told_by_its_keys(name: str) -> None:
    """Two rules that differ in what they detect by have different keys, and the key survives being written as JSON."""
    for rule in rules_with(name).rules:
        written = json.loads(json.dumps(rule.detect.model_dump(mode="json", by_alias=True, exclude_none=True)))
        again = CONFIGS[name].model_validate(written)
        assert again.model_dump(mode="json") == rule.detect.model_dump(mode="json")


@pytest.mark.parametrize("name", TYPES)
def test_transitions_can_be_written(name: str) -> None:
    for transition in told(rules_with(name), seed=9):
        assert msgspec.json.encode(transition)
        assert transition.reason["text"]
