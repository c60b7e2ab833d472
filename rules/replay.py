"""Drives all stages from an ordered stream of observations, with the deadlines between them: the past, as if live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rules.alarms import Transition
from rules.events import Observation, Tick
from rules.ruleset import RuleSet
from rules.stages import Stages


def replay(rules: RuleSet, observations: Iterable[Observation]) -> Iterator[Transition]:
    """The transitions, in order of time; the clock ends at the last observation.

    `received` of the observations must not decrease; for a recording it is the stamp.
    """
    stages = Stages(rules)
    first = True
    for observation in observations:
        if first:
            yield from stages.handle(Tick(observation.received)).shown
            first = False
        yield from _deadlines(stages, observation.received)
        yield from stages.handle(observation).shown


def _deadlines(stages: Stages, received: int) -> Iterator[Transition]:
    while (due := stages.next_due(received)) is not None and due <= received:
        yield from stages.handle(Tick(due)).shown
