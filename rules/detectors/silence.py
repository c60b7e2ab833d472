"""`silence`: nothing was heard of an asset, or of one of its signals, for too long."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.durations import DurationField, format_duration, parse_duration
from rules.events import SECOND, Duration, Instant
from rules.learning.rhythm import Rhythm
from rules.listening import Listening
from rules.problems import InputError, quoted
from rules.signals import Signal
from rules.workingtime import ALL_TIME

LEARN: Final = "learn"
LEAST: Final[Duration] = 10 * SECOND
MOST: Final[Duration] = 3_600 * SECOND
MOST_WORKING: Final[Duration] = 31 * 86_400 * SECOND
"""Working time that may be waited for."""


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


def _parts(value: Any) -> tuple[str, ...]:
    parts = (value,) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not parts or not all(isinstance(part, str) for part in parts):
        raise InputError("`calendar` must name days or shifts", "write mon-fri, shifts, or [early, late]")
    return tuple(parts)


Parts: TypeAlias = Annotated[
    tuple[str, ...],
    PlainValidator(_parts),
    PlainSerializer(list, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["mon-fri", "shifts"]}),
]


class SilenceConfig(DetectorConfig):
    """Any reading, good or bad, breaks the silence. An asset that never spoke is silent since the journal began.

    `calendar`: only working time counts, so that a weekend is no silence and a Monday begins without an alarm: days of
    the week (`mon-fri`), `shifts` (all that the calendar in assets.yaml has), a shift by name, or a list of these.
    Holidays are no working time. Silence that began before is still silence outside of it: an alarm stays active.

    `after: learn`: the patience is learned from the asset's own pauses, three times the second longest of the last
    hours, never less than `at_least` (10s) nor more than `at_most` (1h). Until enough was heard, which takes three
    tenths of `at_most`, it is `at_most`. A slower rhythm is accepted by and by, after some alarms.
    """

    type: Literal["silence"]
    after: After
    signal: str | None = None
    at_least: Annotated[DurationField | None, Field(gt=0)] = None
    at_most: Annotated[DurationField | None, Field(gt=0)] = None
    calendar: Parts | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.after != LEARN and (self.at_least, self.at_most) != (None, None):
            raise InputError("`at_least` and `at_most` are for `after: learn`", "remove them")
        least, most = self.bounds
        if least > most:
            raise InputError("`at_least` is longer than `at_most`", f"at_most is {format_duration(MOST)} if not given")
        if self.calendar and self.patience > MOST_WORKING:
            raise InputError("nobody waits so long in working time", f"{format_duration(MOST_WORKING)} or less")
        return self

    @property
    def bounds(self) -> tuple[Duration, Duration]:
        """The least and the most patience that may be learned."""
        most = self.at_most or MOST
        return self.at_least or min(LEAST, most), most

    @property
    def patience(self) -> Duration:
        """What is waited for a word, at most."""
        return self.bounds[1] if isinstance(self.after, str) else self.after

    @property
    def calendar_parts(self) -> tuple[str, ...]:
        """What counts as working time."""
        return self.calendar or ()

    def signals(self) -> tuple[str, ...]:
        """The signal named, if any."""
        return () if self.signal is None else (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        signal = None if self.signal is None else bindings.signal(self.signal)
        if isinstance(self.after, str):
            return [Learning(Rhythm(*self.bounds), bindings, signal, self.calendar_parts)]
        return [Silence(self.after, bindings, signal, self.calendar_parts)]


class Silence(Detector):
    """Waits for `after` without a word; what passes while our own link is down does not count."""

    def __init__(self, after: Duration, bindings: Bindings, signal: Signal | None, calendar: tuple[str, ...]) -> None:
        self._after = after
        self._clock = bindings.clock
        self._signal = signal
        self._working = bindings.working(calendar)
        self.basis = self._working.basis
        self._listening = Listening()
        self._silent = False

    @property
    def _spoke(self) -> Instant | None:
        return self._clock.heard if self._signal is None else self._signal.heard

    @property
    def _heard(self) -> Instant | None:
        """The last word; as long as there is none, the beginning."""
        spoke = self._spoke
        return self._clock.start if spoke is None else spoke

    @property
    def _end(self) -> Instant | None:
        """The end of the patience."""
        if (heard := self._heard) is None:
            return None
        since, used = self._listening.since(heard)
        return self._working.end(since, self._after - used)

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Silent once `after` has passed since the last word."""
        if self._listening.paused is None:
            end = self._end
            self._silent = end is not None and at >= end
        return (self._silent,)

    @property
    def deadline(self) -> Instant | None:
        """The end of the patience."""
        return None if self._silent or self._listening.paused is not None else self._end

    @property
    def vigilant(self) -> bool:
        """While silent, the first word ends it."""
        return self._silent

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Patience begins when the rule is armed; a silence that is held goes on until a word ends it."""
        self._silent = held[0]
        if not self._silent:
            self._listening.excuse(at)

    def pause(self, at: Instant) -> None:
        """Stop counting."""
        self._listening.pause(at)

    def resume(self, at: Instant) -> None:
        """Go on counting where it stopped."""
        self._listening.resume(at, None if self._silent else self._heard, self._working.elapsed)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Who was silent for how long."""
        del level
        who = "the asset" if self._signal is None else self._signal.name
        how = " of working time" if self._working is not ALL_TIME else ""
        what = f"nothing heard of {who} for {format_duration(self._after)}{how}" if on else f"{who} is heard again"
        return {"text": what, "limit": self._after / 1e9, "last_heard": self._heard}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._listening.shift(delta)

    def snapshot(self) -> list[Any]:
        """Since when it counts, silent."""
        return [self._listening.snapshot(), self._silent]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        listening, self._silent = data
        self._listening.restore(listening)


class Learning(Silence):
    """Waits as long as the rhythm of the source calls for."""

    def __init__(self, rhythm: Rhythm, bindings: Bindings, signal: Signal | None, calendar: tuple[str, ...]) -> None:
        super().__init__(rhythm.patience, bindings, signal, calendar)
        self._rhythm = rhythm

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Listen, then judge by what is known of the rhythm."""
        if (spoke := self._spoke) is not None and self._listening.paused is None:
            self._learn(spoke)
            self._after = self._rhythm.patience
        return super().update(at)

    def _learn(self, spoke: Instant) -> None:
        """A pause in which there was time that does not count is not learned."""
        last = self._rhythm.heard
        if self._working is ALL_TIME or last is None or self._working.elapsed(last, spoke) == spoke - last:
            self._rhythm.hear(spoke)
        else:
            self._rhythm.skip(spoke)

    @property
    def vigilant(self) -> bool:
        """Every word tells of the rhythm."""
        return True

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was said while nobody listened tells nothing of the rhythm."""
        self._rhythm.skip(at)
        super().settle(held, at)

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
