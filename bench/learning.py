"""What the learning detectors cost: microseconds per reading or row through the core, and numbers kept per signal.

python bench/learning.py [--readings 50000]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from typing import Any

from rules.asset import AssetMonitor
from rules.events import SECOND, Observation, Reading
from rules.ruleset import RuleSet, load_rules

START = 1_700_000_000 * SECOND
LEARNED = 600
DETECTORS = {
    "limits, for comparison": (1, "{type: limits, signal: m0, high: 1e9}"),
    "anomaly": (1, "{type: anomaly, signal: m0}"),
    "multivariate of 8, drifting": (8, '{type: multivariate, signals: "*"}'),
    "multivariate of 8, fixed": (8, '{type: multivariate, signals: "*", baseline: fixed}'),
    "multivariate of 52, fixed": (52, '{type: multivariate, signals: "*", baseline: fixed}'),
}


def ruleset(detect: str) -> RuleSet:
    """One rule."""
    loaded = load_rules({"bench.yaml": f"version: 1\nrules:\n- {{id: a, kind: quality, detect: {detect}}}"})
    assert loaded.ruleset is not None, loaded.problems
    return loaded.ruleset


def stream(width: int, rows: int) -> list[Observation]:
    """Rows of noise, a minute apart."""
    rng = random.Random(1)
    stamps = (START + i * 60 * SECOND for i in range(rows))
    return [Observation("m", at, at, tuple(Reading(f"m{k}", rng.gauss(50, 8)) for k in range(width))) for at in stamps]


def numbers(data: Any) -> int:
    """Leaves of a snapshot."""
    if isinstance(data, dict):
        return sum(map(numbers, data.values()))
    return sum(map(numbers, data)) if isinstance(data, list) else 1


def main() -> None:
    """Print a line of JSON per detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=50_000)
    args = parser.parse_args()
    for name, (width, detect) in DETECTORS.items():
        observations = stream(width, LEARNED + args.readings // width)
        monitor = AssetMonitor("m", ruleset(detect))
        for observation in observations[:LEARNED]:
            monitor.handle(observation)
        begin = time.process_time()
        for observation in observations[LEARNED:]:
            monitor.handle(observation)
        took = (time.process_time() - begin) / (len(observations) - LEARNED)
        kept = numbers(monitor.snapshot()["watches"][0]) / width
        json.dump({"detector": name, "us_per_row": round(took * 1e6, 1), "numbers_per_signal": round(kept)}, sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
