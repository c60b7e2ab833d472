"""`silence`: nothing was heard of an asset, or of one of its signals, for too long."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from rules.clock import AssetClock
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.durations import DurationField, format_duration, parse_duration
from rules.events import SECOND, Duration, Instant
from rules.learning.rhythm import Rhythm
from rules.problems import InputError, quoted
from rules.signals import Signal

LEARN: Final = "learn"
LEAST: Final[Duration] = 10 * SECOND
MOST: Final[Duration] = 3_600 * SECOND


def _after(value: Any) -> Duration | str:
    if value == LEARN:
        return LEARN
    if not isinstance(value, str):
        raise InputError(f"{quoted(value)} is not a duration: it needs a unit", "use 60s, 5m, 8h, or learn")
    return parse_duration(value)


def _written(value: Duration | str) -> str:
    return value if isinstance(value, str) else format_duration(value)


After: TypeAlias = Annotated[
    Duration | str,
    PlainValidator(_after),
    PlainSerializer(_written, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["60s", LEARN]}),
]


class SilenceConfig(DetectorConfig):
    """Any reading, good or bad, breaks the silence. An asset that never spoke is silent since the journal began.

    `after: learn`: the patience is learned from the asset's own pauses, three times the second longest of the last
    hours, never less than `at_least` (10s) nor more than `at_most` (1h). Until enough was heard, which takes three
    tenths of `at_most`, it is `at_most`. A slower rhythm is accepted by and by, after some alarms.
    """

    type: Literal["silence"]
    after: After
    signal: str | None = None
    at_least: Annotated[DurationField | None, Field(gt=0)] = None
    at_most: Annotated[DurationField | None, Field(gt=0)] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.after != LEARN and (self.at_least, self.at_most) != (None, None):
            raise InputError("`at_least` and `at_most` are for `after: learn`", "remove them")
        least, most = self.bounds
        if least > most:
            raise InputError("`at_least` is longer than `at_most`", f"at_most is {format_duration(MOST)} if not given")
        return self

    @property
    def bounds(self) -> tuple[Duration, Duration]:
        """The least and the most patience that may be learned."""
        most = self.at_most or MOST
        return self.at_least or min(LEAST, most), most

    def signals(self) -> tuple[str, ...]:
        """The signal named, if any."""
        return () if self.signal is None else (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        signal = None if self.signal is None else bindings.signal(self.signal)
        if isinstance(self.after, str):
            return [Learning(Rhythm(*self.bounds), bindings.clock, signal)]
        return [Silence(self.after, bindings.clock, signal)]


class Silence(Detector):
    """Waits for `after` without a word; what passes while our own link is down does not count."""

    def __init__(self, after: Duration, clock: AssetClock, signal: Signal | None) -> None:
        self._after = after
        self._clock = clock
        self._signal = signal
        self._excused: Instant = 0
        self._paused: Instant | None = None
        self._silent = False

    @property
    def _spoke(self) -> Instant | None:
        return self._clock.heard if self._signal is None else self._signal.at

    @property
    def _heard(self) -> Instant | None:
        source = self._spoke
        if source is None:
            source = self._clock.start
        return None if source is None else max(source, self._excused)

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Silent once `after` has passed since the last word."""
        heard = self._heard
        if self._paused is None:
            self._silent = heard is not None and at >= heard + self._after
        return (self._silent,)

    @property
    def deadline(self) -> Instant | None:
        """The end of the patience."""
        heard = self._heard
        return None if heard is None or self._silent or self._paused is not None else heard + self._after

    @property
    def vigilant(self) -> bool:
        """While silent, the first word ends it."""
        return self._silent

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Patience begins when the rule is armed."""
        self._silent = held[0]
        self._excused = max(self._excused, at)

    def pause(self, at: Instant) -> None:
        """Stop counting."""
        if self._paused is None:
            self._paused = at

    def resume(self, at: Instant) -> None:
        """Go on counting where it stopped."""
        if self._paused is not None and (heard := self._heard) is not None and not self._silent:
            self._excused = heard + max(0, at - max(self._paused, heard))
        self._paused = None

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Who was silent for how long."""
        del level
        who = "the asset" if self._signal is None else self._signal.name
        what = f"nothing heard of {who} for {format_duration(self._after)}" if on else f"{who} is heard again"
        return {"text": what, "limit": self._after / 1e9, "last_heard": self._heard}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._excused += delta
        if self._paused is not None:
            self._paused += delta

    def snapshot(self) -> list[Any]:
        """Excused until, paused since, silent."""
        return [self._excused, self._paused, self._silent]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._excused, self._paused, self._silent = data


class Learning(Silence):
    """Waits as long as the rhythm of the source calls for."""

    def __init__(self, rhythm: Rhythm, clock: AssetClock, signal: Signal | None) -> None:
        super().__init__(rhythm.patience, clock, signal)
        self._rhythm = rhythm

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Listen, then judge by what is known of the rhythm."""
        if (spoke := self._spoke) is not None and self._paused is None:
            self._rhythm.hear(spoke)
            self._after = self._rhythm.patience
        return super().update(at)

    @property
    def vigilant(self) -> bool:
        """Every word tells of the rhythm."""
        return True

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was said while nobody listened tells nothing of the rhythm."""
        self._rhythm.skip(at)
        super().settle(held, at)

    def pause(self, at: Instant) -> None:
        """Stop counting, and learning."""
        self._rhythm.skip(at)
        super().pause(at)

    def resume(self, at: Instant) -> None:
        """The pause that was ours is not learned."""
        self._rhythm.skip(at)
        super().resume(at)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Also whether the patience was learned."""
        reason = super().describe(level, on=on)
        how = "learned from its own pauses" if self._rhythm.known else "its rhythm is not known yet"
        return reason | {"text": f"{reason['text']} ({how})"} if on else reason

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        super().shift(delta)
        self._rhythm.shift(delta)

    def snapshot(self) -> list[Any]:
        """As of any silence, and the rhythm."""
        return [*super().snapshot(), self._rhythm.snapshot()]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        *silence, rhythm = data
        super().restore(silence)
        self._rhythm.restore(rhythm)
        self._after = self._rhythm.patience
