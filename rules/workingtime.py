"""How much of a time is working time by the calendar, and when so much of it will have passed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from rules.calendar import DAY, SHIFTS, Calendar, Days, day_number, days_of, weekday
from rules.digest import digest
from rules.events import SECOND, Duration, Instant
from rules.zone import Zone

MINUTE: Final[Duration] = 60 * SECOND
WHOLE_DAY: Final[Duration] = DAY * MINUTE


class Working(Protocol):
    """The part of time that counts. `basis` is the same for two that always agree."""

    basis: str

    def elapsed(self, since: Instant, until: Instant) -> Duration:
        """How much of it lies between two instants."""

    def end(self, since: Instant, length: Duration) -> Instant:
        """The first instant by which so much of it has passed."""


class AllTime:
    """Every time counts."""

    basis = ""

    def elapsed(self, since: Instant, until: Instant) -> Duration:
        """All of it."""
        return until - since

    def end(self, since: Instant, length: Duration) -> Instant:
        """At once after it."""
        return since + length


ALL_TIME: Final = AllTime()


class WorkingTime:
    """Shifts by name, all `shifts`, or whole days of the week; never holidays. They are those that begin on a day."""

    def __init__(self, calendar: Calendar, parts: Iterable[str], zone: Zone) -> None:
        self._zone = zone
        self._holidays = frozenset(map(day_number, calendar.holidays))
        hours = [span for part in parts for span in _hours(calendar, part)]
        self._week = tuple(sorted((begin, end) for days, begin, end in hours if day in days) for day in range(7))
        self.basis = digest([self._week, sorted(self._holidays), zone.changes, zone.offsets])

    def elapsed(self, since: Instant, until: Instant) -> Duration:
        """How much of it lies between two instants."""
        total = 0
        for begin, end in self._spans(since):
            if begin >= until:
                break
            total += min(end, until) - begin
        return total

    def end(self, since: Instant, length: Duration) -> Instant:
        """The first instant by which so much of it has passed."""
        if length <= 0 or not any(self._week):
            return since + max(0, length)
        for begin, end in self._spans(since):
            if end - begin >= length:
                return begin + length
            length -= end - begin
        raise AssertionError("weeks never end")

    def _spans(self, since: Instant) -> Iterator[tuple[Instant, Instant]]:
        """What counts after `since`, span by span, no moment twice, for ever; none if there is none in a week."""
        day, reached = self._zone.wall(since) // WHOLE_DAY - 2, since
        while any(self._week):
            for begin, end in self._on(day):
                if end > reached:
                    yield max(begin, reached), end
                    reached = end
            day += 1

    def _on(self, day: int) -> Iterator[tuple[Instant, Instant]]:
        """The spans that begin on a day, counted from 1970-01-01."""
        if day in self._holidays:
            return
        for begin, end in self._week[weekday(day)]:
            midnight = day * WHOLE_DAY
            yield self._zone.instant(midnight + begin * MINUTE), self._zone.instant(midnight + end * MINUTE)


def _hours(calendar: Calendar, part: str) -> Iterator[tuple[Days, int, int]]:
    days = days_of(part)
    if days is not None:
        yield days, 0, DAY
        return
    for name in calendar.shifts if part == SHIFTS else (part,):
        if (shift := calendar.shifts.get(name)) is not None:
            yield calendar.days_of_shift(shift), shift.begin, shift.until
