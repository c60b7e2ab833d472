"""`forecast`: a signal that, as it goes, will reach a limit before long."""

from __future__ import annotations

from math import inf
from typing import Any, Final, Literal, Self

from pydantic import model_validator

from rules.detectors.base import Bindings, Detector, DetectorConfig, Limit, limit_of, shown
from rules.durations import DurationField, format_duration
from rules.events import SECOND, Duration, Instant
from rules.signals import Signal
from rules.trend import Trend, trend
from rules.window import Taking, Window

BUCKETS: Final = 48
LEAST: Final = 12
"""Points that a line needs."""
RELIEF: Final = 1.25
"""Once raised, the alarm ends when the limit is this many horizons away."""
LONGEST: Final = 36_500 * 86_400.0
"""Seconds beyond which a limit is never reached."""


class ForecastConfig(DetectorConfig):
    """The alarm: the line through the last `window` reaches `limit` within `horizon`, and surely goes towards it.

    The line is Theil-Sen's, through the means of at most 48 stretches of the window, so single outliers do not turn
    it. Its slope has an interval of 90 %, wider where neighbouring values resemble each other; while that interval
    contains standing still there is no alarm. The reason gives the time to the limit with its earliest and latest
    (null: never, as far as the data tell). `direction` says from which side the limit is reached; without it, it is the
    side on which the first line lies after the rule was armed.
    """

    type: Literal["forecast"]
    signal: str
    limit: Limit
    direction: Literal["rising", "falling"] | None = None
    horizon: DurationField
    window: DurationField
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.window < SECOND or self.horizon < SECOND:
            raise ValueError("`window` and `horizon` must be at least 1s")
        if self.horizon > 10 * self.window:
            raise ValueError("`horizon` is more than ten times `window`: so far no line can be trusted")
        return self

    def signals(self) -> tuple[str, ...]:
        """The signal watched."""
        return (self.signal,)

    def value_names(self) -> tuple[str, ...]:
        """The name of the asset's value that is the limit, if one is named."""
        return (self.limit,) if isinstance(self.limit, str) else ()

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector; none where the asset has no such limit."""
        limit = limit_of(self.limit, bindings)
        return [] if limit is None else [Forecast(bindings.signal(self.signal), limit, self, bindings.ignore_quality)]


class Forecast(Detector):
    """The line of one signal, drawn anew whenever a stretch of the window is complete."""

    every_reading = True

    def __init__(self, signal: Signal, limit: float, config: ForecastConfig, ignore_quality: bool) -> None:
        self.inputs = (signal,)
        self._limit = limit
        self._given = None if config.direction is None else 1.0 if config.direction == "rising" else -1.0
        self._sign = self._given or 1.0
        self._sided = self._given is not None
        self._horizon = config.horizon / SECOND
        self._length: Duration = config.window
        self._ignore = ignore_quality
        self._window = Window(config.window, BUCKETS)
        self._taking = Taking()
        self._trend: Trend | None = None
        self._on = False

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether the limit is near; unknown while the signal is, or while there is too little to draw a line."""
        del at
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        if type(value) is not float:
            return None
        if self._taking.new(signal.at, value):
            assert signal.at is not None
            if self._window.begins(signal.at):
                self._window.slide(signal.at)
                self._draw(self._window.points())
            self._window.add(signal.at, value)
        return None if self._trend is None else (self._on,)

    def _draw(self, points: list[tuple[float, float]]) -> None:
        if len(points) < LEAST or -points[0][0] * SECOND < self._length / 2:
            self._trend = None
            return
        self._trend = trend(points)
        if not self._sided:
            self._sign, self._sided = (1.0 if self._trend.level <= self._limit else -1.0), True
        reached = self._times(self._trend)[0]
        sure = reached == 0 or self._sign * (self._trend.least if self._sign > 0 else self._trend.most) > 0
        near = reached <= self._horizon * (RELIEF if self._on else 1)
        self._on = near and (sure or self._on)

    def _times(self, line: Trend) -> tuple[float, float, float]:
        """Seconds to the limit: by the line, at the earliest, at the latest; infinite where it is never reached."""
        distance = self._sign * (self._limit - line.level)
        slopes = (line.slope, line.most, line.least) if self._sign > 0 else (line.slope, line.least, line.most)
        times = tuple(_seconds(distance, self._sign * slope) for slope in slopes)
        return times[0], times[1], times[2]

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was before the rule was armed is forgotten."""
        del at
        self._window.clear()
        self._trend, self._on = None, held[0]
        self._sided = self._given is not None or self._on

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The time to the limit, with its interval."""
        del level
        signal = self.inputs[0]
        value = signal.last
        reason: dict[str, Any] = {"value": value, "limit": self._limit, "values": {signal.name: value}}
        where = f"{signal.name} {shown(value)}{signal.unit}"
        if self._trend is None:
            return reason | {"text": f"{where}: too little is known to see the limit {self._limit:g} coming"}
        reached, earliest, latest = self._times(self._trend)
        times = {"in": _finite(reached), "earliest": _finite(earliest), "latest": _finite(latest)}
        span = f"{_words(earliest)} to {_words(latest)}"
        verb = "reaches" if on else "no longer soon reaches"
        text = f"{where} {verb} {self._limit:g}{signal.unit} in {_words(reached)} ({span})"
        return reason | {"text": text, "forecast": times, "slope": self._trend.slope}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._window.shift(delta)
        self._taking.shift(delta)

    def snapshot(self) -> list[Any]:
        """Window, last reading taken, line, on, and from which side the limit is reached where that was found out."""
        line = None if self._trend is None else list(self._trend)
        side = [self._sign] if self._sided and self._given is None else []
        return [self._window.snapshot(), self._taking.snapshot(), line, self._on, *side]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._window.restore(data[0])
        self._taking.restore(data[1])
        self._trend = None if data[2] is None else Trend(*map(float, data[2]))
        self._on = data[3]
        if self._given is None and len(data) > 4:
            self._sign, self._sided = float(data[4]), True


def _seconds(distance: float, slope: float) -> float:
    if distance <= 0:
        return 0.0
    if distance > slope * LONGEST:
        return inf
    return distance / slope


def _finite(seconds: float) -> float | None:
    return seconds if seconds < inf else None


def _words(seconds: float) -> str:
    return format_duration(round(seconds) * SECOND) if seconds < inf else "never"
