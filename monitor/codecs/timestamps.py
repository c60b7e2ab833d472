"""Source stamps to and from `Instant`s: ISO 8601 with up to nine digits, and epoch numbers, exact to the nanosecond."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Final

from rules.events import SECOND, Instant

UNITS: Final[dict[str, int]] = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds in a unit of an epoch number."""

MAGNITUDES: Final[tuple[tuple[int, str], ...]] = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))
"""An epoch number smaller than the first column is in the second column's unit, otherwise in ns: right for stamps after
March 1973."""

LEAST_GUESSED: Final = 10**8
"""Seconds up to March 1973: what is smaller is rather a temperature, or a clock that counts from its start."""

EARLIEST: Final[Instant] = -(2**63)
LATEST: Final[Instant] = 2**63 - 1
"""What every store can hold: the years 1678 to 2261."""

NO_STAMP: Final = "not a date and time as in 2026-03-01T06:00:00Z"

_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]")
_MINUTES: Final = {f"{minute // 60:02d}:{minute % 60:02d}": minute * 60 * SECOND for minute in range(24 * 60)}
_SECONDS: Final = {f":{second:02d}": second * SECOND for second in range(61)}
_REST: Final = re.compile(r"(?:[.,]([0-9]{1,9}))?(?:Z|z|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?)?")
_UNUSUAL: Final = re.compile(
    r"(?P<year>[0-9]{4})(?P<dash>-?)(?P<month>0[1-9]|1[0-2])(?P=dash)(?P<day>[0-2][0-9]|3[01])[Tt ]"
    r"(?P<hour>[01][0-9]|2[0-3])(?:(?P<colon>:)?(?P<minute>[0-5][0-9]))"
    r"(?(colon)(?!:)|(?P<second>[0-5][0-9]|60)?)(?P<rest>(?:[.,][0-9]+)?(?:[Zz]|[+-][0-9:]+)?)"
)
"""Date and time without seconds, or without signs between the digits."""
_EPOCH: Final = re.compile(r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?")
_SCALE: Final[tuple[int, ...]] = tuple(10 ** (9 - digits) for digits in range(10))
_DAY_ZERO: Final = date(1970, 1, 1).toordinal()


def parse_iso(text: str) -> Instant:
    """The instant of an ISO 8601 / RFC 3339 text such as `2026-03-01T06:00:00.123456789+01:00`; no zone means UTC.

    Seconds may be absent, and so may all of `-` and `:`.

    Raises:
        ValueError: it is none, has more than nine digits, or lies outside the years 1678 to 2261.
    """
    try:
        base = _day(text[:11]) + _MINUTES[text[11:16]] + _SECONDS[text[16:19]]
    except KeyError:
        return parse_iso(_as_usual(text))
    rest = text[19:]
    if rest == "Z" or not rest:
        return base
    digits = rest[1:-1]
    if rest[0] == "." and rest[-1] == "Z" and 0 < len(digits) < 10 and digits.isdecimal() and digits.isascii():
        return base + int(digits) * _SCALE[len(digits)]
    return base + _fraction_and_zone(rest)


def _as_usual(text: str) -> str:
    """The same in full: without seconds, or without any `-` and `:`, it says as much."""
    found = _UNUSUAL.fullmatch(text)
    if not found:
        raise ValueError(NO_STAMP)
    year, month, day, hour, minute, rest = found.group("year", "month", "day", "hour", "minute", "rest")
    second = found["second"] or "00"
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}{rest}"


@lru_cache(maxsize=1024)
def _day(text: str) -> Instant:
    found = _DATE.fullmatch(text)
    if not found:
        raise KeyError(text)
    year, month, day = map(int, found.groups())
    if not 1678 <= year <= 2261:
        raise ValueError("outside the years 1678 to 2261")
    return (date(year, month, day).toordinal() - _DAY_ZERO) * 86_400 * SECOND


def _fraction_and_zone(rest: str) -> Instant:
    found = _REST.fullmatch(rest)
    if not found:
        raise ValueError("after the seconds there may be up to nine digits and Z or an offset, nothing else")
    digits, sign, hours, minutes = found.groups()
    fraction = int(digits) * _SCALE[len(digits)] if digits else 0
    offset = (int(hours) * 60 + int(minutes or 0)) * 60 * SECOND if sign else 0
    return fraction + offset if sign == "-" else fraction - offset


def from_epoch(number: float | Decimal, unit: str | None = None) -> Instant:
    """The instant of an epoch number in `unit` (s, ms, us, ns), by its magnitude if none is given.

    A fraction counts as it is written: 1652704957.52 is exactly .52 seconds. Digits below a nanosecond are cut.

    Raises:
        ValueError: it lies outside the years 1678 to 2261, or before March 1973 where no unit is given.
    """
    exact = Decimal(repr(number)) if isinstance(number, float) else number
    if unit is None and exact < LEAST_GUESSED:
        raise ValueError("a number before March 1973; if it is a stamp, say its unit by the gateway's `time_unit`")
    unit = unit or next((name for bound, name in MAGNITUDES if abs(exact) < bound), "ns")
    at = exact * UNITS[unit]
    if not EARLIEST <= at <= LATEST:
        raise ValueError("outside the years 1678 to 2261")
    return int(at)


def is_unset(stamp: object, unit: str | None = None) -> bool:
    """Whether a stamp says nothing: null, or the 0 of a clock that was never set; with a unit 0 is meant."""
    return stamp is None or (unit is None and type(stamp) in (int, float) and stamp == 0)


def parse_stamp(stamp: object, unit: str | None = None) -> Instant:
    """The instant of a payload's time stamp: an ISO 8601 text, an epoch number, or such a number as text.

    Raises:
        ValueError: it is none of them.
    """
    if type(stamp) is int or type(stamp) is float:
        return from_epoch(stamp, unit)
    if not isinstance(stamp, str):
        raise ValueError("neither a text nor a number")  # noqa: TRY004 - one error for whatever is no stamp
    if stamp[4:5] != "-" and _EPOCH.fullmatch(stamp):
        return from_epoch(Decimal(stamp), unit)
    return parse_iso(stamp)


def format_iso(at: Instant) -> str:
    """The instant as RFC 3339 in UTC with as many digits as it needs, up to nine; `parse_iso` reads it back."""
    seconds, fraction = divmod(at, SECOND)
    if not fraction:
        return _written_second(seconds) + "Z"
    return f"{_written_second(seconds)}.{fraction:09d}".rstrip("0") + "Z"


def _written_second(seconds: int) -> str:
    days, second = divmod(seconds, 86_400)
    return f"{_written_day(days)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


@lru_cache(maxsize=1024)
def _written_day(days: int) -> str:
    return date.fromordinal(_DAY_ZERO + days).isoformat()
