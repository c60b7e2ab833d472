"""`safety_function`: what a watcher can tell of a guard, a light curtain, an emergency stop.

It watches such a function and is none: it protects nobody.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rules.clock import AssetClock
from rules.detectors.base import Bindings, Detector, DetectorConfig, listed
from rules.durations import DurationField, format_duration
from rules.events import SECOND, Duration, Instant
from rules.expressions import ExpressionField
from rules.sight import Sight, Stopwatch


class SafetyFunctionConfig(DetectorConfig):
    """One alarm for each thing that is watched, with the part's name; all of them count.

    `demand`: the function was called upon (the expression holds). `bypass`: it is bypassed, muted or overridden for
    longer than `max_bypass` (at once if that is not given). `proof_test`: that much time has passed since the last
    test, which is when `tested` held, or `demand` if there is no `tested`, or else since the asset was first watched.
    `discrepancy`: what must never hold for longer than `max_discrepancy`, such as two channels that disagree.
    """

    type: Literal["safety_function"]
    demand: ExpressionField | None = None
    bypass: ExpressionField | None = None
    max_bypass: DurationField = 0
    proof_test: DurationField | None = Field(default=None)
    tested: ExpressionField | None = None
    discrepancy: ExpressionField | None = None
    max_discrepancy: DurationField = SECOND // 2

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not (self.demand or self.bypass or self.proof_test or self.discrepancy):
            raise ValueError("name at least one of demand, bypass, proof_test and discrepancy")
        if self.proof_test is not None and not (self.proof_test and (self.tested or self.demand)):
            raise ValueError("`proof_test` needs an interval, and `tested` or `demand` to know of tests")
        if self.tested is not None and self.proof_test is None:
            raise ValueError("`tested` needs `proof_test`, the interval")
        return self

    def signals(self) -> tuple[str, ...]:
        """The signals that the expressions name."""
        expressions = (self.demand, self.bypass, self.tested, self.discrepancy)
        return tuple(sorted(frozenset().union(*(e.signals for e in expressions if e is not None))))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector per thing watched."""
        found: list[Detector] = []
        if self.demand is not None:
            found.append(Lasting("demand", "was demanded", Sight(self.demand, bindings), 0))
        if self.bypass is not None:
            found.append(Lasting("bypass", "is bypassed", Sight(self.bypass, bindings), self.max_bypass))
        if self.proof_test is not None:
            tested = self.tested or self.demand
            assert tested is not None
            found.append(ProofTest(Sight(tested, bindings), self.proof_test, bindings.clock))
        if self.discrepancy is not None:
            sight = Sight(self.discrepancy, bindings)
            found.append(Lasting("discrepancy", "contradicts itself", sight, self.max_discrepancy))
        return found


class Lasting(Detector):
    """Something that must not hold for longer than it may. Counts how often it came about, and for how long in all."""

    def __init__(self, part: str, words: str, sight: Sight, longest: Duration) -> None:
        self.part = part
        self.inputs, self.sights = sight.inputs, (sight,)
        self._words = words
        self._sight = sight
        self._longest = longest
        self._watch = Stopwatch()
        self._count = 0
        self._since: Instant | None = None
        self._on = False

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether it has held for too long; unknown while the expression is."""
        holds = self._sight.holds(at)
        self._watch.feed(holds, at)
        if holds and self._since is None:
            self._since = at
            self._count += 1
        elif holds is False:
            self._since = None
        self._on = self._since is not None and at >= self._since + self._longest
        return None if holds is None else (self._on,)

    @property
    def deadline(self) -> Instant | None:
        """When it will have held for too long."""
        return None if self._since is None or self._on else self._since + self._longest

    def rest(self, at: Instant) -> None:
        """What holds while the rule is not armed does not count."""
        self._watch.stop(at)
        self._since = None

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was too long remains so, if it still holds."""
        self._since = at - self._longest if held[0] else None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """What is the matter, how often that was so, and for how long in all."""
        del level
        words, values = listed(self.inputs, self.sights)
        if on:
            long = f" for longer than {format_duration(self._longest)}" if self._longest else ""
            text = f"the safety function {self._words}{long}: {self._sight.text} ({words})"
        else:
            text = f"over: {self._sight.text} no longer holds ({words})"
        total = {"count": self._count, "total": self._watch.total / 1e9, "values": values}
        return {"text": f"{text}; {self._count} times so far", "limit": self._longest / 1e9} | total

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._watch.shift(delta)
        if self._since is not None:
            self._since += delta

    def snapshot(self) -> list[Any]:
        """Time in all, count, since, on."""
        return [self._watch.snapshot(), self._count, self._since, self._on]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        watch, self._count, self._since, self._on = data
        self._watch.restore(watch)


class ProofTest(Detector):
    """A test that is due."""

    part = "proof_test"

    def __init__(self, tested: Sight, interval: Duration, clock: AssetClock) -> None:
        self.inputs, self.sights = tested.inputs, (tested,)
        self._tested = tested
        self._interval = interval
        self._clock = clock
        self._last: Instant | None = None
        self._due = False

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Due once the interval has passed since the last test."""
        if self._tested.holds(at):
            self._last = at
        end = self._end
        self._due = end is not None and at >= end
        return (self._due,)

    @property
    def _end(self) -> Instant | None:
        last = self._clock.start if self._last is None else self._last
        return None if last is None else last + self._interval

    @property
    def deadline(self) -> Instant | None:
        """When it will be due."""
        return None if self._due else self._end

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Since when it is due."""
        del level
        what = "has not been tested for" if on else "was tested; the next test is due in"
        text = f"the safety function {what} {format_duration(self._interval)}: {self._tested.text}"
        return {"text": text, "limit": self._interval / 1e9, "last_test": self._last}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._last is not None:
            self._last += delta

    def snapshot(self) -> list[Any]:
        """Last test, due."""
        return [self._last, self._due]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._last, self._due = data
