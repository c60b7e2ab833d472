"""Functions over the last stretch of a signal, as expressions name them: `mean(signal, 5m)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rules.durations import format_duration
from rules.events import Duration, Instant, Value
from rules.signals import Signal
from rules.window import Taking, Window

BUCKETS: Final = 60


class WindowCall(NamedTuple):
    """One call as written; `key` is the name under which its value is looked up."""

    function: str
    signal: str
    length: Duration

    @property
    def key(self) -> str:
        """A name that no signal has."""
        return f"\0{self.function} {self.length} {self.signal}"


def _least(window: Window) -> float | None:
    return min((bucket.low for bucket in window.buckets), default=None)


def _most(window: Window) -> float | None:
    return max((bucket.high for bucket in window.buckets), default=None)


def _count(window: Window) -> float:
    return float(sum(bucket.count for bucket in window.buckets))


NUMERIC: Final[dict[str, Callable[[Window], float | None]]] = {
    "mean": Window.mean,
    "min": _least,
    "max": _most,
    "rate": Window.slope,
    "count": _count,
}
"""Over the good readings of the window: mean, least, greatest, least-squares change per second, how many."""

NAMES: Final = (*NUMERIC, "changed")
"""`changed`: whether the value was another one within the window."""


class Windowed:
    """What one call gives. It is asked at every reading of its signal and at its deadlines, and remembers in between.

    A reading leaves the window up to a sixtieth of its length late. Where nothing good was read in the window, mean,
    min, max and rate are unknown.
    """

    def __init__(self, call: WindowCall, signal: Signal, ignore_quality: bool) -> None:
        self.key = call.key
        self._call = call
        self._signal = signal
        self._ignore = ignore_quality
        self._window = Window(call.length, BUCKETS, least=2 if call.function == "rate" else 0)
        self._taking = Taking()
        self._last: Value = None
        self._changed: Instant | None = None
        self.now: Value = None

    @property
    def text(self) -> str:
        """The call as written."""
        return f"{self._call.function}({self._call.signal}, {format_duration(self._call.length)})"

    def look(self, at: Instant) -> Value:
        """Its value at `at`, which is `now` until it is asked again."""
        self.now = self._value(at)
        return self.now

    def _value(self, at: Instant) -> Value:
        value = self._signal.last if self._ignore else self._signal.value
        if self._call.function == "changed":
            return self._has_changed(value, at)
        if type(value) is float and self._taking.new(self._signal.at, value):
            assert self._signal.at is not None
            self._window.add(self._signal.at, value)
        self._window.slide(at)
        return NUMERIC[self._call.function](self._window)

    def _has_changed(self, value: Value, at: Instant) -> bool | None:
        if value is not None:
            if self._last is not None and (type(value) is not type(self._last) or value != self._last):
                self._changed = at
            self._last = value
        if self._changed is not None and at >= self._changed + self._call.length:
            self._changed = None
        return None if self._last is None else self._changed is not None

    @property
    def deadline(self) -> Instant | None:
        """When its value will be another one by time alone."""
        if self._call.function == "changed":
            return None if self._changed is None else self._changed + self._call.length
        return self._window.next_leaving

    def clear(self) -> None:
        """Forget everything."""
        self._window.clear()
        self._last = self._changed = self.now = None

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._window.shift(delta)
        self._taking.shift(delta)
        if self._changed is not None:
            self._changed += delta

    def snapshot(self) -> list[Any]:
        """Window, last reading taken, last value, when it changed, what it gave."""
        return [self._window.snapshot(), self._taking.snapshot(), self._last, self._changed, self.now]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._window.restore(data[0])
        self._taking.restore(data[1])
        self._last = float(data[2]) if type(data[2]) is int else data[2]
        self._changed = data[3]
        self.now = float(data[4]) if type(data[4]) is int else data[4]
