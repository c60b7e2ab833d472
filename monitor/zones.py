"""The time zones of this computer as plain tables, which the core can reckon with: it reads no files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from rules.events import SECOND
from rules.zone import Zone

FIRST: Final = int(datetime(1970, 1, 1, tzinfo=UTC).timestamp())
LAST: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp())
STEP: Final = 7 * 86_400
"""Seconds; no zone changes its clock twice within so short a time."""


@lru_cache(maxsize=16)
def zone_of(name: str) -> Zone:
    """The table of a time zone, from 1970 to 2100; its last offset goes on for ever."""
    zone = ZoneInfo(name)
    changes, offsets = [], [_offset(zone, FIRST)]
    for week in range(FIRST, LAST, STEP):
        if (offset := _offset(zone, week + STEP)) != offsets[-1]:
            changes.append(_change(zone, week, week + STEP) * SECOND)
            offsets.append(offset)
    return Zone(tuple(changes), tuple(offset * SECOND for offset in offsets))


def _change(zone: ZoneInfo, before: int, after: int) -> int:
    """The second at which the clock shows what it shows at `after`."""
    offset = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if _offset(zone, middle) == offset else (before, middle)
    return after


def _offset(zone: ZoneInfo, at: int) -> int:
    ahead = datetime.fromtimestamp(at, zone).utcoffset() or timedelta()
    return ahead // timedelta(seconds=1)
