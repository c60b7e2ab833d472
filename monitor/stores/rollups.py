"""Readings by the minute and by the hour: what is kept of a bucket, and how buckets become wider ones.

Only good readings with a number count; how many others there were is kept beside them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import truediv
from typing import Any, Final

from monitor.codecs.timestamps import EARLIEST, LATEST
from monitor.stores.base import Bucket
from monitor.stores.columns import Columns, Row
from rules.events import SECOND, Duration, Instant, Quality

MINUTE: Final[Duration] = 60 * SECOND
HOUR: Final[Duration] = 60 * MINUTE
LATE: Final = 4
"""A reading's status is its quality, and this more if it came late."""


def start_of(at: Instant, width: Duration) -> Instant:
    """Where the bucket begins in which an instant lies."""
    return max(at // width * width, EARLIEST)


def of_readings(columns: Columns, width: Duration) -> Iterator[Row]:
    """Columns at, arrival, value, text, status as rows (bucket, least, most, total, last, count, left out)."""
    times, _, values, _, statuses = columns
    plain = statuses.count(Quality.GOOD) == len(times) and None not in values
    low = 0
    while low < len(times):
        bucket = start_of(times[low], width)
        high = bisect_left(times, bucket + width, low)
        good = values[low:high] if plain else _good(values[low:high], statuses[low:high])
        left_out = high - low - len(good)
        if good:
            yield bucket, min(good), max(good), sum(good), good[-1], len(good), left_out
        else:
            yield bucket, None, None, None, None, 0, left_out
        low = high


def _good(values: Sequence[Any], statuses: Sequence[int]) -> list[float]:
    return [
        value
        for value, status in zip(values, statuses, strict=True)
        if status % LATE == Quality.GOOD and value is not None
    ]


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


def buckets_of(columns: Columns) -> Iterator[Bucket]:
    """Columns of rollups as a person asks for them; rounding never brings the mean out of its bounds."""
    at, least, most, total, last, count, left_out = columns
    if None in total:
        means: Iterable[float | None] = map(_mean, least, most, total, count)
    else:
        means = _bounded(least, most, map(truediv, total, count))
    return map(Bucket, at, least, most, means, last, count, left_out)


def _mean(least: float, most: float, total: float | None, count: int) -> float | None:
    return None if total is None else next(_bounded([least], [most], [total / count]))


def _bounded(least: Iterable[float], most: Iterable[float], means: Iterable[float]) -> Iterator[float]:
    found = zip(least, most, means, strict=True)
    return (mean if low <= mean <= high else max(low, min(high, mean)) for low, high, mean in found)


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
