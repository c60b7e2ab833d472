"""What a reading costs in each detector, and what a signal of it takes in memory and in a snapshot.

python bench/detectors.py [--readings 100000]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import tracemalloc

from rules.asset import AssetMonitor
from rules.events import SECOND, Observation, Reading
from rules.ruleset import RuleSet, load_rules

GIVEN = "mean: 45, sigma: 8"
EVERY = "[nelson_1, nelson_2, nelson_3, nelson_4, nelson_5, nelson_6, nelson_7, nelson_8]"
DETECTORS = {
    "limits": "type: limits, high: 200",
    "individuals": f"type: control_chart, {GIVEN}",
    "individuals, location alone": f"type: control_chart, {GIVEN}, spread: false, rules: [nelson_1]",
    "individuals, all of Nelson": f"type: control_chart, {GIVEN}, rules: {EVERY}",
    "xbar_r by 5": f"type: control_chart, chart: xbar_r, subgroup: {{size: 5}}, {GIVEN}",
    "xbar_s by 10 s": f"type: control_chart, chart: xbar_s, subgroup: {{every: 10s}}, {GIVEN}",
    "p of 500": "type: control_chart, chart: p, inspected: 500, mean: 0.09",
    "u": "type: control_chart, chart: u, inspected: 2, mean: 22",
    "ewma": f"type: ewma, {GIVEN}",
    "cusum": f"type: cusum, {GIVEN}",
    "capability": "type: capability, lower_spec: 0, upper_spec: 90",
    "capability of 10,000": "type: capability, lower_spec: 0, upper_spec: 90, window: 10000, index: cpk",
}
START = 1_700_000_000 * SECOND


def ruleset(detect: str) -> RuleSet:
    """One rule with this detector."""
    text = f"version: 1\nrules:\n  - {{id: r, kind: quality, detect: {{signal: x, {detect}}}}}\n"
    loaded = load_rules({"bench.yaml": text})
    assert loaded.ruleset is not None, loaded.problems
    return loaded.ruleset


def stream(count: int) -> list[Observation]:
    """A process in control, a reading a second."""
    draw = random.Random(1)
    times = range(START, START + count * SECOND, SECOND)
    return [Observation("m", at, at, (Reading("x", max(0.0, draw.gauss(45, 8))),)) for at in times]


def microseconds(rules: RuleSet, observations: list[Observation]) -> tuple[float, int]:
    """CPU time of a reading, and how many transitions there were."""
    monitor, found = AssetMonitor("m", rules), 0
    begin = time.process_time()
    for observation in observations:
        found += len(monitor.handle(observation))
    return (time.process_time() - begin) / len(observations) * 1e6, found


def memory(rules: RuleSet, observations: list[Observation]) -> tuple[int, int]:
    """Bytes that a monitor holds after many readings, and bytes of its snapshot."""
    tracemalloc.start()
    monitor = AssetMonitor("m", rules)
    for observation in observations:
        monitor.handle(observation)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held, len(json.dumps(monitor.snapshot()))


def main() -> None:
    """Print a line of JSON per detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=100_000)
    observations = stream(parser.parse_args().readings)
    idle = ruleset(DETECTORS["limits"].replace("type: limits", "type: limits, low: -1"))
    base, _ = microseconds(idle, observations)
    for name, detect in DETECTORS.items():
        rules = ruleset(detect)
        took, found = microseconds(rules, observations)
        held, saved = memory(rules, observations[:20_000])
        line = {
            "detector": name, "us_per_reading": round(took, 2), "ratio_to_limits": round(took / base, 1),
            "transitions": found, "bytes_in_memory": held, "bytes_in_snapshot": saved,
        }  # fmt: skip
        json.dump(line, sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
