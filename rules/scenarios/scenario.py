"""A scenario as its file has it, typed: machines with the courses of their signals, commands, expected transitions."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Final, NamedTuple, Self, TypeAlias

from pydantic import Field, PlainValidator, model_validator

from rules.alarms import JOURNALLED, Priority, State
from rules.commands import ACTIONS
from rules.durations import DurationField, format_duration, parse_duration
from rules.events import SECOND, Duration, Instant
from rules.problems import InputError, quoted, unknown
from rules.scenarios.course import CourseField, OffsetField
from rules.scenarios.notation import NOTHING
from rules.scenarios.stamps import StampField
from rules.validation import Section

MONDAY: Final[Instant] = 1_767_592_800 * SECOND
"""2026-01-05T06:00Z, when a scenario begins that does not say so."""
MOST_READINGS: Final = 1_000_000
EVENTS: Final = frozenset(
    {
        *("raised_priority", "lowered_priority", "commented", "limits_overridden", "limits_restored"),
        *(event for left in JOURNALLED.values() for event in left),
    }
)
"""What a transition's `event` can be."""

_WHEN: Final = re.compile(r"(\S+)(?: *(?:\+-|±) *(\S+))?")


class When(NamedTuple):
    """A time since the beginning, and how far it may be missed."""

    at: Duration
    tolerance: Duration = 0

    def __str__(self) -> str:
        missed = f" +- {format_duration(self.tolerance)}" if self.tolerance else ""
        return f"{format_duration(self.at)}{missed}"


def _when(text: Any) -> When:
    found = _WHEN.fullmatch(str(text).strip())
    if not found:
        raise InputError(f"{quoted(text)} is no time of the scenario", "write 6m30s, or 6m30s +- 5s")
    return When(parse_duration(found[1]), parse_duration(found[2]) if found[2] else 0)


def _event(text: Any) -> str:
    if text not in EVENTS:
        raise unknown("event", str(text), EVENTS)
    return str(text)


def _command(text: Any) -> str:
    if text not in ACTIONS:
        raise unknown("command", str(text), ACTIONS)
    return str(text)


class Deed(Section):
    """What a person does, with the words of `andon alarm`. `alarm` is `rule` or `rule:part`.

    `refused: true` says that it must be.
    """

    at: OffsetField
    command: Annotated[str, PlainValidator(_command)]
    alarm: Annotated[str, Field(min_length=1, max_length=500)]
    asset: str = ""
    by: str = "operator"
    comment: str = ""
    for_: DurationField | None = Field(default=None, alias="for")
    limits: dict[str, float] = {}
    refused: bool = False


class Expectation(Section):
    """A transition that has to come; what is not given may be anything. `text` is a part of its reason."""

    at: Annotated[When, PlainValidator(_when)]
    rule: str
    event: Annotated[str, PlainValidator(_event)]
    asset: str = ""
    part: str | None = None
    priority: Priority | None = None
    to: State | None = None
    value: float | None = None
    text: str | None = None


class Expected(Section):
    """Either all that comes, or at least that much."""

    exactly: tuple[Expectation, ...] | None = None
    at_least: tuple[Expectation, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, data: Any) -> Any:
        if isinstance(data, dict) and set(data) == {"at_least"}:
            return data
        if isinstance(data, list):
            return {"exactly": data}
        if data != NOTHING:
            raise InputError(
                "`expect` says neither what comes nor `nothing`", "expect: [{at: 5m, rule: r, event: raised}]"
            )
        return {"exactly": ()}

    @property
    def all(self) -> tuple[Expectation, ...]:
        """Every one of them."""
        return self.exactly or self.at_least or ()


Series: TypeAlias = dict[str, CourseField]
"""Courses by the names under which the machine delivers them."""


class Scenario(Section):
    """`series` are those of `asset`; several machines have theirs under `machines`.

    Readings come `every` so often, and time goes on up to the longest course, the last command, or `until`. With `only`
    the transitions of other rules are not looked at.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    asset: str = ""
    start: StampField = MONDAY
    every: Annotated[DurationField, Field(gt=0)] = SECOND
    until: OffsetField | None = None
    series: Series = {}
    machines: dict[str, Series] = {}
    do: tuple[Deed, ...] = ()
    only: tuple[str, ...] = ()
    expect: Expected

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.asset and (self.series or not self.machines):
            raise InputError("the scenario does not say whose signals these are", "add asset: line1/pump1")
        if not self.asset and not (all(d.asset for d in self.do) and all(e.asset for e in self.expect.all)):
            raise InputError("the scenario does not say which machine each of `do` and `expect` means", "add asset")
        if self.series and self.asset in self.machines:
            raise InputError(f"the signals of {quoted(self.asset)} stand in two places", "leave it to `series`")
        if not self.end:
            raise InputError("the scenario does not say how long it lasts", "add until: 10m, or a course with lengths")
        if (count := self.count) > MOST_READINGS:
            message = f"the scenario makes {count:,} readings, more than {MOST_READINGS:,}"
            raise InputError(message, "let them come less often: every: 1m")
        for expectation in self.expect.all:
            if expectation.at.at - expectation.at.tolerance > self.end:
                hint = f"it ends at {format_duration(self.end)}; until: says otherwise"
                raise InputError(f"nothing comes at {expectation.at}: the scenario is over then", hint)
        return self

    @cached_property
    def end(self) -> Duration:
        """When it ends."""
        lengths = [course.length(self.every) for series in self.courses.values() for course in series.values()]
        return max((*lengths, *(deed.at for deed in self.do), self.until or 0))

    @cached_property
    def count(self) -> int:
        """How many readings it has."""
        return sum(c.count(self.every, self.end) for series in self.courses.values() for c in series.values())

    @cached_property
    def courses(self) -> dict[str, Series]:
        """The series of each machine."""
        return {**({self.asset: self.series} if self.asset else {}), **self.machines}

    @cached_property
    def assets(self) -> frozenset[str]:
        """The machines that the scenario is about; of all others the transitions are not looked at."""
        named = (*(deed.asset for deed in self.do), *(expected.asset for expected in self.expect.all))
        return frozenset((*self.courses, *filter(None, named)))

    def asset_of(self, item: Deed | Expectation) -> str:
        """The machine that a command or a transition belongs to."""
        return item.asset or self.asset
