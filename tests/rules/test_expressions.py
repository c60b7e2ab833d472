"""Expressions mean what Python means on numbers, what Kleene means on the unknown, and never do anything else."""

import copy
import itertools
import math
import pickle
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from rules.events import Value
from rules.expressions import Expression, ExpressionError, ExpressionField, compile_expression

TRUTHS = (True, False, None)


def value(text: str, values: Mapping[str, Value] | None = None, /, **more: Value) -> Value:
    return compile_expression(text).evaluate({**(values or {}), **more})


def refusal(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as error:
        compile_expression(text)
    return error.value


def same(left: Value, right: Value) -> bool:
    return type(left) is type(right) and left == right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a - b < 8.6 and c < 1380", True),
        ("1 + 2 * 3 ** 2 // 4 % 3", 2.0),
        ("-a ** 2", -9.0),
        ("1 < a < 4 > b", True),
        ("1 < a < 2", False),
        ("a if b > 2 else c", 5.0),
        ("not a == 3", False),
        ("mode == 'running'", True),
        ('mode != "running"', False),
        ("abs(-a) + min(a, b, 7) + max(1, 2) + round(2.567, 1)", 3 + 2 + 2 + 2.6),
        ("sqrt(4) + exp(0) + log(1) + log(8, 2)", 2 + 1 + 0 + 3),
        ("pi", math.pi),
        ("true and not false", True),
        ("a\n  > 1", True),
        ("`TT 301/x` > 1 and `max` == 4", True),
        ("µ == 1", True),
    ],
)
def test_an_expression_is_evaluated(text: str, expected: Value) -> None:
    values: dict[str, Value] = {"a": 3.0, "b": 2.0, "c": 5.0, "mode": "running", "TT 301/x": 2.0, "max": 4.0, "µ": 1.0}
    assert value(text, values) == (pytest.approx(expected) if isinstance(expected, float) else expected)


def test_its_signals_are_known() -> None:
    assert compile_expression("`TT 301/x` > pi and mode == 'off' or max(a, b) > 1").signals == {
        "TT 301/x",
        "mode",
        "a",
        "b",
    }


@pytest.mark.parametrize(("left", "right"), list(itertools.product(TRUTHS, TRUTHS)))
def test_and_or_follow_kleenes_tables(left: bool | None, right: bool | None) -> None:
    both = False if False in (left, right) else None if None in (left, right) else True
    either = True if True in (left, right) else None if None in (left, right) else False
    assert value("a and b", a=left, b=right) is both
    assert value("a or b", a=left, b=right) is either
    assert value("a and true and b", a=left, b=right) is both
    assert value("not a", a=left) is (None if left is None else not left)


def test_a_choice_under_an_unknown_condition_is_what_both_branches_agree_on() -> None:
    assert value("1 if unknown else 1") == 1.0
    assert value("1 if unknown else 2") is None
    assert value("1 if a else 2", a=True) == 1.0
    assert value("1 if a else 2", a=0.0) == 2.0


@pytest.mark.parametrize(
    "text",
    ["x + 1", "x == 1", "x != 1", "x < 1", "1 < x < 2", "-x", "abs(x)", "min(x, 1)", "x", "x and true", "x == x"],
)
def test_the_unknown_spreads(text: str) -> None:
    assert value(text) is None
    assert value(text, x=None) is None


def test_a_chain_is_false_as_soon_as_one_link_is() -> None:
    assert value("2 < 1 < x") is False
    assert value("1 < 2 < x") is None


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "1 // 0",
        "1 % 0",
        "1e308 * 10",
        "10 ** 400",
        "(-8) ** 0.5",
        "0 ** -1",
        "sqrt(-1)",
        "log(0)",
        "log(2, 1)",
        "exp(1000)",
        "round(1, 0.5)",
        "text + text",
        "text * 2",
        "-text",
        "flag + 1",
        "abs(flag)",
        "text < 1",
        "sqrt(text)",
    ],
)
def test_what_has_no_finite_real_result_is_unknown(text: str) -> None:
    assert value(text, text="warm", flag=True) is None


def test_types_are_kept_apart() -> None:
    assert value("text == 1", text="1") is False
    assert value("text != 1", text="1") is True
    assert value("flag == true", flag=1.0) is True
    assert value("flag == 1", flag=True) is True
    assert value("text < 'b'", text="a") is True


def test_a_condition_takes_bits_and_leaves_text_unknown() -> None:
    expression = compile_expression("a")
    assert [expression.holds({"a": a}) for a in (1.0, 0.0, True, False, "yes", None)] == [
        True,
        False,
        True,
        False,
        None,
        None,
    ]
    assert compile_expression("a > 1").holds({"a": 2.0}) is True


NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
OPERATORS = st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "<", "<=", "==", "!=", ">", ">="])


