"""Time to a limit."""

from __future__ import annotations

import json
from random import Random

import pytest

from rules.asset import AssetMonitor
from rules.events import SECOND
from rules.trend import trend
from tests.rules.plant import T0, refused, seen, set_back, tick, told, watching

FILTER = "{type: forecast, signal: dp, limit: 100, horizon: 2h, window: 4h}"
MINUTE, HOUR = 60, 3600


def feed(m: AssetMonitor, values: dict[float, float]) -> list:
    return [t for second, value in values.items() for t in m.handle(seen(second, dp=value))]


def rising(per_hour: float, hours: float, start: float = 0.0, every: float = 5 * MINUTE) -> dict[float, float]:
    return {n * every: start + per_hour * n * every / HOUR for n in range(int(hours * HOUR / every) + 1)}


def test_a_limit_that_comes_near_is_told_ahead():
    (raised,) = feed(watching(FILTER), rising(10, 8.5))
    assert raised.reason["forecast"]["in"] == pytest.approx(2 * HOUR, rel=0.02)
    assert raised.value == pytest.approx(80, abs=2)
    assert raised.reason["text"].startswith("dp ")


def test_a_slow_or_opposite_trend_is_no_alarm():
    assert feed(watching(FILTER), rising(1, 20)) == []
    assert feed(watching(FILTER), rising(-10, 20, start=90)) == []


def test_a_line_from_before_a_gap_is_no_alarm():
    m = watching(FILTER)
    assert feed(m, rising(10, 8)) == []
    assert feed(m, {60 * HOUR: 5}) == []


def test_falling_towards_a_lower_limit():
    m = watching("{type: forecast, signal: dp, limit: 10, direction: falling, horizon: 2h, window: 4h}")
    (raised,) = feed(m, rising(-10, 8, start=100))
    assert raised.reason["forecast"]["in"] == pytest.approx(2 * HOUR, rel=0.02)


def test_outliers_do_not_turn_the_line():
    rng = Random(5)
    values = {s: 50 + rng.gauss(0, 0.2) for s in rising(0, 12)}
    wild = {s: (v + 400 if n % 10 == 3 else v) for n, (s, v) in enumerate(values.items())}
    assert feed(watching(FILTER), wild) == []


def test_noise_without_a_trend_is_no_alarm_even_close_to_the_limit():
    rng = Random(11)
    noise = {n * 60.0: 99 + rng.gauss(0, 0.3) for n in range(24 * 60)}
    assert feed(watching(FILTER), noise) == []


@pytest.mark.parametrize(("direction", "limit", "sign"), [("rising", 100, 1), ("falling", -100, -1)])
def test_noise_that_seems_to_reach_the_limit_soon_is_no_alarm_as_long_as_it_may_stand_still(
    direction: str, limit: float, sign: int
):
    """The line alone says more than once that the limit is reached within the horizon."""
    rng = Random(1)
    m = watching(f"{{type: forecast, signal: dp, limit: {limit}, direction: {direction}, horizon: 4h, window: 4h}}")
    assert feed(m, {n * 300.0: sign * (97 + rng.gauss(0, 3)) for n in range(80)}) == []


