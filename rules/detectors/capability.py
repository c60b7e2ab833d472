"""`capability`: whether a process can keep its specification, proven by the confidence bounds of an index."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from rules.charting.keys import Number
from rules.charting.window import MOST, Window
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.durations import format_duration, parse_duration
from rules.events import Duration, Instant
from rules.problems import InputError, quoted
from rules.signals import Signal
from rules.statistics.capability import (
    FEWEST_VALUES,
    Index,
    Specification,
    Verdict,
    about_target,
    actual,
    freedom_individuals,
    potential,
)
from rules.statistics.limits import LARGEST

FEWEST: Final = 25
"""A window of fewer values proves nothing of use."""
TIMES: Final = 10
"""An index is judged anew so many times in the course of a window."""


class Span(int):
    """A window that is a length of time, not a number of values."""


def _window(value: Any) -> int | Span:
    if isinstance(value, str):
        return Span(parse_duration(value))
    if type(value) is not int or not FEWEST <= value <= MOST:
        raise InputError(f"a window holds {FEWEST} to {MOST} values, or is a time", "window: 100 or window: 8h")
    return value


def _shown(value: int) -> int | str:
    return format_duration(value) if isinstance(value, Span) else value


class CapabilityConfig(DetectorConfig):
    """The alarm says that the process is proven incapable; what is undecided is none."""

    NOT_BUILT: ClassVar[frozenset[str]] = frozenset({"per"})

    type: Literal["capability"]
    signal: str
    lower_spec: Number | None = None
    upper_spec: Number | None = None
    target: Number | None = None
    index: Literal["cp", "cpk", "pp", "ppk", "cpm"] = "ppk"
    at_least: Annotated[float, Field(gt=0, le=100)] = 1.33
    window: Annotated[Any, BeforeValidator(_window), PlainSerializer(_shown, when_used="json")] = FEWEST_VALUES

    @model_validator(mode="after")
    def _complete(self) -> Self:
        try:
            spec = self.specification
        except ValueError as error:
            raise InputError(str(error), "lower_spec: 9.8, upper_spec: 10.2") from None
        if self.index in {"cp", "pp", "cpm"} and spec.width is None:
            raise InputError(f"{quoted(self.index)} needs both lower_spec and upper_spec", "or take cpk or ppk")
        if self.target is not None and self.index != "cpm":
            raise InputError(f"{quoted(self.index)} has no target", "remove it, or take index: cpm")
        return self

    @property
    def specification(self) -> Specification:
        """What is asked for."""
        return Specification(self.lower_spec, self.upper_spec, self.target)

    def signals(self) -> tuple[str, ...]:
        """The signal."""
        return (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        timed = isinstance(self.window, Span)
        window = Window(None if timed else self.window, int(self.window) if timed else None)
        gauge = Gauge(self.specification, self.index)
        return [Capability(bindings.signal(self.signal), gauge, self.at_least, window, bindings.ignore_quality)]


class Gauge:
    """One index of the values of a window."""

    def __init__(self, spec: Specification, name: str) -> None:
        self.spec = spec
        self.name = name

    def read(self, window: Window) -> Index | None:
        """The index with its bounds; None where there is no spread."""
        spec, count = self.spec, len(window)
        if self.name == "cpm":
            return about_target(spec, window.mean, window.overall, count)
        short = self.name.startswith("c")
        sigma = window.within if short else window.overall
        freedom = freedom_individuals(count) if short else count - 1
        if self.name.endswith("k"):
            return actual(spec, window.mean, sigma, count, freedom)
        return potential(spec, sigma, freedom)


class Capability(Detector):
    """Judges the window each time a tenth of it is new, and as soon as it holds enough."""

    every_reading = True

    def __init__(self, signal: Signal, gauge: Gauge, gate: float, window: Window, ignore_quality: bool) -> None:
        self.inputs = (signal,)
        self._gauge = gauge
        self._gate = gate
        self._window = window
        self._ignore = ignore_quality
        self._seen = 0
        self._counted: Instant | None = None
        self._new = 0
        self._told: dict[str, Any] = {}

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether the process is proven incapable."""
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        readable = type(value) is float and abs(value) <= LARGEST
        if signal.samples != self._seen:
            self._seen = signal.samples
            if readable and type(value) is float:
                self._counted = signal.at
                self._window.add(at, value)
                self._new += 1
                if self._new * TIMES >= len(self._window) and self._enough:
                    self._judge()
        if not readable and signal.quality is not None:
            return None
        return (self._told.get("verdict") == Verdict.INCAPABLE,)

    @property
    def _enough(self) -> bool:
        return self._window.full or len(self._window) >= FEWEST_VALUES

    def _judge(self) -> None:
        self._new = 0
        index, window = self._gauge.read(self._window), self._window
        self._told = {"count": len(window), "mean": window.mean, "overall": window.overall, "within": window.within}
        if index is None:
            self._told["verdict"] = Verdict.UNDECIDED.value
        else:
            bounds = {"value": index.value, "lower": index.lower, "upper": index.upper}
            self._told |= {"verdict": index.verdict(self._gate).value, **bounds}

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The index, its bounds and what they prove."""
        del level, on
        told = {"verdict": Verdict.UNDECIDED, "count": 0, **self._told}
        name = self._gauge.name.capitalize()
        signal = self.inputs[0]
        found = "no spread to speak of"
        if "value" in told:
            found = f"{name} {told['value']:.3g}, 95 % bounds {told['lower']:.3g} and {told['upper']:.3g}"
        text = (
            f"{signal.name}: {_words(str(told['verdict']))} of {name} {self._gate:g}: {found} ({told['count']} values)"
        )
        return {**told, "text": text, "index": self._gauge.name, "limit": self._gate}

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Armed (again): the values so far stay, for what they say is of the process in operation."""
        signal = self.inputs[0]
        fresh = signal.at == at and self._counted != at
        self._seen = signal.samples - 1 if fresh else signal.samples
        if not held[0] and self._told.get("verdict") == Verdict.INCAPABLE:
            self._window.clear()
            self._new, self._told = 0, {}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._window.shift(delta)
        if self._counted is not None:
            self._counted += delta

    def snapshot(self) -> list[Any]:
        """The window, when last read, how much of it is new, and the last verdict with its numbers."""
        return [self._window.snapshot(), self._counted, self._new, self._told]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        window, self._counted, self._new, self._told = data
        self._window.restore(window)


def _words(verdict: str) -> str:
    return {"incapable": "proven incapable", "proven": "proven capable"}.get(verdict, "undecided, not proven incapable")
