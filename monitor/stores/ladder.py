"""The readings of an SQLite file with their rollups by the minute and the hour, and how long each is kept.

Rollups say exactly what the sealed readings say; those that are not sealed yet are counted in when somebody asks.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from monitor.settings import DAY, Keep
from monitor.stores import rollups
from monitor.stores.columns import Columns, Row
from monitor.stores.rollups import HOUR, MINUTE
from monitor.stores.tiers import MOST_AT_ONCE, Tier
from rules.events import Duration, Instant

FRONT: Final = 200_000
"""Rows of a tier that may lie before the chunks; beyond that the longest series are sealed."""

WINDOW: Final = 2_000
"""Rollups that are looked at in one go."""

LEAST_HOURS, MOST_HOURS = 3, 24
"""How many of the latest hours with readings do not count for how old others are: one for each day these are kept."""

READING: Final = ("at", "arrival", "value", "text", "quality")
ROLLUP: Final = ("at", "least", "most", "total", "last", "count", "left_out")

SCHEMA: Final = """
    CREATE TABLE {name} (
        series INTEGER NOT NULL, at INTEGER NOT NULL, least REAL, most REAL, total REAL, last REAL,
        count INTEGER NOT NULL, left_out INTEGER NOT NULL, PRIMARY KEY (series, at)
    ) WITHOUT ROWID;
"""
CHUNKS: Final = """
    CREATE TABLE {name}_chunk (
        id INTEGER PRIMARY KEY, series INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
        count INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE (series, start)
    );
"""
WHOLE_FROM: Final = """
    ALTER TABLE series ADD COLUMN reading_from INTEGER NOT NULL DEFAULT (-9223372036854775808);
    ALTER TABLE series ADD COLUMN minute_from INTEGER NOT NULL DEFAULT (-9223372036854775808);
    ALTER TABLE series ADD COLUMN hour_from INTEGER NOT NULL DEFAULT (-9223372036854775808);
