"""Capability as an alarm: when it comes, when it goes, and over which values."""

from __future__ import annotations

import pytest

from rules.events import Observation, Reading
from tests.rules.plant import T0, seen, story, told
from tests.rules.test_charts import GIVEN, capability, fed, monitor, normal

ABLE = "type: capability, signal: x, lower_spec: -4, upper_spec: 4, at_least: 1.33"


def test_a_process_proven_incapable_is_an_alarm_as_soon_as_the_window_is_full() -> None:
    m = monitor("type: capability, signal: x, lower_spec: -3, upper_spec: 3, at_least: 1.33")
    out = [t for i, v in enumerate(normal(120), 1) for t in m.handle(seen(i, x=v))]
    assert story(out) == [("r", 100, "raised")]
    told_of = out[0].reason
    assert told_of["verdict"] == "incapable"
    assert told_of["upper"] < 1.33
    assert told_of["text"].startswith("x: proven incapable of Ppk 1.33: Ppk ")
    assert out[0].value == told_of["value"]


def test_what_is_undecided_is_no_alarm() -> None:
    m = monitor(ABLE)
    assert fed(m, normal(150)) == []
    assert capability(m)[2]["verdict"] == "undecided"


def test_a_process_that_becomes_capable_again_clears_it() -> None:
    m = monitor(ABLE)
    events = fed(m, [3 * z for z in normal(100)] + [0.3 * z for z in normal(200, seed=2)])
    assert [event for _, event in events] == ["raised", "cleared"]
    assert capability(m)[2]["verdict"] == "proven"


@pytest.mark.parametrize("index", ["cp", "cpk", "pp", "ppk", "cpm"])
def test_every_index_is_that_of_the_windows_values(index: str) -> None:
    values = [z + 0.3 for z in normal(400, seed=9)]
    m = monitor(f"{ABLE}, index: {index}")
    fed(m, values)
    mean = sum(values[-100:]) / 100
    overall = (sum((v - mean) ** 2 for v in values[-100:]) / 99) ** 0.5
    within = sum(abs(b - a) for a, b in zip(values[-100:], values[-99:], strict=False)) / 99 / 1.128379
    found = capability(m)[2]["value"]
    cpm = 8 / 6 / (overall**2 + mean**2) ** 0.5
    room = 4 - abs(mean)
    wanted = {
        "cp": 8 / 6 / within,
        "cpk": room / 3 / within,
        "pp": 8 / 6 / overall,
        "ppk": room / 3 / overall,
        "cpm": cpm,
    }
    assert found == pytest.approx(wanted[index], rel=1e-6)


def test_a_window_of_time_forgets_what_is_older() -> None:
    m = monitor(f"{ABLE}, window: 60s")
    fed(m, normal(300))
    assert len(capability(m)[0][0]) == 60
    assert capability(m)[2] == {}, "too few to judge"


def test_without_spread_nothing_is_decided() -> None:
    m = monitor(ABLE)
    assert fed(m, [1.0] * 200) == []
    assert capability(m)[2]["verdict"] == "undecided"


def test_observations_of_many_readings_count_once_each() -> None:
    m = monitor(GIVEN)
    readings = (Reading("x", 0.5), Reading("y", 1.0))
    assert told(m, *(Observation("m", T0 + i, T0 + i, readings) for i in range(8))) == []
