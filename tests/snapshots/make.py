"""Writes the snapshot files of the version in pyproject.toml: `python -m tests.snapshots.make`, once, at its release."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator

from rules.detectors import CONFIGS
from rules.events import SECOND, Command, Event, Observation
from rules.stages import Stages
from rules.yamltext import read_yaml
from tests.properties import test_group
from tests.properties.streams import MACHINES, RULES, stream
from tests.rules.plant import T0, seen, tick
from tests.snapshots.saved import HERE, Saved, go_on, save, write

ASSET = "a/1"
LENGTH = 900
"""Of a stream; two thirds of it lie before the snapshot."""
SEEDS = 200
LIFE = """
version: 1
rules:
  - id: hot
    kind: equipment
    assets: m
    priority: {high: low, high_high: high}
    settle: 1s
    when: "mode == 'run'"
    re_alarm_after: 2h
    ack_expires: 3h
    escalate: [{after: 10m, priority: medium}, {after: 1h, priority: critical}]
    suppress_when: "cleaning == true"
    detect: {type: limits, signal: t, high: 80, high_high: 90, deadband: 2, on_delay: 2s, off_delay: 3s}
  - {id: trip, kind: equipment, assets: m, latch: true, re_alarm_after: 2h, suppress_when: "cleaning == true", detect: {type: limits, signal: t, high: 80}}
  - {id: guard, kind: safety, assets: m, detect: {type: condition, expression: "t > 80", on_delay: 1s}}
"""
STORIES: dict[str, tuple[str, ...]] = {
    "state-A": ("cool",),
    "state-B": ("hot",),
    "state-C": ("hot", "acknowledge"),
    "state-D": ("hot", "cool"),
    "state-E": ("hot", "cool"),
    "state-F": ("hot", "acknowledge", "cool"),
    "state-G": ("hot", "shelve"),
    "state-H": ("hot", "clean"),
    "state-I": ("hot", "acknowledge", "out-of-service"),
    "delayed": ("cool", "rising"),
    "settling": ("idle", "hot"),
    "blind": ("hot", "blind"),
    "one-shot": ("hot", "shelve-once"),
}
"""How each state of an alarm is reached; D by the rule `hot`, E and F by `trip`, which latches."""
THEN = (
    "wait 1",
    "work",
    "wait 700",
    "acknowledge",
    "cool",
    "wait 5",
    "reset",
    "hotter",
    "wait 9000",
    "cool",
    "wait 40000",
    "reset",
    "hot",
)
"""What follows, whatever the state."""
READINGS: dict[str, dict[str, object]] = {
    "cool": {"t": 20, "mode": "run", "cleaning": False},
    "rising": {"t": 85, "mode": "run", "cleaning": False},
    "hot": {"t": 85, "mode": "run", "cleaning": False},
    "hotter": {"t": 95},
    "clean": {"cleaning": True},
    "work": {"cleaning": False},
    "idle": {"t": 20, "mode": "idle", "cleaning": False},
    "blind": {"t": None},
}
STEPS: dict[str, float] = {"hot": 5.0, "cool": 5.0, "rising": 0.5}
"""How long the things take that do not take a tenth of a second."""


def told(steps: tuple[str, ...], second: float) -> Iterator[Event]:
    """A story of the machine `m` from a second of the test on."""
    for step in steps:
        at = T0 + round(second * SECOND)
        if step in READINGS:
            yield seen(second, **READINGS[step])
            second += STEPS.get(step, 0.1)
            yield tick(second)
        elif step.startswith("wait "):
            second += float(step.removeprefix("wait "))
            yield tick(second)
        else:
            action, once = step.removesuffix("-once"), step.endswith("-once")
            until = at + 3600 * SECOND if action in {"shelve", "out-of-service"} and not once else None
            yield from (
                Command(at, action, "m", f"m:{rule}", "kim", "WO 4711", until) for rule in ("hot", "trip", "guard")
            )
            second += 0.1


def life(release: str, name: str) -> Saved:
    """An alarm in a state of its life."""
    before = list(told(STORIES[name], 0.0))
    second = (before[-1].received - T0) / SECOND + 1
    return save(release, LIFE, "", before, list(told(THEN, second)))


def detecting(release: str, name: str) -> Saved:
    """The rules of tests/properties/streams.py with a detector, where what was before matters to what comes after."""
    document, _ = read_yaml("streams", RULES)
    found = [rule for rule in document.data["rules"] if rule["detect"]["type"] == name]
    rules = json.dumps({"version": 1, "rules": found})
    return _where_it_matters(release, rules, MACHINES, lambda event: event.asset == ASSET)


def grouped(release: str) -> Saved:
    """Causes and effects, first-out, rules over several assets, gateways."""
    return _where_it_matters(release, test_group.RULES, test_group.MACHINES, lambda event: True)


def _where_it_matters(release: str, rules: str, assets: str, wanted: object) -> Saved:
    for seed in range(SEEDS):
        events = [e for e in stream(seed, LENGTH) if not isinstance(e, Observation) or wanted(e)]  # type: ignore[operator]
        saved = save(release, rules, assets, events[: len(events) * 2 // 3], events[len(events) * 2 // 3 :])
        if saved.transitions and matters(saved):
            return saved
    raise SystemExit(f"none of {SEEDS} streams makes a difference to {rules}")


def matters(saved: Saved) -> bool:
    """Whether machines of which nothing is known would bring other alarms: else the state is not tried."""
    fresh = go_on(Stages(saved.ruleset), saved.following(), saved.offset)
    return [row[2:7] for row in fresh] != [row[2:7] for row in saved.transitions]


def version() -> str:
    """That of pyproject.toml."""
    project = tomllib.loads((HERE.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def main() -> None:
    """All files of this version; never over those that are there."""
    release = version()
    folder = HERE / release
    if folder.exists():
        sys.exit(f"{folder} is there already: what a release wrote is never written again")
    made = {name: detecting(release, name) for name in CONFIGS} | {name: life(release, name) for name in STORIES}
    folder.mkdir()
    for name, saved in {**made, "group": grouped(release)}.items():
        write(folder / f"{name}.json", saved)


if __name__ == "__main__":
    main()
