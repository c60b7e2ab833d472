"""Points that are no neighbours: after bad quality, after a gap in time, and at the start of a series."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from rules.alarms import Transition
from rules.asset import AssetMonitor
from rules.charting.pace import Pace
from rules.events import SECOND
from tests.rules.plant import seen
from tests.rules.test_chart_limits_in_service import Line, events

RESIDUALS = "type: control_chart, signal: x, rules: [nelson_1], mean: 0, sigma: 0.6, autoregression: 0.8"
"""Values of it have a standard deviation of 1."""
RESTART = "on_signal: restart, clear_after: 1"
INDIVIDUALS = "type: control_chart, signal: x, mean: 0, sigma: 1"


@pytest.fixture(params=[False, True], ids=["running", "restarting"])
def restart(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def bad(line: Line, readings: int = 1) -> list[Transition]:
    """So many readings that nobody can use."""
    return [t for _ in range(readings) for t in line.told(x=None)]


def following(count: int, phi: float, seed: int, spacing: int) -> list[float]:
    """Of a series with standard deviation 1, ten values in a row and then as many passed over as `spacing`."""
    draw, z, made = Random(seed), 0.0, []
    while len(made) < count:
        for i in range(10 + spacing):
            z = phi * z + draw.gauss(0, (1 - phi * phi) ** 0.5)
            made += [z] if i < 10 else []
    return made


def alarms(detect: str, values: list[float], pause: int, unusable: int) -> int:
    """With a pause of so many seconds and so many bad readings after every ten values."""
    line, out = Line(detect), []
    for start in range(0, len(values), 10):
        out += line.make(values[start : start + 10]) + bad(line, unusable)
        line.second += pause
    return events([t for t in out if t.rule == "r"]).count("raised")


@pytest.mark.parametrize(("pause", "unusable"), [(3600, 0), (0, 3), (3600, 3)])
def test_residuals_keep_the_false_alarms_of_the_book_across_gaps(pause: int, unusable: int) -> None:
    detect = (
        f"type: control_chart, signal: x, rules: [nelson_1], mean: 0, sigma: 0.43589, autoregression: 0.9, {RESTART}"
    )
    assert alarms(detect, following(4000, 0.9, seed=2, spacing=200), pause, unusable) <= 21, "11 are to be expected"


def test_after_bad_quality_a_value_is_judged_by_the_spread_of_the_values(restart: bool) -> None:
    line = Line(f"{RESIDUALS}, {RESTART}", restart=restart)
    line.make([0.0, 0.0])
    assert events(line.make(2.9)) == ["raised"], "it does not follow from 0"
    line.make([2.0, 1.0, 0.0])
    bad(line)
    assert line.make(2.9) == []
    bad(line, 2)
    (raised,) = line.make(-3.1)
    assert raised.reason["value"] == pytest.approx(-3.1 * 0.6)
    assert raised.reason["limits"]["lower"] == pytest.approx(-1.8)


@pytest.mark.parametrize(("seconds", "gap"), [(30, False), (31, True)])
def test_more_than_three_times_the_usual_distance_is_a_gap(seconds: int, gap: bool, restart: bool) -> None:
    line = Line(RESIDUALS, restart=restart)
    for _ in range(4):
        line.second += 9
        line.make(0.0)
    line.second += seconds - 1
    assert events(line.make(2.9)) == ([] if gap else ["raised"])


def test_the_first_value_is_judged_by_the_spread_of_the_values(restart: bool) -> None:
    assert Line(RESIDUALS, restart=restart).make(2.9) == []
    assert events(Line(RESIDUALS, restart=restart).make(3.1)) == ["raised"]
    line = Line(RESIDUALS, restart=restart)
    line.make(0.0, nozzle=1)
    assert line.make(2.9, nozzle=2) == [], "another tool"


def test_a_series_goes_on_after_a_signal(restart: bool) -> None:
    """What is measured after a signal does follow what was measured at it."""
    line = Line(f"{RESIDUALS}, {RESTART}", restart=restart)
    assert events(line.make([0.0, 2.9, 2.9 * 0.8])) == ["raised", "cleared"]
    assert line.make(2.9 * 0.64) == []


def test_an_autoregression_is_learned_from_neighbours_alone(restart: bool) -> None:
    values = following(400, 0.9, seed=4, spacing=200)
    line = Line("type: ewma, signal: x, learn: {subgroups: 400}, autoregression: learn", restart=restart)
    out = []
    for start in range(0, 400, 10):
        out += line.make(values[start : start + 10])
        line.second += 3600
    assert out[0].reason["autoregression"] == pytest.approx(0.9, abs=0.06)
    assert out[0].reason["sigma"] == pytest.approx(0.436, abs=0.04)


def test_whether_points_follow_each_other_is_asked_of_neighbours_alone(restart: bool) -> None:
    """Each third value is that of the one before the gap; neighbours are independent."""
    draw, line, out = Random(6), Line("type: ewma, signal: x, learn: {subgroups: 120}", restart=restart), []
    last = 0.0
    for _ in range(60):
        pair = [last, draw.gauss(0, 1)]
        out += line.make(pair) + bad(line)
        last = pair[1]
    (proposed,) = [t for t in out if t.event == "commented"]
    assert proposed.reason["checks"]["autocorrelation"]["significant"] is False


def test_no_moving_range_is_drawn_across_bad_quality(restart: bool) -> None:
    line = Line(INDIVIDUALS, restart=restart)
    line.make(2.2)
    bad(line)
    assert line.make(-2.2) == []
    (raised,) = line.make(2.2)
    assert raised.reason["chart"] == "moving range"


def test_a_pause_alone_does_not_part_the_values_of_a_moving_range(restart: bool) -> None:
    """Individuals come now and then."""
    line = Line(INDIVIDUALS, restart=restart)
    line.make([0.0, 0.0, 0.0, 0.0, 2.2])
    line.second += 100_000
    assert events(line.make(-2.2)) == ["raised"]


def test_a_run_goes_on_across_bad_quality_and_pauses(restart: bool) -> None:
    """Or a gauge that fails now and then would never show a shift."""
    line = Line(f"{INDIVIDUALS}, spread: false", restart=restart)
    line.make([0.5] * 4)
    bad(line)
    line.make([0.5] * 4)
    line.second += 50
    assert events(line.make(0.5)) == ["raised"]


def test_a_bad_reading_in_a_subgroup_leaves_its_mean_a_neighbour(restart: bool) -> None:
    line = Line(f"{INDIVIDUALS}, subgroup: {{size: 2}}, spread: true", restart=restart)
    line.make([2.2, 2.2, -2.2])
    bad(line)
    assert events(line.make(-2.2)) == ["raised"]


def test_the_same_pace_is_expected_after_a_restart_of_the_series() -> None:
    line = Line(RESIDUALS)
    line.make([0.0] * 5, nozzle=1)
    line.second += 3600
    line.make([0.0, 0.0], nozzle=2)
    line.second += 10
    assert line.make(2.9) == []


def test_what_a_release_saved_without_gaps_goes_on(restart: bool) -> None:
    line = Line(RESIDUALS, restart=restart)
    line.make([0.0, 1.0])
    saved = json.loads(json.dumps(line.monitor.snapshot()))
    chart: Any = next(watch[3]["detector"] for watch in saved["watches"] if watch[0] == "r")
    for key in ("follows", "pace"):
        del chart[key]
    checking = chart["book"][0][1][3]
    assert checking.pop() == [0]
    line.monitor = AssetMonitor.restore(line.rules, saved)
    assert line.make(2.5) == [], "1.7 after 1"
    assert events(line.make(-1.0)) == ["raised"]


# -- pace -----------------------------------------------------------------------------------------------------------


def gaps(pace: Pace, seconds: list[float]) -> list[float]:
    return [second for second in seconds if pace.gap(round(second * SECOND))]


def test_nobody_can_say_what_is_usual_of_two_distances() -> None:
    assert gaps(Pace(), [0, 1, 100]) == []
    assert gaps(Pace(), [0, 1, 2, 100]) == []
    assert gaps(Pace(), [0, 1, 2, 3, 100]) == [100]


def test_another_pace_is_the_usual_one_after_a_while() -> None:
    slow = [100.0 + 10 * i for i in range(20)]
    assert gaps(Pace(), [*map(float, range(90)), *slow]) == [100, 110, 120, 130, 140]


def test_points_of_one_stamp_have_no_usual_distance() -> None:
    assert gaps(Pace(), [0, 0, 0, 0, 0, 60, 60, 60, 60, 120]) == []


def test_a_moved_timeline_moves_the_last_point_with_it() -> None:
    pace = Pace()
    gaps(pace, [0, 1, 2, 3, 4])
    pace.shift(-1000 * SECOND)
    again = Pace()
    again.restore(json.loads(json.dumps(pace.snapshot())))
    assert gaps(again, [-995]) == []
    assert gaps(again, [-900]) == [-900]
    again.restart()
    assert gaps(again, [0]) == []
    again.restart()
    again.shift(5)
    assert again.snapshot()[0] is None


def test_readings_of_the_asset_that_are_no_samples_are_no_interruption() -> None:
    line = Line(RESIDUALS)
    line.make(0.0)
    line.told(count=1)
    assert events([*line.handle(seen(line.second + 1, x=2.9))]) == ["raised"]
