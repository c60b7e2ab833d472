"""The life of a link: every cell of its table, and waiting times within their bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.collectors.reconnect import (
    CONNECTED,
    FIRST_DELAY,
    JITTER,
    LONGEST_DELAY,
    TRANSITIONS,
    LinkEvent,
    LinkState,
    Reconnect,
)


def at(state: LinkState) -> Reconnect:
    """A link in this state, reached the way links reach it."""
    link = Reconnect(lambda: 0.0)
    for event in (LinkEvent.DUE, LinkEvent.OPENED, LinkEvent.ACCEPTED, LinkEvent.PROVEN):
        if link.state is state:
            break
        link.on(event)
    return link


@pytest.mark.parametrize(("state", "event"), list(itertools.product(LinkState, LinkEvent)))
def test_every_cell_of_the_table(state: LinkState, event: LinkEvent) -> None:
    link = at(state)
    if (state, event) in TRANSITIONS:
        assert link.on(event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(KeyError):
            link.on(event)


@pytest.mark.parametrize("state", [state for state in LinkState if state is not LinkState.WAITING])
def test_a_failure_leads_back_to_waiting_from_everywhere(state: LinkState) -> None:
    link = at(state)
    assert link.on(LinkEvent.FAILED) is LinkState.WAITING
    assert link.delay() == FIRST_DELAY


def test_the_first_attempt_is_made_at_once_and_delays_double_up_to_a_limit() -> None:
    link, delays = Reconnect(lambda: 0.0), []
    for _ in range(9):
        delays.append(link.delay())
        link.on(LinkEvent.DUE)
        link.on(LinkEvent.FAILED)
    assert delays == [0, 0.5, 1, 2, 4, 8, 16, LONGEST_DELAY, LONGEST_DELAY]


def test_only_a_steady_link_begins_with_the_shortest_delay_again() -> None:
    link = Reconnect(lambda: 0.0)
    for _ in range(4):
        for event in (LinkEvent.DUE, LinkEvent.OPENED, LinkEvent.ACCEPTED, LinkEvent.FAILED):
            link.on(event)
    assert link.delay() == FIRST_DELAY * 8
    for event in (LinkEvent.DUE, LinkEvent.OPENED, LinkEvent.ACCEPTED, LinkEvent.PROVEN, LinkEvent.FAILED):
        link.on(event)
    assert link.delay() == FIRST_DELAY


@given(choices=st.lists(st.integers(0, 10), max_size=300), randomness=st.floats(0, 1, exclude_max=True))
def test_no_walk_leaves_the_table_or_the_bounds_of_waiting(choices: list[int], randomness: float) -> None:
    link = Reconnect(lambda: randomness)
    failed = False
    for choice in choices:
        possible = [event for state, event in TRANSITIONS if state is link.state]
        event = possible[choice % len(possible)]
        link.on(event)
        failed = failed or event is LinkEvent.FAILED
        assert 0 <= link.delay() <= LONGEST_DELAY
        if failed and link.state is LinkState.WAITING:
            assert link.delay() >= FIRST_DELAY * (1 - JITTER)
    assert LinkState.STEADY in CONNECTED
