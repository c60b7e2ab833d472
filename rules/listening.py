"""How long nothing was heard of something: what passes while our own link is down does not count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from rules.events import Duration, Instant

Elapsed: TypeAlias = Callable[[Instant, Instant], Duration]
"""How much of the time between two instants counts."""


class Listening:
    """Counts from the last word, or from `excused` on if that is later; then `used` had been counted before.

    Of a word that was kept for us meanwhile no more is counted than has passed since.
    """

    __slots__ = ("excused", "paused", "used")

    def __init__(self) -> None:
        self.excused: Instant = 0
        self.used: Duration = 0
        self.paused: Instant | None = None

    def since(self, heard: Instant) -> tuple[Instant, Duration]:
        """From when on it counts, and what had been counted before that."""
        return (heard, 0) if heard >= self.excused else (self.excused, min(self.used, self.excused - heard))

    def excuse(self, at: Instant) -> None:
        """Counting begins anew, unless it did later."""
        if at >= self.excused:
            self.excused, self.used = at, 0

    def pause(self, at: Instant) -> None:
        """We hear nothing from here."""
        if self.paused is None:
            self.paused = at

    def resume(self, at: Instant, heard: Instant | None, elapsed: Elapsed) -> None:
        """We hear again; what was heard last, if anything, was heard before the pause or during it."""
        if self.paused is not None and heard is not None:
            since, used = self.since(heard)
            self.excused, self.used = max(at, since), used + elapsed(since, max(self.paused, since))
        self.paused = None

    def shift(self, delta: Duration) -> None:
        """The timeline has moved."""
        self.excused += delta
        if self.paused is not None:
            self.paused += delta

    def snapshot(self) -> list[Any]:
        """Excused until, what was counted before, paused since."""
        return [self.excused, self.used, self.paused]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.excused, self.used, self.paused = data
