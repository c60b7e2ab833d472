"""`on_bad_quality: ignore`: what is delivered counts, whatever its quality, also where nobody was watching meanwhile."""

from __future__ import annotations

from tests.rules.plant import seen, told, watching

IGNORE = ", on_bad_quality: ignore"


def test_another_bad_value_is_looked_at() -> None:
    m = watching("{type: limits, signal: x, high: 80}", more=IGNORE)
    story = told(m, seen(0, x=50, bad=("x",)), seen(1, x=90, bad=("x",)), seen(2, x=70, bad=("x",)))
    assert story == [("r", 1, "raised"), ("r", 2, "cleared")]


def test_what_came_while_the_rule_was_not_armed_counts_once_it_is() -> None:
    m = watching("{type: condition, expression: x > 80}", more=IGNORE + ", when: run == true")
    story = told(m, seen(0, x=50, run=False), seen(1, x=90), seen(2, run=True))
    assert story == [("r", 2, "raised")]


def test_a_value_that_repeats_is_new_to_a_rule_that_was_not_armed() -> None:
    m = watching("{type: condition, expression: x > 80}", more=", when: run == true")
    story = told(m, seen(0, x=50, run=False), seen(1, x=90), seen(2, x=90), seen(3, run=True), seen(4, x=90))
    assert story == [("r", 3, "raised")]
