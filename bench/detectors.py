"""What every detector costs: CPU time a reading beside a loop that only touches it, and bytes a signal.

python bench/detectors.py [--readings 50000] [--only control_chart] [--json]

Bytes are what an asset with the rule holds more than one without it (signals and alarm included), and the detector's
part of the snapshot as JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

from rules.asset import AssetMonitor
from rules.detectors import CONFIGS
from rules.events import SECOND, Observation, Reading
from rules.ruleset import RuleSet, load_rules

START = 1_700_000_000 * SECOND
STEP = 60 * SECOND
LEARNING = 1_500
"""Readings of each signal that are not timed: what learns has learned by then."""
STRETCHES = 20
KEPT = 12_000
"""Readings of each signal before the memory is looked at: more than a week of minutes."""
GIVEN = "signal: m0, mean: 45, sigma: 8"
NELSON = "rules: [" + ", ".join(f"nelson_{number}" for number in range(1, 9)) + "]"


class Case(NamedTuple):
    """A detector as a rule has it, how many signals it is over, and how many levels they go through (0: any number)."""

    detect: str
    signals: int = 1
    levels: int = 0


CASES = {
    "limits, quiet": Case("{type: limits, signal: m0, high: 1e9}"),
    "limits, near its limits": Case("{type: limits, signal: m0, high: 60, low: 30, deadband: 2, on_delay: 10m}"),
    "condition": Case("{type: condition, expression: 'm0 > 70 and m1 > 70'}", 2),
    "condition over a window": Case("{type: condition, expression: 'mean(m0, 30m) > 70'}"),
    "silence": Case("{type: silence, signal: m0, after: 1h}"),
    "silence, learned": Case("{type: silence, signal: m0, after: learn, at_most: 1d}"),
    "deviation": Case("{type: deviation, signal: m0, from: m1, high: 60}", 2),
    "rate_of_change": Case("{type: rate_of_change, signal: m0, rise: 1, over: 10m}"),
    "stuck": Case("{type: stuck, signal: m0, for: 1h, tolerance: 0.1}"),
    "alarm_table": Case("{type: alarm_table, signal: m0, table: [{code: 1, text: a}, {code: 2, text: b}]}", 1, 20),
    "count": Case("{type: count, expression: 'm0 > 50', at_least: 1000, within: 1h}"),
    "sequence": Case("{type: sequence, first: 'm0 > 60', then: 'm1 > 60', within: 10m}", 2),
    "usage": Case("{type: usage, while: 'm0 > 30', every: 100000h, reset_by: 'm1 > 1e9'}", 2),
    "vibration_zone": Case("{type: vibration_zone, signal: m0, machine_group: 2, support: rigid}"),
    "safety_function": Case("{type: safety_function, demand: 'm0 > 60', bypass: 'm1 > 60', max_bypass: 1h}", 2),
    "forecast": Case("{type: forecast, signal: m0, limit: 200, horizon: 1h, window: 2h}"),
    "control_chart, individuals": Case(f"{{type: control_chart, {GIVEN}}}"),
    "control_chart, rule 1 alone": Case(f"{{type: control_chart, {GIVEN}, rules: [nelson_1]}}"),
    "control_chart, all of Nelson": Case(f"{{type: control_chart, {GIVEN}, {NELSON}}}"),
    "control_chart, X-bar and R of 5": Case(f"{{type: control_chart, chart: xbar_r, subgroup: {{size: 5}}, {GIVEN}}}"),
    "control_chart, X-bar and S of 10 min": Case(
        f"{{type: control_chart, chart: xbar_s, subgroup: {{every: 10m}}, {GIVEN}}}"
    ),
    "control_chart, p": Case("{type: control_chart, chart: p, signal: m0, inspected: 500, mean: 0.09}", 1, 100),
    "control_chart, u": Case("{type: control_chart, chart: u, signal: m0, inspected: 2, mean: 22}", 1, 100),
    "ewma": Case(f"{{type: ewma, {GIVEN}}}"),
    "cusum": Case(f"{{type: cusum, {GIVEN}}}"),
    "capability": Case("{type: capability, signal: m0, lower_spec: 0, upper_spec: 90}"),
    "capability, window of 10,000": Case(
        "{type: capability, signal: m0, lower_spec: 0, upper_spec: 90, window: 10000, index: cpk}"
    ),
    "anomaly": Case("{type: anomaly, signal: m0}"),
    "multivariate of 8, drifting": Case("{type: multivariate, signals: '*'}", 8),
    "multivariate of 8, fixed": Case("{type: multivariate, signals: '*', baseline: fixed}", 8),
    "multivariate of 52, fixed": Case("{type: multivariate, signals: '*', baseline: fixed}", 52),
}


def ruleset(detect: str, asset: str = "m") -> RuleSet:
    """One rule with this detector for the asset."""
    rule = f"{{id: r, kind: quality, assets: {asset}, detect: {detect}}}"
    loaded = load_rules({"bench.yaml": f"version: 1\nrules:\n- {rule}"})
    assert loaded.ruleset is not None, (detect, [str(problem) for problem in loaded.problems])
    return loaded.ruleset


def stream(case: Case, messages: int) -> Iterator[Observation]:
    """A process in control, a message a minute with a value of each signal."""
    draw = random.Random(1)
    for number in range(messages):
        at = START + number * STEP
        values = [max(0.0, draw.gauss(45, 8)) for _ in range(case.signals)]
        if case.levels:
            values = [float(int(value) % case.levels) for value in values]
        yield Observation("m", at, at, tuple(Reading(f"m{i}", value) for i, value in enumerate(values)))


def touch(observations: list[Observation]) -> int:
    """The yardstick: look at every reading once and keep it in a dictionary."""
    seen: dict[str, object] = {}
    for observation in observations:
        for reading in observation.readings:
            seen[reading.metric] = reading.value
    return len(seen)


def through(monitor: AssetMonitor, observations: list[Observation]) -> int:
    """The core; returns how many transitions there were."""
    return sum(len(monitor.handle(observation)) for observation in observations)


def spent(work: Callable[[], int]) -> tuple[float, int]:
    """CPU seconds, and what came of it."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def seconds(case: Case, readings: int) -> tuple[float, float, int]:
    """CPU time of a message in the yardstick and in the core, and how many transitions there were.

    The median stretch of the stream counts: machines are busy now and then.
    """
    observations = list(stream(case, LEARNING + readings // case.signals))
    monitor = AssetMonitor("m", ruleset(case.detect))
    through(monitor, observations[:LEARNING])
    length = (len(observations) - LEARNING) // STRETCHES
    stretches = [observations[LEARNING + i * length :][:length] for i in range(STRETCHES)]
    gc.collect()
    base = [spent(lambda: touch(stretch)) for stretch in stretches for _ in range(2)]  # noqa: B023
    core = [spent(lambda: through(monitor, stretch)) for stretch in stretches]  # noqa: B023
    return median(t for t, _ in base) / length, median(t for t, _ in core) / length, sum(found for _, found in core)


def held(rules: RuleSet, case: Case) -> tuple[int, AssetMonitor]:
    """Bytes that a monitor holds after many readings."""
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    monitor = AssetMonitor("m", rules)
    for observation in stream(case, KEPT // case.signals + LEARNING):
        monitor.handle(observation)
    gc.collect()
    return tracemalloc.get_traced_memory()[0] - before, monitor


def memory(case: Case) -> tuple[int, int]:
    """Bytes of the rule's state in memory, and of the detector's in the snapshot."""
    with_rule, without = ruleset(case.detect), ruleset(case.detect, "another")
    tracemalloc.start()
    live, monitor = held(with_rule, case)
    idle, _ = held(without, case)
    tracemalloc.stop()
    saved = sum(len(json.dumps(watch.detector.snapshot())) for watch in monitor.watching("r"))
    return live - idle, saved


def measured(name: str, readings: int) -> dict[str, Any]:
    """One line of the table."""
    case = CASES[name]
    base, took, found = seconds(case, readings)
    live, saved = memory(case)
    return {
        "detector": name, "signals": case.signals, "us_per_reading": round(took / case.signals * 1e6, 2),
        "times_the_yardstick": round(took / base, 1), "transitions": found,
        "bytes_per_signal": live // case.signals, "snapshot_bytes_per_signal": saved // case.signals,
    }  # fmt: skip


HEAD = ("detector", "us a reading", "x yardstick", "bytes a signal", "in a snapshot")
SHAPE = "{:<38}{:>14}{:>14}{:>16}{:>16}"


def main() -> None:
    """Print a table, or a line of JSON per detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=50_000)
    parser.add_argument("--only", default="", help="only detectors whose name begins so")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    missing = set(CONFIGS) - {case.detect.split("type: ")[1].split(",")[0] for case in CASES.values()}
    assert not missing, f"no case for {missing}"
    if not args.json:
        print(SHAPE.format(*HEAD))
    for name in CASES:
        if name.startswith(args.only):
            line = measured(name, args.readings)
            if args.json:
                print(json.dumps(line), flush=True)
                continue
            print(
                SHAPE.format(
                    name, line["us_per_reading"], line["times_the_yardstick"],
                    line["bytes_per_signal"], line["snapshot_bytes_per_signal"],
                ), flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
