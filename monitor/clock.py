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
    """Gives every message its own `received`: strictly increasing, whichever way the host's clock steps.

    A step of a second or more is not followed: stamps go on at the pace of the steady clock, after a step back until
    the host's has caught up, after a step forward until `follow` is called.
    """

    def __init__(self, after: Instant = 0) -> None:
        self._last = max(after, now() - 1)
        self._steady = elapsed()

    def __call__(self) -> Instant:
        """The time now, later than any given before."""
        self._last = self.now()
        self._steady = elapsed()
        return self._last

    def now(self) -> Instant:
        """What a message would get that arrived now."""
        wall, gone = now(), elapsed() - self._steady
        if self._last < wall < self._last + gone + SECOND:
            return wall
        stepped = wall > self._last or self._last - wall >= SECOND
        return self._last + max(1, gone if stepped else 1)

    def step(self) -> Duration:
        """How far the host's clock stands from where it would without having stepped; less than a second is nothing."""
        away = now() - self._last - (elapsed() - self._steady)
        return away if abs(away) >= SECOND else 0

    def follow(self) -> None:
        """Go along with a step forward."""
        self._last = max(self._last, now() - 1)
        self._steady = elapsed()


def seconds(duration: Duration) -> float:
    """A duration for APIs that want seconds."""
    return duration / SECOND
