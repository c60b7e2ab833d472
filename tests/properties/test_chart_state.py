"""Charts go on from any snapshot as if nothing had happened, and what they remember does not grow."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.events import SECOND, Event, Observation, Quality, Reading, Tick
from rules.ruleset import RuleSet
from tests.rules.plant import T0, rules_of, seen

LEARN = "learn: {subgroups: 8}"
GIVEN = "mean: 0, sigma: 1"
WESTERN = "rules: [western_electric_1, western_electric_2, western_electric_3, western_electric_4]"
NELSON = "rules: [nelson_1, nelson_2, nelson_3, nelson_4, nelson_5, nelson_6, nelson_7, nelson_8]"
RESTART = "on_signal: restart, clear_after: 1"
DETECTORS = {
    "individuals": f"type: control_chart, {GIVEN}, {NELSON}",
    "restarted": f"type: control_chart, {GIVEN}, {WESTERN}, {RESTART}",
    "learned": f"type: control_chart, {LEARN}, clear_after: 2",
    "xbar-r": f"type: control_chart, chart: xbar_r, subgroup: {{size: 3}}, {LEARN}, {RESTART}",
    "xbar-s": f"type: control_chart, chart: xbar_s, subgroup: {{every: 7s}}, {LEARN}, clear_after: 1",
    "p": "type: control_chart, chart: p, inspected: n, learn: {subgroups: 6}, clear_after: 1",
    "c": f"type: control_chart, chart: c, mean: 1, {WESTERN}, {RESTART}",
    "u-laney": "type: control_chart, chart: u_laney, inspected: n, subgroup: {size: 2}, learn: {subgroups: 5}",
    "ewma": f"type: ewma, {GIVEN}, {RESTART}",
    "ewma-learned": f"type: ewma, lambda: 0.4, limits: asymptotic, {LEARN}, clear_after: 2",
    "cusum": f"type: cusum, {GIVEN}, h: 4, head_start: 2, {RESTART}",
    "cusum-learned": f"type: cusum, {LEARN}, clear_after: 1",
    "capability": "signal: w, type: capability, lower_spec: -2, upper_spec: 3, window: 25, index: cpk",
    "capability-boxes": "signal: w, type: capability, lower_spec: -2, upper_spec: 3, window: 30, index: cp, "
    "subgroup: {every: 20s}",
    "capability-time": "signal: w, type: capability, lower_spec: -2, upper_spec: 3, window: 500s, index: cpm",
    "residuals": f"type: ewma, {LEARN}, autoregression: learn, clear_after: 1",
    "residuals-given": f"type: control_chart, {GIVEN}, autoregression: 0.7, {NELSON}, {RESTART}, spread: true",
}  # fmt: skip
ODD = (None, float("nan"), float("inf"), 1e308, 1e150, -1e150, "text", True, 0.0, 1e-300)
EXAMPLES = settings(max_examples=8, deadline=None)


def on(detect: str) -> str:
    """The detector with its signal; charts of x would keep capability from judging x, so that it judges a twin of it."""
    return detect if detect.startswith("signal") else f"signal: x, {detect}"


def ruleset() -> RuleSet:
    gate = 'when: "run == true", when_false: clear'
    listed = [
        f"  - {{id: {name}, kind: quality, {gate if i % 3 == 0 else 'priority: low'}, detect: {{{on(detect)}}}}}"
        for i, (name, detect) in enumerate(DETECTORS.items())
    ]
    return rules_of("\n".join(listed) + "\n")


RULES = ruleset()


def stream(seed: int, length: int) -> list[Event]:
    """Values that drift, stay, jump and go bad, now and then at one time, beside a gate and a number inspected."""
    draw, at, level = Random(seed), T0, 0.0
    events: list[Event] = [seen(0, run=True)]
    for _ in range(length):
        at += draw.choice((0, SECOND, SECOND, 2 * SECOND, 9 * SECOND))
        level = draw.choice((level, level, level, level, level, level, 0.0, 1.5, -2.0))
        value = draw.choice(ODD) if draw.random() < 0.03 else round(draw.gauss(level, 1), draw.choice((0, 3)))
        quality = Quality.BAD if draw.random() < 0.03 else Quality.GOOD
        readings = [Reading("x", abs(value) if type(value) is float and seed % 3 == 0 else value, quality)]
        readings.append(Reading("w", readings[0].value, quality))
        if draw.random() < 0.4:
            readings.append(Reading("n", float(draw.randint(1, 9))))
        if draw.random() < 0.05:
            readings.append(Reading("run", draw.random() < 0.7))
        events.append(Tick(at) if draw.random() < 0.05 else Observation("m", at, at, tuple(readings)))
    return events


def undisturbed(events: list[Event]) -> list[Transition]:
    monitor = AssetMonitor("m", RULES)
    return [t for event in events for t in monitor.handle(event)]


def restarted(monitor: AssetMonitor) -> AssetMonitor:
    return AssetMonitor.restore(RULES, json.loads(json.dumps(monitor.snapshot(), allow_nan=False)))


@EXAMPLES
@given(st.integers(0, 2**32), st.integers(0, 120))
def test_a_restart_at_every_event_changes_nothing(seed: int, length: int) -> None:
    events, monitor, out = stream(seed, length), AssetMonitor("m", RULES), []
    for event in events:
        out += monitor.handle(event)
        monitor = restarted(monitor)
    assert out == undisturbed(events)


@EXAMPLES
@given(st.integers(0, 2**32))
def test_a_snapshot_is_the_same_after_restoring(seed: int) -> None:
    monitor = AssetMonitor("m", RULES)
    for event in stream(seed, 80):
        monitor.handle(event)
    assert json.dumps(restarted(monitor).snapshot()) == json.dumps(monitor.snapshot())


def test_the_streams_raise_every_rule() -> None:
    raised = {t.rule for seed in range(8) for t in undisturbed(stream(seed, 300)) if t.event == "raised"}
    assert raised >= set(DETECTORS)


def test_another_rule_on_the_same_signal_changes_nothing() -> None:
    alone = {
        name: rules_of(f'  - {{id: {name}, kind: quality, when: "run == true", detect: {{{on(detect)}}}}}\n')
        for name, detect in DETECTORS.items()
    }
    listed = "\n".join(
        f'  - {{id: {name}, kind: quality, when: "run == true", detect: {{{on(detect)}}}}}'
        for name, detect in DETECTORS.items()
    )
    events = stream(11, 300)
    together = AssetMonitor("m", rules_of(listed + "\n"))
    out = [t for event in events for t in together.handle(event)]
    for name, rules in alone.items():
        single = AssetMonitor("m", rules)
        ids = [t.id for event in events for t in single.handle(event) if t.rule == name]
        assert ids == [t.id for t in out if t.rule == name]


@pytest.mark.parametrize("name", DETECTORS)
def test_what_a_chart_remembers_is_bounded(name: str) -> None:
    detect = on(DETECTORS[name])
    monitor = AssetMonitor("m", rules_of(f"  - {{id: {name}, kind: quality, detect: {{{detect}}}}}\n"))
    draw, largest = Random(4), 0
    for i in range(1500):
        value = abs(draw.gauss(0.5, 1))
        monitor.handle(seen(i, x=value, w=value, n=5))
        if i % 50 == 0:
            largest = max(largest, len(json.dumps(monitor.snapshot())))
    assert largest < 40_000
