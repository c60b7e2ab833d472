"""A scenario through the rules: the events that it is made of, and what comes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby, islice
from typing import Final, NamedTuple

from rules.alarms import Transition
from rules.events import Command, Duration, Event, Instant, Observation, Reading, Tick
from rules.replay import replay
from rules.ruleset import RuleSet
from rules.scenarios.course import Sent
from rules.scenarios.scenario import Deed, Scenario

MOST_TRANSITIONS: Final = 100_000


class Played(NamedTuple):
    """What came: the transitions of the machines and rules that are looked at, and for each command why it was refused.

    `cut` says that there were more transitions than can be looked at.
    """

    transitions: list[Transition]
    refusals: list[str | None]
    cut: bool


def play(rules: RuleSet, scenario: Scenario) -> Played:
    """Let it happen, from machines that nothing is known of."""
    refused: dict[int, str] = {}
    deeds = [_command(scenario, deed) for deed in scenario.do]

    def note(command: Command, why: str) -> None:
        refused[next(number for number, deed in enumerate(deeds) if deed is command)] = why

    transitions = list(islice(replay(rules, _events(scenario, deeds), note), MOST_TRANSITIONS + 1))
    seen = [t for t in transitions if t.asset in scenario.assets and (not scenario.only or t.rule in scenario.only)]
    return Played(seen, [refused.get(number) for number in range(len(deeds))], len(transitions) > MOST_TRANSITIONS)


def _events(scenario: Scenario, deeds: list[Command]) -> Iterator[Event]:
    """From the first moment to the last; a command comes after the readings of its time."""
    yield Tick(scenario.start)
    happening: list[Iterable[Event]] = [_observations(scenario), sorted(deeds, key=_received)]
    yield from merge(*happening, key=_received)
    yield Tick(scenario.start + scenario.end)


def _received(event: Event) -> Instant:
    return event.received


def _observations(scenario: Scenario) -> Iterator[Observation]:
    """What a machine delivers at one time is one observation."""
    machines = enumerate(scenario.courses.items())
    streams = [
        _rows(number, metric, course.sent(scenario.every, 0, scenario.end))
        for number, (_, series) in machines
        for metric, course in series.items()
    ]
    assets = tuple(scenario.courses)
    for (after, number), rows in groupby(merge(*streams, key=_place), key=_place):
        at = scenario.start + after
        yield Observation(assets[number], at, at, tuple(row.reading for row in rows))


class _Row(NamedTuple):
    at: Duration
    machine: int
    reading: Reading


def _rows(machine: int, metric: str, sent: Iterator[Sent]) -> Iterator[_Row]:
    return (_Row(at, machine, Reading(metric, *sample)) for at, sample in sent)


def _place(row: _Row) -> tuple[Duration, int]:
    return row.at, row.machine


def _command(scenario: Scenario, deed: Deed) -> Command:
    at = scenario.start + deed.at
    asset = scenario.asset_of(deed)
    until = None if deed.for_ is None else at + deed.for_
    return Command(at, deed.command, asset, f"{asset}:{deed.alarm}", deed.by, deed.comment, until, deed.limits)
