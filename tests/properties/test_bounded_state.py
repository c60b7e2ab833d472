"""However long a plant runs: what is kept of it, on disk and in memory, does not grow with its readings."""

from __future__ import annotations

import copy
import json
import tracemalloc
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from rules.events import SECOND, Event, Link, Observation, Reading, Value
from rules.stages import Stages
from tests.properties.streams import ASSETS, MACHINES, RULES, stream
from tests.rules.plant import T0, rules_of

MORE = [f"m{number}" for number in range(24)]
"""Signals that rest within limits nearly always, as most of a plant do: a message has 30 readings, 6 under every rule."""
REST = f"  - {{id: rest, kind: equipment, detect: {{type: limits, each: [{', '.join(MORE)}], high: 5, on_delay: 2s}}}}"
RULESET = rules_of(f"{RULES}\n{REST}", MACHINES)
MANY = 10_000_000
LOOKS = 20
"""How often the state is measured."""
GROWTH = 1.05
"""By what factor the largest state of the second half may exceed the largest of the first: numbers get more digits, and
what learns the pattern of a day or a week goes on filling for as long."""
CALM, WILD = 12, 4
"""Stretches of each sort: a plant is calm most of the time, and one in which all comes and goes costs hundredfold."""


class Measured(NamedTuple):
    """After so many readings: bytes of all snapshots as JSON, and of the live objects."""

    readings: int
    json: int
    memory: int


def endless() -> Iterator[Event]:
    """Calm stretches and wild ones after each other, in an order that never repeats; built once and moved in time."""
    pool = [*(calm(seed) for seed in range(CALM)), *(stream(seed, 250) for seed in range(WILD))]
    rng, later = Random(7), 0
    while True:
        part = rng.choice(pool)
        yield from (_moved(event, later) for event in part)
        later += part[-1].received - T0 + SECOND


def calm(seed: int, length: int = 1_000) -> list[Event]:
    """Machines that run well: readings that wander a little, a second or so apart."""
    rng, received, events = Random(seed), T0, []
    for _ in range(length):
        received += rng.randint(SECOND // 2, SECOND)
        told: dict[str, Value] = {
            "x": rng.gauss(4, 0.3),
            "y": rng.gauss(4, 0.3),
            "guard": True,
            "state": "run",
            "force": False,
            "other": 1.0,
            **{metric: rng.gauss(4, 0.3) for metric in MORE},
        }
        readings = tuple(Reading(metric, value) for metric, value in told.items())
        events.append(Observation(rng.choice(ASSETS), received, received, readings))
    return events


def _moved(event: Event, later: int) -> Event:
    times = (
        "received",
        *(("at",) if isinstance(event, Observation) else ("since",) if isinstance(event, Link) else ()),
    )
    return msgspec.structs.replace(event, **{name: getattr(event, name) + later for name in times})


def measured(stages: Stages, readings: int) -> Measured:
    """The size of its state. Rules are no state: they are shared."""
    above = stages.snapshot()
    snapshots = [monitor.snapshot() for monitor in stages.fleet.monitors.values()]
    shared = {id(thing): thing for thing in (RULESET, RULESET.assets, *RULESET.rules)}
    tracemalloc.start()
    kept = copy.deepcopy(stages, shared)
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return Measured(readings, len(json.dumps([snapshots, above], allow_nan=False)), memory)


def grown(many: int, looks: int) -> list[Measured]:
    """The sizes while a plant under all rules sends so many readings."""
    stages, sizes, readings = Stages(RULESET), [], 0
    for offset, event in enumerate(endless()):
        stages.handle(event, offset)
        readings += len(event.readings) if isinstance(event, Observation) else 0
        if readings >= (len(sizes) + 1) * many // looks:
            sizes.append(measured(stages, readings))
            if len(sizes) % max(1, looks // 10) == 0:
                print("{:>12,} readings: {:>9,} bytes of JSON, {:>9,} bytes of memory".format(*sizes[-1]), flush=True)
            if len(sizes) == looks:
                break
    return sizes


def check(sizes: list[Measured], part: int, growth: float) -> None:
    """The largest of the last looks against the largest of the first ones."""
    for what in ("json", "memory"):
        first, last = (max(getattr(size, what) for size in some) for some in (sizes[:part], sizes[-part:]))
        assert last <= growth * first, f"{what}: {first:,} bytes at first, {last:,} in the end"


def test_the_state_of_a_plant_does_not_grow_with_its_readings() -> None:
    check(grown(8_000, 4), 2, 1.5)


@pytest.mark.long
@pytest.mark.timeout(4 * 3_600)
def test_the_state_is_bounded_over_ten_million_readings() -> None:
    check(grown(MANY, LOOKS), LOOKS // 2, GROWTH)