"""
TABLES: Final = (
    SCHEMA.format(name="minute")
    + SCHEMA.format(name="hour")
    + "".join(CHUNKS.format(name=name) for name in ("reading", "minute", "hour"))
    + WHOLE_FROM
)
"""What a file of plain rows lacks: chunks, rollups, and from when on each series is whole."""

Source: TypeAlias = Callable[[Instant, Instant], Iterator[Row]]


class Level(NamedTuple):
    """Rollups of one width."""

    tier: Tier
    width: Duration


class Ladder:
    """Readings and two levels of rollups. Whoever calls holds a transaction, and calls `reload` after a rollback."""

    def __init__(self, db: sqlite3.Connection, keep: Keep, now: Callable[[], Instant]) -> None:
        self._now = now
        self.readings = Tier(db, "reading", READING, "irti")
        minutes, hours = (Tier(db, name, ROLLUP, "rrrrii") for name in ("minute", "hour"))
        self.levels = (Level(hours, HOUR), Level(minutes, MINUTE))
        """Widest first."""
        self._kept = ((self.readings, keep.raw), (minutes, keep.minutes), (hours, keep.hours))

    def reload(self) -> None:
        """Look at what lies before the chunks."""
        for tier, _ in self._kept:
            tier.reload()

    def put(self, found: dict[int, list[Row]]) -> int:
        """Keep readings of several series; seals what is due, and returns how many old readings went out for it."""
        due = {series: rows for series, rows in found.items() if self.readings.is_due(series, rows)}
        self.readings.put({series: rows for series, rows in found.items() if series not in due})
        gone = sum(self._seal(series, rows) for series, rows in due.items()) + self._relieve(self.readings, self._seal)
        for level in self.levels:
            self._relieve(level.tier, level.tier.seal)
        return gone

    def window(self, series: int, level: Level, since: Instant, until: Instant) -> tuple[Columns, Instant]:
        """The next rollups of a span that begins and ends where one of them does, and how far they go."""
        kept = level.tier.page(series, since, until, WINDOW)
        stop = kept[0][-1] + level.width if len(kept[0]) >= WINDOW else until
        fresh = self.readings.front(series, since, stop, MOST_AT_ONCE)
        if not fresh:
            return kept, stop
        if len(fresh) == MOST_AT_ONCE:
            stop = max(rollups.start_of(fresh[-1][0], level.width), since + level.width)
            fresh = self.readings.front(series, since, stop)
        rows = {row[0]: row for row in zip(*kept, strict=True) if row[0] < stop}
        source = self._of_readings(series, level)
        rows |= {row[0]: row for row in self._renewed(series, level, fresh, source, self.readings)}
        return list(zip(*(rows[at] for at in sorted(rows)), strict=True)) or kept, stop

    def _seal(self, series: int, more: Sequence[Row] = ()) -> int:
        fresh = self.readings.seal(series, more)
        if not fresh:
            return 0
        hours, minutes = self.levels
        self._renew(series, minutes, fresh, self._of_sealed(series), self.readings)
        self._renew(series, hours, fresh, self._of_minutes(series), minutes.tier)
        return self._forget(series)

    def _renew(self, series: int, level: Level, fresh: list[Row], source: Source, below: Tier) -> None:
        rows = list(self._renewed(series, level, fresh, source, below))
        if level.tier.is_due(series, rows):
            level.tier.seal(series, rows)
        else:
            level.tier.put({series: rows})

    def _renewed(self, series: int, level: Level, fresh: list[Row], source: Source, below: Tier) -> Iterator[Row]:
        """The rollups in which fresh readings lie, from the source; what that no longer has is added up instead."""
        whole_from = -(-below.whole_from(series) // level.width) * level.width
        old = fresh[: bisect_left(fresh, (whole_from,))]
        if old:
            yield from self._added(series, level, old)
        for start, stop in rollups.runs(rollups.touched(fresh[len(old) :], level.width), level.width):
            yield from source(start, stop)

    def _added(self, series: int, level: Level, fresh: list[Row]) -> Iterator[Row]:
        more = {row[0]: row for row in rollups.of_readings(list(zip(*fresh, strict=True)), level.width)}
        known = [row for row in level.tier.rows(series, min(more), max(more) + 1) if row[0] in more]
        return rollups.of_buckets(sorted([*known, *more.values()], key=lambda row: row[0]), level.width)

    def _of_sealed(self, series: int) -> Source:
        return lambda start, stop: rollups.of_readings(self.readings.sealed(series, start, stop), MINUTE)

    def _of_minutes(self, series: int) -> Source:
        minutes = self.levels[1].tier
        return lambda start, stop: rollups.of_buckets(minutes.rows(series, start, stop), HOUR)

    def _of_readings(self, series: int, level: Level) -> Source:
        return lambda start, stop: rollups.of_readings(self.readings.page(series, start, stop), level.width)

    def _relieve(self, tier: Tier, seal: Callable[[int], int | list[Row]]) -> int:
        """Seal the longest series if there is too much before the chunks; returns how many readings went out for it."""
        total = sum(tier.unsealed.values())
        if total <= FRONT:
            return 0
        gone, least = 0, max(FRONT // 2, total - MOST_AT_ONCE)
        for series in sorted(tier.unsealed, key=tier.unsealed.__getitem__, reverse=True):
            if total <= least or tier.unsealed[series] < 2:
                break
            total -= tier.unsealed[series]
            out = seal(series)
            total += tier.unsealed[series]
            gone += out if isinstance(out, int) else 0
        return gone

    def _forget(self, series: int) -> int:
        """Delete what is older than it is to be kept, counted from a late hour of the series; how many readings went.

        It is not the newest one: what a wrong clock stamps in a few hours, or beyond the present, deletes nothing.
        """
        hours = self.levels[0].tier.newest_times(series, self._now(), MOST_HOURS)
        gone, *_ = [self._forget_from(tier, series, hours, keep) for tier, keep in self._kept]
        return gone

    def _forget_from(self, tier: Tier, series: int, hours: Sequence[Instant], keep: Duration | None) -> int:
        needed = min(MOST_HOURS, max(LEAST_HOURS, (keep or 0) // DAY))
        return tier.forget(series, hours[needed - 1] - keep) if keep and len(hours) >= needed else 0
