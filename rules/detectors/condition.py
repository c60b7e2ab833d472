"""`condition`: an expression over the asset's signals that is true while something is wrong."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from rules.detectors.base import Bindings, Detector, DetectorConfig, shown
from rules.durations import DurationField
from rules.events import Instant, Value
from rules.expressions import Expression, ExpressionField
from rules.signals import Signal


class ConditionConfig(DetectorConfig):
    """True is the alarm; unknown is neither true nor false and follows the rule's `on_bad_quality`."""

    NOT_BUILT: ClassVar[frozenset[str]] = frozenset({"show", "scope"})

    type: Literal["condition"]
    expression: ExpressionField
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    def signals(self) -> tuple[str, ...]:
        """The signals that the expression names."""
        return tuple(sorted(self.expression.signals))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        values = bindings.last_values if bindings.ignore_quality else bindings.values
        return [Condition(self.expression, values, tuple(bindings.signal(name) for name in self.signals()))]


class Condition(Detector):
    """An expression over the asset's values."""

    def __init__(self, expression: Expression, values: dict[str, Value], inputs: tuple[Signal, ...]) -> None:
        self._holds = expression.holds
        self._text = expression.text
        self._values = values
        self.inputs = inputs

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """The expression's truth, if it can be told."""
        del at
        holds = self._holds(self._values)
        return None if holds is None else (holds,)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The expression with the values it was judged by."""
        del level
        values = {signal.name: signal.last if signal.value is None else signal.value for signal in self.inputs}
        listed = ", ".join(f"{s.name} {shown(values[s.name])}{s.unit}" for s in self.inputs)
        return {"text": f"{self._text} {'holds' if on else 'no longer holds'}: {listed}", "values": values}
