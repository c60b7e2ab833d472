"""How a detector looks at an asset through an expression, and how it tells that something came about."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from rules.bounds import Known
from rules.delay import sooner
from rules.events import Duration, Instant, Value
from rules.signals import Reads, Signal
from rules.windowed import look_back

if TYPE_CHECKING:
    from rules.expressions import Expression


class Source(Protocol):
    """The asset that is looked at: the values that count by their names, and how they are read off a signal."""

    values: dict[str, Value]
    reads: Reads

    def signal(self, name: str) -> Signal:
        """The asset's signal of that name."""


class Sight:
    """One expression over one asset's present values, and over the recent past of some of its signals.

    Whoever has one shows it to its watch as one of `Detector.sights`: deadlines, snapshots and what else the passing of
    time asks of `windows` is the watch's affair then.
    """

    def __init__(self, expression: Expression, source: Source) -> None:
        self.text = expression.text
        self.inputs = tuple(source.signal(name) for name in sorted(expression.signals))
        self.windows = tuple(look_back(call, source.signal(call.signal), source.reads) for call in expression.windows)
        self._expression = expression
        self._past: dict[str, Known] = {}
        self._present = source.values
        self._values: Mapping[str, Known] = self._present
        if self.windows:
            self._values = ChainMap(self._past, cast("dict[str, Known]", self._present))
        self._by_key = {window.key: window for window in self.windows}

    def holds(self, at: Instant) -> bool | None:
        """The expression's truth at `at`; None where it cannot be told."""
        if self.windows:
            self.look(at)
        return self._expression.holds(self._values)

    def look(self, at: Instant) -> None:
        """Take in what was read, and let go of what is too old at `at`."""
        for window in self.windows:
            self._past[window.key] = window.look(at)

    @property
    def truth(self) -> bool | None:
        """The expression's truth, as far back as it was looked at last."""
        return self._expression.holds(self._values)

    @property
    def so_far(self) -> bool | None:
        """The truth of what was seen, likewise, as if there had been no more in what was not looked through."""
        return self._expression.holds(self._seen)

    @property
    def value(self) -> Value:
        """The value of what was seen, likewise."""
        return self._expression.evaluate(self._seen)

    @property
    def past(self) -> dict[str, Value]:
        """What looking back gave last, of what was seen, by the calls as written."""
        return {window.text: window.seen for window in self.windows}

    @property
    def waits(self) -> bool:
        """Whether looking back has not gone on for long enough yet."""
        return any(window.waits for window in self.windows)

    @property
    def _seen(self) -> Mapping[str, Value]:
        return ChainMap({window.key: window.seen for window in self.windows}, self._present)

    @property
    def deadline(self) -> Instant | None:
        """When time alone may change its truth."""
        end: Instant | None = None
        for window in self.windows:
            end = sooner(end, window.deadline)
        for crossing in self._expression.crossings:
            end = sooner(end, self._by_key[crossing.key].reaches(crossing.limit(self._values)))
        return end

    def clear(self) -> None:
        """Looking back begins here."""
        for window in self.windows:
            window.clear()

    def pause(self, at: Instant) -> None:
        """Our own link is down: that nothing comes means nothing from here."""
        for window in self.windows:
            window.pause(at)

    def resume(self, at: Instant) -> None:
        """Our own link is back."""
        for window in self.windows:
            window.resume(at)

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        for window in self.windows:
            window.shift(delta)

    def snapshot(self) -> list[Any]:
        """The windows."""
        return [window.snapshot() for window in self.windows]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        for window, saved in zip(self.windows, data, strict=True):
            window.restore(saved)
            self._past[window.key] = window.now


class Edge:
    """Tells when a truth comes about. What holds from the beginning has not come about.

    As long as nothing is known, because looking back has just begun, it is enough that it did not hold so far.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: bool | None = None

    def rises(self, now: bool | None, sight: Sight) -> bool:
        """Whether what is seen through `sight` holds now and, as far as was known last, did not before."""
        if now is None:
            if self.known is None and sight.windows and sight.so_far is False:
                self.known = False
            return False
        was, self.known = self.known, now
        return now and was is False


class Stopwatch:
    """How long a truth has held, in all: time in which it is not known, or nobody can see it, is not added."""

    __slots__ = ("_blind", "_holds", "_since", "total")

    def __init__(self) -> None:
        self.total: Duration = 0
        self._since: Instant | None = None
        self._holds = False
        self._blind = False

    @property
    def running(self) -> bool:
        """Whether it holds, as far as is known."""
        return self._since is not None

    def feed(self, now: bool | None, at: Instant) -> None:
        """What is known from `at` on; None if it is not."""
        self.total = self.until(at)
        self._holds = now is True
        self._since = at if self._holds and not self._blind else None

    def stop(self, at: Instant) -> None:
        """Nobody looks from here on."""
        self.feed(False, at)

    def pause(self, at: Instant) -> None:
        """Nobody can see it from here on."""
        self.total, self._since, self._blind = self.until(at), None, True

    def resume(self, at: Instant) -> None:
        """It can be seen again: what was known last goes on."""
        if self._blind:
            self._blind = False
            self._since = at if self._holds else None

    def begin_anew(self, at: Instant) -> None:
        """Nothing is counted yet at `at`."""
        self.total, self._since = 0, None if self._since is None else at

    def take_over(self, data: list[Any], at: Instant) -> None:
        """Have the total of a snapshot, as of `at`; what holds is for `feed` to say."""
        self.restore(data)
        self.stop(at)

    def reaches(self, total: Duration) -> Instant | None:
        """When it will have held for `total` if it goes on; None if it does not run."""
        return None if self._since is None else self._since + total - self.total

    def until(self, at: Instant) -> Duration:
        """For how long it held in all if it goes on up to `at`."""
        return self.total + (max(0, at - self._since) if self._since is not None else 0)

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._since is not None:
            self._since += delta

    def snapshot(self) -> list[Any]:
        """Total, running since, whether it holds, whether nobody can see it."""
        return [self.total, self._since, self._holds, self._blind]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`, also of one that nobody was ever kept from seeing."""
        self.total, self._since, *rest = data
        self._holds, self._blind = rest or (self._since is not None, False)
