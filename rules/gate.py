"""A rule's `when` or `suppress_when`: shared by all rules of an asset that have the same expression there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.detectors.base import NEVER_QUIET
from rules.events import Instant, Value
from rules.signals import Signal

if TYPE_CHECKING:
    from rules.expressions import Expression
    from rules.watch import Emit, Watch


class Gate:
    """`open` is what the expression says now (None: unknown), `known` what it last said for certain."""

    rank = -1
    every_reading = False
    vigilant = False

    def __init__(self, expression: Expression, values: dict[str, Value], inputs: tuple[Signal, ...]) -> None:
        self._expression = expression
        self._values = values
        self.inputs = inputs
        self.watches: list[Watch] = []
        self.open: bool | None = None
        self.known: bool | None = None

    @property
    def text(self) -> str:
        """The expression."""
        return self._expression.text

    def band(self, signal: Signal) -> tuple[float, float]:
        """Every value may open or close it."""
        del signal
        return NEVER_QUIET

    def restless(self, signal: Signal) -> bool:
        """Whether no value of `signal` lets it rest."""
        del signal
        return True

    def evaluate(self, at: Instant, emit: Emit) -> bool:
        """Look again, and tell those who are armed or suppressed by it; returns whether it changed."""
        now = self._expression.holds(self._values)
        if now is self.open:
            return False
        self.open = now
        self.known = self.known if now is None else now
        for watch in self.watches:
            watch.gated(at, emit)
        return True

    def snapshot(self) -> list[Any]:
        """Open, known."""
        return [self.open, self.known]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.open, self.known = data
