"""What looking back says before all was seen never contradicts what came, and a restart at any moment changes nothing."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from rules.bounds import Bound
from rules.events import SECOND, Instant, Quality, Value
from rules.signals import Signal, usable
from rules.windowed import LookBack, WindowCall, look_back

LENGTH: Final = 60 * SECOND
NUMERIC: Final = ("count", "max", "min")
STEPS = st.lists(
    st.tuples(
        st.sampled_from((1, 1, 2, 5, 13, 40)),
        st.sampled_from(("good", "good", "good", "good", "bad", "time", "down", "up", "arm")),
        st.sampled_from((1.0, 2.0, 3.0)),
    ),
    max_size=60,
)


class Past:
    """A signal with one way of looking back on it, and what was read of it and what really came, heard or not."""

    def __init__(self, function: str) -> None:
        self.signal = Signal("x", None)
        self.call = WindowCall(function, "x", LENGTH)
        self.eye = look_back(self.call, self.signal, usable)
        self.paused = False
        self.came: list[tuple[Instant, float]] = []
        self.read: list[tuple[Instant, float]] = []

    def step(self, at: Instant, what: str, value: float) -> None:
        """One event."""
        if what in ("good", "bad"):
            self.came.append((at, value))
            if not self.paused:
                self.hear(at, value, bad=what == "bad")
        elif what == "down":
            self.paused = True
            self.eye.pause(at)
        elif what == "up":
            self.paused = False
            self.eye.resume(at)
        elif what == "arm":
            self.eye.clear()

    def hear(self, at: Instant, value: float, *, bad: bool) -> None:
        """A reading that reaches us."""
        self.signal.at = at
        self.signal.take(value, Quality.BAD if bad else Quality.GOOD)
        if not bad:
            self.read.append((at, value))

    def truth(self, at: Instant) -> Value:
        """The answer of one who saw everything."""
        if self.call.function == "changed":
            return any(then > at - LENGTH for (_, was), (then, now) in pairwise(self.read) if was != now)
        inside = [value for then, value in self.came if then >= at - LENGTH]
        if self.call.function == "count":
            return float(len(inside))
        return {"max": max, "min": min}[self.call.function](inside, default=None)

    def restarted(self) -> LookBack:
        """The eye after a stop."""
        fresh = look_back(self.call, self.signal, usable)
        fresh.restore(json.loads(json.dumps(self.eye.snapshot(), allow_nan=False)))
        return fresh


def moments(past: Past, start: Instant, end: Instant) -> list[Instant]:
    """When it looks between two events: at its deadlines."""
    found = []
    while (due := past.eye.deadline) is not None and due < end:
        assert due > start
        past.eye.look(due)
        found.append(due)
        start = due
    return found


@settings(max_examples=150, deadline=None)
@given(st.sampled_from((*NUMERIC, "changed")), STEPS)
def test_no_answer_contradicts_what_came(function: str, steps: list[tuple[int, str, float]]) -> None:
    """Events lie on the grid of a window's parts, where nothing leaves it late."""
    past, at = Past(function), 0
    for pause, what, value in steps:
        at += pause * SECOND
        past.step(at, what, value)
        found, truth = past.eye.look(at), past.truth(at)
        if isinstance(found, Bound):
            assert isinstance(truth, float)
            assert found.low <= truth <= found.high
        elif found is not None:
            assert found == truth


@settings(max_examples=100, deadline=None)
@given(st.sampled_from((*NUMERIC, "changed", "age", "mean", "rate")), STEPS)
def test_a_restart_after_any_event_changes_no_answer(function: str, steps: list[tuple[int, str, float]]) -> None:
    past, other, at = Past(function), Past(function), 0
    for pause, what, value in steps:
        start, at = at, at + pause * SECOND
        assert moments(past, start, at) == moments(other, start, at)
        for one in (past, other):
            one.step(at, what, value)
        assert past.eye.look(at) == other.eye.look(at)
        other.eye = other.restarted()
        assert past.eye.now == other.eye.now
        assert past.eye.waits is other.eye.waits


@settings(max_examples=100, deadline=None)
@given(st.sampled_from((*NUMERIC, "changed")), STEPS)
def test_an_answer_turns_by_time_alone_at_deadlines_only(function: str, steps: list[tuple[int, str, float]]) -> None:
    past, at = Past(function), 0
    for pause, what, value in steps:
        at += pause * SECOND
        past.step(at, what, value)
        found, due = past.eye.look(at), past.eye.deadline
        if what not in ("down", "up"):
            later = at + LENGTH if due is None else due - 1
            assert past.restarted().look(later) == found
