"""A rule's `when` or `suppress_when`: shared by all rules of an asset that have the same expression there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.detectors.base import NEVER_QUIET
from rules.events import Duration, Instant
from rules.sight import Sight
from rules.signals import Signal

if TYPE_CHECKING:
    from rules.watch import Watch


class Gate:
    """`open` is what the expression says now (None: unknown), `known` what it last said for certain.

    `rank` is below 0: gates are asked before watches, in the order in which the rules name them. `sight` looks through
    the expression from the asset's first reading on, whatever is armed; `timed` says whether time alone may turn it.
    """

    rank = -1
    vigilant = False

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self.inputs = sight.inputs
        self.timed = self.every_reading = bool(sight.windows)
        self.watches: list[Watch] = []
        self.queued: Instant | None = None
        self.open: bool | None = None
        self.known: bool | None = None

    @property
    def text(self) -> str:
        """The expression."""
        return self.sight.text

    def band(self, signal: Signal) -> tuple[float, float]:
        """Every value may open or close it."""
        del signal
        return NEVER_QUIET

    def restless(self, signal: Signal) -> bool:
        """Whether no value of `signal` lets it rest."""
        del signal
        return True

    def turns(self, at: Instant) -> bool:
        """Look again; returns whether it changed, for those who are armed or suppressed by it to be told."""
        now = self.sight.holds(at)
        if now is self.open:
            return False
        self.open = now
        self.known = self.known if now is None else now
        return True

    @property
    def deadline(self) -> Instant | None:
        """When time alone may turn it."""
        return self.sight.deadline

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self.sight.shift(delta)

    def snapshot(self) -> list[Any]:
        """Open, known, and what it looks back on if it does."""
        return [self.open, self.known, *([self.sight.snapshot()] if self.timed else [])]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.open, self.known, *past = data
        for saved in past:
            self.sight.restore(saved)
