"""Drives all stages from an ordered stream of events, with the deadlines between them: the past, as if live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from rules.alarms import Transition
from rules.events import Command, Event, Tick
from rules.ruleset import RuleSet
from rules.stages import Stages

Refused: TypeAlias = Callable[[Command, str], None]
"""Told of a command that changes nothing, and why."""


def replay(rules: RuleSet, events: Iterable[Event], refused: Refused | None = None) -> Iterator[Transition]:
    """The transitions, in order of time; the clock ends at the last event.

    `received` of the events must not decrease; for a recording it is the stamp.
    """
    stages = Stages(rules)
    first = True
    for event in events:
        if first:
            yield from stages.handle(Tick(event.received)).shown
            first = False
        yield from _deadlines(stages, event.received)
        if refused is not None and isinstance(event, Command) and (why := stages.refusal(event)) is not None:
            refused(event, why)
            continue
        yield from stages.handle(event).shown


def _deadlines(stages: Stages, received: int) -> Iterator[Transition]:
    while (due := stages.next_due(received)) is not None and due <= received:
        yield from stages.handle(Tick(due)).shown
