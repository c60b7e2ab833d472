"""How long a machine ran, idled, was down, and what it was down for: the ground for downtime and OEE (ISO 22400-2).

Pure functions over what was read of a machine's state and counters, and over its alarms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import Final, TypeAlias

import msgspec

from rules.counters import risen
from rules.events import SECOND, Duration, Instant

UNKNOWN: Final = "unknown"
"""The state while none was read, or what was read stands for none."""
RUNNING: Final = "running"
DOWN: Final = frozenset({"down", "fault", "faulted", "error", "failure", "stopped", "alarm", "emergency_stop"})
"""States that are a stop: the machine should run and does not."""
GRACE: Final[Duration] = 5 * SECOND
"""An alarm may be raised so long after the stop that it explains: the mode is often the faster signal."""


Span: TypeAlias = tuple[Instant, Instant]
"""From the first to the second, which is not part of it."""
Change: TypeAlias = tuple[Instant, str | None]
"""A state from then on; None if it is not known."""


class Stay(msgspec.Struct, frozen=True):
    """A time in one state; the end is not part of it."""

    state: str
    start: Instant
    end: Instant

    @property
    def length(self) -> Duration:
        """How long it lasted."""
        return self.end - self.start


class Raised(msgspec.Struct, frozen=True):
    """An alarm as far as a stop is concerned: `over` is when its condition was gone, None if it is not."""

    alarm: str
    rule: str
    title: str
    at: Instant
    over: Instant | None = None


class Stop(msgspec.Struct, frozen=True):
    """A time down, with the alarm that was first up before it; None if there was none."""

    state: str
    start: Instant
    end: Instant
    alarm: Raised | None


def stays(changes: Iterable[tuple[Instant, str | None]], start: Instant, end: Instant) -> list[Stay]:
    """The states from start to end, without gaps. `changes` are in order; the last one before start still holds."""
    settled = {max(at, start): name or UNKNOWN for at, name in changes if at < end}
    edges = [(start, UNKNOWN), *settled.items(), (end, UNKNOWN)]
    cut = [Stay(state, since, until) for (since, state), (until, _) in pairwise(edges) if since < until]
    return [
        Stay(state, same[0].start, same[-1].end)
        for state, group in groupby(cut, key=lambda stay: stay.state)
        if (same := list(group))
    ]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order and apart: those that overlap or meet are one, empty ones are left out."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def common(one: Iterable[Span], other: Sequence[Span]) -> list[Span]:
    """What two lists of spans have in common."""
    return joined((max(a, c), min(b, d)) for a, b in one for c, d in other)


def blinded(changes: Iterable[tuple[Instant, str | None]], unseen: Iterable[Span]) -> Iterator[Change]:
    """The changes with the times that nobody saw as no state; behind each the last state known holds again.

    `changes` are in order; a change within such a time does not end it.
    """
    edges = [(at, 1, name) for at, name in changes]
    edges += [edge for since, until in unseen for edge in ((since, 2, None), (until, 0, None))]
    state, blind = None, False
    for at, kind, name in sorted(edges, key=lambda edge: edge[:2]):
        state, blind = (name, blind) if kind == 1 else (state, kind == 2)
        yield at, None if blind else state


def within(listed: Iterable[Stay], start: Instant, end: Instant) -> Iterator[Stay]:
    """The parts of stays that lie between start and end."""
    for stay in listed:
        begin, until = max(stay.start, start), min(stay.end, end)
        if begin < until:
            yield Stay(stay.state, begin, until)


def times(listed: Iterable[Stay]) -> dict[str, Duration]:
    """How long each state lasted in all, the longest first."""
    total: dict[str, Duration] = defaultdict(int)
    for stay in listed:
        total[stay.state] += stay.length
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def counted(readings: Sequence[tuple[Instant, float]], start: Instant, end: Instant) -> float:
    """What a counter counted from start to end, step by step as `rules.counters` reads it.

    `readings` are in order, the last one before start among them: what it had counted then does not count.
    """
    steps = ((at, risen(before, after)) for (_, before), (at, after) in pairwise(readings))
    return sum(step for at, step in steps if start <= at < end)


def stops(listed: Sequence[Stay], alarms: Iterable[Raised], down: frozenset[str] = DOWN) -> list[Stop]:
    """Every time down, neighbours in other states of `down` joined, with the alarm that was first up before it.

    That is the earliest of those raised since the machine last ran that were still active when it stopped.
    """
    raised = sorted(alarms, key=lambda alarm: alarm.at)
    found: list[Stop] = []
    ran = 0
    for stay in listed:
        if stay.state not in down:
            ran = stay.start if stay.state == RUNNING else ran
        elif found and found[-1].end == stay.start:
            found[-1] = msgspec.structs.replace(found[-1], end=stay.end)
        else:
            found.append(Stop(stay.state, stay.start, stay.end, _first_up(raised, ran, stay.start)))
    return found


def _first_up(raised: Iterable[Raised], since: Instant, stop: Instant) -> Raised | None:
    up = (alarm for alarm in raised if since <= alarm.at <= stop + GRACE)
    return next((alarm for alarm in up if alarm.over is None or alarm.over > stop), None)