def test_a_signal_in_coarse_steps_that_may_as_well_stand_still_is_no_alarm():
    """The lower end of the interval of its slope is zero exactly."""
    assert feed(watching(FILTER.replace("2h", "4h")), {n * 300.0: 97.0 + n // 20 for n in range(60)}) == []


def test_too_little_is_not_enough_for_a_line():
    assert feed(watching(FILTER), rising(50, 1.9)) == []


def test_it_is_over_once_the_limit_is_far_again():
    m = watching(FILTER)
    feed(m, rising(10, 8.5))
    later = {8.5 * HOUR + n * 300: 85.0 for n in range(1, 100)}
    assert [t.event for t in feed(m, later)] == ["cleared"]


def test_it_is_not_over_before_the_limit_is_a_quarter_farther_than_the_horizon():
    m = watching(FILTER)
    feed(m, rising(10, 8.5))
    (over,) = feed(m, {8.5 * HOUR + n * 300: 82.0 for n in range(1, 40)})
    assert over.reason["forecast"]["in"] == pytest.approx(2.5 * HOUR, rel=0.02)


def test_the_reason_has_an_honest_interval():
    rng = Random(3)
    noisy = {s: v + rng.gauss(0, 3) for s, v in rising(10, 9).items()}
    raised = feed(watching(FILTER), noisy)[0]
    times = raised.reason["forecast"]
    assert times["earliest"] < times["in"] <= 2 * HOUR
    assert times["latest"] is None or times["latest"] > times["in"]


def test_the_interval_of_the_slope_covers_the_truth_about_as_often_as_it_says():
    rng = Random(7)
    covered = 0
    for _ in range(200):
        line = trend([(float(t), 0.5 * t + rng.gauss(0, 4)) for t in range(30)])
        covered += line.least <= 0.5 <= line.most
    assert 165 <= covered <= 198


def test_a_line_through_exact_points_is_exact():
    line = trend([(float(t), 3.0 * t + 1) for t in range(10)])
    assert (line.level, line.slope, line.least, line.most) == (1, 3, 3, 3)


def test_a_limit_may_be_a_value_of_the_asset():
    m = watching(FILTER.replace("100", "most"), assets="assets: {m: {values: {most: 100}}}\n")
    assert len(feed(m, rising(10, 8.5))) == 1


def test_huge_values_do_no_harm():
    m = watching(FILTER)
    assert told(m, *[seen(n * 300, dp=(-1) ** n * 1.7e308) for n in range(100)]) == []


def test_a_horizon_far_beyond_the_window_is_refused():
    assert "ten times" in refused("{type: forecast, signal: dp, limit: 1, horizon: 30d, window: 1h}")
    assert "ten times" in refused("{type: forecast, signal: dp, limit: 1, horizon: 11s, window: 1s}")


def test_the_reason_says_when_the_limit_is_reached_and_when_no_longer():
    m = watching(FILTER)
    (raised,) = feed(m, rising(10, 8.5))
    assert " reaches 100 in " in raised.reason["text"]
    assert (raised.reason["limit"], raised.reason["values"]) == (100, {"dp": raised.value})
    assert raised.reason["slope"] == pytest.approx(10 / HOUR)
    (over,) = feed(m, {8.5 * HOUR + n * 300: 85.0 for n in range(1, 100)})
    assert " no longer soon reaches 100 in " in over.reason["text"]


def test_after_a_gap_the_alarm_is_held_and_the_reason_says_that_too_little_is_known():
    m = watching(FILTER, more=", escalate: [{after: 20h, priority: high}]")
    feed(m, rising(10, 8.5))
    assert feed(m, {27 * HOUR: 81}) == []
    (risen,) = m.handle(tick(28.5 * HOUR))
    assert risen.event == "raised_priority"
    assert risen.reason["text"].endswith("dp 81: too little is known to see the limit 100 coming")


def test_what_takes_more_than_a_hundred_years_is_never():
    m = watching(FILTER)
    feed(m, rising(10, 8.5))
    (over,) = feed(m, {20 * HOUR + n * 300: 85 + 1e-9 * n for n in range(40)})
    assert over.reason["text"] == "dp 85 no longer soon reaches 100 in never (never to never)"
    assert over.reason["forecast"] == {"in": None, "earliest": None, "latest": None}


@pytest.mark.parametrize(("start", "more"), [(100, ""), (105, ", direction: rising")])
def test_what_is_at_the_limit_already_has_reached_it_though_it_stands_still(start: float, more: str):
    (raised,) = feed(watching(FILTER.replace("}", f"{more}}}")), rising(0, 6, start=start))
    assert raised.reason["forecast"]["in"] == 0
    assert raised.reason["text"] == f"dp {start} reaches 100 in 0s (0s to 0s)"


@pytest.mark.parametrize(
    ("every", "points", "left"), [(660, 12, "29m"), (600, 13, "30m")], ids=["twelve-points", "half-the-window"]
)
def test_a_line_needs_twelve_points_over_half_of_the_window(every: float, points: int, left: str):
    (raised,) = feed(watching(FILTER), rising(40, (points * every + 1) / HOUR, every=every))
    assert raised.at == T0 + points * every * SECOND
    assert raised.reason["text"].endswith(f" reaches 100 in {left} ({left} to {left})")


@pytest.mark.parametrize("hours", [8.3, 9], ids=["before", "after"])
def test_the_line_survives_a_restart(hours: float):
    steady, restored = watching(FILTER), watching(FILTER)
    for second, value in (
        rising(10, hours, every=150) | {hours * HOUR + n * 300: 75.0 + n / 20 for n in range(1, 30)}
    ).items():
        restored = AssetMonitor.restore(restored.rules, json.loads(json.dumps(restored.snapshot())))
        assert restored.handle(seen(second, dp=value)) == steady.handle(seen(second, dp=value))
        assert restored.snapshot() == steady.snapshot()


def test_the_shortest_window_and_the_farthest_horizon_are_accepted():
    watching("{type: forecast, signal: dp, limit: 1, horizon: 10s, window: 1s}")
    watching("{type: forecast, signal: dp, limit: 1, horizon: 1s, window: 1s}")
    assert "at least 1s" in refused("{type: forecast, signal: dp, limit: 1, horizon: 1s, window: 999ms}")


def test_what_was_before_the_rule_was_armed_again_is_forgotten():
    m = watching(FILTER, more=", when: 'run == true'")
    told(m, seen(0, run=True))
    assert feed(m, rising(10, 7)) == []
    assert told(m, seen(7.01 * HOUR, run=False), seen(7.02 * HOUR, run=True)) == []
    assert feed(m, {s: v for s, v in rising(10, 8.9).items() if s > 7.02 * HOUR}) == []


def test_what_was_cleared_as_the_rule_was_disarmed_does_not_come_back_by_arming_it():
    m = watching(FILTER, more=", when: 'run == true', when_false: clear")
    told(m, seen(0, run=True))
    assert [t.event for t in feed(m, rising(10, 8.5))] == ["raised"]
    story = told(m, seen(8.6 * HOUR, run=False), seen(8.7 * HOUR, run=True), seen(8.8 * HOUR, dp=88))
    assert story == [("r", 8.6 * HOUR, "cleared")]


def test_what_is_said_while_the_signal_is_bad_goes_by_the_last_value():
    m = watching(FILTER, more=", escalate: [{after: 30m, priority: high}]")
    (raised,) = feed(m, rising(10, 8.5))
    due = (raised.at - T0) / SECOND + 30 * MINUTE
    (risen,) = [t for e in (seen(due - 10, dp=None), tick(due)) for t in m.handle(e)]
    assert (risen.event, risen.value, risen.reason["values"]) == ("raised_priority", 85, {"dp": 85})


def test_the_line_goes_on_though_the_clock_is_set_back():
    stories = []
    for late in (0, HOUR):
        m = watching(FILTER)
        feed(m, rising(10, 7.5))
        assert not late or set_back(m, 7.5 * HOUR, other=1) == []
        after = [seen(s - late, late=late, dp=v) for s, v in rising(10, 8.5).items() if s > 7.5 * HOUR]
        (raised,) = [t for event in after for t in m.handle(event)]
        stories.append((raised.at + late * SECOND, raised.reason["text"]))
    assert stories[0] == stories[1]


def test_what_was_before_the_rule_was_armed_is_forgotten_though_the_clock_was_set_back():
    m = watching(FILTER, more=", when: 'run == true'")
    told(m, seen(4000, run=True, dp=40))
    assert set_back(m, 4000, other=1) == []
    again = {second: 40 + 15 * (second - 400) / HOUR for second in range(4300, 4300 + 7000, 300)}
    events = [seen(second, late=HOUR, dp=value) for second, value in again.items()]
    assert told(m, seen(415, late=HOUR, run=False), seen(4000, late=HOUR, run=True), *events) == []


@pytest.mark.parametrize(("start", "slope", "raised"), [(100, -0.5, True), (-80, 0.5, True), (100, 0.5, False)])
def test_without_a_direction_the_limit_is_reached_from_where_the_signal_is(start: float, slope: float, raised: bool):
    m = watching("{type: forecast, signal: x, limit: 10, horizon: 2m, window: 1m}")
    happened = told(m, *[seen(second, x=start + slope * second) for second in range(0, 130, 1)])
    assert bool(happened) is raised


def test_a_limit_that_is_hours_away_below_the_signal_is_no_alarm():
    m = watching("{type: forecast, signal: x, limit: 10, horizon: 10m, window: 5m}")
    assert told(m, *[seen(second, x=100 - 0.01 * second) for second in range(0, 600, 2)]) == []


def test_the_side_of_the_limit_is_kept_over_a_restart():
    m = watching("{type: forecast, signal: x, limit: 10, horizon: 2m, window: 1m}")
    story = [seen(second, x=100 - 0.5 * second) for second in range(0, 200, 1)]
    whole = told(watching("{type: forecast, signal: x, limit: 10, horizon: 2m, window: 1m}"), *story)
    begun = told(m, *story[:90])
    again = type(m).restore(m.rules, json.loads(json.dumps(m.snapshot())))
    assert begun + told(again, *story[90:]) == whole
    assert whole
