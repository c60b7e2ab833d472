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
    """`raw` is what the detector says now, `on` what has lasted long enough; `since` is when they began to differ.

    While nobody can tell what holds, from `held` on, what is waiting to count waits: that time does not count.
    """

    __slots__ = ("held", "off_delay", "on", "on_delay", "raw", "since")

    def __init__(self, on_delay: Duration, off_delay: Duration) -> None:
        self.on_delay = on_delay
        self.off_delay = off_delay
        self.raw = False
        self.on = False
        self.since: Instant = 0
        self.held: Instant | None = None

    def feed(self, raw: bool | None, at: Instant) -> None:
        """The detector's word at `at`, None if it cannot tell; takes effect at once where there is no delay."""
        if raw is None:
            if self.held is None and self.raw is not self.on:
                self.held = at
            return
        if self.held is not None:
            self.since += at - self.held
            self.held = None
        if raw is not self.raw:
            self.raw, self.since = raw, at
        if raw is not self.on and not (self.on_delay if raw else self.off_delay):
            self.on = raw

    def drop(self) -> None:
        """Forget a condition that is waiting to count; what counts stays."""
        self.raw, self.held = self.on, None

    @property
    def deadline(self) -> Instant | None:
        """When `on` will follow `raw` if nothing changes."""
        if self.raw is self.on or self.held is not None:
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
        if self.held is not None:
            self.held += delta

    def snapshot(self) -> list[Any]:
        """Raw, on, since, and held if it is."""
        state: list[Any] = [self.raw, self.on, self.since]
        return state if self.held is None else [*state, self.held]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.raw, self.on, self.since, *held = data
        self.held = held[0] if held else None
