"""What an asset's signals read now, and the band in which a reading changes nothing for anybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite, nextafter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rules.events import Duration, Instant, Quality, Reading, Value

if TYPE_CHECKING:
    from rules.assetmodel import SignalSpec
    from rules.derived import Derived
    from rules.gate import Gate
    from rules.watch import Watch


Reads: TypeAlias = "Callable[[Signal], Value]"
"""What counts as the value of a signal: `delivered`, `usable` or `certain`."""


def delivered(signal: Signal) -> Value:
    """The last value, whatever its quality."""
    return signal.last


def usable(signal: Signal) -> Value:
    """The value unless it is bad."""
    return signal.value


def certain(signal: Signal) -> Value:
    """The value if it is good."""
    return None if signal.quality is Quality.UNCERTAIN else signal.value


NOWHERE: Final = (inf, -inf)
"""The quiet band in which no value lies."""
LARGEST: Final = nextafter(inf, 0)
"""Infinity is in nobody's quiet band: it is bad quality, and somebody has to say so."""


class Signal:
    """One signal of one asset.

    `value` is None while it is unknown or bad; `last` is the last value delivered, whatever its quality, `known` the
    last one that was not bad; `at` is the stamp of the last reading, `heard` the asset's time at which it was heard of,
    which is later where a source's clock is slow. `samples` counts the readings with a value that
    were not passed over as quiet: whoever is never quiet tells by it that there is a new one. It counts within one life
    of the monitor.
    `low <= value <= high` is the quiet band: inside it no watch changes its mind, so none is asked. It is empty unless
    the last value was a number, for nobody could tell by a text what the number after it ends. `maps` turns
    readings of a mode signal into the signal `state`, `feeds` are the signals computed from it. `named` says whether
    expressions read it, `plain` whether a reading that repeats the last one concerns nobody.
    """

    __slots__ = (
        "_bands", "_heard", "_heedful", "_known", "_quiet", "at", "feeds", "high", "last", "low", "maps", "name",
        "named", "plain", "quality", "samples", "spec", "value", "watches",
    )  # fmt: skip

    def __init__(self, name: str, spec: SignalSpec | None) -> None:
        self.name = name
        self.spec = spec
        self.value: Value = None
        self.last: Value = None
        self.quality: Quality | None = None
        self.at: Instant | None = None
        self.samples = 0
        self.named = False
        self.low, self.high = NOWHERE
        self.watches: tuple[Gate | Watch, ...] = ()
        self.maps: tuple[Signal, dict[Value, str]] | None = None
        self.feeds: tuple[Derived, ...] = ()
        self.plain = False
        self._known: Value = None
        self._heard: Instant | None = None
        self._quiet = NOWHERE
        self._bands: tuple[tuple[float, float, Gate | Watch], ...] = ()
        self._heedful: tuple[Gate | Watch, ...] = ()

    @property
    def unit(self) -> str:
        """The unit with a space before it, or nothing."""
        return f" {self.spec.unit}" if self.spec is not None and self.spec.unit else ""

    @property
    def known(self) -> Value:
        """The last value that was not bad; None if there was none."""
        return self._known if self.value is None else self.value

    @property
    def heard(self) -> Instant | None:
        """See the class; None until it was read."""
        return self.at if self.at is None or self._heard is None else max(self.at, self._heard)

    def hear(self, moment: Instant) -> None:
        """A reading came in whose stamp does not tell when: so did whatever is made of it."""
        self._heard = moment
        if self.maps is not None:
            self.maps[0].hear(moment)
        for derived in self.feeds:
            derived.target.hear(moment)

    def read(self, reading: Reading, uncertain: bool) -> None:
        """Take a reading over, with the quality it deserves: the worst of delivered, range, sentinel and stamp."""
        value, quality = reading.value, reading.quality
        if type(value) is float:
            if not isfinite(value):
                value, quality = None, Quality.BAD
            elif self.spec is not None and refused(self.spec, value):
                quality = Quality.BAD
        elif value is None:
            quality = Quality.BAD
        if uncertain and quality is Quality.GOOD:
            quality = Quality.UNCERTAIN
        self.take(value, quality)

    def take(self, value: Value, quality: Quality) -> None:
        """Set a value whose quality is judged already."""
        self.quality = quality
        if quality is not Quality.BAD:
            self.value = value
        elif self.value is not None:
            self._known, self.value = self.value, None
        if value is not None:
            anew, self.last = type(value) is not type(self.last), value
            self.samples += 1
            if anew:
                self._bound()

    def concerned(self, last: Value, quality: Quality | None) -> Sequence[Gate | Watch]:
        """Whom it concerns that it was read, where it had `last` and `quality` before."""
        now = self.last
        if quality is not self.quality or type(now) is not type(last):
            return self.watches
        if now == last:
            return self._heedful
        if type(now) is float:
            return [watch for low, high, watch in self._bands if not low <= now <= high]
        return self.watches

    def map_state(self, at: Instant) -> None:
        """Carry the reading over to the mapped `state`; an unmapped value is bad quality."""
        assert self.maps is not None
        target, table = self.maps
        state = None if self.value is None else table.get(self.value)
        target.at = at
        target.take(state, Quality.BAD if state is None else self.quality or Quality.GOOD)

    def map_anew(self) -> None:
        """Follow a table of states that says otherwise of the last reading than the one before did."""
        if self.maps is not None and self.at is not None:
            state, table = self.maps
            if state.value != (None if self.value is None else table.get(self.value)):
                self.map_state(self.at)

    def refresh(self) -> None:
        """Look again who watches, and at which values."""
        low, high = -LARGEST, LARGEST
        bands = []
        for watch in self.watches:
            least, most = watch.band(self)
            if least > -inf or most < inf:
                bands.append((least, most, watch))
                low, high = max(low, least), min(high, most)
        if self.spec is not None and self.watches:
            low, high = _without_sentinels(self.spec, low, high)
        if self.maps is not None or self.feeds:
            low, high = NOWHERE
        self._quiet, self._bands = (low, high), tuple(bands)
        self._bound()
        self._heedful = tuple(watch for watch in self.watches if watch.every_reading)
        self.plain = not self._heedful and not self.feeds and not self.counts_states

    @property
    def counts_states(self) -> bool:
        """Whether a mode that repeats tells something to whoever watches the state made of it."""
        return self.maps is not None and any(watch.every_reading for watch in self.maps[0].watches)

    def _bound(self) -> None:
        self.low, self.high = self._quiet if type(self.last) is float else NOWHERE

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self.at is not None:
            self.at += delta
        if self._heard is not None:
            self._heard += delta

    def snapshot(self) -> list[Any]:
        """At, value, last value, quality, last known value, when it was heard of by another's clock."""
        quality = None if self.quality is None else int(self.quality)
        return [self.at, self.value, self.last, quality, self.known, self._heard]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.at, value, last, quality, *rest = data
        self.value, self.last = _number(value), _number(last)
        known, self._heard = rest or (last, None)
        self._known = _number(known)
        self._bound()
        self.quality = None if quality is None else Quality(quality)


def _number(value: Any) -> Value:
    return float(value) if type(value) is int else value


def refused(spec: SignalSpec, value: float) -> bool:
    """Whether a number stands for none, or lies where the signal cannot be: it is bad whatever came with it."""
    return value in spec.sentinels or (spec.range is not None and not spec.range[0] <= value <= spec.range[1])


def _without_sentinels(spec: SignalSpec, low: float, high: float) -> tuple[float, float]:
    if spec.range is not None:
        low, high = max(low, spec.range[0]), min(high, spec.range[1])
    if any(low <= sentinel <= high for sentinel in spec.sentinels):
        return NOWHERE
    return low, high
