"""The core alone: readings per second through four rules each, beside a loop that only touches each reading.

python bench/core.py [--readings 1000000]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time

from rules.alarms import Transition
from rules.events import SECOND, Observation, Reading
from rules.fleet import Fleet
from rules.ruleset import RuleSet, load_rules

RULES = """
version: 1
rules:
  - id: high
    kind: equipment
    detect: {type: limits, each: [%(names)s], high: 80, high_high: 95, deadband: 2, on_delay: 5s}
  - id: low
    kind: equipment
    detect: {type: limits, each: [%(names)s], low: 5, low_low: 1, deadband: 1, off_delay: 5s}
  - {id: drift, kind: quality, detect: {type: limits, each: [%(names)s], low: 20, high: 70, deadband: 1, on_delay: 60s}}
  - {id: guard, kind: safety, latch: false, detect: {type: limits, each: [%(names)s], high: 99}}
"""
START = 1_700_000_000 * SECOND


def ruleset(metrics: list[str], rules: str = RULES) -> RuleSet:
    """Four limit rules on every metric."""
    loaded = load_rules({"bench.yaml": rules % {"names": ", ".join(metrics)}})
    assert loaded.ruleset is not None, loaded.problems
    return loaded.ruleset


def stream(assets: int, metrics: list[str], messages: int) -> list[Observation]:
    """Messages round robin over assets, every metric in each; one reading in a thousand leaves its usual range."""
    rng = random.Random(1)
    made = []
    for i in range(messages):
        at = START + i * SECOND // max(1, assets)
        readings = tuple(Reading(m, rng.gauss(45, 8) if rng.random() > 0.001 else rng.uniform(0, 100)) for m in metrics)
        made.append(Observation(f"line{i % assets}", at, at, readings))
    return made


def timed(work: object) -> tuple[float, list[Transition]]:
    """CPU seconds and result."""
    begin = time.process_time()
    result = work()  # type: ignore[operator]
    return time.process_time() - begin, result


def touch(observations: list[Observation]) -> list[Transition]:
    """The yardstick: look at every reading once and keep it in a dictionary."""
    seen: dict[str, object] = {}
    for observation in observations:
        for reading in observation.readings:
            seen[reading.metric] = reading.value
    return []


def warm(rules: RuleSet, observations: list[Observation]) -> Fleet:
    """A fleet that has heard of every asset."""
    fleet = Fleet(rules)
    for observation in {o.asset: o for o in reversed(observations)}.values():
        fleet.handle(observation)
    return fleet


def through_fleet(fleet: Fleet, observations: list[Observation]) -> list[Transition]:
    """As the line drives it."""
    out: list[Transition] = []
    for offset, observation in enumerate(observations):
        out += fleet.handle(observation, offset)
    return out


def through_monitor(fleet: Fleet, observations: list[Observation]) -> list[Transition]:
    """One asset's monitor by itself."""
    monitor = fleet.monitors[observations[0].asset]
    out: list[Transition] = []
    for observation in observations:
        out += monitor.handle(observation)
    return out


def main() -> None:
    """Print a line of JSON per shape of load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000)
    args = parser.parse_args()
    for assets, width in ((1, 50), (1000, 50), (1, 1), (5000, 1)):
        metrics = [f"m{i}" for i in range(width)]
        rules = ruleset(metrics)
        observations = stream(assets, metrics, args.readings // width // (10 if width == 1 else 1))
        count = len(observations) * width
        base, _ = timed(lambda: touch(observations))  # noqa: B023
        run = through_monitor if assets == 1 else through_fleet
        fleet = warm(rules, observations)
        took, out = timed(lambda: run(fleet, observations))  # noqa: B023
        json.dump(
            {
                "assets": assets, "readings_per_message": width, "rules_per_reading": 4, "readings": count,
                "readings_per_s": round(count / took), "yardstick_readings_per_s": round(count / base),
                "ratio": round(base / took, 3), "transitions": len(out),
            },
            sys.stdout,
        )  # fmt: skip
        print(flush=True)


if __name__ == "__main__":
    main()
