"""Short ways to say what a test needs: rules as YAML, readings as seconds and values."""

from __future__ import annotations

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.events import SECOND, Observation, Quality, Reading, Tick, Value
from rules.ruleset import RuleSet, load_rules

T0 = 1_700_000_000 * SECOND


def rules_of(rules: str, assets: str | None = None) -> RuleSet:
    """The rule set of a YAML text; its problems, if any, fail the test."""
    text = rules if "version: 1" in rules else "version: 1\nrules:\n" + rules
    loaded = load_rules({"rules/test.yaml": text}, None if assets is None else ("assets.yaml", assets))
    assert loaded.ruleset is not None, [str(problem) for problem in loaded.problems]
    return loaded.ruleset


def reading(metric: str, value: object, quality: Quality = Quality.GOOD) -> Reading:
    """A reading; whole numbers become floats as a codec would make them."""
    plain: Value = float(value) if type(value) is int else value  # type: ignore[assignment]
    return Reading(metric, plain, quality)


def seen(
    second: float, *, asset: str = "m", late: float = 0.0, bad: tuple[str, ...] = (), **values: object
) -> Observation:
    """The asset's values at a second of the test, received `late` seconds after."""
    at = T0 + round(second * SECOND)
    readings = tuple(reading(k, v, Quality.BAD if k in bad else Quality.GOOD) for k, v in values.items())
    return Observation(asset, at, at + round(late * SECOND), readings)


def tick(second: float) -> Tick:
    """Time passes up to a second of the test."""
    return Tick(T0 + round(second * SECOND))


def story(transitions: list[Transition]) -> list[tuple[str, float, str]]:
    """Rule, second and event of each transition."""
    return [(t.rule, (t.at - T0) / SECOND, t.event) for t in transitions]


def told(monitor: AssetMonitor, *events: object) -> list[tuple[str, float, str]]:
    """The story of these events."""
    return story([t for event in events for t in monitor.handle(event)])  # type: ignore[arg-type]
