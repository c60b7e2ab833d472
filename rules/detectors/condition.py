"""`condition`: an expression over the asset's signals that is true while something is wrong."""

from __future__ import annotations

from typing import Any, Literal

from rules.detectors.base import Bindings, Detector, DetectorConfig, listed
from rules.durations import DurationField
from rules.events import Instant
from rules.expressions import Expression, ExpressionField, ValueField
from rules.sight import Sight


class ConditionConfig(DetectorConfig):
    """True is the alarm; unknown is neither true nor false and follows the rule's `on_bad_quality`.

    `show` is an expression whose value messages give beside the reason. With `scope: plant` every signal is named with
    its asset, `asset("line1/oven").zone1`, in the rule's `when` and `suppress_when` too. Such a rule has one alarm; its
    `assets` is the one name under which that alarm is shown (`plant` if there is none).
    """

    type: Literal["condition"]
    expression: ExpressionField
    on_delay: DurationField = 0
    off_delay: DurationField = 0
    show: ValueField | None = None
    scope: Literal["asset", "plant"] = "asset"

    def signals(self) -> tuple[str, ...]:
        """The signals that the expressions name."""
        return tuple(sorted(self.expression.signals | (self.show.signals if self.show else frozenset())))

    @property
    def spoken(self) -> frozenset[str]:
        """What is only shown; not if it looks back, for then it has a past of its own."""
        return frozenset() if self.show is not None and self.show.windows else frozenset({"show"})

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Condition(self.expression, bindings, self.show)]


class Condition(Detector):
    """An expression over the asset's values, and over the recent past of some of them.

    Of what is only shown, it must see the signals that are looked back on.
    """

    def __init__(self, expression: Expression, bindings: Bindings, show: Expression | None = None) -> None:
        self._sight = Sight(expression, bindings)
        self._show = None if show is None else Sight(show, bindings)
        self.sights = (self._sight,) if self._show is None else (self._sight, self._show)
        looked_back_on = (window.signal for sight in self.sights for window in sight.windows)
        self.inputs = tuple(dict.fromkeys((*self._sight.inputs, *looked_back_on)))

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """The expression's truth, if it can be told."""
        if self._show is not None:
            self._show.look(at)
        holds = self._sight.holds(at)
        return None if holds is None else (holds,)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The expression with the values it was judged by."""
        del level
        words, values = listed(self.inputs, self.sights)
        text = f"{self._sight.text} {'holds' if on else 'no longer holds'}: {words}"
        shows = {} if self._show is None else {"value": self._show.value}
        return {"text": text, "values": values, **shows}
