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
    test, which is when `tested` held, also while the rule is not armed, or `demand` if there is no `tested`, or else
    since the asset was first watched.
    `discrepancy`: what must never hold for longer than `max_discrepancy`, such as two channels that disagree.
    Time in which an expression is unknown, or our own link to the broker is down, is added to no total. Counts, totals
    and the last test outlive a change of the rule that leaves their expression as it is.
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
        demand, clock = None, bindings.clock
        if self.demand is not None:
            demand = Lasting("demand", "was demanded", Sight(self.demand, bindings), 0, clock)
            found.append(demand)
        if self.bypass is not None:
            sight = Sight(self.bypass, bindings)
            found.append(Lasting("bypass", "is bypassed", sight, self.max_bypass, clock, demand))
        if self.proof_test is not None:
            tested = self.tested or self.demand
            assert tested is not None
            sight = Sight(tested, bindings)
            found.append(ProofTest(sight, self.proof_test, clock, attentive=self.tested is not None))
        if self.discrepancy is not None:
            sight = Sight(self.discrepancy, bindings)
            found.append(Lasting("discrepancy", "contradicts itself", sight, self.max_discrepancy, clock))
        return found


class Lasting(Detector):
    """Something that must not hold for longer than it may (`longest`).

    `count` is how often it came about, `since` when it did if it holds. `demand`, if given, is counted meanwhile.
    """

    def __init__(
        self,
        part: str,
        words: str,
        sight: Sight,
        longest: Duration,
        clock: AssetClock,
        demand: Lasting | None = None,
    ) -> None:
        self.part = part
        self.inputs, self.sights = sight.inputs, (sight,)
        self.longest = longest
        self.count = 0
        self.since: Instant | None = None
        self._words = words
        self._sight = sight
        self._clock = clock
        self._watch = Stopwatch()
        self._on = False
        self._demand = demand
        self._demands = 0

    @property
    def text(self) -> str:
        """The expression."""
        return self._sight.text

    @property
    def holds(self) -> bool | None:
        """Whether it holds now; None where that cannot be told."""
        return self._sight.truth

    def total(self, at: Instant) -> Duration:
        """For how long it held in all, up to `at`."""
        return self._watch.until(at)

    @property
    def demands(self) -> int | None:
        """How often the function was called upon while this holds, or held last; None if that is not counted."""
        if self._demand is None:
            return None
        return self._demands if self.since is None else self._demand.count - self._demands

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether it has held for too long; unknown while the expression is."""
        holds = self._sight.holds(at)
        self._watch.feed(holds, at)
        if holds and self.since is None:
            self._begin(at)
        elif holds is False:
            self._end()
        self._on = self.since is not None and at >= self.since + self.longest
        return None if holds is None else (self._on,)

    def _begin(self, at: Instant) -> None:
        """From here on demands count as during it, one that lasts included."""
        self.since = at
        self.count += 1
        if self._demand is not None:
            self._demands = self._demand.count - (self._demand.since is not None)

    def _end(self) -> None:
        if self.since is not None:
            self._demands = self.demands or 0
            self.since = None

    @property
    def deadline(self) -> Instant | None:
        """When it will have held for too long."""
        return None if self.since is None or self._on else self.since + self.longest

    def rest(self, at: Instant) -> None:
        """What holds while the rule is not armed does not count."""
        self._watch.stop(at)
        self._end()

    def pause(self, at: Instant) -> None:
        """Nobody sees whether it holds: that is added to no total, and how long it may last goes on."""
        self._watch.pause(at)

    def resume(self, at: Instant) -> None:
        """What held last goes on."""
        self._watch.resume(at)

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was too long remains so, if it still holds; its demands are counted on. What was inherited goes on."""
        if not held[0]:
            return
        self.since = at - self.longest
        if self._demand is not None:
            self._demands = self._demand.count - self._demands

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """What is the matter, how often that was so, and for how long in all."""
        del level
        words, values = listed(self.inputs, self.sights)
        if on:
            long = f" for longer than {format_duration(self.longest)}" if self.longest else ""
            text = f"the safety function {self._words}{long}: {self._sight.text} ({words})"
        else:
            text = f"over: {self._sight.text} no longer holds ({words})"
        total = {"count": self.count, "total": self._watch.total / 1e9, "values": values}
        if self.demands is not None:
            total["demands"] = self.demands
            text += f", {self.demands} demands meanwhile"
        return {"text": f"{text}; {self.count} times so far", "limit": self.longest / 1e9} | total

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._watch.shift(delta)
        if self.since is not None:
            self.since += delta

    def snapshot(self) -> list[Any]:
        """Time in all, count, since, on, demands, the expression, and that of the demands."""
        state = [self._watch.snapshot(), self.count, self.since, self._on, self._demands]
        return [*state, self.text, self._demanded]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`, also of one that counted no demands."""
        watch, self.count, self.since, self._on, *demands = data[:5]
        self._demands = demands[0] if demands else 0
        self._watch.restore(watch)

    def inherit(self, data: Any) -> None:
        """The same thing is counted on, however long it may last now; older snapshots do not tell what it was."""
        if not isinstance(data, list) or data[5:6] != [self.text]:
            return
        self.restore(data)
        self._watch.take_over(data[0], self._clock.now)
        self._on = False
        if data[6] != self._demanded:
            self._demands = 0

    @property
    def _demanded(self) -> str | None:
        return None if self._demand is None else self._demand.text


class ProofTest(Detector):
    """A test that is due an `interval` after the `last` one."""

    part = "proof_test"

    def __init__(self, tested: Sight, interval: Duration, clock: AssetClock, *, attentive: bool) -> None:
        self.inputs, self.sights = tested.inputs, (tested,)
        self.attentive = attentive
        self.interval = interval
        self.last: Instant | None = None
        self._tested = tested
        self._clock = clock
        self._due = False

    @property
    def text(self) -> str:
        """The expression that tells of a test."""
        return self._tested.text

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Due once the interval has passed since the last test."""
        self.over(at)
        end = self.end
        self._due = end is not None and at >= end
        return (self._due,)

    def over(self, at: Instant) -> bool:
        """Whether it is tested just now: from here on the interval begins anew, armed or not."""
        tested = self._tested.holds(at) is True
        if tested:
            self.last, self._due = at, False
        return tested

    @property
    def end(self) -> Instant | None:
        """When it is due; None before the asset is watched."""
        last = self._clock.start if self.last is None else self.last
        return None if last is None else last + self.interval

    @property
    def deadline(self) -> Instant | None:
        """When it will be due."""
        return None if self._due else self.end

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Since when it is due."""
        del level
        what = "has not been tested for" if on else "was tested; the next test is due in"
        text = f"the safety function {what} {format_duration(self.interval)}: {self._tested.text}"
        return {"text": text, "limit": self.interval / 1e9, "last_test": self.last}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self.last is not None:
            self.last += delta

    def snapshot(self) -> list[Any]:
        """Last test, due, and what tells of a test."""
        return [self.last, self._due, self.text]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.last, self._due = data[:2]

    def inherit(self, data: Any) -> None:
        """A test that was told of in the same way counts, whatever the interval is now."""
        if isinstance(data, list) and data[2:3] == [self.text]:
            self.last = data[0]
