"""Things that come about too often."""

from __future__ import annotations

from tests.rules.plant import refused, seen, set_back, tick, told, watching

JAMS = "{type: count, expression: 'jam == true', at_least: 3, within: 60s}"


def jam(second: float) -> list[object]:
    return [seen(second, jam=True), seen(second + 0.5, jam=False)]


def test_the_third_time_within_a_minute_is_an_alarm_until_the_first_is_too_long_ago():
    m = watching(JAMS)
    assert told(m, seen(0, jam=False), *jam(10), *jam(20), *jam(30)) == [("r", 30, "raised")]
    assert told(m, tick(69), tick(71)) == [("r", 70, "cleared")]


def test_times_too_far_apart_do_not_add_up():
    assert told(watching(JAMS), seen(0, jam=False), *jam(10), *jam(40), *jam(70), *jam(101)) == []


def test_what_holds_from_the_beginning_or_stays_true_is_not_counted_again():
    m = watching(JAMS)
    assert told(m, seen(0, jam=True), *[seen(s, jam=True) for s in range(1, 9)]) == []


def test_an_unknown_time_in_between_does_not_count():
    m = watching("{type: count, expression: 'jam == true', at_least: 1, within: 60s}")
    assert told(m, seen(0, jam=False), seen(1, jam=None), seen(2, jam=False), seen(3, jam=True)) == [("r", 3, "raised")]
    assert told(m, seen(4, jam=None), seen(5, jam=True), tick(63)) == [("r", 63, "cleared")]


def test_the_reason_says_how_often():
    m = watching(JAMS)
    (raised,) = [t for e in (seen(0, jam=False), *jam(1), *jam(2), *jam(3)) for t in m.handle(e)]
    assert raised.reason["text"].startswith("jam == true came about 3 times within 1m")
    assert (raised.value, raised.reason["limit"]) == (3, 3)


def test_counting_begins_when_the_rule_is_armed():
    m = watching(JAMS, more=", when: 'run == true'")
    story = [seen(0, run=True, jam=False), *jam(1), *jam(2), seen(3, run=False), *jam(4), seen(5, run=True), *jam(6)]
    assert told(m, *story) == []


def test_the_times_move_with_a_clock_that_is_set_back():
    m = watching(JAMS)
    told(m, seen(3600, jam=False), *jam(3610), *jam(3620), *jam(3630))
    assert [*set_back(m, 3631, jam=False), *told(m, tick(3669))] == []
    assert told(m, tick(3671)) == [("r", 70, "cleared")]


def test_a_count_below_one_is_refused():
    assert "at_least" in refused("{type: count, expression: 'jam == true', at_least: 0, within: 60s}")


def test_what_came_about_before_the_rule_was_armed_is_not_counted():
    m = watching(JAMS.replace("3", "1"), more=", when: 'run == true'")
    assert told(m, seen(0, run=True, jam=False), seen(1, run=False), seen(2, jam=True), seen(3, run=True)) == []
