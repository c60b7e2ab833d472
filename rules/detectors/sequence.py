"""`sequence`: one thing is followed by another within a time, or is not though it should be."""

from __future__ import annotations

from typing import Any, Literal

from rules.detectors.base import Bindings, Detector, DetectorConfig, listed
from rules.durations import DurationField, format_duration
from rules.events import Duration, Instant
from rules.expressions import ExpressionField
from rules.sight import Edge, Sight


class SequenceConfig(DetectorConfig):
    """`first` becomes true, and within `within` `then` becomes true: that is the alarm, until `then` is false again.

    `missing: true`: the alarm is that `then` did not hold within `within`; it ends once `then` holds, or when `first`
    becomes true anew, which starts the wait again. `then` exactly at the end comes too late. While our own link to the
    broker is down the wait stands still. Where a command may be withdrawn, say that this is an answer too:
    `then: running == 1 or command == 0`.
    """

    type: Literal["sequence"]
    first: ExpressionField
    then: ExpressionField
    within: DurationField
    missing: bool = False

    def signals(self) -> tuple[str, ...]:
        """The signals that the two expressions name."""
        return tuple(sorted(self.first.signals | self.then.signals))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        kind = Missing if self.missing else Sequence
        return [kind(Sight(self.first, bindings), Sight(self.then, bindings), self.within)]


class Sequence(Detector):
    """Waits after `first` for `then` to become true."""

    def __init__(self, first: Sight, then: Sight, within: Duration) -> None:
        self.inputs = tuple(dict.fromkeys((*first.inputs, *then.inputs)))
        self.sights = (first, then)
        self._first = first
        self._then = then
        self._within = within
        self._edges = (Edge(), Edge())
        self._since: Instant | None = None
        self._on = False

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether it came so; unknown while either expression is."""
        first, then = self._first.holds(at), self._then.holds(at)
        end = self.deadline
        if end is not None and at >= end:
            self._since = None
            self._expired()
        began, followed = self._edges[0].rises(first, self._first), self._edges[1].rises(then, self._then)
        if began:
            self._since = at
        self._look(began, followed, then)
        return None if first is None or then is None else (self._on,)

    def _expired(self) -> None:
        """The wait is over."""

    def _look(self, began: bool, followed: bool, then: bool | None) -> None:
        del began
        if followed and self._since is not None:
            self._on, self._since = True, None
        elif then is False:
            self._on = False

    @property
    def deadline(self) -> Instant | None:
        """The end of the wait."""
        return None if self._since is None else self._since + self._within

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """A sequence that began before the rule was armed does not count."""
        del at
        self._since, self._on = None, held[0]
        for edge in self._edges:
            edge.known = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Both expressions with the values they were judged by."""
        del level
        words, values = listed(self.inputs, self.sights)
        text = self._words() if on else f"{self._then.text} no longer holds"
        return {"text": f"{text}: {words}", "limit": self._within / 1e9, "values": values}

    def _words(self) -> str:
        return f"{self._first.text} was followed by {self._then.text} within {format_duration(self._within)}"

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._since is not None:
            self._since += delta

    def snapshot(self) -> list[Any]:
        """What was known last of the two, waiting since, on."""
        return [[edge.known for edge in self._edges], self._since, self._on]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        known, self._since, self._on = data
        for edge, was in zip(self._edges, known, strict=True):
            edge.known = was


class Missing(Sequence):
    """Waits after `first` for `then` to hold, and complains if it does not; not while nobody could see it."""

    _paused: Instant | None = None

    @property
    def deadline(self) -> Instant | None:
        """The end of the wait."""
        return None if self._paused is not None else super().deadline

    def pause(self, at: Instant) -> None:
        """Stop waiting."""
        if self._paused is None:
            self._paused = at

    def resume(self, at: Instant) -> None:
        """Go on waiting where it stopped."""
        if self._paused is not None and self._since is not None:
            self._since += max(0, at - max(self._paused, self._since))
        self._paused = None

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        super().shift(delta)
        if self._paused is not None:
            self._paused += delta

    def snapshot(self) -> list[Any]:
        """As of every sequence, and paused since."""
        return [*super().snapshot(), self._paused]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`, also of one that was never paused."""
        *state, self._paused = data if len(data) > 3 else [*data, None]
        super().restore(state)

    def _expired(self) -> None:
        self._on = True

    def _look(self, began: bool, followed: bool, then: bool | None) -> None:
        del followed
        if began:
            self._on = False
        if then:
            self._on, self._since = False, None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Both expressions with the values they were judged by."""
        reason = super().describe(level, on=on)
        if not on:
            words, _ = listed(self.inputs, self.sights)
            how = f"{self._then.text} holds" if self._then.truth else f"{self._first.text} begins anew"
            reason["text"] = f"{how}: {words}"
        return reason

    def _words(self) -> str:
        return f"{self._first.text} was not followed by {self._then.text} within {format_duration(self._within)}"
