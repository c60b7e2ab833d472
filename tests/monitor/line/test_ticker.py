"""Deadlines wait for what the broker kept, but not for ever."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from monitor import clock
from monitor.line import ticker
from monitor.line.ticker import GRACE, LONGEST, PATIENCE, Ticker
from rules.events import SECOND, Instant


class Steady:
    """A steady clock that a test sets."""

    now: Instant = 100 * SECOND


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> Steady:
    steady = Steady()
    monkeypatch.setattr(clock, "elapsed", lambda: steady.now)
    return steady


def made(lag: int = 0) -> tuple[Ticker, Any]:
    intake = SimpleNamespace(pressed=None)
    return ticker.Ticker(SimpleNamespace(lag=lambda _: lag), intake), intake  # type: ignore[arg-type]


def test_a_start_waits_for_its_brokers_for_a_while(steady: Steady) -> None:
    one, _ = made()
    assert not one._may_tick()
    steady.now += PATIENCE
    assert one._may_tick()


def test_nothing_runs_out_while_the_journal_is_worked_off(steady: Steady) -> None:
    one, _ = made(lag=1)
    steady.now += PATIENCE
    assert not one._may_tick()


def test_while_full_batches_come_in_the_backlog_is_not_in_yet(steady: Steady) -> None:
    one, intake = made()
    steady.now += PATIENCE + SECOND
    intake.pressed = steady.now
    assert not one._may_tick()
    steady.now += GRACE
    assert one._may_tick()


def test_a_load_that_never_ends_is_no_backlog(steady: Steady) -> None:
    one, intake = made()
    steady.now += PATIENCE + LONGEST
    intake.pressed = steady.now
    assert one._may_tick()
