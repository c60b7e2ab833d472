"""A lively signal that stands still is told of; one that stands still by nature is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import accumulate
from math import floor, pi, sin
from random import Random

import pytest

from rules.learning.evidence import BAR, Evidence, Found
from rules.learning.stillness import LEARNED, LEAST, Still, Stillness
from tests.rules.learning.test_evidence import MINUTE, noise, raised

COUNT = 20_000
DAY = 288
FULL_DAY = 1440


def told(values: list[float], stillness: Stillness | None = None) -> list[int]:
    """The readings at which a standstill began to be told of."""
    stillness, was, rows = stillness or Stillness(1.0), False, []
    for i, value in enumerate(values):
        now = stillness.read(value)
        rows += [i] if now and not was else []
        was = now
    return rows


def gauss(count: int, seed: int = 1) -> list[float]:
    draw = Random(seed)
    return [draw.gauss(0, 1) for _ in range(count)]


def following(count: int, phi: float, seed: int = 1) -> list[float]:
    """Noise in which each value follows the one before."""
    return list(accumulate(gauss(count, seed), lambda before, new: phi * before + new))


def stretches(lengths: Callable[[Random, bool], float], seed: int = 1) -> Iterator[bool]:
    """On and off, for stretches of random length."""
    draw, on = Random(seed), True
    while True:
        for _ in range(max(1, round(draw.expovariate(1 / lengths(draw, on))))):
            yield on
        on = not on


def running(on: float, off: float, count: int = COUNT) -> list[bool]:
    states = stretches(lambda _, now: on if now else off)
    return [next(states) for _ in range(count)]


# -- what is told ---------------------------------------------------------------------------------------------------

LIVELY: dict[str, Callable[[int], list[float]]] = {
    "noise": gauss,
    "noise that follows itself": lambda n: following(n, 0.9),
    "a random walk": lambda n: following(n, 1.0),
    "noise in steps of one sigma": lambda n: [float(round(v)) for v in gauss(n)],
    "noise with outliers": lambda n: [v * 50 if i % 97 == 0 else v for i, v in enumerate(gauss(n))],
    "a daily wave with noise": lambda n: [10 * sin(2 * pi * i / DAY) + 0.5 * v for i, v in enumerate(gauss(n))],
    "a wave without noise": lambda n: [sin(2 * pi * i / DAY) for i in range(n)],
}


@pytest.mark.parametrize("signal", LIVELY)
@pytest.mark.parametrize("learned", [400, 1000, 3000])
def test_a_lively_signal_that_freezes_is_told_of_within_a_hundred_readings(signal: str, learned: int) -> None:
    values = LIVELY[signal](learned)
    (row,) = told([*values, *[values[-1]] * 300])
    assert learned + LEAST < row < learned + 100


@pytest.mark.parametrize("signal", LIVELY)
def test_a_spread_that_falls_to_a_tenth_is_told_of_though_no_value_repeats(signal: str) -> None:
    values = LIVELY[signal](1300)
    calm = [values[999] + (v - values[1000]) / 10 for v in values[1000:]]
    (row,) = [row for row in told(values[:1000] + calm) if row >= 1000] or [0]
    assert 1000 + LEAST < row < 1100


def test_a_spread_that_falls_to_a_half_is_not_a_standstill() -> None:
    assert told([*gauss(1000), *(0.5 * v for v in gauss(1000, seed=2))]) == []


def test_what_is_found_says_for_how_long_and_what_was_usual() -> None:
    values, stillness = gauss(1000), Stillness(1.0)
    told(values, stillness)
    while not stillness.read(values[-1]):
        pass
    found = stillness.found
    assert (found.value, found.bar, found.calm) == (values[-1], LEAST, LEAST)
    assert LEAST < found.repeats < 2 * LEAST
    assert 1 <= found.longest < LEAST / 6
    assert found.usual == pytest.approx(1.128, rel=0.1), "d2: the mean distance of two normal values"
    assert 0 < found.movement < found.usual / 4


def test_a_demand_for_more_takes_longer() -> None:
    values = [*gauss(1000), *[0.0] * 300]
    rows = [told(values, Stillness(demand))[0] for demand in (0.7, 1.0, 1.4)]
    assert rows == sorted(set(rows))


def test_it_is_over_as_soon_as_the_signal_moves_as_it_used_to() -> None:
    stillness = Stillness(1.0)
    assert told([*gauss(1000), *[0.0] * 5000], stillness)
    assert stillness.on
    over = [stillness.read(value) for value in gauss(50, seed=2)]
    assert False in over[:15]
    assert True not in over[15:]


def test_a_new_and_smaller_spread_becomes_usual_in_the_end() -> None:
    stillness = Stillness(1.0)
    assert len(told([*gauss(1000), *(v / 10 for v in gauss(4000, seed=2))], stillness)) == 1
    assert not stillness.on


@pytest.mark.parametrize("factor", [2.0**-30, 0.25, 2.0**40])
def test_the_unit_does_not_matter(factor: float) -> None:
    values = [*noise(1000), *[0.0] * 100]
    assert told([factor * value for value in values]) == told(values) != []


# -- what is not ----------------------------------------------------------------------------------------------------


def working(still: Callable[[int], bool]) -> list[float]:
    """Noise about ten; zero where `still` says so of the number of a reading."""
    return [0.0 if still(i) else 10.0 + v for i, v in enumerate(gauss(COUNT))]


def batches() -> list[float]:
    """Runs of 300 readings with a pause of 100 between them, in which hardly anything moves."""
    return [
        50 * sin(pi * (i % 400) / 300) ** 2 + v if i % 400 < 300 else v / 20
        for i, v in enumerate(gauss(COUNT))
    ]  # fmt: skip


def set_points() -> list[float]:
    draw = Random(1)
    out: list[float] = []
    while len(out) < COUNT:
        out += [float(draw.randrange(20, 90))] * max(1, round(draw.expovariate(1 / 80)))
    return out


STILL_BY_NATURE: dict[str, Callable[[], list[float]]] = {
    "a constant": lambda: [7.0] * COUNT,
    "noise": lambda: gauss(COUNT),
    "heavy outliers": lambda: [v**5 for v in gauss(COUNT)],
    "noise in steps of one sigma": lambda: [float(round(v)) for v in gauss(COUNT)],
    "noise in steps of two sigma": lambda: [float(round(v / 2)) for v in gauss(COUNT)],
    "a slow temperature in whole degrees": lambda: [float(round(v / 2)) for v in following(COUNT, 0.98)],
    "an on/off machine": lambda: [float(on) for on in running(50, 50)],
    "an on/off machine, seldom off": lambda: [float(on) for on in running(500, 30)],
    "a valve that toggles": lambda: [float(on) for on in running(3, 20)],
    "set points": set_points,
    "a counter": lambda: [float(i + floor(abs(v))) for i, v in enumerate(gauss(COUNT))],
    "a counter of a machine with stops": lambda: list(accumulate(map(float, running(1500, 100)))),
    "a counter that starts anew": lambda: [v % 500 for v in accumulate(map(float, running(2500, 100)))],
    "a sawtooth": lambda: [float(i % 50) for i in range(COUNT)],
    "rare events": lambda: [float(v > 2) for v in gauss(COUNT)],
    "values that come thrice": lambda: [v for v in gauss(COUNT // 3) for _ in range(3)],
    "flat nights": lambda: working(lambda i: i % DAY < 96),
    "flat nights of minutes": lambda: working(lambda i: i % FULL_DAY < 480),
    "flat nights and weekends": lambda: working(lambda i: i % DAY < 96 or i // DAY % 7 > 4),
    "a wave cut off at zero": lambda: [max(0.0, sin(2 * pi * i / DAY)) for i in range(COUNT)],
}


@pytest.mark.parametrize("signal", STILL_BY_NATURE)
def test_what_stands_still_by_nature_is_never_told_of(signal: str) -> None:
    assert told(STILL_BY_NATURE[signal]()) == []


NEWS_ONCE: dict[str, Callable[[], list[float]]] = {
    "flat nights that begin late": lambda: working(lambda i: (i + 480) % FULL_DAY < 480),
    "flat weekends": lambda: working(lambda i: i // DAY % 7 > 4),
    "pauses between batches": batches,
    "quiet nights": lambda: [v * (0.05 if i % DAY < 96 else 1) for i, v in enumerate(gauss(COUNT))],
}


@pytest.mark.parametrize("signal", NEWS_ONCE)
def test_a_rest_that_comes_again_and_again_is_news_once(signal: str) -> None:
    assert len(told(NEWS_ONCE[signal]())) == 1


def test_a_machine_with_stops_is_told_of_once_in_a_while_at_most() -> None:
    moving = [10 + v if on else 0.0 for on, v in zip(running(200, 100), gauss(COUNT), strict=True)]
    assert len(told(moving)) <= 1


def test_rounding_is_no_movement() -> None:
    values = [1e6 + (v * 1e-9) for v in gauss(1000)]
    assert told([*values, *[1e6] * 500]) == []


def test_nothing_is_told_while_learning() -> None:
    assert told([*gauss(LEARNED // 2), *[0.0] * (LEARNED // 2)]) == []


# -- its state ------------------------------------------------------------------------------------------------------


def test_a_restart_anywhere_changes_nothing() -> None:
    values = [*gauss(500), *[1.0] * 100, *gauss(200, seed=2), *[2.0] * 100]
    whole, restarted = Stillness(1.0), Stillness(1.0)
    for value in values:
        saved = json.loads(json.dumps(restarted.snapshot(), allow_nan=False))
        restarted = Stillness(1.0)
        restarted.restore(saved)
        assert restarted.read(value) == whole.read(value)
    assert restarted.found == whole.found


def test_its_state_is_a_dozen_numbers() -> None:
    stillness = Stillness(1.0)
    told(gauss(5000), stillness)
    assert len(stillness.snapshot()) == 11


# -- as part of the evidence ----------------------------------------------------------------------------------------


def test_a_frozen_signal_stays_unusual_until_it_moves_again() -> None:
    evidence = Evidence()
    assert raised([0.1 * value for value in noise(1000)], evidence) == []
    frozen = [evidence.read(i * MINUTE, 0.0) for i in range(1000, 3000)]
    assert frozen.index(True) < 100
    assert all(frozen[frozen.index(True) :])
    assert isinstance(evidence.found, Still)
    again = [evidence.read(i * MINUTE, 0.1 * value) for i, value in enumerate(noise(60, seed=2), 3000)]
    assert not again[-1]


def test_a_standstill_takes_nothing_from_other_alarms() -> None:
    """It does not raise the bar that alarms of level and movement have to pass."""
    evidence = Evidence()
    raised([*noise(1000), *[0.0] * 100], evidence)
    assert evidence.on
    for i, value in enumerate([*noise(60, seed=3), 12.0], 1100):
        evidence.read(i * MINUTE, value)
    assert evidence.on
    assert isinstance(evidence.found, Found)
    assert evidence.found.bar == BAR


def test_a_wave_that_changes_its_pace_without_a_jump_is_found() -> None:
    for before, after in ((20, 7), (20, 40), (100, 30), (DAY, DAY // 3)):
        turn = before * (2600 // before)
        wave = [10 * sin(2 * pi * i / before) for i in range(turn)] + [10 * sin(2 * pi * i / after) for i in range(300)]
        rows = raised([v + 0.3 * w for v, w in zip(wave, noise(len(wave), seed=5), strict=True)])
        assert [row for row in rows if row >= turn]
        assert len([row for row in rows if row < turn]) <= 3
