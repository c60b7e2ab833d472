"""A snapshot file: rules, the state of all stages, the events that follow, and the transitions that came of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from rules.alarms import Transition
from rules.events import Command, Event, Fault, Link, Observation, Tick
from rules.ruleset import RuleSet, load_rules
from rules.stages import Stages

FORMAT: Final = 1
HERE: Final = Path(__file__).parent
KINDS: Final = {kind.__name__: kind for kind in (Command, Fault, Link, Observation, Tick)}

Row: TypeAlias = list[Any]
"""What has to stay the same of a transition; the words of its reason may get better."""


class Saved(msgspec.Struct, kw_only=True):
    """The content of a file. `offset` is the number of the last event that the snapshots know of."""

    format: int
    release: str
    rules: str
    assets: str
    offset: int
    monitors: list[dict[str, Any]]
    above: dict[str, dict[str, Any]]
    events: list[list[Any]]
    transitions: list[Row]

    @property
    def ruleset(self) -> RuleSet:
        """Its rules, as this version reads them."""
        return read_rules(self.rules, self.assets)

    def following(self) -> list[Event]:
        """The events after the snapshot."""
        return [msgspec.convert(fields, KINDS[kind]) for kind, fields in self.events]

    def restored(self) -> Stages:
        """All stages as they were."""
        rules = self.ruleset
        stages = Stages(rules)
        for snapshot in self.monitors:
            stages.fleet.adopt(rules, snapshot, self.offset)
        stages.restore(rules, self.above, self.offset)
        return stages


def read_rules(rules: str, assets: str) -> RuleSet:
    """The rule set of texts that were accepted once."""
    loaded = load_rules({"rules.yaml": rules}, ("assets.yaml", assets) if assets else None)
    assert loaded.ruleset is not None, [str(problem) for problem in loaded.problems]
    return loaded.ruleset


def read(path: Path) -> Saved:
    """A file.

    Raises:
        msgspec.ValidationError: it is none.
    """
    return msgspec.json.decode(path.read_bytes(), type=Saved)


def write(path: Path, saved: Saved) -> None:
    """One line for each part, so that a change can be read."""
    parts = (f"{json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in msgspec.to_builtins(saved).items())
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def go_on(stages: Stages, events: Iterable[Event], offset: int) -> list[Row]:
    """What comes of events, the first of which is the one after `offset`."""
    return [row(t) for number, e in enumerate(events, offset + 1) for t in stages.handle(e, number).shown]


def row(t: Transition) -> Row:
    """See `Row`."""
    return [t.id, t.alarm, t.rule, t.part, t.event, t.from_.value, t.to.value, t.priority.value, t.value, t.by]


def save(release: str, rules: str, assets: str, before: list[Event], after: list[Event]) -> Saved:
    """Play `before`, keep the state, and go on with `after` without any restart."""
    ruleset = read_rules(rules, assets)
    stages, offset = Stages(ruleset), len(before) - 1
    go_on(stages, before, -1)
    above = stages.snapshot()
    monitors = [monitor.snapshot() for monitor in stages.fleet.monitors.values()]
    kept = json.loads(json.dumps([monitors, above], allow_nan=False))
    after = [_finite(event) for event in after]
    return Saved(
        format=FORMAT,
        release=release,
        rules=rules,
        assets=assets,
        offset=offset,
        monitors=kept[0],
        above=kept[1],
        events=[[type(event).__name__, msgspec.to_builtins(event)] for event in after],
        transitions=go_on(stages, after, offset),
    )


def _finite(event: Event) -> Event:
    """Without what JSON cannot say."""
    if not isinstance(event, Observation):
        return event
    readings = tuple(r for r in event.readings if not isinstance(r.value, float) or isfinite(r.value))
    return Observation(event.asset, event.at, event.received, readings)
