"""On-delay and off-delay of one level: a condition must last to count, and be gone for a while to count no more."""

from __future__ import annotations

from typing import Any

from rules.events import Duration, Instant


def sooner(one: Instant | None, other: Instant | None) -> Instant | None:
    """The earlier of two times, either of which may never come."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


class Delay:
    """`raw` is what the detector says now, `on` what has lasted long enough; `since` is when they began to differ."""

    __slots__ = ("off_delay", "on", "on_delay", "raw", "since")

    def __init__(self, on_delay: Duration, off_delay: Duration) -> None:
        self.on_delay = on_delay
        self.off_delay = off_delay
        self.raw = False
        self.on = False
        self.since: Instant = 0

    def feed(self, raw: bool, at: Instant) -> None:
        """The detector's word at `at`; takes effect at once where there is no delay."""
        if raw is not self.raw:
            self.raw, self.since = raw, at
        if raw is not self.on and not (self.on_delay if raw else self.off_delay):
            self.on = raw

    def drop(self) -> None:
        """Forget a condition that is waiting to count; what counts stays."""
        self.raw = self.on

    @property
    def deadline(self) -> Instant | None:
        """When `on` will follow `raw` if nothing changes."""
        if self.raw is self.on:
            return None
        return self.since + (self.on_delay if self.raw else self.off_delay)

    def expire(self, at: Instant) -> None:
        """Time has come to `at`."""
        deadline = self.deadline
        if deadline is not None and deadline <= at:
            self.on = self.raw

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self.since += delta

    def snapshot(self) -> list[Any]:
        """Raw, on, since."""
        return [self.raw, self.on, self.since]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.raw, self.on, self.since = data
