"""Drives a fleet from an ordered stream of events, with the deadlines between them: the past, as if live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from rules.alarms import Transition
from rules.events import Command, Event, Tick
from rules.fleet import Fleet
from rules.ruleset import RuleSet

Refused: TypeAlias = Callable[[Command, str], None]
"""Told of a command that changes nothing, and why."""


def replay(rules: RuleSet, events: Iterable[Event], refused: Refused | None = None) -> Iterator[Transition]:
    """The transitions, in order of time; the clock ends at the last event.

    `received` of the events must not decrease; for a recording it is the stamp.
    """
    fleet = Fleet(rules)
    first = True
    for event in events:
        if first:
            yield from fleet.handle(Tick(event.received))
            first = False
        yield from _deadlines(fleet, event.received)
        if refused is not None and isinstance(event, Command) and (why := fleet.refusal(event)) is not None:
            refused(event, why)
        yield from fleet.handle(event)


def _deadlines(fleet: Fleet, received: int) -> Iterator[Transition]:
    while (due := fleet.next_due()) is not None and due <= received:
        yield from fleet.handle(Tick(due))
