"""The core alone, per CPU second, beside a loop that only touches each reading: 1, 4 and 16 rules on every reading,
5,000 assets, 50,000 rules, and a restart of 5,000 assets with 10,000 active alarms.

python bench/core.py [--readings 1000000] [--only readings|rules|restart]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from rules.alarms import Transition
from rules.events import SECOND, Observation, Reading
from rules.fleet import Fleet
from rules.ruleset import RuleSet, load_rules

KINDS = (
    "kind: equipment, detect: {type: limits, each: [%s], high: 80, high_high: 95, deadband: 2, on_delay: 5s}",
    "kind: equipment, detect: {type: limits, each: [%s], low: 5, low_low: 1, deadband: 1, off_delay: 5s}",
    "kind: quality, detect: {type: limits, each: [%s], low: 20, high: 70, deadband: 1, on_delay: 60s}",
    "kind: safety, latch: false, detect: {type: limits, each: [%s], high: 99}",
)
START = 1_700_000_000 * SECOND
ASSETS = 5_000
SHAPES = (
    *((1, 50, rules) for rules in (1, 4, 16)), (1000, 50, 4),
    *((1, 1, rules) for rules in (1, 4, 16)), *((ASSETS, 1, rules) for rules in (1, 4, 16)),
)  # fmt: skip
"""Assets, readings a message, rules a reading."""
Result = TypeVar("Result")


def ruleset(metrics: list[str], rules: int = 4) -> RuleSet:
    """So many limit rules on every metric."""
    kinds = ((number, KINDS[number % len(KINDS)] % ", ".join(metrics)) for number in range(rules))
    return loaded({"bench.yaml": "rules:\n" + "".join(f"  - {{id: r{number}, {kind}}}\n" for number, kind in kinds)})


def loaded(files: dict[str, str]) -> RuleSet:
    """The rule set of files that are right."""
    found = load_rules(files)
    assert found.ruleset is not None, found.problems[:3]
    return found.ruleset


def stream(assets: int, metrics: list[str], messages: int) -> list[Observation]:
    """Messages round robin over assets, every metric in each; one reading in a thousand leaves its usual range."""
    rng = random.Random(1)
    made = []
    for i in range(messages):
        at = START + i * SECOND // max(1, assets)
        readings = tuple(Reading(m, rng.gauss(45, 8) if rng.random() > 0.001 else rng.uniform(0, 100)) for m in metrics)
        made.append(Observation(f"line{i % assets}", at, at, readings))
    return made


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """CPU seconds and result."""
    gc.collect()
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def resident() -> float:
    """MB of memory that the process holds now."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def touch(observations: list[Observation]) -> None:
    """The yardstick: look at every reading once and keep it in a dictionary."""
    seen: dict[str, object] = {}
    for observation in observations:
        for reading in observation.readings:
            seen[reading.metric] = reading.value


def warm(rules: RuleSet, observations: list[Observation]) -> Fleet:
    """A fleet that has heard of every asset."""
    fleet = Fleet(rules)
    for observation in {o.asset: o for o in reversed(observations)}.values():
        fleet.handle(observation)
    return fleet


def through(fleet: Fleet, observations: list[Observation]) -> list[Transition]:
    """As the line drives it."""
    out: list[Transition] = []
    for offset, observation in enumerate(observations):
        out += fleet.handle(observation, offset)
    return out


