"""Nothing heard: what is told, and what is refused; when it comes is in test_time.py and test_working_time.py."""

from __future__ import annotations

import pytest

from rules.events import SECOND, Link
from tests.rules.plant import T0, refused, seen, set_back, tick, told, watching


def test_the_least_patience_may_be_the_most():
    m = watching("{type: silence, after: learn, at_least: 1m, at_most: 1m}")
    assert told(m, seen(0, x=1), tick(100)) == [("r", 60, "raised")]


def test_the_patience_that_is_learned_is_ten_seconds_at_least():
    m = watching("{type: silence, after: learn, at_most: 100s}")
    assert told(m, *(seen(second, x=1) for second in range(100)), tick(108)) == []
    assert told(m, tick(109)) == [("r", 109, "raised")]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("after: learn, at_least: 61s, at_most: 1m", "`at_least` is longer than `at_most`"),
        ("after: learn, at_least: 3601s", "at_most is 1h if not given"),
        ("after: 1h, at_least: 1m", "are for `after: learn`"),
        ("after: 1h, at_most: 1m", "are for `after: learn`"),
        ("after: 60", "it needs a unit"),
        ("after: 1h, calendar: [mon-fri, 5]", "must name days or shifts"),
        ("after: 2678401s, calendar: mon-fri", "31d or less"),
        ("after: learn, at_most: 2678401s, calendar: mon-fri", "31d or less"),
    ],
)
def test_what_nobody_can_wait_for_is_refused(keys: str, why: str):
    assert why in refused(f"{{type: silence, {keys}}}")


def test_a_month_of_working_time_may_be_waited_for():
    watching("{type: silence, after: 31d, calendar: mon-fri}")


@pytest.mark.parametrize(("signal", "who"), [("", "the asset"), (", signal: x", "x")])
def test_the_reason_says_who_was_silent_for_how_long(signal: str, who: str):
    m = watching(f"{{type: silence, after: 60s{signal}}}")
    m.handle(seen(10, x=1))
    (silent,) = m.handle(tick(70))
    assert silent.reason["text"] == f"nothing heard of {who} for 1m"
    assert (silent.reason["limit"], silent.reason["last_heard"]) == (60, T0 + 10 * SECOND)
    (heard,) = m.handle(seen(80, x=1))
    assert heard.reason["text"] == f"{who} is heard again"


def test_working_time_is_said_to_be_that():
    m = watching("{type: silence, after: 60s, calendar: mon-sun}")
    m.handle(seen(0, x=1))
    assert m.handle(tick(60))[0].reason["text"] == "nothing heard of the asset for 1m of working time"


def test_whether_the_patience_was_learned_is_said():
    m = watching("{type: silence, after: learn, at_least: 1s, at_most: 100s}")
    m.handle(seen(0, x=1))
    assert m.handle(tick(100))[0].reason["text"].endswith("for 1m40s (its rhythm is not known yet)")
    for second in range(100, 200, 2):
        m.handle(seen(second, x=1))
    (silent,) = m.handle(tick(300))
    assert silent.reason["text"] == "nothing heard of the asset for 6s (learned from its own pauses)"
    assert silent.at == T0 + 204 * SECOND


LEARN = "{type: silence, after: learn, at_least: 1s, at_most: 100s"


def test_what_was_said_before_the_rule_was_armed_tells_nothing_of_the_rhythm():
    m = watching(LEARN + "}", more=", when: 'run == true', when_false: clear")
    heard = [seen(0, run=True), *(seen(second, x=1) for second in range(2, 102, 2))]
    for off in (102, 132):
        heard += [seen(off, run=False), seen(off + 10, x=1), seen(off + 20, run=True)]
        heard += [seen(second, x=1) for second in range(off + 22, off + 32, 2)]
    assert told(m, *heard, tick(167)) == []
    assert told(m, tick(168)) == [("r", 168, "raised")], "six seconds after the last word, as before"


def test_a_pause_in_which_there_was_time_that_does_not_count_is_not_learned():
    calendar = (
        "calendar: {shifts: {work: {hours: '22:13-22:20', days: tue}, night: {hours: '22:21-23:00', days: tue}}}\n"
    )
    m = watching(LEARN + ", calendar: [work, night]}", assets=calendar)
    assert told(m, *(seen(second, x=1) for second in (*range(0, 400, 2), *range(460, 600, 2)))) == []
    (saved,) = (saved["detector"] for rule, _, _, saved in m.snapshot()["watches"] if rule == "r")
    assert max(saved[2][0]) == 2 * SECOND, "nothing of the minute without a shift"


def test_patience_begins_anew_when_the_rule_is_armed():
    m = watching("{type: silence, after: 60s, signal: x}", more=", when: 'run == true', when_false: clear")
    assert told(m, seen(0, x=1, run=False), seen(100, run=True), tick(159)) == []
    assert told(m, tick(160)) == [("r", 160, "raised")]


def test_after_a_pause_without_a_shift_a_new_rhythm_is_learned():
    calendar = (
        "calendar: {shifts: {work: {hours: '22:13-22:20', days: tue}, night: {hours: '22:21-23:00', days: tue}}}\n"
    )
    m = watching(LEARN + ", calendar: [work, night]}", assets=calendar)
    assert told(m, *(seen(second, x=1) for second in (*range(0, 400, 2), *range(460, 700, 5))), tick(709)) == []
    assert told(m, tick(710)) == [("r", 710, "raised")], "three times its new pause"


def test_a_new_rhythm_is_learned_though_the_clock_was_set_back():
    m = watching(LEARN + "}")
    told(m, *(seen(second, x=1) for second in range(0, 200, 2)))
    set_back(m, 200, x=1)
    assert told(m, *(seen(second - 3600, late=3600, x=1) for second in range(219, 400, 5)), tick(413)) == []
    assert [event for _, _, event in told(m, tick(414))] == ["raised"]


def test_pauses_in_which_our_own_link_was_down_are_not_learned():
    m = watching(LEARN + "}")
    told(m, *(seen(second, x=1) for second in range(0, 200, 2)))
    for down in (200, 280):
        off, on = T0 + down * SECOND, T0 + (down + 60) * SECOND
        assert told(m, Link(off, "main", False, off), Link(on, "main", True, off)) == []
        assert told(m, *(seen(second, x=1) for second in range(down + 60, down + 80, 2))) == []
    assert told(m, tick(363)) == []
    assert told(m, tick(364)) == [("r", 364, "raised")], "six seconds after the last word, as before"
