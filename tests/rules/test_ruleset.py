"""Rule files become a rule set, or every problem of them with its line."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.alarms import Kind, Priority
from rules.events import SECOND
from rules.patterns import matcher
from rules.problems import errors
from rules.ruleset import EMPTY, Rule, RuleSet, detection_key, load_rules

ASSETS = """
types:
  mill:
    signals: {spindle_temp: {unit: degC}, load: }
    states: {signal: mode, map: {3: running}}
  oven: {signals: {zone1: }}
assets:
  line1/mill3: {type: mill, values: {spindle_high: 85}, expected: true}
  line1/oven: {type: oven}
"""
LIMITS = "{type: limits, signal: t, high: 80}"


def file(*rules: str) -> str:
    return "rules:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)


def ruleset(*rules: str, assets: str | None = None) -> RuleSet:
    loaded = load_rules({"r.yaml": file(*rules)}, ("assets.yaml", assets) if assets else None)
    assert loaded.problems == []
    assert loaded.ruleset is not None
    return loaded.ruleset


def rule(text: str) -> Rule:
    return ruleset(text).rules[0]


def problems(*rules: str, assets: str | None = None, site: bool = False) -> list[str]:
    loaded = load_rules({"r.yaml": file(*rules)}, ("assets.yaml", assets) if assets else None, site=site)
    return [str(problem) for problem in loaded.problems]


def test_only_id_kind_and_detect_are_needed() -> None:
    found = rule(f"id: hot, kind: equipment, detect: {LIMITS}")
    assert (found.title, found.assets, found.priority, found.mode) == ("hot", ("*",), Priority.MEDIUM, "live")
    assert (found.latch, found.on_bad_quality, found.fault_after) == (False, "hold", 60 * SECOND)


def test_a_safety_rule_latches_and_alarms_on_bad_quality_unless_told_otherwise() -> None:
    careful = rule(f"id: guard, kind: safety, detect: {LIMITS}")
    assert (careful.latch, careful.on_bad_quality) == (True, "alarm")
    told = rule(f"id: guard, kind: safety, latch: false, on_bad_quality: hold, detect: {LIMITS}")
    assert (told.latch, told.on_bad_quality) == (False, "hold")


def test_the_life_of_an_alarm_is_set_by_its_rule() -> None:
    found = rule(
        "id: hot, kind: quality, re_alarm_after: 4h, ack_expires: 8h, max_shelve: 1h, suppress_when: cleaning == true, "
        f"escalate: [{{after: 15m, priority: high}}, {{after: 1h, priority: critical}}], detect: {LIMITS}"
    )
    assert (found.re_alarm_after, found.ack_expires, found.max_shelve) == tuple(h * 3600 * SECOND for h in (4, 8, 1))
    assert [(step.after // SECOND, step.priority) for step in found.escalate] == [(900, "high"), (3600, "critical")]
    assert found.signals == {"cleaning", "t"}
    plain = rule(f"id: hot, kind: quality, detect: {LIMITS}")
    assert (plain.max_shelve, plain.suppress_when, plain.escalate) == (8 * 3600 * SECOND, None, ())


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("kind: safety, suppress_when: x == 1", "a safety rule is never suppressed by design"),
        ("kind: safety, max_shelve: 9h", "a safety rule is shelved for a shift at most"),
        ("kind: quality, max_shelve: 8d", "`max_shelve`"),
        ("kind: quality, max_shelve: 0", "`max_shelve`"),
        ("kind: quality, ack_expires: 0", "`ack_expires`"),
        ("kind: quality, escalate: [{after: 1h, priority: high}, {after: 30m, priority: critical}]", "comes later"),
        ("kind: quality, escalate: [{after: 0, priority: high}]", "`escalate.0.after`"),
        ("kind: quality, escalate: [{after: 1h, priority: hihg}]", "did you mean `high`?"),
        ("kind: quality, suppress_when: 'x = 1'", "write == to compare"),
    ],
)
def test_what_a_rule_may_not_say_about_the_life_of_its_alarm(keys: str, expected: str) -> None:
    assert expected in problems(f"id: a, {keys}, detect: {LIMITS}")[0]


def test_a_signal_of_suppress_when_must_be_known() -> None:
    (told,) = problems(
        "id: a, kind: quality, assets: line1/oven, suppress_when: zone2 > 1, detect: {type: limits, signal: zone1, high: 1}",
        assets=ASSETS,
    )
    assert "unknown signal `zone2`" in told


def test_every_key_is_read() -> None:
    found = rule(
        "id: hot, kind: quality, title: Too hot, assets: [line1/a, line2/*], mode: off, "
        "priority: {high: low, high_high: critical}, when: \"state == 'running'\", settle: 60s, when_false: clear, "
        "on_bad_quality: ignore, fault_after: 5m, "
        "latch: true, notice: true, cause: x, consequence: y, time_to_respond: 10m, response: z, labels: {line: 3}, "
        "detect: {type: limits, signal: t, high: 1, high_high: 2}"
    )
    assert found.when is not None
    assert found.when.signals == {"state"}
    assert found.priority == {"high": Priority.LOW, "high_high": Priority.CRITICAL}
    assert (found.settle, found.mode, found.time_to_respond) == (60 * SECOND, "off", 600 * SECOND)
    assert found.labels == {"line": "3"}
    assert found.signals == {"state", "t"}


TEN_MISTAKES = """version: 1
rules:
  - id: Spindle Overheat
    kind: equipmnt
    detect: {type: limits, signal: spindle_temp, hihg: 85}
  - id: twice
    kind: safety
    prioritty: high
    escalate: [{after: 15m}]
    detect: {type: stcuk}
  - id: twice
    kind: quality
    settle: 60
    priority: urgent
    when: "state = 3"
    assets: line1/mill3
    detect: {type: limits, signal: spindel_temp, high: spindle_hi}
  - 5
  - {id: c, kind: quality, detect: {type: condition, expression: "median(x, 5m) > 1"}}
  - {id: system.x, kind: system, assets: line1/+, labels: {kind: x}}
