"""Drives a fleet from an ordered stream of observations, with the deadlines between them: the past, as if live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.alarms import Transition
from rules.events import Observation, Tick
from rules.fleet import Fleet
from rules.ruleset import RuleSet


def replay(rules: RuleSet, observations: Iterable[Observation]) -> Iterator[Transition]:
    """The transitions, in order of time; the clock ends at the last observation.

    `received` of the observations must not decrease; for a recording it is the stamp.
    """
    fleet = Fleet(rules)
    first = True
    for observation in observations:
        if first:
            yield from fleet.handle(Tick(observation.received))
            first = False
        yield from _deadlines(fleet, observation.received)
        yield from fleet.handle(observation)


def _deadlines(fleet: Fleet, received: int) -> Iterator[Transition]:
    while (due := fleet.next_due(received)) is not None:
        yield from fleet.handle(Tick(due))
