"""What sets rules of kind `safety` apart, clause by clause."""

from __future__ import annotations

import pytest

from rules.alarms import State
from rules.asset import AssetMonitor
from rules.events import SECOND, Command, Observation, Quality
from rules.ruleset import load_rules
from tests.rules.plant import T0, reading, rules_of, seen, tick, told, watching

HOUR = 3_600
DOOR = "{type: condition, expression: 'open == true and running == true'}"


def act(
    second: float, action: str, *, hours: float | None = None, by: str = "kim", comment: str = "permit 7"
) -> Command:
    at = T0 + round(second * SECOND)
    return Command(at, action, "m", "m:r", by, comment, None if hours is None else at + round(hours * HOUR * SECOND))


def door() -> AssetMonitor:
    m = watching(DOOR, kind="safety")
    m.handle(seen(0, open=False, running=True))
    return m


@pytest.mark.parametrize("quality", [Quality.UNCERTAIN, Quality.BAD])
def test_a_signal_that_is_uncertain_or_bad_is_an_alarm_that_names_it(quality: Quality) -> None:
    at = T0 + SECOND
    (raised,) = door().handle(Observation("m", at, at, (reading("open", False, quality),)))
    assert (raised.event, raised.reason["level"]) == ("raised", "bad_quality")
    assert raised.reason["quality"] == {"open": quality.name.lower()}


def test_each_bad_signal_keeps_an_alarm_of_its_own() -> None:
    m = door()
    told(m, seen(1, open=None), seen(2, running=None))
    faults = {t.part: t for t in m.handle(tick(70)) if t.rule == "system.instrument-fault"}
    assert set(faults) == {"open", "running"}
    over = [t for t in m.handle(seen(80, open=False)) if t.rule == "system.instrument-fault"]
    assert [(t.part, t.event) for t in over] == [("open", "cleared")], "the other one stands"


GAS = "{type: condition, expression: 'gas1 > 20 or gas2 > 20'}"


def doubtful(second: float, **values: float) -> Observation:
    at = T0 + round(second * SECOND)
    return Observation("m", at, at, tuple(reading(name, value, Quality.UNCERTAIN) for name, value in values.items()))


def test_an_uncertain_signal_does_not_hide_what_a_certain_one_shows() -> None:
    m = watching(GAS, kind="safety")
    told(m, seen(0, gas1=1, gas2=1), doubtful(180, gas2=1), act(300, "acknowledge"))
    shown = m.handle(seen(600, gas1=50))
    assert [(t.event, t.to, t.reason["level"]) for t in shown][-1] == ("raised", "B", "on")


def test_a_second_signal_that_is_lost_calls_again_though_the_first_was_answered() -> None:
    m = watching(GAS, kind="safety")
    told(m, seen(0, gas1=1, gas2=1), doubtful(10, gas2=1), act(20, "acknowledge"))
    (again,) = (t for t in m.handle(doubtful(30, gas1=1)) if t.rule == "r")
    assert (again.event, again.from_, again.to) == ("re_alarmed", "C", "B")
    assert "gas1 is uncertain" in again.reason["text"]
    assert told(m, doubtful(31, gas1=1), act(32, "acknowledge"), doubtful(33, gas2=1)) == [("r", 32, "acknowledged")]


def test_losing_sight_of_an_alarm_that_was_answered_calls_again_each_time() -> None:
    m = watching("{type: limits, signal: p, high: 80}", kind="safety")
    told(m, seen(0, p=90), act(1, "acknowledge"))
    assert told(m, doubtful(2, p=90), act(3, "acknowledge"), doubtful(4, p=91)) == [
        ("r", 2, "re_alarmed"),
        ("r", 3, "acknowledged"),
    ]
    assert told(m, seen(5, p=90), doubtful(6, p=90)) == [("r", 6, "re_alarmed")]


def test_a_gate_that_is_not_certain_to_be_closed_leaves_it_armed() -> None:
    m = watching("{type: limits, signal: gas, high: 20}", kind="safety", more=", when: enabled == true")
    m.handle(seen(0, enabled=True, gas=1))
    at = T0 + SECOND
    m.handle(Observation("m", at, at, (reading("enabled", False, Quality.UNCERTAIN),)))
    assert told(m, seen(2, gas=50)) == [("r", 2, "raised")]


