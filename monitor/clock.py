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
    """Gives every message its own `received`: strictly increasing, even if the host's clock steps back or stands still."""

    def __init__(self, after: Instant = 0) -> None:
        self._last = after

    def __call__(self) -> Instant:
        """The time now, or one nanosecond after the last one given if that is later."""
        self._last = max(time.time_ns(), self._last + 1)
        return self._last


def seconds(duration: Duration) -> float:
    """A duration for APIs that want seconds."""
    return duration / SECOND
