"""The only place that reads the time."""

from __future__ import annotations

import time  # noqa: TID251 - this is the one module that may

from rules.events import SECOND, Duration, Instant


def now() -> Instant:
    """Nanoseconds since 1970, as the host's clock has it; it may step."""
    return time.time_ns()


def elapsed() -> Duration:
    """Nanoseconds from an arbitrary start, never backwards: for waiting and measuring."""
    return time.monotonic_ns()


class Stamper:
    """Gives every message its own `received`: strictly increasing, even if the host's clock steps back.

    After a step back of a second or more it goes on at the pace of the steady clock until the host's has caught up.
    """

    def __init__(self, after: Instant = 0) -> None:
        self._last = after
        self._steady = elapsed()

    def __call__(self) -> Instant:
        """The time now, later than any given before."""
        self._last = self.now()
        self._steady = elapsed()
        return self._last

    def now(self) -> Instant:
        """What a message would get that arrived now."""
        wall = now()
        if wall > self._last:
            return wall
        behind = self._last - wall >= SECOND
        return self._last + max(1, elapsed() - self._steady if behind else 1)


def seconds(duration: Duration) -> float:
    """A duration for APIs that want seconds."""
    return duration / SECOND
