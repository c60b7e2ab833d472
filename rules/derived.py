"""Signals that are computed from others: `power: "torque * speed"`."""

from __future__ import annotations

from collections.abc import Mapping

from rules.events import Instant, Quality, Value
from rules.expressions import Expression
from rules.signals import Signal


class Derived:
    """Computes `target` anew whenever one of its inputs is read; its quality is the worst of theirs.

    Until every input was read once it stays unknown. A result that cannot be computed is bad quality.
    """

    def __init__(self, target: Signal, expression: Expression, inputs: tuple[Signal, ...]) -> None:
        self.target = target
        self._evaluate = expression.evaluate
        self._inputs = inputs

    def compute(self, at: Instant, values: Mapping[str, Value]) -> None:
        """An input was read at `at`."""
        qualities = [signal.quality for signal in self._inputs]
        if None in qualities:
            return
        target = self.target
        value = self._evaluate(values)
        worst = max((quality for quality in qualities if quality is not None), default=Quality.GOOD)
        target.at = at if target.at is None else max(target.at, at)
        target.take(value, Quality.BAD if value is None else worst)
