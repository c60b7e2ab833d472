"""Rows of several signals: what makes one, what is left out of them, and what is said of those set aside."""

from __future__ import annotations

from typing import Any

import pytest

from rules.asset import AssetMonitor
from tests.rules.plant import refused, seen, set_back, told, watching
from tests.rules.test_learning_detectors import fed, run

TOGETHER = "{type: multivariate, signals: %s, learn: {samples: 60}, baseline: fixed}"
EVERY = TOGETHER % '"*"'


def state(m: AssetMonitor) -> dict[str, Any]:
    return next(saved["detector"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")


def test_the_bounds_of_what_may_be_asked_for():
    for keys in ("margin: 1", "margin: 100", "learn: {samples: 50}", "learn: {samples: 5000}"):
        watching(f"{{type: multivariate, signals: [x, y], {keys}}}")
    for keys in ("margin: 0.99", "margin: 100.1", "margin: .inf", "learn: {samples: 49}", "learn: {samples: 5001}"):
        assert refused(f"{{type: multivariate, signals: [x, y], {keys}}}")


def test_a_row_is_complete_when_each_signal_was_read_since_the_last():
    m = watching(TOGETHER % "[x, y]")
    told(m, seen(0, x=1), seen(1, x=2), seen(2, y=3), seen(3, x=4), seen(4, y=None), seen(5, x=6, y=7))
    assert state(m)["rows"] == [[2, 3], [6, 7]]


def test_a_clock_that_is_set_back_completes_no_row():
    m = watching(TOGETHER % "[x, y]")
    told(m, seen(0, x=1, y=2))
    set_back(m, 10, other=1)
    told(m, seen(30 - 3600, late=3600, x=3))
    assert state(m)["rows"] == [[1, 2]]


def test_one_signal_may_be_watched_alone():
    m = watching(TOGETHER % "[x]")
    fed(m, run(60))
    assert state(m)["joint"] is not None


def test_every_signal_is_waited_for_while_there_is_none_that_is_a_number():
    m = watching(EVERY)
    told(m, *(seen(second, mode="idle") for second in range(30)))
    fed(m, run(80, start=1))
    assert state(m)["used"] == ["x", "y", "z"]
    assert state(m)["joint"] is not None


def test_rows_with_a_signal_that_turns_out_to_be_text_are_not_learned_from():
    m = watching(EVERY)
    told(m, *(seen(second, x=second, y=-second, z=0.5) for second in range(10)), seen(10, x=10, y=-10, z="n/a"))
    assert state(m)["used"] == ["x", "y"]
    assert all(len(row) == 2 for row in state(m)["rows"])


def test_a_new_signal_begins_the_rows_anew_while_every_one_is_asked_for():
    m = watching(EVERY)
    told(m, *(seen(second, x=second, y=-second) for second in range(10)), seen(10, x=10, y=-10, z=1))
    assert state(m)["rows"] == [[10, -10, 1]]


@pytest.mark.parametrize(("strange", "said"), [(0, ""), (1, "; 1 strange learning rows were set aside")])
def test_learning_rows_that_were_set_aside_are_told_of(strange: int, said: str):
    m = watching(TOGETHER % "[x, y, z]")
    for number, event in enumerate(run(60)):
        m.handle(seen(60 * number, x=1e6, y=-1e6, z=0) if number < strange else event)
    (raised,) = fed(m, run(60, start=60, jump=2))
    text = raised.reason["text"]
    assert text.startswith("together the signals are ")
    assert text.partition("%;")[2] == said.removeprefix(";")


def test_an_alarm_that_ended_with_the_gate_is_raised_anew_when_the_rule_is_armed_again():
    m = watching(TOGETHER % "[x, y, z]", more=", when: \"mode == 'run'\", when_false: clear")
    m.handle(seen(0, mode="run"))
    fed(m, run(60, start=1))
    assert [t.event for t in fed(m, run(30, start=61, jump=2))] == ["raised"]
    assert [t.event for t in m.handle(seen(91 * 60, mode="off"))] == ["cleared"]
    assert m.handle(seen(92 * 60, mode="run")) == []
    again = fed(m, run(30, start=93, jump=2))
    assert [t.event for t in again] == ["raised"]
    assert again[0].at > next(run(1, start=94)).at, "it takes three rows again"
