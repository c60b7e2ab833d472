"""The store marks as late exactly what the core does not show its detectors, and remembers no more than it may."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.stores import lateness
from monitor.stores.lateness import Lateness
from rules.events import SECOND, Link, Observation, Reading, Refed
from tests.rules.plant import T0, watching

SIGNALS = "abc"
AHEAD = 5 * SECOND

steps = st.sampled_from([0, 1, 3, 11]).map(lambda seconds: seconds * SECOND)
shifts = st.sampled_from([0, 0, 0, -1, -2, -60, -61, -3600, 4, 30]).map(lambda seconds: seconds * SECOND)
chosen = st.sets(st.sampled_from(SIGNALS), min_size=1)
course = st.lists(st.tuples(steps, shifts, chosen, st.integers(0, 9)), max_size=40)


def seen(at: int, received: int, signals: Iterable[str] = "a", asset: str = "m") -> Observation:
    return Observation(asset, T0 + at, T0 + received, tuple(Reading(signal, 1.0) for signal in sorted(signals)))


def nothing(_: str) -> dict[str, int]:
    return {}


@given(course)
def test_what_is_late_is_what_no_detector_is_shown(course: list[tuple[int, int, set[str], int]]) -> None:
    core, judge, received = watching("{type: limits, each: [a, b, c], high: 5}"), Lateness(nothing), 0
    for step, shift, signals, dice in course:
        received += step + 1
        if dice == 1:
            core.handle(Link(T0 + received, "main", False, T0 + received))
            received += 20 * SECOND
            core.handle(Link(T0 + received, "main", True, T0 + received - 20 * SECOND))
            judge.link_back(T0 + received - 20 * SECOND, T0 + received)
        observation, again, before = seen(received + shift, received, signals), dice == 0, core.late
        core.handle(Refed(observation.received, observation) if again else observation)
        assert len(judge.late(observation, AHEAD, again=again)) == core.late - before


def test_each_signal_and_each_asset_has_a_mark_of_its_own() -> None:
    judge = Lateness(nothing)
    assert not judge.late(seen(5, 5, "ab"), AHEAD)
    assert not judge.late(seen(4, 6, "c"), AHEAD)
    assert set(judge.late(seen(4, 7, "ac"), AHEAD)) == {"a"}
    assert set(judge.late(seen(3, 8, "ac"), AHEAD)) == {"a", "c"}
    assert not judge.late(seen(3, 9, "a", asset="n"), AHEAD)


def test_what_is_known_of_an_asset_is_asked_for_once() -> None:
    asked = []

    def known(asset: str) -> dict[str, int]:
        asked.append(asset)
        return {"a": T0 + 5}

    judge = Lateness(known)
    assert set(judge.late(seen(4, 6), AHEAD)) == {"a"}
    assert not judge.late(seen(4, 7, "b"), AHEAD)
    assert not judge.late(seen(5, 8), AHEAD)
    assert asked == ["m"]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lateness, "MOST_MARKS", 10)
    judge = Lateness(nothing)
    for n in range(100):
        judge.late(seen(n, n, [f"s{n}"], asset=f"m{n % 3}"), AHEAD)
        assert sum(len(timeline.marks) for timeline in judge._timelines.values()) <= 10
    for n in range(100):
        judge.late(seen(n, n, [f"s{n}"], asset=f"n{n}"), AHEAD)
        assert len(judge._timelines) <= 10
