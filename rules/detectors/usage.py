"""`usage`: maintenance that is due after so many hours, cycles or kilometres."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from rules.clock import AssetClock
from rules.counters import risen
from rules.detectors.base import Bindings, Detector, DetectorConfig, shown
from rules.durations import format_duration, parse_duration
from rules.events import Duration, Instant
from rules.expressions import ExpressionField
from rules.problems import InputError, quoted
from rules.sight import Edge, Sight, Stopwatch
from rules.signals import Signal

MOST: Final = 1e300
"""What has been used is not counted beyond this."""


def _amount(value: Any) -> Duration | float:
    if isinstance(value, str):
        return parse_duration(value)
    if type(value) in {int, float} and 0 < value < float("inf"):
        return float(value)
    raise InputError(f"{quoted(value)} is no amount", "write 500h with `while`, a number above 0 with `counter`")


def _written(value: Duration | float) -> str | float:
    return format_duration(value) if isinstance(value, int) else value


Amount: TypeAlias = Annotated[
    Duration | float,
    PlainValidator(_amount),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "examples": ["500h", 10000]}),
]
"""A duration with a unit, or a number above 0."""


class UsageConfig(DetectorConfig):
    """Due once `every` has been used since `reset_by` last became true, and until it does again.

    `while` adds up the time for which an expression holds; `every` is then a duration. `counter` adds up by how much
    a signal rises, and `every` is a number; a counter that falls below half of its value has begun again at zero, a
    smaller fall adds nothing. Only what happens while the rule is armed is added; time in which the expression is
    unknown, or our own link to the broker is down, is not. What has been used is kept over restarts, and where `every`
    or another key is changed that leaves `while` or `counter` as it is. A machine that falls silent goes on as it was
    known last, for it may report on change alone; where it does not: `while: "mode == 3 and age(mode) < 60"`.
    """

    type: Literal["usage"]
    counter: str | None = None
    while_: ExpressionField | None = Field(default=None, alias="while")
    every: Amount
    reset_by: ExpressionField

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.counter is None) is (self.while_ is None):
            raise ValueError("name either `counter` or `while`")
        if isinstance(self.every, int) is (self.while_ is None) or not self.every:
            raise InputError("`every` does not fit", "write 500h with `while`, a number above 0 with `counter`")
        return self

    def signals(self) -> tuple[str, ...]:
        """The counter or the signals of `while`, and those of `reset_by`."""
        used = {self.counter} if self.counter is not None else self.while_.signals if self.while_ else set()
        return tuple(sorted(used | self.reset_by.signals))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        reset = Sight(self.reset_by, bindings)
        if self.while_ is not None:
            return [TimeUsed(Sight(self.while_, bindings), reset, int(self.every), bindings.clock)]
        assert self.counter is not None
        return [AmountUsed(bindings.signal(self.counter), reset, float(self.every), bindings.ignore_quality)]


class TimeUsed(Detector):
    """The time for which an expression held."""

    def __init__(self, sight: Sight, reset: Sight, every: Duration, clock: AssetClock) -> None:
        self.inputs = tuple(dict.fromkeys((*sight.inputs, *reset.inputs)))
        self.sights = (sight, reset)
        self._sight = sight
        self._reset = reset
        self._every = every
        self._edge = Edge()
        self._watch = Stopwatch()
        self._clock = clock

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Due once it was used for long enough."""
        self._watch.feed(self._sight.holds(at), at)
        if self._edge.rises(self._reset.holds(at), self._reset):
            self._watch.total = 0
        return (self._watch.total >= self._every,)

    @property
    def deadline(self) -> Instant | None:
        """When it will be due if it goes on."""
        return None if self._watch.total >= self._every else self._watch.reaches(self._every)

    def rest(self, at: Instant) -> None:
        """What it does now is not counted."""
        self._watch.stop(at)

    def pause(self, at: Instant) -> None:
        """Nobody sees what it does now."""
        self._watch.pause(at)

    def resume(self, at: Instant) -> None:
        """What it did last goes on."""
        self._watch.resume(at)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The hours used."""
        del level
        used, every = self._watch.total / 3.6e12, self._every / 3.6e12
        words = f"{self._sight.text} for {shown(used)} h since {self._reset.text}"
        text = f"due: {words}, every {every:g} h" if on else f"done: {self._reset.text}"
        return {"text": text, "value": used, "limit": every}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._watch.shift(delta)

    def snapshot(self) -> list[Any]:
        """What was known last of the reset, the time used, of what, and the reset."""
        return [self._edge.known, self._watch.snapshot(), self._counted, self._reset.text]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._edge.known = data[0]
        self._watch.restore(data[1])

    def inherit(self, data: Any) -> None:
        """The same time is counted on, whatever it is due after now."""
        if not _counts(self._counted, data, 2):
            return
        self._watch.take_over(data[1], self._clock.now)
        self._edge.known = data[0] if data[3] == self._reset.text else None

    @property
    def _counted(self) -> list[str]:
        return ["while", self._sight.text]


class AmountUsed(Detector):
    """By how much a counter has risen."""

    def __init__(self, counter: Signal, reset: Sight, every: float, ignore_quality: bool) -> None:
        self.inputs = tuple(dict.fromkeys((counter, *reset.inputs)))
        self.sights = (reset,)
        self._counter = counter
        self._reset = reset
        self._every = every
        self._ignore = ignore_quality
        self._edge = Edge()
        self._last: float | None = None
        self._used = 0.0

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Due once it has risen by enough; unknown while the counter is."""
        value = self._counter.last if self._ignore else self._counter.value
        if type(value) is float:
            if self._last is not None:
                self._used = min(self._used + risen(self._last, value), MOST)
            self._last = value
        if self._edge.rises(self._reset.holds(at), self._reset):
            self._used = 0.0
        return (self._used >= self._every,) if type(value) is float else None

    def rest(self, at: Instant) -> None:
        """What it counts now is not added."""
        del at
        self._last = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The amount used."""
        del level
        unit, name = self._counter.unit, self._counter.name
        words = f"{name} rose by {shown(self._used)}{unit} since {self._reset.text}"
        text = f"due: {words}, every {self._every:g}{unit}" if on else f"done: {self._reset.text}"
        return {"text": text, "value": self._used, "limit": self._every, "values": {name: self._counter.last}}

    def snapshot(self) -> list[Any]:
        """What was known last of the reset, the last count, the amount used, of what, and the reset."""
        return [self._edge.known, self._last, self._used, self._counted, self._reset.text]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._edge.known, last, used = data[:3]
        self._last, self._used = None if last is None else float(last), float(used)

    def inherit(self, data: Any) -> None:
        """The same counter is counted on, whatever it is due after now."""
        if not _counts(self._counted, data, 3):
            return
        self.restore(data)
        self._edge.known = data[0] if data[4] == self._reset.text else None

    @property
    def _counted(self) -> list[str]:
        return ["counter", self._counter.name]


def _counts(counted: list[str], data: Any, place: int) -> bool:
    """Whether a snapshot is of a detector that counted the same; older ones do not tell what they counted."""
    return isinstance(data, list) and data[place : place + 1] == [counted]
