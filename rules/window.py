"""The last stretch of a signal in bounded memory: readings are kept together in buckets, the newest of them open."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Any, Final

from rules.events import SECOND, Duration, Instant

LARGEST: Final = 1e100
LEAST_SPAN: Final = 0.5
"""The part of a window that its points must cover before a slope can be told."""


class Bucket:
    """Readings of one small stretch: how many, their sum, their extremes, and the sum of their times from its start."""

    __slots__ = ("count", "high", "low", "number", "times", "total")

    def __init__(self, number: int, count: int, total: float, times: int, low: float, high: float) -> None:
        self.number = number
        self.count = count
        self.total = total
        self.times = times
        self.low = low
        self.high = high

    def add(self, since_start: Duration, value: float) -> None:
        """One more reading."""
        self.count += 1
        self.total += value
        self.times += since_start
        self.low = min(self.low, value)
        self.high = max(self.high, value)

    def snapshot(self) -> list[Any]:
        """The arguments that make it anew."""
        return [self.number, self.count, self.total, self.times, self.low, self.high]


class Window:
    """Readings of the last `length`, in at most so many buckets and one more.

    A bucket leaves once all of it is older than `length`. At least `least` stay, so that readings that come more
    seldom than the window is long can still be compared with each other.
    """

    def __init__(self, length: Duration, buckets: int, least: int = 0) -> None:
        self._length = length
        self._width = max(1, -(-length // buckets))
        self._least = least
        self._origin: Instant = 0
        self._used = False
        self.buckets: list[Bucket] = []

    def begins(self, at: Instant) -> bool:
        """Whether a reading of this time begins a new bucket."""
        return not self.buckets or self.buckets[-1].number < (at - self._origin) // self._width

    def add(self, at: Instant, value: float) -> None:
        """Take a reading in; times must not decrease.

        A value beyond `LARGEST` is no measurement, and nothing can be computed with it: it is left out.
        """
        if abs(value) > LARGEST:
            return
        self._used = True
        number, since_start = divmod(at - self._origin, self._width)
        if self.begins(at):
            self.buckets.append(Bucket(number, 1, value, since_start, value, value))
            self.slide(at)
        else:
            self.buckets[-1].add(since_start, value)

    def slide(self, at: Instant) -> None:
        """Let go of what is too old at `at`."""
        while len(self.buckets) > self._least and self._end(self.buckets[0]) <= at - self._length:
            del self.buckets[0]

    @property
    def next_leaving(self) -> Instant | None:
        """When the next bucket will leave if nothing else comes."""
        return self._end(self.buckets[0]) + self._length if len(self.buckets) > self._least else None

    def points(self) -> list[tuple[float, float]]:
        """Mean time, in seconds before the newest mean time (0 or less), and mean value of each bucket."""
        if not self.buckets:
            return []
        newest = self._middle(self.buckets[-1])
        return [((self._middle(b) - newest) / SECOND, b.total / b.count) for b in self.buckets]

    @property
    def newest(self) -> Instant | None:
        """The mean time of the newest bucket."""
        return self._middle(self.buckets[-1]) if self.buckets else None

    def slope(self) -> float | None:
        """Change per second by least squares; None until the points span half of the window."""
        points = self.points()
        if len(points) < 2 or -points[0][0] * SECOND < self._length * LEAST_SPAN:
            return None
        middle = fsum(t for t, _ in points) / len(points)
        level = fsum(v for _, v in points) / len(points)
        spread = fsum((t - middle) ** 2 for t, _ in points)
        return fsum((t - middle) * (v - level) for t, v in points) / spread

    def mean(self) -> float | None:
        """The mean of the readings."""
        count = sum(bucket.count for bucket in self.buckets)
        return fsum(bucket.total for bucket in self.buckets) / count if count else None

    def clear(self) -> None:
        """Forget everything."""
        self.buckets = []

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved. What never held a reading stays: the first will be on the new timeline."""
        if self._used:
            self._origin += delta

    def snapshot(self) -> list[Any]:
        """Origin and buckets, as JSON, and that it held a reading where they do not tell."""
        emptied = [True] if self._used and not self.buckets else []
        return [self._origin, [bucket.snapshot() for bucket in self.buckets], *emptied]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._origin = data[0]
        self._used = bool(data[1]) or len(data) > 2
        self.buckets = [Bucket(n, count, float(total), times, float(low), float(high))
                        for n, count, total, times, low, high in data[1]]  # fmt: skip

    def _middle(self, bucket: Bucket) -> Instant:
        return self._origin + bucket.number * self._width + bucket.times // bucket.count

    def _end(self, bucket: Bucket) -> Instant:
        return self._origin + (bucket.number + 1) * self._width


class Coverage:
    """Whether all of the last `length` was looked through: `whole`. It begins with the first look.

    What was not seen, because the reading was bad or our own link was down, is a hole: after it, it begins anew.
    """

    __slots__ = ("_blind", "_length", "_paused", "_since", "whole")

    def __init__(self, length: Duration) -> None:
        self.whole = False
        self._length = length
        self._since: Instant | None = None
        self._blind = False
        self._paused = False

    def look(self, at: Instant, *, sees: bool) -> bool:
        """Whether it is whole at `at`, where there is something to see or not."""
        if self._since is None or self._blind:
            self._since = at
        self._blind = not sees
        self.whole = sees and not self._paused and (self.whole or at >= self._since + self._length)
        return self.whole

    @property
    def waits(self) -> bool:
        """Whether nothing but time is missing."""
        return self._since is not None and not self.whole and not self._blind

    @property
    def deadline(self) -> Instant | None:
        """When it will be whole if there goes on to be something to see."""
        return self._since + self._length if self.waits and not self._paused and self._since is not None else None

    def clear(self) -> None:
        """It begins anew with the next look."""
        self.whole, self._since, self._blind = False, None, False

    def pause(self) -> None:
        """Our own link is down."""
        self.whole, self._paused = False, True

    def resume(self, at: Instant) -> None:
        """Our own link is back."""
        if self._paused and self._since is not None:
            self._since = at
        self._paused = False

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._since is not None:
            self._since += delta

    def snapshot(self) -> list[Any]:
        """Whole, since when, whether nothing was seen last, whether our link is down."""
        return [self.whole, self._since, self._blind, self._paused]

    def restore(self, data: Sequence[Any]) -> None:
        """The reverse of `snapshot`."""
        self.whole, self._since, self._blind, self._paused = data


COVERED: Final = (True, None, False, False)
"""The snapshot of one that is whole, for windows that were saved by a release that had none."""


class Taking:
    """Tells a new reading from one that was taken already: detectors are asked more often than they are told."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: list[Any] = [None, None]

    def new(self, at: Instant | None, value: float) -> bool:
        """Whether a reading with this stamp and value was not yet taken."""
        if at is None or self._last == [at, value]:
            return False
        self._last = [at, value]
        return True

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._last[0] is not None:
            self._last[0] += delta

    def snapshot(self) -> list[Any]:
        """Stamp and value."""
        return list(self._last)

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._last = list(data)
