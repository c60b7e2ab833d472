"""When the plant works: shifts by the clock on the wall, and days on which nobody works. Knows no time zone."""

from __future__ import annotations

import re
from typing import Annotated, Final, TypeAlias

from pydantic import PlainSerializer, PlainValidator

from rules.problems import InputError, quoted
from rules.validation import Section

DAY: Final = 24 * 60
"""Minutes."""
_SPAN: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DATE: Final = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])")

Span: TypeAlias = tuple[int, int]
"""Begin and end in minutes since midnight; an end that is not after the begin lies on the next day."""


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


class Calendar(Section):
    """`shifts` by name, in the site's time zone; a holiday's shifts are those that begin on it."""

    shifts: dict[str, Annotated[Span, PlainValidator(_span), PlainSerializer(_written, when_used="json")]] = {}
    holidays: tuple[Annotated[str, PlainValidator(_date)], ...] = ()

    def on(self, day: str) -> list[tuple[str, int, int]]:
        """The shifts that begin on a day (`2026-03-01`): name, begin, end; in minutes since its midnight, in order."""
        if day in self.holidays:
            return []
        spans = [(name, begin, end if end > begin else end + DAY) for name, (begin, end) in self.shifts.items()]
        return sorted(spans, key=lambda shift: shift[1:])
