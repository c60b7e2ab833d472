"""How often something speaks, learned from its own pauses: when its silence means something."""

from __future__ import annotations

from typing import Any, Final

from rules.events import Duration, Instant

STRETCHES: Final = 24
"""Of this many stretches of time the longest pauses are remembered."""
FIRST: Final = 3
"""Stretches that must be over before the rhythm is known."""
PARTS: Final = 10
"""A stretch is this part of the longest patience."""
FACTOR: Final = 3
"""How many of its pauses are patience enough."""


class Rhythm:
    """Patience between `least` and `most`: three times the second longest pause of any stretch remembered.

    Stretches of time, and not single pauses, are remembered, so that bursts of messages push nothing out. The second
    longest counts, so that one outage teaches nothing; a new rhythm is known after two stretches of it. Until the
    rhythm is known, `patience` is `most`. `heard` is when it spoke last, as far as that tells anything.
    """

    def __init__(self, least: Duration, most: Duration) -> None:
        self.patience = most
        self._least = least
        self._most = most
        self._longest: list[Duration] = []
        self._pause: Duration = 0
        self._began: Instant | None = None
        self.heard: Instant | None = None
        self._since: Instant | None = None

    @property
    def known(self) -> bool:
        """Whether it has learned enough."""
        return len(self._longest) >= FIRST

    def hear(self, at: Instant) -> None:
        """It spoke last at this time."""
        if at == self.heard or (self._since is not None and at <= self._since):
            return
        if self.heard is not None:
            self._pause = max(self._pause, at - self.heard)
        self.heard = at
        if self._began is None:
            self._began = at
        elif at - self._began >= self._most // PARTS:
            self._longest = [*self._longest[1 - STRETCHES :], self._pause]
            self._began, self._pause = at, 0
            self._judge()

    def skip(self, at: Instant) -> None:
        """The pause up to here tells nothing: nobody was listening."""
        self._since, self.heard = at, None

    def _judge(self) -> None:
        if self.known:
            pause = sorted(self._longest)[-2]
            self.patience = min(max(FACTOR * pause, self._least), self._most)

    def shift(self, delta: Duration) -> None:
        """The timeline has moved."""
        times = (self._began, self.heard, self._since)
        self._began, self.heard, self._since = (None if time is None else time + delta for time in times)

    def snapshot(self) -> list[Any]:
        """The pauses of the stretches and of the present one; times."""
        return [list(self._longest), self._pause, self._began, self.heard, self._since]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._longest, self._pause, self._began, self.heard, self._since = data
        self._judge()
