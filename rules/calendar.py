"""When the plant works: shifts by the clock on the wall, and days on which nobody works. Knows no time zone."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from rules.problems import InputError, quoted
from rules.validation import Section

DAY: Final = 24 * 60
"""Minutes."""
WEEK: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SHIFTS: Final = "shifts"
"""Stands for all shifts, so that none can be called so."""
_SPAN: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DATE: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_DAYS: Final = re.compile(rf"({'|'.join(WEEK)})(?:-({'|'.join(WEEK)}))?")

Span: TypeAlias = tuple[int, int]
"""Begin and end in minutes since midnight; an end that is not after the begin lies on the next day."""
Days: TypeAlias = frozenset[int]
"""Days of the week, Monday is 0."""


def _span(text: object) -> Span:
    match = _SPAN.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise InputError(f"{quoted(text)} is no shift", 'write "06:00-14:00", or "22:00-06:00" for one over midnight')
    hours, minutes, until_hours, until_minutes = map(int, match.groups())
    begin, end = hours * 60 + minutes, until_hours * 60 + until_minutes
    if begin >= DAY or end > DAY or begin == end % DAY:
        raise InputError(f"{quoted(text)} is no shift", "it begins before 24:00 and lasts less than a day")
    return begin, end % DAY


def _written(span: Span) -> str:
    (begin, end) = span
    return f"{begin // 60:02d}:{begin % 60:02d}-{end // 60:02d}:{end % 60:02d}"


def _date(text: object) -> str:
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        raise InputError(f"{quoted(text)} is no day", "write 2026-12-25")
    return text


def days_of(text: str) -> Days | None:
    """The days of `sat`, `mon-fri` or `sat-mon`; None if the text names none."""
    match = _DAYS.fullmatch(text)
    if match is None:
        return None
    first, last = WEEK.index(match[1]), WEEK.index(match[2] or match[1])
    return frozenset((first + n) % 7 for n in range((last - first) % 7 + 1))


def day_number(day: str) -> int:
    """Days since 1970-01-01 of a day of the Gregorian calendar, written `2026-12-25`."""
    year, month, date = map(int, day.split("-"))
    year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + date - 719_469


def weekday(number: int) -> int:
    """The day of the week, Monday is 0, of a day counted from 1970-01-01, which was a Thursday."""
    return (number + 3) % 7


def _days(value: Any) -> Days:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not texts:
        raise InputError("`days` must name days of the week", "write mon-fri, or [mon, wed, fri]")
    found: Days = frozenset()
    for text in texts:
        if (days := days_of(text) if isinstance(text, str) else None) is None:
            raise InputError(f"{quoted(text)} is no day of the week", "write mon-fri, or [mon, wed, fri]")
        found |= days
    return found


def _day_names(days: Days) -> list[str]:
    return [WEEK[day] for day in sorted(days)]


DaysField: TypeAlias = Annotated[
    Days,
    PlainValidator(_days),
    PlainSerializer(_day_names, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["mon-fri", "sat"]}),
]


class Shift(Section):
    """Hours by the clock on the wall, on some days of the week (those of the calendar if it names none)."""

    hours: Annotated[Span, PlainValidator(_span), PlainSerializer(_written, when_used="json")]
    days: DaysField | None = None

    @property
    def begin(self) -> int:
        """Minutes since midnight."""
        return self.hours[0]

    @property
    def until(self) -> int:
        """The end in minutes since the midnight before it begins."""
        begin, end = self.hours
        return end if end > begin else end + DAY


def _shift(value: Any) -> Any:
    return {"hours": value} if isinstance(value, str) else value


class Calendar(Section):
    """`shifts` by name, in the site's time zone, on `days` of the week; a holiday's shifts are those that begin on it.

    A shift is its hours, or `{hours: "08:00-12:00", days: sat}` if it has days of its own.
    """

    days: DaysField = frozenset(range(7))
    shifts: dict[str, Annotated[Shift, BeforeValidator(_shift)]] = {}
    holidays: Annotated[tuple[Annotated[str, PlainValidator(_date)], ...], Field(max_length=1_000)] = ()

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in self.shifts:
            if name == SHIFTS or days_of(name) is not None:
                raise InputError(f"no shift can be called {quoted(name)}", "the word means all shifts, or a day")
        return self

    def days_of_shift(self, shift: Shift) -> Days:
        """The days of the week on which it begins."""
        return self.days if shift.days is None else shift.days

    def on(self, day: str) -> list[tuple[str, int, int]]:
        """The shifts that begin on a day (`2026-03-01`): name, begin, end; in minutes since its midnight, in order."""
        if day in self.holidays:
            return []
        today = weekday(day_number(day))
        shifts = [(n, s.begin, s.until) for n, s in self.shifts.items() if today in self.days_of_shift(s)]
        return sorted(shifts, key=lambda shift: shift[1:])
