"""Topic templates claim the topics they name, and say what is wrong with those that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codecs.topics import NameTemplate, TopicTemplate
from rules.problems import InputError

levels = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), max_size=8)


@pytest.mark.parametrize(
    ("template", "subscription"),
    [
        ("plant/{line}/{machine}/{metric}", "plant/+/+/+"),
        ("{site}/press", "+/press"),
        ("plant/{line}/{metric...}", "plant/+/#"),
        ("plant/status", "plant/status"),
        ("/{metric}", "/+"),
    ],
)
def test_the_filter_subscribes_to_what_the_template_names(template: str, subscription: str) -> None:
    assert TopicTemplate(template).filter == subscription


@pytest.mark.parametrize(
    ("template", "topic", "names"),
    [
        ("plant/{line}/{metric}", "plant/l1/temp", {"line": "l1", "metric": "temp"}),
        ("plant/{line}/{metric}", "plant/l1/temp/x", None),
        ("plant/{line}/{metric}", "plant/l1", None),
        ("plant/{line}/{metric}", "Plant/l1/temp", None),
        ("plant/{line}/{metric}", "plant//temp", {"line": "", "metric": "temp"}),
        ("plant/{line}/{metric...}", "plant/l1/axis/x", {"line": "l1", "metric": "axis/x"}),
        ("plant/{line}/{metric...}", "plant/l1/temp", {"line": "l1", "metric": "temp"}),
        ("plant/{line}/{metric...}", "plant/l1", None),
        ("a.c/{metric}", "abc/x", None),
        ("{site}/{metric}", "$SYS/uptime", None),
        ("$edge/{metric}", "$edge/uptime", {"metric": "uptime"}),
        ("plant/{metric}", "plant/two\nlines", {"metric": "two\nlines"}),
        ("plant/{metric...}", "plant/two\nlines/x", {"metric": "two\nlines/x"}),
    ],
)
def test_a_topic_belongs_to_a_template_level_by_level(template: str, topic: str, names: dict[str, str] | None) -> None:
    assert TopicTemplate(template).match(topic) == names


@given(st.lists(levels, min_size=3, max_size=3))
def test_levels_come_back_as_they_went_in(values: list[str]) -> None:
    assert TopicTemplate("plant/{a}/{b}/{c}").match("/".join(["plant", *values])) == dict(
        zip("abc", values, strict=True)
    )


@pytest.mark.parametrize(
    "template", ["", "plant/+/x", "plant/#", "plant/x{line}", "plant/{line", "{a}/{a}", "{a...}/x", "{a-b}", "plant/{}"]
)
def test_a_template_that_is_none_is_refused_with_a_hint(template: str) -> None:
    with pytest.raises(InputError) as refused:
        TopicTemplate(template)
    assert "{line}" in refused.value.hint


def test_a_name_is_made_of_the_levels() -> None:
    assert NameTemplate("{line}/{machine}", ["machine", "line"]).fill({"line": "l1", "machine": "m 3"}) == "l1/m 3"
    assert NameTemplate("press", []).fill({}) == "press"


@pytest.mark.parametrize("template", ["", "{lin}/x", "{line", "{line...}"])
def test_a_name_template_must_fit_the_topic(template: str) -> None:
    with pytest.raises(InputError):
        NameTemplate(template, ["line"])


def test_a_misspelt_level_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match="did you mean `machine`"):
        NameTemplate("{machin}", ["line", "machine"])
