"""Rows by (series, at) in an SQLite file: the latest few as rows of a table, the others sealed in compressed chunks.

A row that comes late or again lies in the table, before the chunk it belongs into, until the series is sealed the next
time. The newest row of a series always stays in the table. Chunks of a series do not overlap.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, Final

from monitor.codecs.timestamps import EARLIEST, LATEST
from monitor.stores.columns import Columns, Row, packed, unpacked
from rules.events import Instant

CHUNK: Final = 1_000
SMALL: Final = CHUNK // 4
"""A last chunk with fewer rows is taken along into the next one."""
WORTH_SEALING: Final = CHUNK // 10
"""So many rows of a series in one write are sealed at once: cheaper than to make rows of them first."""
MOST_AT_ONCE: Final = 100 * CHUNK

ALL: Final = 2**63 - 1

SQL: Final = {
    "front": "SELECT {columns} FROM {name} WHERE series = ? AND at >= ? AND at < ? ORDER BY at LIMIT ?",
    "insert": "INSERT OR REPLACE INTO {name} VALUES (?, {marks})",
    "sealed_away": "DELETE FROM {name} WHERE series = ? AND at <= ?",
    "newest": "SELECT max(at) FROM {name} WHERE series = ?",
    "last_times": "SELECT at FROM {name} WHERE series = ? AND at <= ? ORDER BY at DESC LIMIT ?",
    "last_chunks": """
        SELECT id FROM {name}_chunk WHERE series = ? AND start <= ? AND stop >= ? ORDER BY start DESC
    """,
    "counts": "SELECT series, count(*) FROM {name} GROUP BY series",
    "times": "SELECT at FROM {name} WHERE series = ? AND at BETWEEN ? AND ?",
    "chunks": """
        SELECT id, start, stop, count FROM {name}_chunk
        WHERE series = :series AND start <= :until AND start >= coalesce(
            (SELECT max(start) FROM {name}_chunk WHERE series = :series AND start <= :since), :since)
        ORDER BY start
    """,
    "data": "SELECT data FROM {name}_chunk WHERE id = ?",
    "seal": "INSERT INTO {name}_chunk (series, start, stop, count, data) VALUES (?, ?, ?, ?, ?)",
    "drop": "DELETE FROM {name}_chunk WHERE id = ?",
    "forget": "DELETE FROM {name}_chunk WHERE series = ? AND stop < ? RETURNING count, stop",
    "forgot": "UPDATE series SET {name}_from = max({name}_from, ?) WHERE id = ?",
    "whole_from": "SELECT {name}_from FROM series WHERE id = ?",
}


class Tier:
    """One kind of rows. `kinds` says what the columns behind `at` hold, see `columns.packed`.

    What writes must run in a transaction of the caller's, and `reload` after it was rolled back; what reads and should
    see one state, too.
    """

    def __init__(self, db: sqlite3.Connection, name: str, columns: tuple[str, ...], kinds: str) -> None:
        self._db = db
        self._kinds = kinds
        marks = ", ".join("?" * len(columns))
        self._sql = {key: q.format(name=name, columns=", ".join(columns), marks=marks) for key, q in SQL.items()}
        self.unsealed: dict[int, int] = {}
        """Rows in the table by series, at most."""
        self._recent: dict[int | None, Columns] = {}
        """The columns of the chunks that were made last."""

    def reload(self) -> None:
        """Count the rows in the table."""
        self._recent.clear()
        self.unsealed = dict(self._db.execute(self._sql["counts"]))

    def newest(self, series: int) -> Instant | None:
        """`at` of the last row."""
        return self._value("newest", series)

    def newest_times(self, series: int, until: Instant, most: int) -> list[Instant]:
        """`at` of the last rows up to an instant, newest first, at most so many."""
        found = {at for (at,) in self._db.execute(self._sql["last_times"], (series, until, most))}
        least = min(found) if len(found) == most else EARLIEST
        sealed = 0
        for (chunk,) in self._db.execute(self._sql["last_chunks"], (series, until, least)):
            times = self._columns(chunk, "")[0]
            last = times[: bisect_right(times, until)][-most:]
            found.update(last)
            sealed += len(last)
            if sealed >= most:
                break
        return sorted(found, reverse=True)[:most]

    def rows(self, series: int, since: Instant, until: Instant, most: int = ALL) -> list[Row]:
        """The first rows with since <= at < until, in order; all of them if there are fewer than `most`."""
        return list(zip(*self.page(series, since, until, most), strict=True))

    def page(self, series: int, since: Instant, until: Instant, most: int = ALL) -> Columns:
        """The same by columns; perhaps more than `most`."""
        sealed = self.sealed(series, since, until, most)
        front = self.front(series, since, sealed[0][-1] if len(sealed[0]) > most else until, most)
        if not front:
            return sealed
        if sealed[0] and front[0][0] <= sealed[0][-1]:
            front, sealed = _over(list(zip(*sealed, strict=True)), front), self._empty()
        return [(*old, *new)[:most] for old, new in zip(sealed, zip(*front, strict=True), strict=True)]

    def front(self, series: int, since: Instant, until: Instant, most: int = ALL) -> list[Row]:
        """Those of the rows that lie in the table."""
        return self._db.execute(self._sql["front"], (series, since, until, most)).fetchall()

    def sealed(self, series: int, since: Instant, until: Instant, most: int = ALL) -> Columns:
        """Those that lie in chunks, by columns, with what is outdated among them; perhaps more than `most`."""
        found = self._empty()
        for chunk, _, stop, _ in self._chunks(series, since, until - 1):
            if stop < since:
                continue
            columns = self._columns(chunk)
            low, high = bisect_left(columns[0], since), bisect_left(columns[0], until)
            for kept, column in zip(found, columns, strict=True):
                kept.extend(column[low:high])
            if len(found[0]) >= most:
                break
        return found

    def _empty(self) -> list[list[Any]]:
        return [[] for _ in range(len(self._kinds) + 1)]

    def known(self, series: int, times: Sequence[Instant]) -> int:
        """How many of the times, given in order, have a row already."""
        found = {at for (at,) in self._db.execute(self._sql["times"], (series, times[0], times[-1]))}
        for chunk in self._holding(series, times):
            found.update(self._columns(chunk, "")[0])
        return sum(at in found for at in times)

    def last(self, series: int, times: Sequence[Instant]) -> dict[Instant, Any]:
        """What the last column has at those of the times, given in order, that have a row."""
        wanted = set(times)
        found: dict[Instant, Any] = {}
        for columns in (self._columns(chunk) for chunk in self._holding(series, times)):
            found |= {at: value for at, value in zip(columns[0], columns[-1], strict=True) if at in wanted}
        front = self.front(series, times[0], times[-1] + 1)
        return found | {row[0]: row[-1] for row in front if row[0] in wanted}

    def is_due(self, series: int, more: Sequence[Row]) -> bool:
        """Whether a series is to be sealed with these rows more: they are many, or there is enough for a chunk."""
        return len(more) >= WORTH_SEALING or self.unsealed.get(series, 0) + len(more) > CHUNK

    def put(self, found: dict[int, list[Row]]) -> None:
        """Keep rows of several series, each series' in order, in place of earlier ones of the same time."""
        for series, rows in found.items():
            self.unsealed[series] = self.unsealed.get(series, 0) + len(rows)
        self._db.executemany(self._sql["insert"], ((series, *row) for series, rows in found.items() for row in rows))

    def seal(self, series: int, more: Sequence[Row] = ()) -> list[Row]:
        """Move a series' rows and, in place of earlier ones, `more` into chunks: all but the newest; returns them.

        Where very many wait in the table, not all go at once.
        """
        rows = self.front(series, EARLIEST, LATEST, MOST_AT_ONCE + 1)
        left = len(rows) > MOST_AT_ONCE
        if not left:
            rows = _over(rows, list(more))
        self.unsealed[series] = self.unsealed[series] - MOST_AT_ONCE if left else 0
        self._db.execute(self._sql["sealed_away"], (series, rows[-1][0]))
        self.put({series: [rows[-1], *more] if left else rows[-1:]})
        self._place(series, rows[:-1])
        return rows[:-1]

    def forget(self, series: int, before: Instant) -> int:
        """Delete chunks that end before an instant; returns how many rows went."""
        gone = self._db.execute(self._sql["forget"], (series, max(before, EARLIEST))).fetchall()
        if gone:
            self._db.execute(self._sql["forgot"], (max(stop for _, stop in gone) + 1, series))
        return sum(count for count, _ in gone)

    def whole_from(self, series: int) -> Instant:
        """From here on nothing was deleted."""
        return self._value("whole_from", series) or EARLIEST

    def _place(self, series: int, rows: list[Row]) -> None:
        """Rows into the chunks they fall into, or into new ones between these."""
        self._recent.clear()
        times = [row[0] for row in rows]
        chunks = self._chunks(series, times[0], times[-1]) if rows else []
        cuts = [*(bisect_left(times, start) for _, start, _, _ in chunks), len(rows)]
        self._seal(series, rows[: cuts[0]])
        for (chunk, _, stop, count), low, high in zip(chunks, cuts, cuts[1:], strict=False):
            part = rows[low:high]
            if part and (count < SMALL or part[0][0] <= stop):
                part = _over(list(zip(*self._columns(chunk), strict=True)), part)
                self._db.execute(self._sql["drop"], (chunk,))
            self._seal(series, part)

    def _seal(self, series: int, rows: list[Row]) -> None:
        pieces = max(1, round(len(rows) / CHUNK))
        for piece in range(pieces if rows else 0):
            part = rows[piece * len(rows) // pieces : (piece + 1) * len(rows) // pieces]
            columns = list(zip(*part, strict=True))
            values = (series, part[0][0], part[-1][0], len(part), packed(columns, self._kinds))
            self._recent[self._db.execute(self._sql["seal"], values).lastrowid] = columns

    def _chunks(self, series: int, since: Instant, until: Instant) -> list[tuple[int, Instant, Instant, int]]:
        """Chunks that begin in the span (both ends included), and the one before."""
        return self._db.execute(self._sql["chunks"], {"series": series, "since": since, "until": until}).fetchall()

    def _holding(self, series: int, times: Sequence[Instant]) -> Iterator[int]:
        """The chunks into whose span some of the times fall, however far these lie apart."""
        for chunk, start, stop, _ in self._chunks(series, times[0], times[-1]):
            if bisect_left(times, start) < bisect_right(times, stop):
                yield chunk

    def _columns(self, chunk: int, kinds: str | None = None) -> Columns:
        if chunk in self._recent:
            return self._recent[chunk]
        data = self._db.execute(self._sql["data"], (chunk,)).fetchone()[0]
        return unpacked(data, self._kinds if kinds is None else kinds)

    def _value(self, query: str, series: int) -> Instant | None:
        found: Instant | None = self._db.execute(self._sql[query], (series,)).fetchone()[0]
        return found


def _over(old: list[Row], new: list[Row]) -> list[Row]:
    """Both in order; of two rows at the same time the new one."""
    if not old or not new or old[-1][0] < new[0][0]:
        return old + new
    found = {row[0]: row for row in old} | {row[0]: row for row in new}
    return [found[at] for at in sorted(found)]
