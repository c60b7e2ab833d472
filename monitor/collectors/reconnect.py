"""When to connect again: the life of a broker link as a table, and the waiting between attempts. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final


class LinkState(enum.Enum):
    """Where a link stands."""

    WAITING = "waiting"
    """Nothing happens until the back-off is over."""
    CONNECTING = "connecting"
    """Name resolution, TCP and TLS, in a thread."""
    GREETING = "greeting"
    """CONNECT was sent, CONNACK is awaited."""
    UP = "up"
    """Accepted, but not long enough to trust it."""
    STEADY = "steady"
    """Up for `STEADY_AFTER`: the next loss begins with the shortest delay again."""


class LinkEvent(enum.Enum):
    """What happens to a link."""

    DUE = "due"
    OPENED = "opened"
    ACCEPTED = "accepted"
    PROVEN = "proven"
    FAILED = "failed"
    """The attempt failed, the broker refused, or an accepted connection broke."""


TRANSITIONS: Final[dict[tuple[LinkState, LinkEvent], LinkState]] = {
    (LinkState.WAITING, LinkEvent.DUE): LinkState.CONNECTING,
    (LinkState.CONNECTING, LinkEvent.OPENED): LinkState.GREETING,
    (LinkState.CONNECTING, LinkEvent.FAILED): LinkState.WAITING,
    (LinkState.GREETING, LinkEvent.ACCEPTED): LinkState.UP,
    (LinkState.GREETING, LinkEvent.FAILED): LinkState.WAITING,
    (LinkState.UP, LinkEvent.PROVEN): LinkState.STEADY,
    (LinkState.UP, LinkEvent.FAILED): LinkState.WAITING,
    (LinkState.STEADY, LinkEvent.FAILED): LinkState.WAITING,
}

CONNECTED: Final = frozenset({LinkState.UP, LinkState.STEADY})
FIRST_DELAY: Final = 0.5
"""Seconds after the first failure: a broker that restarts is back within one."""
GROWTH: Final = 2.0
LONGEST_DELAY: Final = 30.0
"""Seconds: a line that has its broker back should not wait longer for its alarms."""
JITTER: Final = 0.5
"""Up to this share is taken off a delay at random, so that many monitors do not return in step."""
STEADY_AFTER: Final = 10.0
"""Seconds: two clients with one id throw each other out faster than this, and must not do it ever faster."""


class Reconnect:
    """One link's state and its waiting times; `random` gives numbers in [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures = 0
        self.state = LinkState.WAITING

    def on(self, event: LinkEvent) -> LinkState:
        """Follow the table; KeyError for what cannot happen in this state."""
        self.state = TRANSITIONS[self.state, event]
        if self.state is LinkState.STEADY:
            self._failures = 0
        elif event is LinkEvent.FAILED:
            self._failures += 1
        return self.state

    def delay(self) -> float:
        """Seconds to wait before the next attempt; none before the first."""
        if not self._failures:
            return 0.0
        full = min(FIRST_DELAY * GROWTH ** min(self._failures - 1, 16), LONGEST_DELAY)
        return full * (1 - JITTER * self._random())
