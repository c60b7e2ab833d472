"""Readings by the minute and by the hour: what is kept of a bucket, and how buckets become wider ones.

Only good readings with a number count; how many others there were is kept beside them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from monitor.codecs.timestamps import EARLIEST, LATEST
from monitor.stores.base import Bucket
from monitor.stores.columns import Row
from rules.events import SECOND, Duration, Instant, Quality

MINUTE: Final[Duration] = 60 * SECOND
HOUR: Final[Duration] = 60 * MINUTE


def start_of(at: Instant, width: Duration) -> Instant:
    """Where the bucket begins in which an instant lies."""
    return max(at // width * width, EARLIEST)


def of_readings(rows: Sequence[Row], width: Duration) -> Iterator[Row]:
    """Rows (at, arrival, value, text, quality) in order as (bucket, least, most, total, last, count, left out)."""
    times = [row[0] for row in rows]
    low = 0
    while low < len(rows):
        bucket = start_of(times[low], width)
        high = bisect_left(times, bucket + width, low)
        good = [row[2] for row in rows[low:high] if row[4] == Quality.GOOD and row[2] is not None]
        left_out = high - low - len(good)
        if good:
            yield bucket, min(good), max(good), sum(good), good[-1], len(good), left_out
        else:
            yield bucket, None, None, None, None, 0, left_out
        low = high


def of_buckets(rows: Iterable[Row], width: Duration) -> Iterator[Row]:
    """Buckets, in order of time, as wider ones."""
    for bucket, group in groupby(rows, lambda row: start_of(row[0], width)):
        yield _together(bucket, list(group))


def _together(bucket: Instant, rows: list[Row]) -> Row:
    if len(rows) == 1:
        return (bucket, *rows[0][1:])
    left_out = sum(row[6] for row in rows)
    rows = [row for row in rows if row[5]]
    if not rows:
        return bucket, None, None, None, None, 0, left_out
    _, least, most, total, last, count, _ = zip(*rows, strict=True)
    return bucket, min(least), max(most), sum(total), last[-1], sum(count), left_out


def bucket_of(row: Row) -> Bucket:
    """The row as a person asks for it; rounding never brings the mean out of its bounds."""
    at, least, most, total, last, count, left_out = row
    mean = None if total is None else max(least, min(most, total / count))
    return Bucket(at, least, most, mean, last, count, left_out)


def runs(buckets: Sequence[Instant], width: Duration) -> Iterator[tuple[Instant, Instant]]:
    """Buckets in order as spans without gaps: start, and end which is not part of it."""
    for _, group in groupby(enumerate(buckets), lambda item: item[1] - item[0] * width):
        members = [bucket for _, bucket in group]
        yield members[0], min(members[-1] + width, LATEST)


def touched(rows: Sequence[Row], width: Duration) -> list[Instant]:
    """The buckets in which rows lie, in order."""
    times, found, low = [row[0] for row in rows], [], 0
    while low < len(times):
        found.append(start_of(times[low], width))
        low = bisect_left(times, found[-1] + width, low)
    return found