def readings(count: int) -> Iterator[dict[str, Any]]:
    """What a reading costs, by shape of the load."""
    for assets, width, rules in SHAPES:
        metrics = [f"m{i}" for i in range(width)]
        observations = stream(assets, metrics, max(2 * assets, count // width // (5 if width == 1 else 1)))
        read = len(observations) * width
        base, _ = timed(lambda: touch(observations))  # noqa: B023
        fleet = Fleet(ruleset(metrics, rules))
        born, fleet = timed(lambda: warm(fleet.rules, observations))  # noqa: B023
        took, out = timed(lambda: through(fleet, observations))  # noqa: B023
        yield {
            "assets": assets, "readings_per_message": width, "rules_per_reading": rules, "readings": read,
            "readings_per_s": round(read / took), "yardstick_readings_per_s": round(read / base),
            "ratio": round(base / took, 3), "ms_to_make_an_asset": round(born / assets * 1e3, 3),
            "transitions": len(out),
        }  # fmt: skip


def rules(count: int) -> Iterator[dict[str, Any]]:
    """Fifty thousand rules, ten for each of the assets: loading, memory, and what a reading costs then."""
    texts = [f'"id": "r{n}", "assets": "line{n % ASSETS}"' for n in range(10 * ASSETS)]
    detect = '"kind": "quality", "detect": {"type": "limits", "signal": "m0", "high": 95, "on_delay": "5s"}'
    files = {
        f"{first}.yaml": '{"rules": [' + ",\n".join(f"{{{t}, {detect}}}" for t in texts[first : first + 5000]) + "]}"
        for first in range(0, len(texts), 5000)
    }
    some = "rules:\n" + "".join(f"  - {{{t}, {detect}}}\n" for t in texts[:500])
    by_yaml, _ = timed(lambda: loaded({"some.yaml": some}))
    before = resident()
    took, found = timed(lambda: loaded(files))
    text = resident()
    observations = stream(ASSETS, ["m0"], max(2 * ASSETS, count // 5))
    data = resident()
    born, fleet = timed(lambda: warm(found, observations))
    everything = resident()
    each, _ = timed(lambda: through(fleet, observations))
    yield {
        "rules": len(texts), "assets": ASSETS, "rules_per_reading": 10, "load_s_json": round(took, 1),
        "ms_a_rule_json": round(took / len(texts) * 1e3, 3), "ms_a_rule_yaml": round(by_yaml / 500 * 1e3, 3),
        "mb_of_rules": round(text - before), "mb_of_monitors": round(everything - data),
        "ms_to_make_an_asset": round(born / ASSETS * 1e3, 3), "readings_per_s": round(len(observations) / each),
    }  # fmt: skip


def restart(_count: int) -> Iterator[dict[str, Any]]:
    """Five thousand assets with two active alarms each: to snapshots, and back to the first evaluated reading."""
    found = ruleset(["m0", "m1"], 4)
    at = START + SECOND
    alarmed = [Observation(f"line{n}", at, at, (Reading("m0", 99.5), Reading("m1", 45.0))) for n in range(ASSETS)]
    fleet = Fleet(found)
    active = len([t for o in alarmed for t in fleet.handle(o, 0)])
    later = START + 10 * SECOND
    active += len([t for o in alarmed for t in fleet.handle(msgspec.structs.replace(o, at=later, received=later), 1)])
    saving, saved = timed(lambda: [msgspec.json.encode(monitor.snapshot()) for monitor in fleet.monitors.values()])

    def back() -> Fleet:
        fresh = Fleet(ruleset(["m0", "m1"], 4))
        for body in saved:
            fresh.adopt(fresh.rules, msgspec.json.decode(body), 1)
        fresh.handle(alarmed[0], 2)
        return fresh

    restoring, _ = timed(back)
    yield {
        "assets": ASSETS, "active_alarms": active, "snapshot_s": round(saving, 2),
        "mb_of_snapshots": round(sum(map(len, saved)) / 1e6, 1), "restart_to_first_reading_s": round(restoring, 2),
    }  # fmt: skip


PARTS = {"readings": readings, "rules": rules, "restart": restart}


def main() -> None:
    """Print a line of JSON per measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=1_000_000)
    parser.add_argument("--only", choices=PARTS)
    args = parser.parse_args()
    for part in [args.only] if args.only else PARTS:
        for measured in PARTS[part](args.readings):
            print(json.dumps(measured), flush=True)


if __name__ == "__main__":
    main()
