"""Durations as people write them (`60s`, `1h30m`) to and from integer nanoseconds."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from rules.events import SECOND, Duration
from rules.problems import InputError, quoted

UNITS: Final[dict[str, Duration]] = {
    "d": 86_400 * SECOND,
    "h": 3_600 * SECOND,
    "m": 60 * SECOND,
    "s": SECOND,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
LONGEST: Final[Duration] = 36_500 * UNITS["d"]
"""A hundred years: what is longer is a slip of the pen."""
HINT: Final = "use 60s, 5m, 8h"

_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m|h|d)")
_WHOLE: Final = re.compile(rf"(?:{_PART.pattern})+")


def parse_duration(text: str) -> Duration:
    """The nanoseconds of `60s`, `10m`, `2h`, `1d`, `500ms`, `1h30m` or a plain `0`.

    Raises:
        InputError: the text is no duration, repeats a unit, or is longer than a hundred years.
    """
    compact = text.strip()
    if compact == "0":
        return 0
    if len(compact) > 100 or not _WHOLE.fullmatch(compact):
        raise InputError(f"{quoted(text)} is not a duration", HINT)
    parts = _PART.findall(compact)
    if len({unit for _, unit in parts}) < len(parts):
        raise InputError(f"the duration {quoted(text)} names a unit twice", HINT)
    total = sum(int(Decimal(number) * UNITS[unit]) for number, unit in parts)
    if total > LONGEST:
        raise InputError(f"the duration {quoted(text)} is longer than a hundred years", HINT)
    return total


def format_duration(duration: Duration) -> str:
    """A duration for people, exact: `1h30m`, `1m2.5s`, `500ms`, `0s`; `parse_duration` reads it back."""
    if duration <= 0:
        return f"-{format_duration(-duration)}" if duration else "0s"
    if duration < SECOND:
        return _decimal(duration, UNITS["ms"]) + "ms"
    text, rest = "", duration
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, UNITS[unit])
        text += f"{count}{unit}" if count else ""
    return text + (_decimal(rest, SECOND) + "s" if rest else "")


def _decimal(amount: int, unit: int) -> str:
    whole, fraction = divmod(amount, unit)
    digits = str(fraction).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def _field(value: Any) -> Duration:
    if isinstance(value, str):
        return parse_duration(value)
    if type(value) in (int, float) and value == 0:
        return 0
    raise InputError(f"{quoted(value)} is not a duration: it needs a unit", HINT)


DurationField: TypeAlias = Annotated[
    Duration,
    PlainValidator(_field),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["60s", "5m", "8h"]}),
]
"""A pydantic field: written as text with a unit (or a plain 0), nanoseconds once read."""
