"""`count`: something comes about too often within a time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rules.detectors.base import Bindings, Detector, DetectorConfig, listed
from rules.durations import DurationField, format_duration
from rules.events import Duration, Instant
from rules.expressions import ExpressionField
from rules.sight import Edge, Sight


class CountConfig(DetectorConfig):
    """Counts how often `expression` becomes true; the alarm holds while that was `at_least` times in the last `within`.

    What is true from the beginning has not become true, and what was unknown in between is as it was before.
    """

    type: Literal["count"]
    expression: ExpressionField
    at_least: Annotated[int, Field(ge=1, le=1_000)]
    within: DurationField

    def signals(self) -> tuple[str, ...]:
        """The signals that the expression names."""
        return tuple(sorted(self.expression.signals))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Count(Sight(self.expression, bindings), self.at_least, self.within)]


class Count(Detector):
    """The last times at which the expression became true; no more of them than it takes."""

    def __init__(self, sight: Sight, at_least: int, within: Duration) -> None:
        self.inputs, self.sights = sight.inputs, (sight,)
        self._sight = sight
        self._at_least = at_least
        self._within = within
        self._edge = Edge()
        self._times: list[Instant] = []

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether it was often enough; unknown while the expression is."""
        holds = self._sight.holds(at)
        if self._edge.rises(holds, self._sight):
            self._times.append(at)
        self._times = [time for time in self._times[-self._at_least :] if time > at - self._within]
        return None if holds is None else (self._enough,)

    @property
    def _enough(self) -> bool:
        return len(self._times) >= self._at_least

    @property
    def deadline(self) -> Instant | None:
        """When the first of them will be too long ago."""
        return self._times[0] + self._within if self._enough else None

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Counting begins when the rule is armed."""
        del at
        self._edge.known = None
        if not held[0]:
            self._times = []

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The expression and the count."""
        del level
        words, values = listed(self.inputs, self.sights)
        often = f"{len(self._times)} times within {format_duration(self._within)}"
        text = (
            f"{self._sight.text} came about {often}: {words}" if on else f"{self._sight.text} came about only {often}"
        )
        return {"text": text, "value": float(len(self._times)), "limit": float(self._at_least), "values": values}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._times = [time + delta for time in self._times]

    def snapshot(self) -> list[Any]:
        """What was known last, and the times."""
        return [self._edge.known, self._times]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._edge.known, times = data
        self._times = list(times)