def test_a_gate_is_judged_as_strictly_as_each_of_its_rules_is() -> None:
    rules = rules_of(
        "  - {id: s, kind: safety, when: on == 1, detect: {type: limits, signal: t, high: 5}}\n"
        "  - {id: e, kind: equipment, when: on == 1, detect: {type: limits, signal: t, high: 5}}\n"
    )
    m = AssetMonitor("m", rules)
    told(m, seen(0, on=1, t=1), doubtful(1, on=0))
    assert told(m, seen(2, t=9)) == [("s", 2, "raised")]


@pytest.mark.parametrize("policy", ["hold", "ignore"])
def test_a_rule_that_is_silent_about_bad_quality_is_named_when_the_files_are_read(policy: str) -> None:
    text = f"version: 1\nrules:\n  - {{id: r, kind: safety, on_bad_quality: {policy}, detect: {DOOR}}}\n"
    loaded = load_rules({"rules/a.yaml": text}, site=True)
    (problem,) = (p for p in loaded.problems if "cannot be trusted" in p.message)
    assert problem.severity == "warning"


def test_the_silence_of_a_signal_is_an_alarm() -> None:
    m = watching("{type: silence, signal: open, after: 30s}", kind="safety")
    assert told(m, seen(0, open=False, running=True), seen(20, running=True), tick(40)) == [("r", 30, "raised")]


def test_it_latches_until_somebody_acknowledges_and_resets_it() -> None:
    m = door()
    assert told(m, seen(1, open=True), seen(2, open=False)) == [("r", 1, "raised"), ("r", 2, "latched")]
    assert "acknowledge it first" in (m.refusal(act(3, "reset")) or "")
    assert [event for _, _, event in told(m, act(4, "acknowledge"), act(5, "reset"))] == [
        "acknowledged",
        "reset",
        "cleared",
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (", inhibited_by: [other]", "never inhibited"),
        (", suppress_when: cleaning == true", "never suppressed by design"),
        (", max_shelve: 9h", "a shift at most"),
    ],
)
def test_no_rule_of_a_site_can_hide_it(more: str, why: str) -> None:
    text = f"version: 1\nrules:\n  - {{id: r, kind: safety, assets: m, detect: {DOOR}{more}}}\n"
    loaded = load_rules({"rules/a.yaml": text})
    assert loaded.ruleset is None
    assert any(why in problem.message for problem in loaded.problems)


def test_a_rule_that_does_not_latch_is_named_when_the_files_are_read() -> None:
    text = f"version: 1\nrules:\n  - {{id: r, kind: safety, latch: false, detect: {DOOR}}}\n"
    loaded = load_rules({"rules/a.yaml": text}, site=True)
    assert any("does not latch" in problem.message for problem in loaded.problems)


@pytest.mark.parametrize("action", ["shelve", "out-of-service"])
def test_hiding_it_takes_a_permit_two_persons_and_an_end_and_ends_by_itself(action: str) -> None:
    m = door()
    told(m, seen(1, open=True))
    assert "needs a comment: the permit" in (m.refusal(act(2, action, hours=1, comment=" ")) or "")
    assert "ends within 8h" in (m.refusal(act(2, action, hours=9)) or "")
    m.handle(act(2, action, hours=8))
    (hidden,) = m.handle(act(3, action, hours=2, by="lee"))
    (hold,) = hidden.reason["suppression"]
    assert (hold["by"], hold["comment"], hold["until"]) == ("kim and lee", "permit 7", T0 + (3 + 2 * HOUR) * SECOND)
    (back,) = m.handle(tick(3 + 2 * HOUR))
    assert (back.to, back.by) == (State.UNACKNOWLEDGED, "andon")


def test_what_is_watched_is_watched_on_while_it_is_hidden() -> None:
    m = door()
    told(m, act(1, "out-of-service", hours=1), act(2, "out-of-service", hours=1, by="lee"))
    (raised,) = m.handle(seen(3, open=True))
    assert (raised.event, raised.to, raised.reason["underneath"]) == ("raised", "I", "B")


def test_an_unknown_gate_leaves_it_armed() -> None:
    m = AssetMonitor("m", rules_of(f"  - {{id: r, kind: safety, assets: m, when: mode == 1, detect: {DOOR}}}\n"))
    assert told(m, seen(0, open=True, running=True)) == [("r", 0, "raised")]


def test_looking_back_sees_only_what_is_certain() -> None:
    m = watching("{type: condition, expression: 'max(gas, 1m) > 20'}", kind="safety")
    told(m, seen(0, gas=1), seen(61, gas=1))
    (lost,) = m.handle(doubtful(62, gas=50))
    assert lost.reason["level"] == "bad_quality"
