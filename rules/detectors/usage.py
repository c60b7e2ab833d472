"""`usage`: maintenance that is due after so many hours, cycles or kilometres."""

from __future__ import annotations

from abc import abstractmethod
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
    """Due once `every` has been used since the work was last done, and until it is done again.

    It is done when `reset_by` becomes true, or when a person says so: `andon alarm dispose`; either also before it is
    due, and while the rule is not armed.
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
    reset_by: ExpressionField | None = None

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
        return tuple(sorted(used | (self.reset_by.signals if self.reset_by else frozenset())))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        reset = None if self.reset_by is None else Sight(self.reset_by, bindings)
        if self.while_ is not None:
            return [TimeUsed(Sight(self.while_, bindings), reset, int(self.every), bindings.clock)]
        assert self.counter is not None
        return [AmountUsed(bindings.signal(self.counter), reset, float(self.every), bindings.ignore_quality)]


class Used(Detector):
    """What both have in common: that the work is done."""

    def __init__(self, reset: Sight | None) -> None:
        self._reset = reset
        self._edge = Edge()
        self._done = ""
        self.attentive = reset is not None

    def over(self, at: Instant) -> bool:
        """Whether the work is done just now, by what the signals say: then counting begins anew, armed or not."""
        done = self._reset is not None and self._edge.rises(self._reset.holds(at), self._reset)
        if done:
            self._began_anew()
            self._done = ""
        return done

    @abstractmethod
    def _began_anew(self) -> None:
        """Nothing is used yet."""

    def objection(self, action: str) -> str | None:
        """A person may say at any time that the work is done."""
        return None if action == "dispose" else super().objection(action)

    def order(self, action: str, by: str, comment: str) -> dict[str, Any]:
        """The work is done: counting begins anew."""
        del action
        self._began_anew()
        self._done = f"by {by}: {comment}"
        return {"done": {"by": by, "comment": comment}}

    @property
    def _reset_text(self) -> str:
        return "" if self._reset is None else self._reset.text

    @property
    def _since(self) -> str:
        return f"since {self._reset_text or 'it was done last'}"

    @property
    def _ended(self) -> str:
        return f"done {self._done}" if self._done else f"done: {self._reset_text}"


class TimeUsed(Used):
    """The time for which an expression held."""

    def __init__(self, sight: Sight, reset: Sight | None, every: Duration, clock: AssetClock) -> None:
        super().__init__(reset)
        self.sights = (sight,) if reset is None else (sight, reset)
        self.inputs = tuple(dict.fromkeys(signal for one in self.sights for signal in one.inputs))
        self._sight = sight
        self._every = every
        self._watch = Stopwatch()
        self._clock = clock

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Due once it was used for long enough."""
        self._watch.feed(self._sight.holds(at), at)
        self.over(at)
        return (self._watch.total >= self._every,)

    def _began_anew(self) -> None:
        self._watch.begin_anew(self._clock.now)

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
        words = f"{self._sight.text} for {shown(used)} h {self._since}"
        text = f"due: {words}, every {every:g} h" if on else self._ended
        return {"text": text, "value": used, "limit": every}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._watch.shift(delta)

    def snapshot(self) -> list[Any]:
        """What was known last of the reset, the time used, of what, and the reset."""
        return [self._edge.known, self._watch.snapshot(), self._counted, self._reset_text]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._edge.known = data[0]
        self._watch.restore(data[1])

    def inherit(self, data: Any) -> None:
        """The same time is counted on, whatever it is due after now."""
        if not _counts(self._counted, data, 2):
            return
        self._watch.take_over(data[1], self._clock.now)
        self._edge.known = data[0] if data[3] == self._reset_text else None

    @property
    def _counted(self) -> list[str]:
        return ["while", self._sight.text]


class AmountUsed(Used):
    """By how much a counter has risen."""

    def __init__(self, counter: Signal, reset: Sight | None, every: float, ignore_quality: bool) -> None:
        super().__init__(reset)
        self.inputs = tuple(dict.fromkeys((counter, *(() if reset is None else reset.inputs))))
        self.sights = () if reset is None else (reset,)
        self._counter = counter
        self._every = every
        self._ignore = ignore_quality
        self._last: float | None = None
        self._used = 0.0

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Due once it has risen by enough; unknown while the counter is."""
        value = self._counter.last if self._ignore else self._counter.value
        if type(value) is float:
            if self._last is not None:
                self._used = min(self._used + risen(self._last, value), MOST)
            self._last = value
        self.over(at)
        return (self._used >= self._every,) if type(value) is float else None

    def _began_anew(self) -> None:
        self._used = 0.0

    def rest(self, at: Instant) -> None:
        """What it counts now is not added."""
        del at
        self._last = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The amount used."""
        del level
        unit, name = self._counter.unit, self._counter.name
        words = f"{name} rose by {shown(self._used)}{unit} {self._since}"
        text = f"due: {words}, every {self._every:g}{unit}" if on else self._ended
        return {"text": text, "value": self._used, "limit": self._every, "values": {name: self._counter.last}}

    def snapshot(self) -> list[Any]:
        """What was known last of the reset, the last count, the amount used, of what, and the reset."""
        return [self._edge.known, self._last, self._used, self._counted, self._reset_text]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._edge.known, last, used = data[:3]
        self._last, self._used = None if last is None else float(last), float(used)

    def inherit(self, data: Any) -> None:
        """The same counter is counted on, whatever it is due after now."""
        if not _counts(self._counted, data, 3):
            return
        self.restore(data)
        self._edge.known = data[0] if data[4] == self._reset_text else None

    @property
    def _counted(self) -> list[str]:
        return ["counter", self._counter.name]


def _counts(counted: list[str], data: Any, place: int) -> bool:
    """Whether a snapshot is of a detector that counted the same; older ones do not tell what they counted."""
    return isinstance(data, list) and data[place : place + 1] == [counted]
