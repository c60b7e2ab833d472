"""Random but plausible event streams over a few assets, for properties of the core."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from rules.builtin import FAULTS
from rules.events import SECOND, Duration, Event, Fault, Instant, Link, Observation, Quality, Reading, Tick, Value
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
  - {id: lately, kind: equipment, when: "state == 'run'", detect: {type: condition, expression: "mean(x, 10s) > 5 and max(y, 4s) > 7 or rate(x, 6s) > 1", off_delay: 1s}}
  - {id: lively, kind: equipment, on_bad_quality: alarm, detect: {type: condition, expression: "count(x, 5s) > 3 or not changed(guard, 7s)", on_delay: 2s}}
  - {id: aged, kind: equipment, detect: {type: condition, expression: "age(x) > y / 2 or 3 < age(guard) < 6", show: "age(y) - mean(x, 9s)", on_delay: 1s}}
  - {id: aged-curtain, kind: safety, detect: {type: safety_function, demand: "age(x) > 4", bypass: "max(y, 5s) > 9", max_bypass: 2s, discrepancy: "changed(guard, 3s)"}}
  - {id: gated-back, kind: equipment, when: "age(guard) < 8 and mean(y, 8s) > 3", when_false: clear, settle: 1s, suppress_when: "changed(state, 5s)", detect: {type: limits, signal: x, high: 5}}
  - {id: often-back, kind: equipment, when: "age(y) < 6", detect: {type: count, expression: "age(x) >= 2 or rate(y, 6s) > 0", at_least: 2, within: 20s}}
  - {id: answered-back, kind: equipment, detect: {type: sequence, first: "min(x, 4s) > 2", then: "age(y) > 3", within: 9s, missing: true}}
  - {id: bounded, kind: equipment, when: "count(force, 4s) < 2 or max(y, 3s) > 9", detect: {type: condition, expression: "max(x, 5s) - min(x, 5s) < 3 and abs(count(y, 4s) - 2) * 2 > 1 or age(guard) > max(x, 6s)", show: "min(y, 7s)", off_delay: 1s}}
  - {id: hours-back, kind: equipment, detect: {type: usage, while: "mean(x, 5s) > 3", every: 10s, reset_by: "count(force, 9s) > 2 or age(y) > 5"}}
  - {id: answered-by-itself, kind: quality, acknowledge: automatic, suppress_when: "force == true", detect: {type: limits, signal: x, high: 7, high_high: 9}}
  - {id: answered-on-return, kind: quality, acknowledge: on_return, latch: true, detect: {type: limits, signal: y, high: 7, off_delay: 1s}}
  - {id: total, kind: equipment, detect: {type: limits, signal: twice, high: 24, deadband: 3}}
  - {id: recipe, kind: quality, assets: "a/*", detect: {type: limits, signal: y, high: {by: product, 1: 5, 6: 7, default: 8}, deadband: 1}}
  - {id: recipe-apart, kind: quality, assets: "a/*", on_bad_quality: alarm, detect: {type: deviation, signal: x, from: y, low: {by: product, 1: -3, 6: -1}}}
  - {id: quiet, kind: equipment, detect: {type: silence, after: 6s}}
  - {id: quiet-y, kind: system, when: "x < 9", detect: {type: silence, after: 4s, signal: y}}
  - {id: quiet-at-work, kind: equipment, detect: {type: silence, after: 5s, calendar: shifts}}
  - {id: rhythm-at-work, kind: equipment, detect: {type: silence, after: learn, at_least: 1s, at_most: 60s, signal: x, calendar: [first, wed]}}
  - {id: rhythm, kind: equipment, detect: {type: silence, after: learn, at_least: 1s, at_most: 60s}}
  - {id: rhythm-y, kind: equipment, when: "x < 9", detect: {type: silence, after: learn, at_most: 40s, signal: y}}
  - {id: apart, kind: quality, on_bad_quality: alarm, detect: {type: deviation, signal: x, from: y, high: 4, low: -4, deadband: 1, off_delay: 1s}}
  - {id: steep, kind: equipment, when: "state == 'run'", detect: {type: rate_of_change, signal: x, rise: 1, fall: 0.8, over: 5s}}
  - {id: frozen, kind: equipment, detect: {type: stuck, signal: y, for: 3s, tolerance: 1}}
  - {id: frozen-x, kind: equipment, when: "force == true", on_bad_quality: ignore, detect: {type: stuck, signal: x, for: 2s}}
  - id: faults
    kind: equipment
    on_bad_quality: alarm
    detect: {type: alarm_table, signal: x, holds: bits, table: [{code: 0, text: one, priority: high}, {code: 3, text: eight}]}
  - {id: codes, kind: equipment, detect: {type: alarm_table, signal: y, table: [{code: 1, text: one}, {code: 6, text: six}]}}
  - {id: often, kind: equipment, when: "x < 9", detect: {type: count, expression: "y > 5", at_least: 3, within: 20s}}
  - {id: answered, kind: safety, detect: {type: sequence, first: "x > 7", then: "y > 5", within: 3s}}
  - {id: unanswered, kind: equipment, when: "state == 'run'", when_false: clear, detect: {type: sequence, first: "x > 7", then: "y > 5", within: 2s, missing: true}}
  - {id: hours, kind: equipment, when: "guard == true", detect: {type: usage, while: "state == 'run'", every: 10s, reset_by: "x > 9"}}
  - {id: strokes, kind: equipment, when: "guard == true", detect: {type: usage, counter: y, every: 20, reset_by: "x > 9"}}
  - id: shaking
    kind: equipment
    priority: {zone_c: low, zone_d: high, change: low}
    detect: {type: vibration_zone, signal: x, machine_group: 2, support: rigid, baseline: 2.5, deadband: 0.3, on_delay: 1s}
  - id: curtain
    kind: safety
    detect:
      {type: safety_function, demand: "guard == true", bypass: "force == true", max_bypass: 3s, proof_test: 30s,
       tested: "x > 9", discrepancy: "x > y"}
  - {id: gated-curtain, kind: safety, when: "x < 8", detect: {type: safety_function, bypass: "force == true", max_bypass: 2s}}
  - id: chart
    kind: quality
    detect: {type: control_chart, signal: x, chart: individuals, mean: 5, sigma: 1.5, on_signal: restart, clear_after: 1}
  - {id: learned, kind: quality, detect: {type: control_chart, signal: y, chart: xbar_r, subgroup: {size: 3}, learn: {subgroups: 5}}}
  - {id: thinned, kind: quality, detect: {type: ewma, signal: y, learn: {subgroups: 8}, autoregression: learn, thin: 2}}
  - {id: parts, kind: quality, detect: {type: control_chart, signal: x, subgroup: {size: 2, counter: y}, mean: 5, sigma: 2}}
  - {id: smooth, kind: quality, detect: {type: ewma, signal: x, lambda: 0.3, limit: 2.5, mean: 5, sigma: 1.5}}
  - {id: summed, kind: quality, detect: {type: cusum, signal: y, k: 0.5, h: 4, mean: 5, sigma: 2, clear_after: 2}}
  - {id: able, kind: quality, detect: {type: capability, signal: x, lower_spec: 2, upper_spec: 8, window: 100}}
  - {id: odd, kind: quality, detect: {type: anomaly, signal: x}}
  - {id: together, kind: quality, detect: {type: multivariate, signals: [x, y], learn: {samples: 50}}}
  - {id: soon, kind: equipment, detect: {type: forecast, signal: x, limit: 8, horizon: 30s, window: 20s, on_delay: 1s}}
"""
MACHINES = """
types: {x: {context: {product: other}, derived: {sum: "x + y", twice: "sum * 2"}}}
assets: {a/1: {type: x, bind: {y: x, x: y}}, a/2: {type: x}}
calendar: {shifts: {first: "22:00-22:14", second: "22:15-22:16", third: {hours: "23:00-07:00", days: tue-fri}}}
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
        return Link(received, "main", rng.random() < 0.5, received - rng.choice((0, SECOND, 60 * SECOND)))
    if kind < 0.15:
        return Fault(received, rng.choice(list(FAULTS)), rng.choice((None, "main")), rng.random() < 0.5, "")
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
