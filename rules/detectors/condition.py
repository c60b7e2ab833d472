"""`condition`: an expression over the asset's signals that is true while something is wrong."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any, Literal

from rules.detectors.base import Bindings, Detector, DetectorConfig, listed, shown
from rules.durations import DurationField
from rules.events import Duration, Instant, Value
from rules.expressions import Expression, ExpressionField, WindowedExpressionField
from rules.problems import InputError, quoted
from rules.windowed import NUMERIC, Windowed

if TYPE_CHECKING:
    from rules.assetmodel import SignalSpec


class ConditionConfig(DetectorConfig):
    """True is the alarm; unknown is neither true nor false and follows the rule's `on_bad_quality`.

    Here an expression may look back: `mean(signal, 5m)`, and likewise `min`, `max`, `rate` (change per second),
    `count` (good readings) and `changed` (whether the value was another one). Looking back begins when the rule is
    armed; what was of bad quality is left out, and where nothing is left mean, min, max and rate are unknown.

    `show` is an expression whose value messages give beside the reason. With `scope: plant` every signal is named with
    its asset, `asset("line1/oven").zone1`, in the rule's `when` and `suppress_when` too. Such a rule has one alarm; its
    `assets` is the one name under which that alarm is shown (`plant` if there is none).
    """

    type: Literal["condition"]
    expression: WindowedExpressionField
    on_delay: DurationField = 0
    off_delay: DurationField = 0
    show: ExpressionField | None = None
    scope: Literal["asset", "plant"] = "asset"

    def signals(self) -> tuple[str, ...]:
        """The signals that the expressions name."""
        return tuple(sorted(self.expression.signals | (self.show.signals if self.show else frozenset())))

    def misfit(self, signal: str, spec: SignalSpec) -> InputError | None:
        """Texts and truth values that a mean is asked of."""
        calls = [call for call in self.expression.windows if call.signal == signal and call.function in NUMERIC]
        if spec.type == "number" or not calls:
            return None
        message = f"{calls[0].function}() is for numbers: the signal {quoted(signal)} is a {spec.type}"
        return InputError(message, "write changed(), or correct `type` in assets.yaml")

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Condition(self.expression, bindings, self.show)]


class Condition(Detector):
    """An expression over the asset's values, and over the recent past of some of them."""

    def __init__(self, expression: Expression, bindings: Bindings, show: Expression | None = None) -> None:
        values = bindings.last_values if bindings.ignore_quality else bindings.values
        self.inputs = tuple(bindings.signal(name) for name in sorted(expression.signals))
        self._holds = expression.holds
        self._text = expression.text
        self._show = None if show is None else show.evaluate
        self._present = bindings.values
        for name in sorted(show.signals) if show else ():
            bindings.signal(name)
        self._windows = tuple(
            Windowed(call, bindings.signal(call.signal), bindings.ignore_quality) for call in expression.windows
        )
        self._past: dict[str, Value] = {}
        self._values = ChainMap(self._past, values) if self._windows else values
        self.every_reading = bool(self._windows)

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """The expression's truth, if it can be told."""
        for window in self._windows:
            self._past[window.key] = window.look(at)
        holds = self._holds(self._values)
        return None if holds is None else (holds,)

    @property
    def deadline(self) -> Instant | None:
        """When something leaves a window."""
        ends = [end for window in self._windows if (end := window.deadline) is not None]
        return min(ends, default=None)

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Looking back begins here."""
        del held, at
        for window in self._windows:
            window.clear()

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The expression with the values it was judged by."""
        del level
        words, values = listed(self.inputs)
        past = {window.text: window.now for window in self._windows}
        words = ", ".join([words, *(f"{text} {shown(value)}" for text, value in past.items())])
        shows = {} if self._show is None else {"value": self._show(self._present)}
        return {
            "text": f"{self._text} {'holds' if on else 'no longer holds'}: {words}",
            "values": values | past,
            **shows,
        }

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        for window in self._windows:
            window.shift(delta)

    def snapshot(self) -> list[Any] | None:
        """The windows, if there are any."""
        return [window.snapshot() for window in self._windows] or None

    def restore(self, data: list[Any] | None) -> None:
        """The reverse of `snapshot`."""
        for window, saved in zip(self._windows, data or (), strict=True):
            window.restore(saved)
