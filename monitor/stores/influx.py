"""The store that plants use: InfluxDB 1.8, 2 or 3, written at least once, each point the same however often.

A refused batch is halved until the points that the server minds stand alone: those go to `store-rejects.db`, all others
are kept. Points reach the server before the offset reaches the disk, so a crash between the two repeats points and
loses none; a repeat replaces field by field, as InfluxDB has it. A server that was started anew is told again what it
confirmed last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeAlias

import structlog

from monitor import clock
from monitor.journal.entries import Offset
from monitor.settings import Store as StoreSettings
from monitor.stores.base import Bucket, Point, Refusals, StoreError, StoreRestarted
from monitor.stores.influx_lines import Key, LineEncoder, carried, named
from monitor.stores.influx_progress import Progress
from monitor.stores.influx_rejects import MOST_BYTES, Refused, Reject, Rejects
from monitor.stores.influx_restarts import Restarts
from monitor.stores.influx_server import AwayError, InfluxServer, Rejected
from monitor.telemetry import STORE_REJECTED, STORE_REJECTS_DROPPED
from rules.events import Duration, Instant

MOST_LINES: Final = 5_000
MOST_CHARACTERS: Final = 1_000_000
"""A request holds no more than this, except for one line that is larger by itself."""
FIRST_INSTANT: Final[Instant] = -(2**63) + 2
LAST_INSTANT: Final[Instant] = 2**63 - 2
"""What InfluxDB can hold."""
POINTS: Final = "SELECT asset, metric, value, text, quality, late FROM telemetry"
LATEST: Final = "SELECT value, text, quality, late FROM telemetry"
NUMBERS: Final = "SELECT min(value), max(value), mean(value), last(value), count(value) FROM telemetry"
COUNT: Final = "SELECT count(quality) FROM telemetry"

_LITERAL: Final = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n"})

log = structlog.get_logger()

Line: TypeAlias = "tuple[Key, str]"


class InfluxStore:
    """A `Store` in a bucket of an InfluxDB; `write` fails with `read_only`."""

    def __init__(
        self,
        settings: StoreSettings,
        data_dir: Path,
        *,
        read_only: bool = False,
        most_rejected: int = MOST_BYTES,
    ) -> None:
        self.refusals = Refusals()
        self._server = InfluxServer(settings)
        self._restarts = Restarts(self._server)
        self._progress = Progress(data_dir, settings)
        self._rejects = Rejects(data_dir, most_bytes=most_rejected)
        self._encoder = LineEncoder()
        self._read_only = read_only

    def offset(self) -> Offset:
        """The journal offset to go on from, as last confirmed; earlier while the server is told again."""
        return self._progress.load()

    def tell_again(self) -> None:
        """The server may have been started anew: go back to what it certainly keeps."""
        self._progress.tell_again()

    def write(self, points: Sequence[Point], next_offset: Offset) -> int:
        """Keep the points, then the offset; returns how many of the points had the key of an earlier one.

        Raises:
            StoreRestarted: the server was started anew; `offset` has gone back to what it certainly keeps.
        """
        if self._read_only:
            raise StoreError("this InfluxDB was opened to read, not to write")
        lines = self._encoder.lines(points)
        if lines and self._restarts.happened():
            self.tell_again()
            raise StoreRestarted("the server was started anew and is told again what it confirmed last")
        try:
            refused = [line for batch in _portions(lines.items()) for line in self._deliver(batch)]
        except AwayError:
            self._restarts.silent()
            raise
        if refused:
            self._set_aside(refused)
            minded = {key for key, _, _ in refused}
            self.refusals.points += sum((p.asset, p.metric, p.at) in minded for p in points)
        self._progress.save(next_offset)
        return len(points) - len(lines)

    def write_again(self, rejects: Sequence[Reject]) -> int:
        """Offer refused readings once more; how many are kept now. Others stay, with what the server says this time.

        Raises:
            StoreError: the server does not answer as it should; what it was not offered stays as it was.
        """
        whole = {(r.asset, r.metric, r.at): r for r in rejects if not r.cut}
        taken = 0
        for batch in _portions((key, reject.line) for key, reject in whole.items()):
            refused = list(self._deliver(batch))
            minded = {key for key, _, _ in refused}
            if refused:
                self._keep_aside(refused)
            kept = [whole[key] for key, _ in batch if key not in minded]
            self._rejects.forget(kept, "read")
            taken += len(kept)
        return taken

    def read(
        self,
        asset: str | None = None,
        metric: str | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
    ) -> Iterator[Point]:
        """Points in order of time, asset, metric, as the server streams them."""
        since = FIRST_INSTANT if start is None else max(start, FIRST_INSTANT)
        until = LAST_INSTANT if end is None else min(end - 1, LAST_INSTANT)
        names = {"asset": asset, "metric": metric}
        wanted = [f"{tag} = {_literal(name)}" for tag, name in names.items() if name is not None]
        where = " AND ".join([*wanted, f"time >= {since}", f"time <= {until}"])
        rows = self._server.rows(f"{POINTS} WHERE {where}")
        for _, together in groupby(rows, itemgetter("time")):
            yield from sorted(map(_point, together), key=lambda point: (point.asset, point.metric))

    def series(self, asset: str, metric: str, start: Instant, end: Instant, every: Duration) -> Iterator[Bucket]:
        """The metric's buckets that have readings, in order, as the server makes them up."""
        if every <= 0:
            raise StoreError("the buckets of a series must be wider than nothing")
        first, behind = start // every * every, -(-end // every) * every
        if start >= end:
            return
        span = f"time >= {max(first, FIRST_INSTANT)} AND time <= {min(behind - 1, LAST_INSTANT)}"
        of = f"asset = {_literal(asset)} AND metric = {_literal(metric)} AND {span}"
        by = f"GROUP BY time({every}ns) fill(none)"
        readings = {row["time"]: row["count"] for row in self._server.rows(f"{COUNT} WHERE {of} {by}")}
        good = {row["time"]: row for row in self._server.rows(f"{NUMBERS} WHERE {of} AND quality = 0 {by}")}
        yield from (_bucket(at, count, good.get(at, {})) for at, count in readings.items())

    def latest(self, asset: str) -> list[Point]:
        """The latest point of each metric."""
        query = f"{LATEST} WHERE asset = {_literal(asset)} GROUP BY asset, metric ORDER BY time DESC LIMIT 1"
        rows = self._server.rows(query)
        return sorted(map(_point, rows), key=lambda point: point.metric)

    def marks(self, asset: str) -> dict[str, Instant]:  # noqa: ARG002 - whatever it is
        """Nothing: the server may be away, and may hold more than stands before the offset."""
        return {}

    def count(self) -> int:
        """How many points the bucket holds."""
        return sum(int(row["count"]) for row in self._server.rows(COUNT))

    def close(self) -> None:
        """Give connections back."""
        self._server.close()

    def _deliver(self, batch: Sequence[Line]) -> Iterator[Refused]:
        """Have a batch kept; gives those of its lines that the server minds."""
        try:
            self._server.write("\n".join(line for _, line in batch).encode(errors="replace"))
        except Rejected as refusal:
            if len(batch) == 1 or refusal.dropped == len(batch):
                yield from ((key, line, refusal.reason) for key, line in batch)
                return
            middle = len(batch) // 2
            yield from self._deliver(batch[:middle])
            yield from self._deliver(batch[middle:])

    def _set_aside(self, refused: Sequence[Refused]) -> None:
        self._keep_aside(refused)
        STORE_REJECTED.inc(len(refused))
        (asset, metric, at), _, reason = refused[0]
        log.error("readings_refused_by_store", count=len(refused), asset=asset, metric=metric, at=at, reason=reason)

    def _keep_aside(self, refused: Sequence[Refused]) -> None:
        dropped = self._rejects.keep(refused, clock.now())
        self.refusals.dropped += dropped
        STORE_REJECTS_DROPPED.inc(dropped)


def _bucket(at: Instant, readings: int, row: dict[str, Any]) -> Bucket:
    count = int(row.get("count") or 0)
    least, most, mean, last = (row[name] for name in ("min", "max", "mean", "last")) if count else (None,) * 4
    return Bucket(at, least, most, mean, last, count, max(0, int(readings) - count))


def _portions(lines: Any) -> Iterator[list[Line]]:
    batch: list[Line] = []
    characters = 0
    for line in lines:
        if batch and (len(batch) >= MOST_LINES or characters + len(line[1]) > MOST_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(line)
        characters += len(line[1]) + 1
    if batch:
        yield batch


def _literal(name: str) -> str:
    return f"'{carried(name).translate(_LITERAL)}'"


def _point(row: dict[str, Any]) -> Point:
    value = row.get("value")
    return Point(
        named(row.get("asset")),
        named(row.get("metric")),
        row["time"],
        None if value is None else float(value),
        row.get("text"),
        int(row.get("quality") or 0),
        bool(row.get("late")),
    )