"""


def test_all_mistakes_of_all_files_are_told_at_once_with_their_lines() -> None:
    loaded = load_rules(
        {"a.yaml": TEN_MISTAKES, "b.yaml": file(f"id: twice, kind: quality, detect: {LIMITS}")}, ("assets.yaml", ASSETS)
    )
    assert loaded.ruleset is None
    told = [str(problem) for problem in loaded.problems]
    for expected in (
        "a.yaml:3: error: the id `Spindle Overheat` is not allowed",
        "a.yaml:4: error: unknown kind `equipmnt`, did you mean `equipment`?",
        "a.yaml:5: error: unknown key `hihg`, did you mean `high`?",
        "a.yaml:8: error: unknown key `prioritty`, did you mean `priority`?",
        "a.yaml:9: error: `priority` is missing",
        "a.yaml:10: error: unknown detector `stcuk`, did you mean `stuck`?",
        "a.yaml:11: error: the id `twice` is used twice (hint: first used in a.yaml:6)",
        "a.yaml:13: error: `60` is not a duration: it needs a unit (hint: use 60s, 5m, 8h)",
        "a.yaml:14: error: unknown priority `urgent`",
        "a.yaml:15: error: `=` has no meaning here (column 7 of the expression) (hint: write == to compare)",
        "a.yaml:17: error: unknown signal `spindel_temp`, did you mean `spindle_temp`?",
        "a.yaml:17: error: unknown value `spindle_hi`, did you mean `spindle_high`?",
        "a.yaml:18: error: a rule must be key: value pairs",
        "a.yaml:19: error: median(): this function is not built yet",
        "a.yaml:20: error: the id `system.x` is reserved",
        "a.yaml:20: error: `detect` is missing",
        "a.yaml:20: error: the asset `line1/+` holds + or #",
        "a.yaml:20: error: a label cannot be called `kind`",
        "b.yaml:2: error: the id `twice` is used twice",
    ):
        assert any(line.startswith(expected) for line in told), (expected, told)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id: a, kind: quality", "`detect` is missing"),
        ("id: a, kind: quality, detect: 5", "`detect` must have a `type`"),
        ("id: a, kind: quality, detect: {signal: t}", "`detect` must have a `type`"),
        ("id: a, kind: quality, detect: {type: limit, signal: t}", "unknown detector `limit`, did you mean `limits`?"),
        (f"kind: quality, detect: {LIMITS}", "`id` is missing"),
        (f"id: [a], kind: quality, detect: {LIMITS}", "`id`: must be a text"),
        (f"id: a, kind: quality, assets: [], detect: {LIMITS}", "at least 1 item"),
        (
            f"id: a, kind: quality, priority: {{hgih: low}}, detect: {LIMITS}",
            "level in priority `hgih`, did you mean `high`?",
        ),
        (f"id: a, kind: quality, priority: [low], detect: {LIMITS}", "a priority is one word or a table by level"),
        (f"id: a, kind: quality, latch: maybe, detect: {LIMITS}", "write true or false"),
    ],
)
def test_a_mistake_is_explained(text: str, expected: str) -> None:
    assert expected in problems(text)[0]


@pytest.mark.parametrize("text", ["5", "[]", "rules: 5", "rules: [[]]", "version: 2", "a: [", "rules: {a: b}"])
def test_a_file_that_is_no_rule_file_is_refused(text: str) -> None:
    assert load_rules({"r.yaml": text}).ruleset is None


def test_an_empty_file_holds_no_rules() -> None:
    assert load_rules({"r.yaml": "# nothing yet\n"}).ruleset is not None


def test_signals_are_checked_where_the_type_is_known() -> None:
    good = "id: a, kind: quality, detect: {type: limits, signal: spindle_temp, high: 1}"
    assert problems(f"{good}, assets: line1/mill3", assets=ASSETS) == []
    assert problems(f"{good}, assets: line2/unheard", assets=ASSETS) == []
    assert problems(f"{good}, assets: 'line1/*'", assets=ASSETS) == []
    assert "unknown signal `spindle_temp`" in problems(f"{good}, assets: line1/oven", assets=ASSETS)[0]
    typo = good.replace("spindle_temp", "spindel_temp")
    assert (
        "unknown signal `spindel_temp`, did you mean `spindle_temp`?"
        in problems(f"{typo}, assets: 'line1/*'", assets=ASSETS)[0]
    )
    assert problems(f"{typo}, assets: 'line2/*'", assets=ASSETS) == []
    other = load_rules({"r.yaml": file(good.replace("spindle_temp", "pressure"))}, ("assets.yaml", ASSETS))
    assert other.ruleset is not None
    assert [problem.severity for problem in other.problems] == ["warning"]


def test_the_gate_is_checked_too_and_states_make_a_signal() -> None:
    gate = f"id: a, kind: quality, assets: line1/mill3, detect: {LIMITS.replace('t,', 'load,')}"
    assert problems(f"{gate}, when: \"state == 'running'\"", assets=ASSETS) == []
    assert "unknown signal `stat`, did you mean `state`?" in problems(f"{gate}, when: stat == 3", assets=ASSETS)[0]


@pytest.mark.parametrize(
    ("expression", "assets", "expected"),
    [
        ("state == 'running'", "line1/mill3", None),
        ("'running' != state", "line1/mill3", None),
        ("state == 'unknown'", "line1/mill3", None),
        ("mode == 'runing' or load == 1", "line1/mill3", None),
        ("state == 'runing'", "line1/mill3", "error: unknown state `runing`, did you mean `running`?"),
        ("load > 1 and not 'runing' != state", "line1/*", "error: unknown state `runing`, did you mean `running`?"),
        ("state == 'cleaning'", "line1/mill3", "error: unknown state `cleaning`"),
        ("state == 'zzz'", "line1/m*", "warning: unknown state `zzz`"),
        ("state == 'runing'", "[line1/mill3, line2/unheard]", None),
        ("state == 'runing'", "line2/*", None),
    ],
)
def test_a_state_that_the_map_does_not_make_is_told(expression: str, assets: str, expected: str | None) -> None:
    gate = f'id: a, kind: quality, assets: {assets}, when: "{expression}", detect: {LIMITS.replace("t,", "load,")}'
    found = problems(gate, assets=ASSETS)
    assert (expected is None and not found) or expected in found[0], found


def test_a_state_of_another_machine_is_one_that_its_map_makes() -> None:
    plant = "id: a, kind: quality, detect: {type: condition, scope: plant, expression: \"asset('line1/mill3').state == '%s'\"}"
    assert problems(plant % "running", assets=ASSETS) == []
    assert "unknown state `runing`, did you mean `running`?" in problems(plant % "runing", assets=ASSETS)[0]


def test_limits_by_name_must_be_values_of_the_asset() -> None:
    named = "id: a, kind: quality, detect: {type: limits, signal: spindle_temp, high: spindle_high}"
    assert problems(f"{named}, assets: line1/mill3", assets=ASSETS) == []
    assert "unknown value `spindle_high`" in problems(f"{named}, assets: line2/x", assets=ASSETS)[0]
    assert "unknown value" in problems(named)[0]


def test_a_site_is_warned_of_what_a_plant_in_service_should_have() -> None:
    told = problems(
        f"id: a, kind: quality, detect: {LIMITS}",
        f"id: b, kind: safety, latch: false, response: run, detect: {LIMITS}",
        "id: c, kind: quality, notice: true, detect: {type: condition, expression: x > y}",
        "id: d, kind: quality, notice: true, detect: {type: condition, expression: x > y, on_delay: 1s}",
        site=True,
    )
    assert [line.split(" (hint")[0] for line in told] == [
        "r.yaml:2: warning: `a` does not say what to do",
        "r.yaml:3: warning: the safety rule `b` does not latch: its alarm goes by itself",
        "r.yaml:4: warning: the condition of `c` is over several signals and has no on_delay",
    ]
    assert problems(f"id: a, kind: quality, detect: {LIMITS}") == []


def test_safety_comes_first_and_the_rest_keeps_its_order() -> None:
    kinds = ("quality", "safety", "equipment", "safety")
    found = ruleset(*(f"id: r{n}, kind: {kind}, detect: {LIMITS}" for n, kind in enumerate(kinds)))
    assert [r.id for r in found.rules] == ["r1", "r3", "r0", "r2"]
    assert [r.id for r in found.for_asset("x")] == ["r1", "r3", "r0", "r2"]
    assert found.rules[0].kind is Kind.SAFETY


def test_rules_are_found_by_name_and_pattern_and_never_when_off() -> None:
    found = ruleset(
        f"id: all, kind: quality, detect: {LIMITS}",
        f"id: line, kind: quality, assets: line1/*, detect: {LIMITS}",
        f"id: one, kind: quality, assets: [line1/a, 'line*/a'], detect: {LIMITS}",
        f"id: off, kind: quality, mode: off, assets: other, detect: {LIMITS}",
    )
    assert [r.id for r in found.for_asset("line1/a")] == ["all", "line", "one"]
    assert [r.id for r in found.for_asset("line1/b/c")] == ["all", "line"]
    assert [r.id for r in found.for_asset("other")] == ["all"]
    assert found.rule("off") is not None
    assert found.rule("none") is None


def test_named_and_expected_assets_are_declared() -> None:
    text = f"id: a, kind: quality, assets: [x, 'y*', x], detect: {LIMITS}"
    off = f"id: b, kind: quality, mode: off, assets: z, detect: {LIMITS}"
    assert ruleset(text, off, assets=ASSETS).declared() == ("x", "line1/mill3")


@settings(deadline=None)
@given(st.text("ab*/", max_size=8), st.text("ab/", max_size=8))
def test_a_pattern_matches_like_a_shell_whose_star_crosses_slashes(pattern: str, name: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
    assert matcher(pattern)(name) is expected


@settings(deadline=None)
@given(
    st.lists(st.text("ab*/", min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=8),
    st.text("ab/", max_size=6),
)
def test_for_asset_finds_what_matches(patterns: list[str], name: str) -> None:
    found = ruleset(*(f'id: r{n}, kind: quality, assets: "{p}", detect: {LIMITS}' for n, p in enumerate(patterns)))
    assert [r.id for r in found.for_asset(name)] == [f"r{n}" for n, p in enumerate(patterns) if matcher(p)(name)]


BASE: Mapping[str, Any] = {
    "id": "a",
    "kind": "quality",
    "when": "x > 1",
    "settle": "1s",
    "detect": {"type": "limits", "signal": "t", "high": 80},
}


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"title": "x"}, True),
        ({"response": "x", "cause": "y", "labels": {"a": "b"}, "notice": True}, True),
        ({"priority": "high", "mode": "shadow", "assets": "x"}, True),
        ({"detect": {"type": "limits", "high": 80.0, "signal": "t"}}, True),
        ({"settle": "1000ms"}, True),
        ({"when_false": "hold", "on_bad_quality": "hold"}, True),
        ({"detect": {"type": "limits", "signal": "t", "high": 80, "low": None, "deadband": 0, "on_delay": "0s"}}, True),
        ({"settle": "2s"}, False),
        ({"when": "x > 2"}, False),
        ({"kind": "safety"}, False),
        ({"when_false": "clear"}, False),
        ({"on_bad_quality": "alarm"}, False),
        ({"detect": {"type": "limits", "signal": "t", "high": 81}}, False),
    ],
)
def test_only_what_influences_detection_changes_the_detection_key(change: dict[str, Any], same: bool) -> None:
    one, two = (load_rules({"r": json.dumps({"rules": [r]})}).ruleset for r in (dict(BASE), {**BASE, **change}))
    assert one is not None
    assert two is not None
    assert (detection_key(one.rules[0]) == detection_key(two.rules[0])) is same


def key_of(detect: str) -> str:
    return detection_key(ruleset(f"id: a, kind: quality, detect: {detect}").rules[0])


def test_what_is_only_shown_is_no_part_of_the_detection_key() -> None:
    plain, shown = "{type: condition, expression: t > 1}", "{type: condition, expression: t > 1, show: t - 1}"
    assert key_of(plain) == key_of(shown)
    assert key_of(plain) != key_of(shown.replace("t - 1", "'mean(t, 5m)'")), "it has a past of its own"


def test_the_revision_follows_meaning_not_spelling() -> None:
    plain = ruleset(f"id: a, kind: quality, settle: 60s, detect: {LIMITS}")
    spelled = ruleset(f"kind: quality, id: a, settle: 1m, detect: {LIMITS}")
    other = ruleset(f"id: a, kind: quality, settle: 61s, detect: {LIMITS}")
    assert plain.revision == spelled.revision
    assert len({plain.revision, other.revision, EMPTY.revision}) == 3
    assert plain.revision != RuleSet(plain.rules, max_ahead=SECOND).revision


def test_files_are_read_in_the_order_of_their_names() -> None:
    texts = {name: file(f"id: {name}, kind: quality, detect: {LIMITS}") for name in ("b", "a")}
    loaded = load_rules(texts)
    assert loaded.ruleset is not None
    assert [r.id for r in loaded.ruleset.rules] == ["a", "b"]


@settings(deadline=None)
@given(st.text(max_size=80) | st.sampled_from(TEN_MISTAKES.split()).map(lambda word: TEN_MISTAKES.replace(word, ":")))
def test_any_text_gives_rules_or_errors(text: str) -> None:
    loaded = load_rules({"r.yaml": text}, ("assets.yaml", ASSETS), site=True)
    assert (loaded.ruleset is None) is bool(errors(loaded.problems))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "60s", "x > 1", "*", "limits", "safety"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "signal", "high", "a"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*Rule.model_fields, "escalate", "nonsense"]), VALUES))
def test_any_value_of_any_key_gives_rules_or_errors(data: dict[str, Any]) -> None:
    loaded = load_rules({"r.json": json.dumps({"rules": [{**BASE, **data}]})}, site=True)
    assert (loaded.ruleset is None) is bool(errors(loaded.problems))


def test_many_rules_load_and_are_found() -> None:
    rules = [{**BASE, "id": f"r{n}", "assets": f"line{n % 7}/m{n}"} for n in range(3000)]
    loaded = load_rules({"r.json": json.dumps({"rules": rules})})
    assert loaded.ruleset is not None
    assert [r.id for r in loaded.ruleset.for_asset("line6/m2994")] == []
    assert [r.id for r in loaded.ruleset.for_asset(f"line{2995 % 7}/m2995")] == ["r2995"]


def test_what_is_wrong_with_the_machines_hides_nothing_that_is_wrong_with_the_rules() -> None:
    machines = "types: {a: {signals: {t: {}}}, b: {signalz: {}}}\nassets: {m: {type: a}, n: {type: c}}\n"
    text = "version: 1\nrules:\n  - {id: r, kind: equipment, assets: m, detect: {type: limits, signal: tt, high: 1}}\n"
    loaded = load_rules({"rules/a.yaml": text}, ("assets.yaml", machines))
    assert loaded.ruleset is None
    told = "\n".join(str(problem) for problem in loaded.problems)
    assert "unknown key `signalz`" in told
    assert "unknown type `c`" in told
    assert "unknown signal `tt`" in told
