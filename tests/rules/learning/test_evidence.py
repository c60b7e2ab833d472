"""What one signal's evidence must hold to, whatever the signal."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from math import isfinite, pi, sin
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.events import SECOND
from rules.learning.evidence import HOLD_OFF, LEARNING, Evidence

MINUTE = 60 * SECOND
EXAMPLES = settings(max_examples=15, deadline=None)

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-5, 5).map(float),
    st.sampled_from([0.0, 1e308, -1e308, 5e-324, 1e-300]),
)


def noise(count: int, seed: int = 1) -> list[float]:
    """Dyadic numbers between -1 and 1, the same everywhere."""
    out, state = [], seed
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        out.append(round((state / 2**30 - 1) * 1024) / 1024)
    return out


def eventful(count: int = 1500) -> list[float]:
    """Noise with a spike, a shift for good and a stretch of stillness."""
    values = noise(count)
    values[600] += 12
    for i in range(900, count):
        values[i] += 4
    for i in range(1300, 1340):
        values[i] = 4.0
    return values


def raised(values: list[float], evidence: Evidence | None = None, start: int = 0) -> list[int]:
    """The readings, five minutes apart, at which an alarm began."""
    evidence, was, rows = evidence or Evidence(), False, []
    for i, value in enumerate(values, start):
        now = evidence.read(i * 5 * MINUTE, value)
        if now and not was:
            rows.append(i)
        was = now
    return rows


def through_json(evidence: Evidence) -> Evidence:
    fresh = Evidence()
    fresh.restore(json.loads(json.dumps(evidence.snapshot(), allow_nan=False)))
    return fresh


def test_a_spike_and_a_shift_are_found_at_once_and_noise_is_not() -> None:
    rows = raised(eventful())
    assert 600 in rows
    assert any(900 <= row < 906 for row in rows)
    assert [row for row in rows if row < 600] == []


def test_nothing_is_said_while_learning() -> None:
    assert raised([*noise(LEARNING - 10), 500.0, *noise(5)]) == []


@pytest.mark.parametrize("factor", [2.0**-30, 0.25, 8.0, 2.0**40])
def test_the_unit_does_not_matter(factor: float) -> None:
    assert raised([factor * value for value in eventful()]) == raised(eventful())


@pytest.mark.parametrize("offset", [-3.0, 1000.0, 1e6])
def test_the_level_does_not_matter(offset: float) -> None:
    assert raised([offset + value for value in eventful()]) == raised(eventful())


def test_sensitivity_is_an_order() -> None:
    low, normal, high = (len(raised(eventful(), Evidence(demand))) for demand in (1.4, 1.0, 0.7))
    assert low <= normal <= high
    assert normal >= 2


def test_what_comes_often_is_no_news() -> None:
    values = noise(6000)
    for i in range(300, 6000, 100):
        values[i] += 12
    rows = raised(values)
    assert rows[0] == 300
    assert len(rows) < 12


def test_a_habit_of_the_day_is_no_anomaly_and_its_absence_is() -> None:
    slots = 288
    values = [10 * sin(i % slots / slots * 6.283) + 0.1 * wiggle for i, wiggle in enumerate(noise(slots * 14))]
    usual = raised(values)
    for i in range(slots * 12 + 60, slots * 12 + 100):
        values[i] = 0.0
    assert [row for row in usual if row > slots * 4] == []
    assert any(slots * 12 + 60 <= row < slots * 12 + 100 for row in raised(values))


def test_an_alarm_ends_and_the_next_one_keeps_its_distance() -> None:
    evidence, on = Evidence(), []
    for i, value in enumerate(eventful()):
        on.append(evidence.read(i * 5 * MINUTE, value))
    rows = raised(eventful())
    assert all(b - a > HOLD_OFF for a, b in pairwise(rows))
    assert all(not all(on[row:]) for row in rows)


@pytest.mark.parametrize("value", [0.0, -7.25, 1e100, 0.1])
def test_a_constant_is_never_unusual_until_it_changes(value: float) -> None:
    values = [value] * 1000
    assert raised(values) == []
    assert raised([*values, value + max(1.0, abs(value))]) == [1000]


def test_a_step_of_a_constant_is_one_alarm_that_ends_when_the_new_state_is_usual() -> None:
    evidence = Evidence()
    values = [5.0] * 400 + [6.0] * 1000
    assert raised(values, evidence) == [400]
    assert not evidence.on


@pytest.mark.parametrize("wiggle", [0.0, 1e-6, 1e-3])
def test_a_counter_that_runs_steadily_is_usual(wiggle: float) -> None:
    values = [1000.0 + 0.5 * i + wiggle * w for i, w in enumerate(noise(288))]
    assert raised(values) == []


@EXAMPLES
@given(st.lists(numbers, min_size=1, max_size=40), st.integers(1, 30))
def test_any_numbers_are_taken_and_the_state_stays_finite(pattern: list[float], repeats: int) -> None:
    evidence = Evidence()
    for i, value in enumerate(pattern * repeats):
        evidence.read(i * MINUTE, value)
    json.dumps(evidence.snapshot(), allow_nan=False)
    if evidence.found is not None:
        assert all(isfinite(number) for number in (evidence.found.evidence, evidence.found.bar))


@EXAMPLES
@given(st.lists(st.integers(0, 1499), max_size=6), st.integers(1, 50))
def test_a_restart_anywhere_changes_nothing(cuts: list[int], seed: int) -> None:
    values = [value + wiggle for value, wiggle in zip(eventful(), noise(1500, seed), strict=True)]
    evidence, restarted = Evidence(), Evidence()
    for i, value in enumerate(values):
        if i in cuts:
            restarted = through_json(restarted)
        assert restarted.read(i * MINUTE, value) == evidence.read(i * MINUTE, value)
    assert restarted.snapshot() == evidence.snapshot()


def size(data: Any) -> int:
    if isinstance(data, dict):
        return sum(size(value) for value in data.values())
    return sum(size(value) for value in data) if isinstance(data, (list, tuple)) else 1


def test_the_state_does_not_grow() -> None:
    evidence, sizes = Evidence(), []
    for i, value in enumerate(noise(30_000)):
        evidence.read(i * MINUTE, value * (10 if i % 1000 == 0 else 1))
        if i % 10_000 == 9_999:
            sizes.append(size(evidence.snapshot()))
    assert max(sizes) < 4000
    assert sizes[2] < 1.2 * sizes[0]


DAY, USUAL, AFTER = 288, 2600, 400


def wave(i: int, length: float) -> float:
    return 10 * sin(2 * pi * i / length)


CHANGES: dict[str, tuple[Callable[[int], float], Callable[[int], float], float]] = {
    "a shift": (lambda _: 0.0, lambda _: 2.5, 1.0),
    "wider variance": (lambda _: 0.0, lambda _: 0.0, 4.0),
    "stillness in place of a daily wave": (lambda i: wave(i, DAY), lambda _: 10.0, 0.0),
    "a faster wave": (lambda i: wave(i, 20), lambda i: wave(i, 7), 1.0),
    "a slower wave": (lambda i: wave(i, 20), lambda i: wave(i, 40), 1.0),
    "a ramp": (lambda _: 0.0, lambda i: 0.05 * (i - USUAL), 1.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_every_kind_are_found(change: str) -> None:
    usual, unusual, loudness = CHANGES[change]
    loud = noise(USUAL + AFTER, seed=5)
    before = [usual(i) + loud[i] for i in range(USUAL)]
    after = [unusual(i) + loudness * loud[i] for i in range(USUAL, USUAL + AFTER)]
    rows = raised(before + after)
    assert [row for row in rows if row >= USUAL], "found"
    assert len([row for row in rows if row < USUAL]) <= 3, "and what is usual hardly ever taken for one"


def test_a_habit_of_the_week_is_no_anomaly_and_work_on_a_saturday_is() -> None:
    half_hour, week, loud = 30, 336, noise(336 * 9, seed=7)

    def at_work(i: int) -> bool:
        return (i // 48 % 7 < 5 or i // week == 8) and 16 <= i % 48 < 36

    values = [(10.0 if at_work(i) else 0.0) + loud[i] / 2 for i in range(week * 8 + 48 * 6)]
    evidence, was, rows = Evidence(), False, []
    for i, value in enumerate(values):
        on = evidence.read(i * half_hour * MINUTE, value)
        rows += [i] if on and not was else []
        was = on
    saturday = week * 8 + 48 * 5 + 16
    assert next(row for row in rows if row >= week * 6) in range(saturday, saturday + 3)


def test_the_cycle_of_a_batch_is_no_news_for_ever() -> None:
    rows = raised([80.0 if i % 300 < 200 else 20.0 for i in range(9000)])
    assert len(rows) <= 5
    assert [row for row in rows if row > 3000] == []


WILD = pytest.mark.parametrize("wild", [32767.0, -999.0, 1e300])


@WILD
@pytest.mark.parametrize("rows", [(0,), (20,), (149,), (151,), tuple(range(60, 72)), (700, 800)])
def test_wild_readings_leave_the_sight_for_all_else(wild: float, rows: tuple[int, ...]) -> None:
    values = [1000 + wiggle for wiggle in noise(1400)]
    for i in rows:
        values[i] = wild
    for i in range(1200, 1300):
        values[i] += 6
    assert any(1200 <= row < 1206 for row in raised(values))


@WILD
def test_a_wild_reading_of_a_constant_is_no_part_of_what_is_usual(wild: float) -> None:
    assert raised([5.0] * 20 + [wild] + [5.0] * 400 + [6.0] * 10) == [421]


def test_what_was_saved_while_learning_by_a_version_that_kept_no_readings_goes_on() -> None:
    evidence = Evidence()
    raised(noise(100), evidence)
    saved = evidence.snapshot()
    del saved["waiting"]
    evidence.restore(saved)
    assert raised([*noise(400), 12.0], evidence) == [400]
