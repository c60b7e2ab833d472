"""The contract of every store of readings; tests/contracts/test_stores.py proves it for each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import ClassVar, Final, Protocol

import msgspec

from monitor.errors import AndonError
from monitor.journal.entries import Offset
from rules.clock import settled
from rules.events import Duration, Instant, Observation, Quality, Reading, Value

TRUTHS: Final = {"true": True, "false": False}


class StoreError(AndonError):
    """The store cannot do what it was asked, and trying again later may help; the offset has not moved.

    `retry_after` is how long the store asked to be left alone, if it did. `kind` says in a word what it was.
    """

    kind: ClassVar[str] = "failed"

    def __init__(self, message: str, retry_after: Duration | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreRestarted(StoreError):  # noqa: N818 - it is what happened, not a failure of ours
    """The store was away and may have forgotten what it confirmed: it is to be told again from `offset()` on."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """One reading as a store keeps it; key (asset, metric, at), `at` within 64 bits.

    A number is `value`, an integer that a float cannot hold has its digits in `text` too; a truth value is 1 or 0 with
    the text `true` or `false`; a text is `text` alone. Neither means that there was no value. `value` is always finite.
    `late` is one that came after a newer one of its metric: no detector saw it.
    """

    asset: str
    metric: str
    at: Instant
    value: float | None
    text: str | None
    quality: int
    late: bool = False


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """The readings of one metric with at <= their time < at + `every`, `at` being a multiple of `every`.

    Only good readings with a number count, a truth value being 1 or 0; `left_out` says how many others there were.
    Where none count, `count` is 0 and the numbers are None.
    """

    at: Instant
    min: float | None
    max: float | None
    mean: float | None
    last: float | None
    count: int
    left_out: int


class Refusals(msgspec.Struct):
    """How many points a store did not take for good, and how many it then could not keep aside any longer."""

    points: int = 0
    dropped: int = 0


class Store(Protocol):
    """Readings, and how far into the journal they go. One writer at a time; readers in any number of processes.

    Every method raises StoreError, and nothing else, when the store fails. `refusals` counts since it was opened.
    """

    refusals: Refusals

    def offset(self) -> Offset:
        """The journal offset to go on from; 0 if nothing was written yet."""
        ...

    def write(self, points: Sequence[Point], next_offset: Offset) -> int:
        """Keep the points and the offset, both or neither, whenever the process dies.

        A point replaces an earlier one of the same key, also within the call; returns how many did. A store on a server
        may keep points without the offset (they come again and replace themselves), and counts within the call only.
        """
        ...

    def read(
        self,
        asset: str | None = None,
        metric: str | None = None,
        start: Instant | None = None,
        end: Instant | None = None,
    ) -> Iterator[Point]:
        """Points with start <= at < end, ordered by time, asset, arrival, as they are read: not all in memory at once.

        Where a store does not keep the order of arrival, the name of the metric stands in for it. Holds up no writer,
        however long it takes. Points written meanwhile may be left out.
        """
        ...

    def series(self, asset: str, metric: str, start: Instant, end: Instant, every: Duration) -> Iterator[Bucket]:
        """The metric's buckets that have readings, in order; least and most of each, so that no spike is lost.

        The buckets in which start and end lie are whole (unless end is where one begins). Where `every` is a whole
        number of minutes or hours it may reach further back than the readings themselves are kept. An `every` of 0 or
        less is a StoreError.
        """
        ...

    def latest(self, asset: str) -> list[Point]:
        """The latest point by `at` of each metric of the asset, ordered by metric."""
        ...

    def marks(self, asset: str) -> dict[str, Instant]:
        """The latest time of each metric before `offset()`, as far as it is at hand; perhaps of some of them only."""
        ...

    def count(self) -> int:
        """How many points are kept."""
        ...

    def close(self) -> None:
        """Give back files and connections; calling it again does nothing."""
        ...


def points_of(observation: Observation, max_ahead: Duration, late: Collection[str] = ()) -> list[Point]:
    """An observation as points; a stamp too far in the future becomes `received`, and its readings uncertain.

    `late` are the metrics whose reading is to be marked so.
    """
    at, moved = settled(observation.at, observation.received, max_ahead)
    least = Quality.UNCERTAIN if moved else Quality.GOOD
    asset = observation.asset
    return [_point(asset, at, reading, least, reading.metric in late) for reading in observation.readings]


def _point(asset: str, at: Instant, reading: Reading, least: Quality, late: bool) -> Point:
    value, text = reading.value, reading.text
    if isinstance(value, bool):
        value, text = float(value), "true" if value else "false"
    elif isinstance(value, str):
        value, text = None, value
    return Point(asset, reading.metric, at, value, text, max(reading.quality, least), late)


def reading_of(point: Point) -> Reading:
    """The reverse of `points_of` for one point."""
    value: Value = point.value
    text = point.text
    if value is None:
        value, text = text, None
    elif text in TRUTHS:
        value, text = TRUTHS[text], None
    return Reading(point.metric, value, Quality(point.quality), text)
