"""What an asset's signals read now, and the band in which a reading changes nothing for anybody."""

from __future__ import annotations

from math import inf, isfinite, nextafter
from typing import TYPE_CHECKING, Any, Final

from rules.events import Duration, Instant, Quality, Reading, Value

if TYPE_CHECKING:
    from rules.assetmodel import SignalSpec
    from rules.derived import Derived
    from rules.gate import Gate
    from rules.watch import Watch


LARGEST: Final = nextafter(inf, 0)
"""Infinity is in nobody's quiet band: it is bad quality, and somebody has to say so."""


class Signal:
    """One signal of one asset.

    `value` is None while it is unknown or bad; `last` is the last value delivered, whatever its quality; `at` is the
    stamp of the last reading. `samples` counts the readings with a value that were not passed over as quiet: whoever is
    never quiet tells by it that there is a new one. It counts within one life of the monitor.
    `low <= value <= high` is the quiet band: inside it no watch changes its mind, so none is asked. `maps` turns
    readings of a mode signal into the signal `state`, `feeds` are the signals computed from it.
    """

    __slots__ = (
        "at", "feeds", "high", "last", "low", "maps", "name", "quality", "samples", "spec", "value", "watches",
    )  # fmt: skip

    def __init__(self, name: str, spec: SignalSpec | None) -> None:
        self.name = name
        self.spec = spec
        self.value: Value = None
        self.last: Value = None
        self.quality: Quality | None = None
        self.at: Instant | None = None
        self.samples = 0
        self.low, self.high = inf, -inf
        self.watches: tuple[Gate | Watch, ...] = ()
        self.maps: tuple[Signal, dict[Value, str]] | None = None
        self.feeds: tuple[Derived, ...] = ()

    @property
    def unit(self) -> str:
        """The unit with a space before it, or nothing."""
        return f" {self.spec.unit}" if self.spec is not None and self.spec.unit else ""

    def read(self, reading: Reading, uncertain: bool) -> None:
        """Take a reading over, with the quality it deserves: the worst of delivered, range, sentinel and stamp."""
        value = reading.value
        if isinstance(value, float) and not isfinite(value):
            value = None
        quality = self._judge(value, reading.quality)
        if uncertain and quality is Quality.GOOD:
            quality = Quality.UNCERTAIN
        self.take(value, quality)

    def take(self, value: Value, quality: Quality) -> None:
        """Set a value whose quality is judged already."""
        self.quality = quality
        self.value = None if quality is Quality.BAD else value
        if value is not None:
            self.last = value
            self.samples += 1

    def _judge(self, value: Value, quality: Quality) -> Quality:
        if value is None:
            return Quality.BAD
        if isinstance(value, float):
            spec = self.spec
            if spec is not None and (value in spec.sentinels or not _within(spec.range, value)):
                return Quality.BAD
        return quality

    def map_state(self, at: Instant) -> Signal | None:
        """Carry the reading over to the mapped `state`, and return that signal; an unmapped value is bad quality."""
        if self.maps is None:
            return None
        target, table = self.maps
        state = None if self.value is None else table.get(self.value)
        target.at = at
        target.take(state, Quality.BAD if state is None else self.quality or Quality.GOOD)
        return target

    def refresh(self) -> None:
        """Recompute the quiet band from those who watch."""
        low, high = -LARGEST, LARGEST
        for watch in self.watches:
            band = watch.band(self)
            low, high = max(low, band[0]), min(high, band[1])
        if self.spec is not None and self.watches:
            low, high = _without_sentinels(self.spec, low, high)
        if self.maps is not None or self.feeds:
            low, high = inf, -inf
        self.low, self.high = low, high

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self.at is not None:
            self.at += delta

    def snapshot(self) -> list[Any]:
        """At, value, last value, quality."""
        return [self.at, self.value, self.last, None if self.quality is None else int(self.quality)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.at, value, last, quality = data
        self.value, self.last = _number(value), _number(last)
        self.quality = None if quality is None else Quality(quality)


def _number(value: Any) -> Value:
    return float(value) if type(value) is int else value


def _within(bounds: tuple[float, float] | None, value: float) -> bool:
    return bounds is None or bounds[0] <= value <= bounds[1]


def _without_sentinels(spec: SignalSpec, low: float, high: float) -> tuple[float, float]:
    if spec.range is not None:
        low, high = max(low, spec.range[0]), min(high, spec.range[1])
    if any(low <= sentinel <= high for sentinel in spec.sentinels):
        return inf, -inf
    return low, high
