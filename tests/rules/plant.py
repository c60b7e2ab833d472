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


def set_back(monitor: AssetMonitor, second: float, **values: object) -> list[tuple[str, float, str]]:
    """The story of a clock that is set back an hour: 14 s of older stamps, after which the new timeline is accepted."""
    found = told(monitor, *[seen(second + later - 3600, late=3600, **values) for later in range(1, 15)])  # type: ignore[arg-type]
    assert monitor.clock.timeline == 1
    return found


def watching(detect: str, *, more: str = "", kind: str = "equipment", assets: str | None = None) -> AssetMonitor:
    """A monitor of the asset `m` with one rule `r`; `more` are further keys of the rule."""
    return AssetMonitor("m", rules_of(f"  - {{id: r, kind: {kind}, assets: m, detect: {detect}{more}}}\n", assets))


def refused(detect: str, *, more: str = "", assets: str | None = None) -> str:
    """The problems of a rule that is not accepted, one a line."""
    text = f"version: 1\nrules:\n  - {{id: r, kind: equipment, assets: m, detect: {detect}{more}}}\n"
    loaded = load_rules({"rules/test.yaml": text}, None if assets is None else ("assets.yaml", assets))
    assert loaded.ruleset is None, "the rule was accepted"
    return "\n".join(f"{problem.message}: {problem.hint}" for problem in loaded.problems)


def typed(signals: str) -> str:
    """assets.yaml in which `m` has these signals."""
    return f"types: {{x: {{signals: {{{signals}}}}}}}\nassets: {{m: {{type: x}}}}\n"
