"""The moment at which a scenario begins: `2026-03-02T06:00:00Z`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, TypeAlias

from pydantic import PlainValidator

from rules.events import SECOND, Instant
from rules.problems import InputError, quoted

HINT: Final = "write it in UTC: 2026-03-02T06:00:00Z"

_STAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?[Zz]"
)
_LENGTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_stamp(text: Any) -> Instant:
    """The instant of a UTC time.

    Raises:
        InputError: it is none of the years 1970 to 2261.
    """
    found = _STAMP.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise InputError(f"{quoted(text)} is not a date and time", HINT)
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = _LENGTHS[month - 1] + (leap and month == 2) if 1 <= month <= 12 else 0
    if not (1970 <= year <= 2261 and 1 <= day <= longest and hour < 24 and minute < 60 and second < 60):
        raise InputError(f"there is no {quoted(text)} between 1970 and 2261", HINT)
    years = year - 1
    days = years * 365 + years // 4 - years // 100 + years // 400 - 719_162
    days += sum(_LENGTHS[: month - 1]) + (leap and month > 2) + day - 1
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return seconds * SECOND + int((found[7] or "").ljust(9, "0"))


StampField: TypeAlias = Annotated[Instant, PlainValidator(parse_stamp)]
"""A pydantic field: a moment in UTC."""
