"""assets.yaml is understood whole or refused with every reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.asset import AssetMonitor
from rules.assetmodel import AssetModel, load_assets
from rules.events import SECOND, Revision
from rules.problems import errors
from tests.rules.plant import T0, rules_of, seen, told

PLANT = """
types:
  mill:
    signals:
      spindle_temperature: {unit: degC, range: [0, 200], sentinels: [3276.7]}
      mode: {report: on_change}
      recipe: {type: text}
      speed:
    states: {signal: mode, map: {3: running, 4: fault, 0: off}}
  oven: {}
assets:
  line1/mill3:
    {type: mill, name: Mill 3, area: A, parent: line1, gateway: line1, expected: true, values: {spindle_high: 85}}
  line1/oven: {type: oven, area: B}
  line1/other:
"""


def model(text: str = PLANT) -> AssetModel:
    loaded, problems = load_assets("assets.yaml", text)
    assert problems == []
    assert loaded is not None
    return loaded


def problems(text: str) -> list[str]:
    loaded, found = load_assets("assets.yaml", text)
    assert loaded is None
    return [str(problem) for problem in found]


def test_signals_are_described() -> None:
    spec = model().signal("line1/mill3", "spindle_temperature")
    assert spec is not None
    assert (spec.unit, spec.range, spec.sentinels, spec.report, spec.type) == (
        "degC",
        (0.0, 200.0),
        (3276.7,),
        "periodic",
        "number",
    )
    assert model().signal("line1/mill3", "unheard") is None
    assert model().signal("line9/unheard", "speed") is None


@pytest.mark.parametrize(
    ("signal", "delivered"),
    [
        ("{}", "number or boolean"),
        ("{report: on_change}", "number or boolean"),
        ("{type: number}", "number"),
        ("{unit: bar}", "number"),
        ("{range: [0, 0]}", "number"),
        ("{sentinels: [9]}", "number"),
        ("{type: boolean}", "boolean"),
        ("{type: text}", "text"),
    ],
)
def test_a_signal_is_a_number_for_certain_where_anything_says_so(signal: str, delivered: str) -> None:
    text = (
        f"types: {{m: {{signals: {{s: {signal}}}}}}}\nassets: {{a: {{type: m}}, b: {{type: m, bind: {{s: T1}}}}, c: }}"
    )
    plant = model(text)
    assert [dict(plant.declared(asset)) for asset in ("a", "c", "unheard")] == [{"s": delivered}, {}, {}]
    assert plant.declared("b")["T1"] == delivered


def test_known_signals_are_those_of_the_type() -> None:
    known = model().known_signals("line1/mill3")
    assert sorted(known or ()) == ["mode", "recipe", "speed", "spindle_temperature", "state"]
    for unknown in ("line1/oven", "line1/other", "line9/unheard"):
        assert model().known_signals(unknown) is None


def test_states_are_by_the_values_that_the_signal_delivers() -> None:
    states = model().states("line1/mill3")
    assert states is not None
    assert states.signal == "mode"
    assert states.table == {3.0: "running", 4.0: "fault", 0.0: "off"}
    assert model().states("line1/oven") is None


@pytest.mark.parametrize(
    ("kind", "keys", "expected"),
    [
        ("text", "007: off, RUN: running", {"007": "off", "RUN": "running"}),
        ("boolean", "true: running, 0: off", {True: "running", False: "off"}),
        ("number", "1: running, 2.5: off", {1.0: "running", 2.5: "off"}),
    ],
)
def test_the_keys_of_states_follow_the_type_of_the_signal(kind: str, keys: str, expected: object) -> None:
    machine = f"{{signals: {{s: {{type: {kind}}}}}, states: {{signal: s, map: {{{keys}}}}}}}"
    text = f"types: {{m: {machine}}}\nassets: {{a: {{type: m}}}}"
    states = model(text).states("a")
    assert states is not None
    assert states.table == expected


def test_an_asset_tells_its_name_place_and_values() -> None:
    plant = model()
    assert plant.display_name("line1/mill3") == "Mill 3"
    assert plant.display_name("line1/other") == "line1/other"
    assert (plant.area("line1/mill3"), plant.area("line9")) == ("A", None)
    assert (plant.gateway("line1/mill3"), plant.gateway("line1/oven")) == ("line1", None)
    assert (plant.value("line1/mill3", "spindle_high"), plant.value("line1/mill3", "x")) == (85.0, None)
    assert plant.expected == ("line1/mill3",)
    assert plant.areas() == ("A", "B")


def test_nothing_known_is_fine() -> None:
    assert model("").known_signals("anything") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('calendar: {shifts: {early: "6-14"}}', "assets.yaml:1: error: `6-14` is no shift"),
        ("types: {m: {signals: {a: {}}, counts: {good: b}}}", "unknown signal `b`"),
        ("types: {m: {signals: {a: {}}, derived: {b: 'a + c'}}}", "unknown signal `c`"),
        ("types: {m: {signals: {a: {}}, derived: {b: 'c + 1', c: a}}}", "`b` is computed from `c`, which comes later"),
        ("types: {m: {signals: {a: {}}, derived: {a: '1'}}}", "`a` is declared and computed"),
        ("assets: {a: {bind: {x: T1, y: T1}}}", "two signals are bound to the metric `T1`"),
        ("types: {m: {signals: {a: {}}}}\nassets: {a: {type: m, bind: {b: T1}}}", "unknown signal `b`"),
        ("assets: {a: {context: {}}}", "`context` does not belong here (hint: write it in the asset's type"),
        ("assets: {a: {signals: {}}}", "`signals` does not belong here (hint: write it in the asset's type"),
        ("types: {m: {signals: {a: {unitt: x}}}}", "unknown key `unitt`, did you mean `unit`?"),
        ("types: {m: {signals: {a: {range: [5, 1]}}}}", "the range's lower end is above its upper end"),
        ("types: {m: {signals: {a: {range: [.nan, 1]}}}}", "must be a finite number"),
        ("types: {m: {signals: {a: {type: text, range: [0, 1]}}}}", "range and sentinels are for numbers"),
        ("types: {m: {signals: {a: {type: nummer}}}}", "unknown type `nummer`, did you mean `number`?"),
        ("types: {m: {signals: {state: {}}, states: {signal: a, map: {1: x}}}}", "is made by `states`"),
        ("types: {m: {signals: {a: }, states: {signal: a, map: {RUN: x}}}}", "is a number and is never `RUN`"),
        ("types: {m: {states: {signal: a}}}", "`map` is missing"),
        ("types: {mill: }\nassets: {a: {type: mil}}", "assets.yaml:2: error: unknown type `mil`, did you mean `mill`?"),
        ("assets: [a]", "`assets`: must be key: value pairs"),
        ("5", "must be key: value pairs"),
        ("a: [", "not YAML"),
    ],
)
def test_a_mistake_says_where_and_how_to_mend_it(text: str, expected: str) -> None:
    assert expected in problems(text)[0]


def test_a_mode_that_is_called_almost_like_a_declared_signal_is_doubted() -> None:
    text = "types: {{m: {{signals: {{mode: , t: }}, states: {{signal: {}, map: {{1: x}}}}}}}}"
    loaded, (doubt,) = load_assets("assets.yaml", text.format("mod"))
    assert loaded is not None
    assert str(doubt).startswith("assets.yaml:1: warning: unknown signal `mod`, did you mean `mode`?")
    for right in ("mode", "operating_state"):
        assert load_assets("assets.yaml", text.format(right))[1] == []


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems("types: {m: {signals: {a: {x: 1}}, y: 2}}\nassets: {a: {z: 3, expected: maybe}}\nw: 4")) == 5


@given(
    st.text(max_size=100)
    | st.sampled_from(PLANT.splitlines()).flatmap(lambda line: st.just(PLANT.replace(line, line[::-1])))
)
def test_any_text_is_understood_or_refused(text: str) -> None:
    loaded, found = load_assets("assets.yaml", text)
    assert (loaded is None) is bool(errors(found))


CONTRACT = """
types:
  mill:
    signals: {spindle_temperature: {unit: degC, range: [0, 200], sentinels: [3276.7], report: periodic}}
    states: {signal: mode, map: {3: running, 4: fault, 0: off}}
    context: {product: recipe_no, tool: tool_no, lot: order_no, part: serial}
assets:
  line1/mill3: {type: mill, name: Mill 3, area: A, parent: line1, gateway: line1, expected: true,
                bind: {spindle_temperature: TT_301}, values: {spindle_high: 85}}
"""


def test_the_signals_of_states_and_context_need_no_declaration_and_may_be_texts() -> None:
    model, problems = load_assets("assets.yaml", CONTRACT)
    assert not problems
    assert model is not None
    assert {"recipe_no", "mode", "state", "spindle_temperature"} <= (model.known_signals("line1/mill3") or frozenset())
    assert "recipe_no" not in model.declared("line1/mill3")


def test_what_a_mode_stands_for_changes_with_its_table_though_the_mode_stays() -> None:
    rules = "  - {id: r, kind: equipment, when: state == 'running', detect: {type: limits, signal: t, high: 80}}\n"
    machine = "types: {x: {states: {signal: mode, map: {%d: running}}}}\nassets: {m: {type: x}}\n"
    m = AssetMonitor("m", rules_of(rules, machine % 2))
    assert told(m, seen(0, mode=3, t=90)) == []
    later = T0 + 10 * SECOND
    assert told(m, Revision(later, rules_of(rules, machine % 3)), seen(11, mode=3, t=90)) == [("r", 10, "raised")]
