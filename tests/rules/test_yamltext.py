"""YAML is read as 1.2 says, with lines, within limits, and never with anything but problems."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import yamltext
from rules.yamltext import MAX_DEPTH, MAX_PROBLEMS, MAX_SIZE, read_yaml


def data(text: str) -> Any:
    document, problems = read_yaml("f.yaml", text)
    assert problems == []
    return document.data


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read_yaml("f.yaml", text)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: off", {"a": "off"}),
        ("a: yes", {"a": "yes"}),
        ("a: true", {"a": True}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 0o17", {"a": 15}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: 1.5", {"a": 1.5}),
        ("a: -.inf", {"a": float("-inf")}),
        ("a: '3'", {"a": "3"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("3: x", {"3": "x"}),
        ("[1, [2], {a: b}]", [1, [2], {"a": "b"}]),
        ("a: |\n  x\n  y\n", {"a": "x\ny\n"}),
        ("", None),
        ("\ufeffa: 1", {"a": 1}),
        ('{"a": [1, 2.5, null, true, "x"]}', {"a": [1, 2.5, None, True, "x"]}),
        (f"a: {'9' * 5000}", {"a": "9" * 5000}),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, expected: Any) -> None:
    assert data(text) == expected


def test_every_path_has_its_line() -> None:
    document, _ = read_yaml("f.yaml", "a: 1\nb:\n  - c: 1\n    d: {e: 2,\n      f: 3}\n")
    assert document.lines[("b", 0, "d", "f")] == 5
    assert document.lines[("b", 0, "c")] == 3
    assert document.problem(("b", 0, "d", "missing"), "wrong").line == 4
    assert document.at(("b", 0, "d", "e")) == 2


def test_json_has_lines_too() -> None:
    document, _ = read_yaml("f.json", '{"a": 1,\n "b": {\n  "c": 2}}')
    assert document.lines[("b", "c")] == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: error: the key `a` is there twice (hint: keep one of them)"),
        ('{"a": 1,\n"a": 2}', "f.yaml:2: error: the key `a` is there twice"),
        ("a: &x 1", "anchors (&) and aliases (*) are not allowed"),
        ("a: *x", "anchors (&) and aliases (*) are not allowed"),
        ("a: !!python/object:os.system x", "tags (!) are not allowed"),
        ("a: ! x", "tags (!) are not allowed"),
        ("a: 1\n---\nb: 2", "f.yaml:2: error: the file holds a second document"),
        ("? {a: b}\n: c", "a key must be a plain text"),
        ("a: [1", "f.yaml:1: error: not YAML: "),
        ("a: 1\nb: 'x", "begun in line 2"),
        ("a: b: c", "not YAML: mapping values are not allowed here"),
        ("a: \x01", "the character U+0001 is not allowed"),
        ('a: "\\ud800"', "half a character"),
        ('{"a": "\\ud800"}', "half a character"),
        ('a: "\\UFFFFFFFF"', "cannot be read"),
        ("[" * 200, "nested too deeply"),
        ('{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "nested too deeply"),
        ("- " * 200, "nested too deeply"),
        ("#" * (MAX_SIZE + 1), "longer than 1048576 characters"),
    ],
)
def test_what_is_refused_says_where_and_how_to_mend_it(text: str, expected: str) -> None:
    assert expected in problems(text)[0]


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamltext, "MAX_NODES", 100)
    assert "holds too much" in problems('{"a": [' + "1," * 101 + "1]}")[0]
    assert "holds too much" in problems("- 1\n" * 101)[0]
    monkeypatch.undo()
    assert len(problems("a: 1\n" * 1000)) == MAX_PROBLEMS


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    bomb = "a: &a [x]\n" + "".join(f"b{n}: &b{n} [{', '.join(['*a'] * 9)}]\n" for n in range(50))
    assert "aliases" in problems(bomb)[0]


@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t\\", max_size=80))
def test_any_text_gives_data_or_problems(text: str) -> None:
    document, found = read_yaml("f.yaml", text)
    assert document.data is None or isinstance(document.data, (dict, list, str, int, float, bool))
    assert all(problem.line >= 0 and problem.message for problem in found)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cn", "Co"], exclude_characters="\u2028\u2029\x85\ufeff")
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.text("xyz", min_size=1), PLAIN, max_size=4))
def test_json_is_read_alike_by_the_short_way_and_the_long_one(value: dict[str, Any]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert data(text) == data(f" {text}") == value
