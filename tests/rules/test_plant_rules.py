"""Rules over several assets: typed when read, decided like any condition, with the whole life of an alarm."""

from __future__ import annotations

import pytest

from rules.events import SECOND, Command, Observation, Quality, Reading, Revision
from rules.expressions import ForeignSignal, compile_expression
from rules.replay import replay
from rules.ruleset import load_rules
from rules.stages import Stages
from tests.rules.plant import T0, refused, rules_of, seen, story, tick

EXPRESSION = "asset(\"line1/oven\").zone1 - asset('line1/press').temp > 10"
RULE = f"""  - {{id: apart, kind: equipment, detect: {{type: condition, scope: plant, expression: "{EXPRESSION.replace('"', "'")}", on_delay: 2s}}}}\n"""


def told(stages: Stages, *events: object) -> list[tuple[str, float, str]]:
    return story([t for event in events for t in stages.handle(event).shown])  # type: ignore[arg-type]


def oven(second: float, value: object, **more: object) -> object:
    return seen(second, asset="line1/oven", zone1=value, **more)


def press(second: float, value: object) -> object:
    return seen(second, asset="line1/press", temp=value)


def test_values_of_several_assets_make_one_alarm_with_its_delay() -> None:
    stages = Stages(rules_of(RULE))
    assert told(stages, oven(0, 50), press(1, 30), tick(2.9)) == []
    (raised,) = stages.handle(tick(3)).shown
    assert (raised.asset, raised.rule, raised.at) == ("plant", "apart", T0 + 3 * SECOND)
    assert 'asset("line1/oven").zone1 50' in raised.reason["text"]
    assert told(stages, press(9, 45)) == [("apart", 9, "cleared")]


def test_what_was_never_read_or_is_bad_is_unknown() -> None:
    stages = Stages(rules_of(RULE))
    assert told(stages, oven(0, 50), tick(9), press(10, 30), oven(11, 99, bad=("zone1",)), tick(30)) == []
    assert stages._plant.monitors["plant"]._roster.signals['asset("line1/oven").zone1'].quality is Quality.BAD


def test_bad_quality_of_a_foreign_signal_is_an_alarm_where_the_rule_says_so() -> None:
    stages = Stages(rules_of(RULE.replace("kind: equipment", "kind: equipment, on_bad_quality: alarm")))
    assert told(stages, oven(0, 50), press(1, 45)) == []
    (raised,) = stages.handle(oven(5, 50, bad=("zone1",))).shown + stages.handle(tick(7)).shown
    assert (raised.asset, raised.reason["level"]) == ("plant", "bad_quality")
    assert 'asset("line1/oven").zone1 is bad' in raised.reason["text"]
    assert told(stages, oven(8, 50)) == [("apart", 8, "cleared")]


def test_ignored_quality_counts_as_delivered_and_a_safety_rule_doubts_what_is_uncertain() -> None:
    ignoring = Stages(rules_of(RULE.replace("kind: equipment", "kind: equipment, on_bad_quality: ignore")))
    assert told(ignoring, press(0, 30), oven(1, 50, bad=("zone1",)), tick(3)) == [("apart", 3, "raised")]
    strict = Stages(rules_of(RULE.replace("kind: equipment", "kind: safety")))
    told(strict, press(0, 30), oven(0, 31))
    doubtful = Observation("line1/oven", T0 + SECOND, T0 + SECOND, (Reading("zone1", 31.0, Quality.UNCERTAIN),))
    assert told(strict, doubtful, tick(3)) == [("apart", 3, "raised")]


@pytest.mark.parametrize("more", ["", ", on_bad_quality: alarm", ", fault_after: 30s"])
def test_a_signal_that_only_a_rule_over_several_assets_uses_has_its_instrument_fault(more: str) -> None:
    stages = Stages(rules_of(RULE.replace("kind: equipment", f"kind: equipment{more}")))
    told(stages, oven(0, 50), press(0, 45), oven(10, 50, bad=("zone1",)))
    after = 30 if "30s" in more else 60
    faults = [t for t in stages.handle(tick(10 + after)).shown if t.rule == "system.instrument-fault"]
    assert [(t.asset, t.part, (t.at - T0) / SECOND) for t in faults] == [("line1/oven", "zone1", 10 + after)]
    assert told(stages, oven(100, 50))[0] == ("system.instrument-fault", 100, "cleared")


def test_a_person_acknowledges_it_like_any_other() -> None:
    stages = Stages(rules_of(RULE))
    told(stages, oven(0, 50), press(0, 0), tick(2))
    command = Command(T0 + 5 * SECOND, "acknowledge", "plant", "plant:apart", "kim")
    assert stages.asset_of("plant:apart") == "plant"
    assert stages.refusal(command) is None
    assert told(stages, command) == [("apart", 5, "acknowledged")]
    assert "already" in (stages.refusal(command) or "")
    assert stages.refused(command) is None


