"""Random but plausible event streams over a few assets, for properties of the core."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from rules.events import SECOND, Duration, Event, Instant, Link, Observation, Quality, Reading, Tick, Value
from tests.rules.plant import T0

ASSETS = ("a/1", "a/2", "b")
RULES = """
version: 1
rules:
  - id: hot
    kind: equipment
    assets: "a/*"
    priority: {high: medium, high_high: critical}
    when: "state == 'run' or force == true"
    settle: 2s
    when_false: clear
    detect: {type: limits, signal: x, high: 5, high_high: 8, deadband: 1, on_delay: 3s, off_delay: 2s}
  - {id: band, kind: quality, detect: {type: limits, each: [x, y], low: 1, high: 7, low_low: 0, deadband: 0.5}}
  - {id: guard, kind: safety, detect: {type: condition, expression: "guard == true and x > 2", on_delay: 1s}}
  - {id: blind, kind: equipment, on_bad_quality: alarm, fault_after: 4s, detect: {type: condition, expression: "x + y > 12"}}
  - {id: deaf, kind: equipment, on_bad_quality: ignore, detect: {type: limits, signal: y, high: 8}}
  - {id: quiet, kind: equipment, detect: {type: silence, after: 6s}}
  - {id: quiet-y, kind: system, when: "x < 9", detect: {type: silence, after: 4s, signal: y}}
"""
RULES = RULES.replace("kind: system", "kind: equipment")

_NUMBERS = (0.0, 1.0, 2.5, 4.5, 5.5, 6.0, 7.5, 8.5, 9.5, 11.0)
_ODD: tuple[Value, ...] = (None, "text", float("nan"), float("inf"), True)
_WORDS: dict[str, tuple[Value, ...]] = {"guard": (True, False), "state": ("run", "run", "idle"), "force": (True, False)}
_METRICS = ("x", "x", "x", "y", "y", "guard", "state", "force", "other")
_PAUSES = (0, 1, SECOND // 10, SECOND // 2, SECOND, SECOND, 2 * SECOND, 3 * SECOND, 7 * SECOND)
_AGES = (0,) * 12 + (SECOND // 5, 5 * SECOND, -20 * SECOND, 4000 * SECOND)


def _value(rng: Random, metric: str) -> Value:
    if rng.random() < 0.06:
        return rng.choice(_ODD)
    return rng.choice(_WORDS.get(metric, _NUMBERS))


def _readings(rng: Random) -> tuple[Reading, ...]:
    metrics = rng.sample(_METRICS, rng.randint(1, 4))
    qualities = [Quality.GOOD] * 12 + [Quality.UNCERTAIN, Quality.BAD]
    return tuple(Reading(m, _value(rng, m), rng.choice(qualities)) for m in dict.fromkeys(metrics))


def _event(rng: Random, received: Instant, age: Duration) -> Event:
    kind = rng.random()
    if kind < 0.1:
        return Tick(received)
    if kind < 0.13:
        return Link(received, "main", rng.random() < 0.5, received - rng.choice((0, SECOND)))
    return Observation(rng.choice(ASSETS), received - age, received, _readings(rng))


def stream(seed: int, length: int) -> list[Event]:
    """Events in order of receipt. Now and then a stretch in which every stamp is old, as after a clock was set back."""
    rng = Random(seed)
    received, events, set_back = T0, [], 0
    for _ in range(length):
        received += rng.choice(_PAUSES)
        set_back = set_back - 1 if set_back else (rng.random() < 0.02) * 40
        events.append(_event(rng, received, 900 * SECOND if set_back else rng.choice(_AGES)))
    return events


def streams(longest: int = 120) -> st.SearchStrategy[list[Event]]:
    """Streams of any seed and up to a length."""
    return st.builds(stream, st.integers(0, 2**32), st.integers(0, longest))