def _texts(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    arithmetic = OPERATORS.filter(lambda op: op not in {"<", "<=", "==", "!=", ">", ">="})
    return st.one_of(
        st.builds("({} {} {})".format, children, arithmetic, children),
        st.builds("-{}".format, children),
        st.builds("abs({})".format, children),
        st.builds("max({}, {})".format, children, children),
        st.builds("({0} if {1} < {2} else {2})".format, children, children, children),
    )


@given(
    st.recursive(st.sampled_from(["a", "b", "c", "2", "0.5", "3"]), _texts, max_leaves=8),
    OPERATORS,
    NUMBERS,
    NUMBERS,
    NUMBERS,
)
def test_numeric_expressions_agree_with_python(text: str, operator: str, a: float, b: float, c: float) -> None:
    whole = f"{text} {operator} b"
    values = {"a": a, "b": b, "c": c}
    try:
        expected = eval(whole, {"abs": abs, "max": max}, {k: float(v) for k, v in values.items()})
    except (ArithmeticError, TypeError):  # TypeError: a complex number has no order
        return
    if isinstance(expected, complex) or not math.isfinite(expected):
        return
    found = value(whole, values)
    assert found is None or found == pytest.approx(expected, nan_ok=True)
    if "**" not in whole and "/" not in whole and "*" not in whole:
        assert found is not None


@given(st.text(max_size=60) | st.text(alphabet="ab1.+-*/<>=!()`'\" \nandorifels,%5m", max_size=60))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    refused = column_of_refusal(text)
    if refused is not None:
        assert 1 <= refused <= max(len(text), 1) + 1
        return
    expression = compile_expression(text)
    for value in (None, "text", 1e300, True):
        expression.evaluate(dict.fromkeys(expression.signals, value))


def column_of_refusal(text: str) -> int | None:
    try:
        compile_expression(text)
    except ExpressionError as error:
        return error.column
    return None


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("median(speed, 5m) > 1", "median(): this function is not built yet", 1),
        ("age(speed, 5m) > 30", "age() takes a signal", 1),
        ("age(speed + 1) > 30", "age() takes a signal", 1),
        ("a > 1 and age() > 3", "age() takes a signal", 11),
        (" or ".join(f"mean(x, {n}s) > 1" for n in range(1, 52)), "more than 50 ways", 1),
        ("mean(speed) > 1", "mean() over a window of time takes a signal and a time", 1),
        ("1 < min(speed + 1, 5m)", "min() over a window of time takes a signal and a time", 5),
        ("sqrt(speed, 5m) > 1", "sqrt() over a window of time takes a signal and a time", 1),
        ("mean(pi, 5x) > 1", "`5x` is not a number", 10),
        ("sqrt(5m) > 1", "sqrt() over a window of time takes a signal and a time", 1),
        ("speed > 5x", "`5x` is not a number", 9),
        ("mean(speed, 0s) > 1", "is too short", 13),
        ('asset("line1/oven") > 1', "another asset's signal is written", 1),
        ("maxx(a, b)", "did you mean `max`?", 1),
        ("a > 1 and b = 2", "`=` has no meaning here", 13),
        ("a > max", "`max` is a function", 5),
        ("a AND b", "`AND` is written in small letters", 3),
        ("a in b", "`in` is a reserved word", 3),
        ("a >> b", "not an expression", 4),
        ("", "empty", 1),
        ("   ", "empty", 1),
        ("a " * 2001, "longer than 4000", 1),
        ("1e999 > a", "too large", 1),
        ("abs(a, b)", "abs() takes 1 value", 1),
    ],
)
def test_a_refusal_says_what_and_where(text: str, message: str, column: int) -> None:
    error = refusal(text)
    assert message in error.message
    assert error.column == column


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "a.b",
        "a[0]",
        "lambda: 1",
        "[a]",
        "{a}",
        "(a, b)",
        "a := 1",
        "f'{a}'",
        "b'x'",
        "1j",
        "a if b",
        "*a",
        "abs(*a)",
        "abs(**a)",
        "abs(x=1)",
        "'x'(1)",
        "abs(a)(b)",
        "None",
        "a; b",
        "a # b",
        "a @ b",
        "~a",
        "a << b",
        "(" * 300,
        "-" * 3000 + "1",
        "not " * 900 + "a",
        "a+" * 300 + "a",
        "a**" * 900 + "a",
        "\0",
        "\ud800",
        "x\\\ny",
    ],
)
def test_nothing_but_the_language_gets_through(text: str) -> None:
    assert refusal(text).message


def test_a_wide_expression_is_fine() -> None:
    assert value(" or ".join(["a > 1"] * 300), a=0.0) is False


def test_expressions_are_values() -> None:
    one, two = compile_expression("a > 1"), compile_expression("a > 1")
    assert one == two
    assert hash(one) == hash(two)
    assert pickle.loads(pickle.dumps(one)).evaluate({"a": 2.0}) is True
    assert copy.deepcopy(one) == one
    with pytest.raises(AttributeError):
        one.text = "b"  # type: ignore[misc]


class Gate(BaseModel):
    when: ExpressionField | None = None


def test_a_field_takes_text_numbers_and_truth_values() -> None:
    gates = [Gate.model_validate({"when": given}).when for given in ("a > 1", True, 3, 0.5)]
    assert [gate.text for gate in gates if isinstance(gate, Expression)] == ["a > 1", "true", "3", "0.5"]
    assert Gate.model_validate({"when": "a > 1"}).model_dump(mode="json") == {"when": "a > 1"}
    for wrong in (["a"], {"a": 1}, "a >", float("nan"), float("inf")):
        with pytest.raises(ValidationError):
            Gate.model_validate({"when": wrong})
