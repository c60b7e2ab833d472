"""Functions over the recent past of a signal, as expressions name them: `mean(signal, 5m)`, `age(signal)`.

Until a window was looked through for its whole length, what was seen in it is no more than a bound.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import inf
from typing import Any, Final, NamedTuple

from rules.bounds import Bound, Known
from rules.delay import sooner
from rules.durations import LONGEST, format_duration
from rules.events import SECOND, Duration, Instant, Value
from rules.listening import Listening
from rules.signals import Reads, Signal
from rules.window import COVERED, Coverage, Taking, Window

BUCKETS: Final = 60
AGE: Final = "age"
CHANGED: Final = "changed"
COUNT: Final = "count"


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
    COUNT: _count,
}
"""Over the good readings of the window: mean, least, greatest, least-squares change per second, how many."""

NAMES: Final = (*NUMERIC, CHANGED)
"""The functions of a signal and a length; `changed`: whether the value was another one within the window."""

AT_LEAST: Final = ("max", COUNT)
AT_MOST: Final = ("min",)
BOUNDING: Final = (*AT_LEAST, *AT_MOST, AGE)
"""The functions that may give no more than bounds."""


class LookBack(ABC):
    """What one call gives, asked at every reading of its signal and at its deadlines. `now` is its last answer."""

    def __init__(self, call: WindowCall, signal: Signal, reads: Reads) -> None:
        self.key = call.key
        self.text = str(call)
        self.now: Known = None
        self._call = call
        self._signal = signal
        self._reads = reads

    @property
    def signal(self) -> Signal:
        """The signal that is looked back on."""
        return self._signal

    @property
    def seen(self) -> Value:
        """The last answer for people: of bounds, what was seen so far."""
        return self.now.seen if isinstance(self.now, Bound) else self.now

    @property
    def waits(self) -> bool:
        """Whether nothing but time is missing until it tells all: it has not looked for long enough yet."""
        return False

    def look(self, at: Instant) -> Known:
        """Its value at `at`, which is `now` until it is asked again."""
        self.now = self._value(at)
        return self.now

    @abstractmethod
    def _value(self, at: Instant) -> Known:
        """What it gives at `at`."""

    @property
    def deadline(self) -> Instant | None:
        """When its value will be another one by time alone; one that always changes says so by `reaches`."""
        return None

    def reaches(self, limit: Known) -> Instant | None:
        """When a value that grows with time will next have grown to an end of the limit; None if it never will."""
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
        now = self.now.snapshot() if isinstance(self.now, Bound) else self.now
        return [now, *self._state()]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        now, *state = data
        self.now = Bound.restore(now) if isinstance(now, list) else _number(now)
        self._take_back(state)

    @property
    def _present(self) -> Value:
        return self._reads(self._signal)


class Stretch(LookBack):
    """A number made of the good readings of a window.

    A reading leaves up to a sixtieth of the window's length late. Where nothing good was read in the window, mean, min,
    max and rate are unknown.
    """

    def __init__(self, call: WindowCall, signal: Signal, reads: Reads) -> None:
        super().__init__(call, signal, reads)
        self._made = NUMERIC[call.function]
        self._window = Window(call.length, BUCKETS, least=2 if call.function == "rate" else 0)
        self._taking = Taking()

    def _value(self, at: Instant) -> Known:
        return self._of_all(at)

    def _of_all(self, at: Instant) -> float | None:
        """What it is of all that is in the window at `at`."""
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


class Covered(LookBack):
    """One that tells all only once it has looked through the whole window."""

    def __init__(self, call: WindowCall, signal: Signal, reads: Reads) -> None:
        super().__init__(call, signal, reads)
        self._coverage = Coverage(call.length)

    @property
    def waits(self) -> bool:
        """Whether nothing but time is missing until it tells all."""
        return self._coverage.waits

    def clear(self) -> None:
        """Looking back begins here."""
        super().clear()
        self._coverage.clear()

    def pause(self, at: Instant) -> None:
        """From here on there is a hole."""
        del at
        self._coverage.pause()

    def resume(self, at: Instant) -> None:
        """The hole ends."""
        self._coverage.resume(at)


class Extent(Covered, Stretch):
    """A number that more readings could only let grow (`max`, `count`) or fall (`min`): a bound until all was seen.

    Whatever was seen is seen; what else there was in a part of the window that was not looked through, nobody knows.
    How often something came while its reading was bad cannot be told at all.
    """

    def _value(self, at: Instant) -> Known:
        sees = self._present is not None or self._signal.at is None
        whole, found = self._coverage.look(at, sees=sees), self._of_all(at)
        if whole or found is None:
            return found
        if self._call.function in AT_MOST:
            return Bound(-inf, found)
        return Bound(found, inf) if sees or self._call.function != COUNT else None

    @property
    def deadline(self) -> Instant | None:
        """When the next readings leave the window, or all of it was looked through."""
        return sooner(super().deadline, self._coverage.deadline)

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        super().shift(delta)
        self._coverage.shift(delta)

    def _state(self) -> list[Any]:
        return [*super()._state(), self._coverage.snapshot()]

    def _take_back(self, state: list[Any]) -> None:
        super()._take_back(state[:2])
        self._coverage.restore(state[2] if len(state) > 2 else COVERED)


class Changed(Covered):
    """Whether the value was another one within the window; unknown while the reading is bad.

    That it was not is unknown, too, until the first value, or the first after bad ones, is older than the window.
    """

    def __init__(self, call: WindowCall, signal: Signal, reads: Reads) -> None:
        super().__init__(call, signal, reads)
        self._last: Value = None
        self._changed: Instant | None = None

    def _value(self, at: Instant) -> Known:
        value = self._present
        if value is not None:
            if self._last is not None and (type(value) is not type(self._last) or value != self._last):
                self._changed = at
            self._last = value
        if self._changed is not None and at >= self._changed + self._call.length:
            self._changed = None
        whole = self._coverage.look(at, sees=value is not None)
        if value is None:
            return None
        return True if self._changed is not None else False if whole else None

    @property
    def deadline(self) -> Instant | None:
        """When the last change will be too long ago, or all of the window was looked through."""
        over = None if self._changed is None else self._changed + self._call.length
        return sooner(over, self._coverage.deadline)

    def clear(self) -> None:
        """Looking back begins here."""
        super().clear()
        self._last = self._changed = None

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._changed is not None:
            self._changed += delta
        self._coverage.shift(delta)

    def _state(self) -> list[Any]:
        return [self._last, self._changed, self._coverage.snapshot()]

    def _take_back(self, state: list[Any]) -> None:
        last, self._changed, *coverage = state
        self._last = _number(last)
        self._coverage.restore(coverage[0] if coverage else COVERED)


class Age(LookBack):
    """Seconds since the last reading, good or bad; unknown before the first. Grows while we can hear, and only then.

    Where looking back began after that reading, no more is known than that it lies between the time since then and
    that since the reading: nothing is too old because nobody looked.
    """

    def __init__(self, call: WindowCall, signal: Signal, reads: Reads) -> None:
        super().__init__(call, signal, reads)
        self._listening = Listening()
        self._looking = Listening()
        self._begins = False

    @property
    def waits(self) -> bool:
        """Whether the last reading came before looking back began."""
        return isinstance(self.now, Bound)

    def _value(self, at: Instant) -> Known:
        if self._begins:
            self._looking.excuse(at)
            self._begins = False
        if self._signal.at is None:
            return None
        least, most = (self._grown(listening, at) for listening in (self._looking, self._listening))
        return Bound(least, most) if least < most else most

    def _grown(self, listening: Listening, at: Instant) -> float:
        assert self._signal.at is not None
        since, used = listening.since(self._signal.at)
        until = at if listening.paused is None else min(at, listening.paused)
        return (used + max(0, until - since)) / SECOND

    def reaches(self, limit: Known) -> Instant | None:
        """The next instant at which an end of it is not below an end of the limit, in seconds."""
        if self._listening.paused is not None:
            return None
        found: Instant | None = None
        grown = _ends(self.now)
        listenings = (self._looking, self._listening)[-len(grown) :]
        for now, listening in zip(grown, listenings, strict=False):
            for end in _ends(limit):
                if now < end <= LONGEST / SECOND:
                    found = sooner(found, self._when(end, listening))
        return found

    def _when(self, seconds: float, listening: Listening) -> Instant:
        assert self._signal.at is not None
        since, used = listening.since(self._signal.at)
        return since + _nanoseconds(seconds) - used

    def clear(self) -> None:
        """Looking back begins here, which is where it looks next."""
        super().clear()
        self._begins = True

    def pause(self, at: Instant) -> None:
        """It stops growing."""
        self._listening.pause(at)
        self._looking.pause(at)

    def resume(self, at: Instant) -> None:
        """It grows again."""
        self._listening.resume(at, self._signal.at, _all)
        self._looking.resume(at, self._signal.at, _all)

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._listening.shift(delta)
        self._looking.shift(delta)

    def _state(self) -> list[Any]:
        return [*self._listening.snapshot(), self._looking.snapshot()]

    def _take_back(self, state: list[Any]) -> None:
        listening, looking = state[:3], state[3:]
        self._listening.restore(listening)
        self._looking.restore(looking[0] if looking else listening)


_KINDS: Final[dict[str, type[LookBack]]] = {
    **dict.fromkeys(NUMERIC, Stretch),
    **dict.fromkeys((*AT_LEAST, *AT_MOST), Extent),
    CHANGED: Changed,
    AGE: Age,
}


def look_back(call: WindowCall, signal: Signal, reads: Reads) -> LookBack:
    """What a call gives over a signal; as `reads` tells its value."""
    return _KINDS[call.function](call, signal, reads)


def _ends(value: Known) -> tuple[float, ...]:
    """The finite ends of what is known of a number, one if it is known exactly; none of what is no number."""
    if isinstance(value, Bound):
        return value.ends
    return (float(value),) if isinstance(value, (float, bool)) else ()


def _all(since: Instant, until: Instant) -> Duration:
    return until - since


def _nanoseconds(seconds: float) -> Duration:
    """The fewest that are so many seconds, as far as floating point tells them apart."""
    numerator, denominator = seconds.as_integer_ratio()
    fewest = -(-numerator * SECOND // denominator)
    return fewest - 1 if (fewest - 1) / SECOND >= seconds else fewest


def _number(value: Any) -> Value:
    return float(value) if type(value) is int else value
