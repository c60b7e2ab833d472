"""Rows of several signals: what makes one, what is left out of them, and what is said of those set aside."""

from __future__ import annotations

from typing import Any

import pytest

from rules.asset import AssetMonitor
from tests.rules.learning.test_evidence import noise
from tests.rules.plant import refused, seen, set_back, told, watching
from tests.rules.test_learning_detectors import fed, run

TOGETHER = "{type: multivariate, signals: %s, learn: {samples: 60}, baseline: fixed}"
EVERY = TOGETHER % '"*"'


def state(m: AssetMonitor) -> dict[str, Any]:
    return next(saved["detector"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")


def test_the_bounds_of_what_may_be_asked_for():
    for keys in ("margin: 1", "margin: 100", "learn: {samples: 50}", "learn: {samples: 5000}"):
        watching(f"{{type: multivariate, signals: [x, y], {keys}}}")
    for keys in (
        "margin: 0.99",
        "margin: 100.1",
        "margin: .inf",
        "learn: {samples: 49}",
        "learn: {samples: 5001}",
        "learn: {}, more: 1",
        "learn: {rows: 60}",
    ):
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


def test_a_row_that_repeats_the_last_is_a_row():
    m = watching(TOGETHER % "[x, y]")
    told(m, *(seen(second, x=1, y=2) for second in range(3)))
    assert state(m)["rows"] == [[1, 2]] * 3


def test_a_signal_that_keeps_the_others_waiting_is_left_out_of_every_one():
    """Twenty times as often as there are signals, of which the first row met three."""
    m = watching(EVERY)
    told(m, seen(0, x=0, y=0, z=0), *(seen(second, x=second, y=-second) for second in range(1, 61)))
    assert state(m)["used"] == ["x", "y", "z"]
    assert state(m)["waits"] == {"z": 60}
    told(m, seen(61, x=61, y=-61))
    assert state(m)["used"] == ["x", "y"]
    assert state(m)["waits"] == {}
    told(m, *(seen(second, x=second, y=-second) for second in range(62, 81)))
    assert (state(m)["open"], len(state(m)["rows"])) == (True, 19)
    told(m, seen(81, x=81, y=-81), seen(82, x=82, later=1))
    assert (state(m)["open"], state(m)["used"], state(m)["signals"]) == (False, ["x", "y"], ["x", "y", "z"])


def test_whoever_was_waited_for_and_comes_is_waited_for_anew():
    m = watching(EVERY)
    told(m, seen(0, x=0, y=0), seen(1, x=1), seen(2, x=2), seen(3, y=3))
    assert state(m)["waits"] == {}
    assert state(m)["rows"] == [[0, 0], [2, 3]]


def test_half_of_the_rows_that_taught_nothing_are_kept():
    m = watching(TOGETHER % "[x, y]")
    told(m, *(seen(second, x=1, y=2) for second in range(60)))
    assert (len(state(m)["rows"]), state(m)["joint"]) == (30, None)
    fed(m, run(30, start=60))
    assert (state(m)["rows"], state(m)["joint"] is not None) == ([], True)


def test_what_was_read_before_the_rule_was_armed_makes_no_row_and_what_comes_with_it_does():
    m = watching(TOGETHER % "[x, y]", more=", when: \"mode == 'run'\"")
    told(m, seen(0, mode="off", x=1, y=1), seen(1, mode="run"), seen(2, x=2))
    assert state(m)["rows"] == []
    told(m, seen(3, y=3))
    assert state(m)["rows"] == [[2, 3]]
    m = watching(TOGETHER % "[x, y]", more=", when: \"mode == 'run'\"")
    told(m, seen(0, mode="run", x=1, y=1))
    assert state(m)["rows"] == [[1, 1]]


@pytest.mark.parametrize(("strange", "said"), [(0, ""), (1, "; 1 strange learning rows were set aside")])
def test_learning_rows_that_were_set_aside_are_told_of(strange: int, said: str):
    m = watching(TOGETHER % "[x, y, z]")
    for number, event in enumerate(run(60)):
        m.handle(seen(60 * number, x=1e6, y=-1e6, z=0) if number < strange else event)
    (raised,) = fed(m, run(60, start=60, jump=2))
    text = raised.reason["text"]
    assert text.startswith("together the signals are ")
    assert text.partition("%;")[2] == said.removeprefix(";")
    (watch,) = m.watching("r")
    assert watch.says("on", on=False) == f"the 3 signals fit together as usual again{said}"


def test_a_signal_that_never_changed_while_learning_is_said_not_to_be_watched():
    m = watching(TOGETHER % "[x, y, z, still]")
    for minute, (x, y) in enumerate(zip(noise(60, 3), noise(60, 4), strict=True)):
        m.handle(seen(60 * minute, x=x, y=y, z=x + y, still=5))
    (watch,) = m.watching("r")
    assert watch.says("on", on=False).endswith("; not watched, for they never changed while learning: still")


def test_learning_waits_for_four_rows_of_each_signal():
    names = [f"s{number}" for number in range(20)]
    m = watching(TOGETHER % f"[{', '.join(names)}]")
    columns = [noise(80, seed) for seed in range(1, 21)]
    rows = [seen(60 * i, **dict(zip(names, row, strict=True))) for i, row in enumerate(zip(*columns, strict=True))]
    told(m, *rows[:79])
    assert state(m)["joint"] is None
    told(m, rows[79])
    assert state(m)["joint"] is not None


def test_the_five_foremost_signals_are_named_with_their_shares_in_whole_per_milles():
    names = [f"s{number}" for number in range(7)]
    m = watching(TOGETHER % f"[{', '.join(names)}]")
    columns = [noise(80, seed) for seed in range(7)]
    for minute, row in enumerate(zip(*columns, strict=True)):
        jump = 10 if minute >= 60 else 0
        if out := m.handle(seen(60 * minute, **{name: v + jump for name, v in zip(names, row, strict=True)})):
            break
    reason = out[0].reason
    shares = reason["contributions"]
    assert len(shares) == 5
    assert all(share == round(share, 3) for share in shares.values())
    assert (reason["limit"], reason["value"]) == (1, round(reason["value"], 4))
    assert reason["values"].keys() == shares.keys()


def test_what_is_over_or_not_learned_yet_is_said_to_be_usual():
    m = watching(TOGETHER % "[x, y, z]")
    (watch,) = m.watching("r")
    usual = "the 3 signals fit together as usual again"
    assert watch.says("on", on=True) == watch.says("on", on=False) == usual
    fed(m, run(60))
    assert watch.says("on", on=False) == usual
    assert watch.says("on", on=True) != usual


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