def test_it_is_shown_under_the_name_that_the_rule_gives() -> None:
    stages = Stages(rules_of(RULE.replace("kind: equipment", "kind: equipment, assets: line1")))
    told(stages, oven(0, 50), press(0, 0))
    assert stages.handle(tick(2)).shown[0].id.startswith("line1:apart:")
    assert "line1" not in stages.fleet.monitors


def test_ranges_binding_states_and_formulas_are_those_of_the_asset() -> None:
    assets = """
types:
  oven: {signals: {zone1: {range: [0, 100]}, mode: {}}, states: {signal: mode, map: {1: running}}, derived: {twice: "zone1 * 2"}}
assets: {line1/oven: {type: oven, bind: {zone1: TT_1}}}
"""
    expression = "asset('line1/oven').twice > 20 and asset('line1/oven').state == 'running'"
    stages = Stages(
        rules_of(
            f'  - {{id: r, kind: equipment, detect: {{type: condition, scope: plant, expression: "{expression}"}}}}\n',
            assets,
        )
    )

    def say(second: float, **values: object) -> list[tuple[str, float, str]]:
        return told(stages, seen(second, asset="line1/oven", **values))

    assert say(0, TT_1=30, mode=1) == [("r", 0, "raised")]
    assert say(1, TT_1=300) == []
    assert say(2, mode=2) == []
    assert say(3, mode=1, TT_1=5) == [("r", 3, "cleared")]


def test_looking_back_and_gates_work_over_assets_too() -> None:
    rule = """
  - id: r
    kind: equipment
    when: 'asset("a").on == true'
    detect: {type: condition, scope: plant, expression: 'mean(asset("b").x, 10s) > 5', show: 'asset("b").x * 10'}
"""
    stages = Stages(rules_of(rule))
    assert told(stages, seen(0, asset="b", x=2)) == []
    told(stages, seen(1, asset="a", on=True))
    (raised,) = stages.handle(seen(2, asset="b", x=12)).shown
    assert raised.value == 120


def test_new_rules_withdraw_its_alarm() -> None:
    stages = Stages(rules_of(RULE))
    told(stages, oven(0, 50), press(0, 0), tick(2))
    assert told(stages, Revision(T0 + 9 * SECOND, rules_of("  []\n"))) == [("apart", 9, "cleared")]


def test_replay_decides_as_live() -> None:
    events = [oven(0, 50), press(1, 30), oven(5, 20), oven(8, 20)]
    assert story(list(replay(rules_of(RULE), events))) == [("apart", 3, "raised"), ("apart", 5, "cleared")]  # type: ignore[arg-type]


def test_a_name_with_dots_or_either_quote_can_be_written() -> None:
    expression = compile_expression("asset('l.1/\"x\"').`zone.1` > 1")
    assert expression.foreign == (ForeignSignal('l.1/"x"', "zone.1"),)
    assert expression.signals == {"asset('l.1/\"x\"').zone.1"}
    assert expression.holds({"asset('l.1/\"x\"').zone.1": 2.0}) is True


KNOWN = "types: {o: {signals: {zone1: {}}}}\nassets: {line1/oven: {type: o}, m: {}}\n"


@pytest.mark.parametrize(
    ("detect", "more", "expected"),
    [
        ("{type: condition, expression: 'asset(\"x\").y > 1'}", "", "need `scope: plant`"),
        ("{type: count, expression: 'asset(\"x\").y > 1', at_least: 2, within: 9s}", "", "need `scope: plant`"),
        ("{type: condition, scope: plant, expression: 'y > 1'}", "", "must be named with its asset"),
        ("{type: condition, scope: plant, expression: 'asset(\"line1/oven\").zone2 > 1'}", "", "did you mean `zone1`"),
        ("{type: condition, scope: plant, expression: 'asset(\"line1/ovn\").zone1 > 1'}", "", "did you mean `line1/oven`"),
        ("{type: condition, scope: plant, expression: 'asset(x).y > 1'}", "", "is written"),
    ],
)  # fmt: skip
def test_mistakes_are_told_when_the_files_are_read(detect: str, more: str, expected: str) -> None:
    assert expected in refused(detect, more=more, assets=KNOWN)


def test_it_is_not_shown_under_a_pattern() -> None:
    loaded = load_rules({"a.yaml": "rules:\n" + RULE.replace("kind: equipment", 'kind: equipment, assets: "line1/*"')})
    assert "not under a pattern" in str(loaded.problems[0])
