"""Topic templates claim the topics they name, and say what is wrong with those that are none."""

from __future__ import annotations

from itertools import product
from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.codecs.topics import NameTemplate, TopicTemplate, covers, needed, overlap
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


NAMES: Final = ("a", "b", "$a")
TOPICS: Final = ["/".join(topic) for length in (1, 2, 3, 4) for topic in product(NAMES, repeat=length)]


def delivered(subscription: str) -> set[str]:
    """What a broker delivers of these topics (MQTT 5, section 4.7)."""
    wanted = subscription.split("/")
    rest = wanted[-1] == "#"
    fixed = wanted[:-1] if rest else wanted
    return {
        topic
        for topic in TOPICS
        if len(found := topic.split("/")) >= len(fixed)
        and (rest or len(found) == len(fixed))
        and all(name in (level, "+") for name, level in zip(fixed, found, strict=False))
        and not (topic.startswith("$") and wanted[0] in ("+", "#"))
    }


subscriptions = st.builds(
    lambda names, rest: "/".join([*names, *rest]) or "#",
    st.lists(st.sampled_from(["+", *NAMES]), max_size=3),
    st.sampled_from([(), ("#",)]),
)


@given(subscriptions, subscriptions)
def test_a_subscription_covers_or_overlaps_another_as_a_broker_delivers(one: str, other: str) -> None:
    assume((one, other) != ("+/#", "#"))  # the same topics; that the second covers the first is enough
    assert covers(one, other) is (delivered(one) >= delivered(other))
    assert overlap(one, other) is bool(delivered(one) & delivered(other))


@given(st.lists(subscriptions, max_size=5))
def test_what_is_not_needed_is_delivered_all_the_same(filters: list[str]) -> None:
    kept = needed(filters)
    assert set().union(*map(delivered, kept)) == set().union(*map(delivered, filters))
    assert not any(covers(wide, narrow) for wide in kept for narrow in kept if wide != narrow)


@pytest.mark.parametrize(
    ("first", "second", "all_of_it"),
    [
        ("plant/{a}/{b...}", "plant/{a}/{b}/{c}", True),
        ("plant/{a}/{b}/{c}", "plant/{a}/{b...}", False),
        ("plant/{a...}", "plant", False),
        ("{a}/{b}", "$edge/{b}", False),
        ("plant/{a}", "plant/{b}", True),
    ],
)
def test_a_template_may_claim_all_of_another(first: str, second: str, all_of_it: bool) -> None:
    assert TopicTemplate(first).claims(TopicTemplate(second)) is all_of_it


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
