"""Functions over the recent past of a signal, as expressions name them: `mean(signal, 5m)`, `age(signal)`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rules.durations import LONGEST, format_duration
from rules.events import SECOND, Duration, Instant, Value
from rules.listening import Listening
from rules.signals import Signal
from rules.window import Taking, Window

BUCKETS: Final = 60
AGE: Final = "age"
CHANGED: Final = "changed"


class WindowCall(NamedTuple):
    """One call as written; `key` is the name under which its value is looked up. An age has no length."""

    function: str
    signal: str
    length: Duration

    @property
    def key(self) -> str:
        """A name that no signal has."""
        return f"\0{self.function} {self.length} {self.signal}"

    def __str__(self) -> str:
        length = f", {format_duration(self.length)}" if self.length else ""
        return f"{self.function}({self.signal}{length})"


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

NAMES: Final = (*NUMERIC, CHANGED)
"""The functions of a signal and a length; `changed`: whether the value was another one within the window."""


class LookBack(ABC):
    """What one call gives, asked at every reading of its signal and at its deadlines. `now` is its last answer."""

    def __init__(self, call: WindowCall, signal: Signal, ignore_quality: bool) -> None:
        self.key = call.key
        self.text = str(call)
        self.now: Value = None
        self._call = call
        self._signal = signal
        self._ignore = ignore_quality

    @property
    def signal(self) -> Signal:
        """The signal that is looked back on."""
        return self._signal

    def look(self, at: Instant) -> Value:
        """Its value at `at`, which is `now` until it is asked again."""
        self.now = self._value(at)
        return self.now

    @abstractmethod
    def _value(self, at: Instant) -> Value:
        """What it gives at `at`."""

    @property
    def deadline(self) -> Instant | None:
        """When its value will be another one by time alone; one that always changes says so by `reaches`."""
        return None

    def reaches(self, limit: Value) -> Instant | None:
        """When a value that grows with time will have grown to the limit; None if it has, or never will."""
        del limit
        return None

    def clear(self) -> None:
        """Looking back begins here."""
        self.now = None

    def pause(self, at: Instant) -> None:
        """Our own link is down: that nothing comes means nothing from here."""

    def resume(self, at: Instant) -> None:
        """Our own link is back."""

    @abstractmethod
    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""

    @abstractmethod
    def _state(self) -> list[Any]:
        """All but `now`, as JSON."""

    @abstractmethod
    def _take_back(self, state: list[Any]) -> None:
        """The reverse of `_state`."""

    def snapshot(self) -> list[Any]:
        """What it gave last, and all that it is made of."""
        return [self.now, *self._state()]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        now, *state = data
        self.now = _number(now)
        self._take_back(state)

    @property
    def _present(self) -> Value:
        return self._signal.last if self._ignore else self._signal.value


class Stretch(LookBack):
    """A number made of the good readings of a window.

    A reading leaves up to a sixtieth of the window's length late. Where nothing good was read in the window, mean, min,
    max and rate are unknown.
    """

    def __init__(self, call: WindowCall, signal: Signal, ignore_quality: bool) -> None:
        super().__init__(call, signal, ignore_quality)
        self._made = NUMERIC[call.function]
        self._window = Window(call.length, BUCKETS, least=2 if call.function == "rate" else 0)
        self._taking = Taking()

    def _value(self, at: Instant) -> Value:
        value = self._present
        if type(value) is float and self._taking.new(self._signal.at, value):
            assert self._signal.at is not None
            self._window.add(self._signal.at, value)
        self._window.slide(at)
        return self._made(self._window)

    @property
    def deadline(self) -> Instant | None:
        """When the next readings leave the window."""
        return self._window.next_leaving

    def clear(self) -> None:
        """Looking back begins here."""
        super().clear()
        self._window.clear()

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._window.shift(delta)
        self._taking.shift(delta)

    def _state(self) -> list[Any]:
        return [self._window.snapshot(), self._taking.snapshot()]

    def _take_back(self, state: list[Any]) -> None:
        window, taking = state
        self._window.restore(window)
        self._taking.restore(taking)


class Changed(LookBack):
    """Whether the value was another one within the window; unknown before the first."""

    def __init__(self, call: WindowCall, signal: Signal, ignore_quality: bool) -> None:
        super().__init__(call, signal, ignore_quality)
        self._last: Value = None
        self._changed: Instant | None = None

    def _value(self, at: Instant) -> Value:
        value = self._present
        if value is not None:
            if self._last is not None and (type(value) is not type(self._last) or value != self._last):
                self._changed = at
            self._last = value
        if self._changed is not None and at >= self._changed + self._call.length:
            self._changed = None
        return None if self._last is None else self._changed is not None

    @property
    def deadline(self) -> Instant | None:
        """When the last change will be too long ago."""
        return None if self._changed is None else self._changed + self._call.length

    def clear(self) -> None:
        """Looking back begins here."""
        super().clear()
        self._last = self._changed = None

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._changed is not None:
            self._changed += delta

    def _state(self) -> list[Any]:
        return [self._last, self._changed]

    def _take_back(self, state: list[Any]) -> None:
        last, self._changed = state
        self._last = _number(last)


class Age(LookBack):
    """Seconds since the last reading, good or bad; unknown before the first. Grows while we can hear, and only then."""

    def __init__(self, call: WindowCall, signal: Signal, ignore_quality: bool) -> None:
        super().__init__(call, signal, ignore_quality)
        self._listening = Listening()

    def _value(self, at: Instant) -> Value:
        if self._signal.at is None:
            return None
        since, used = self._listening.since(self._signal.at)
        paused = self._listening.paused
        until = at if paused is None else min(at, paused)
        return (used + max(0, until - since)) / SECOND

    def reaches(self, limit: Value) -> Instant | None:
        """The first instant at which it is not below the limit, in seconds."""
        if type(self.now) is not float or type(limit) not in {float, bool} or self._listening.paused is not None:
            return None
        assert self._signal.at is not None
        seconds = float(limit)  # type: ignore[arg-type]
        if not self.now < seconds <= LONGEST / SECOND:
            return None
        since, used = self._listening.since(self._signal.at)
        return since + _nanoseconds(seconds) - used

    def pause(self, at: Instant) -> None:
        """It stops growing."""
        self._listening.pause(at)

    def resume(self, at: Instant) -> None:
        """It grows again."""
        self._listening.resume(at, self._signal.at, _all)

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._listening.shift(delta)

    def _state(self) -> list[Any]:
        return self._listening.snapshot()

    def _take_back(self, state: list[Any]) -> None:
        self._listening.restore(state)


_KINDS: Final[dict[str, type[LookBack]]] = {**dict.fromkeys(NUMERIC, Stretch), CHANGED: Changed, AGE: Age}


def look_back(call: WindowCall, signal: Signal, ignore_quality: bool) -> LookBack:
    """What a call gives over a signal; with `ignore_quality` of all that was delivered."""
    return _KINDS[call.function](call, signal, ignore_quality)


def _all(since: Instant, until: Instant) -> Duration:
    return until - since


def _nanoseconds(seconds: float) -> Duration:
    """The fewest that are so many seconds, as far as floating point tells them apart."""
    numerator, denominator = seconds.as_integer_ratio()
    fewest = -(-numerator * SECOND // denominator)
    return fewest - 1 if (fewest - 1) / SECOND >= seconds else fewest


def _number(value: Any) -> Value:
    return float(value) if type(value) is int else value
