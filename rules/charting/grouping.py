"""Readings into subgroups: one each, so many, those of an interval of time, or those of so many parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from rules.charting.keys import LARGEST_SUBGROUP, Subgroup
from rules.events import Duration, Instant, Value
from rules.signals import Signal

MOST: Final = LARGEST_SUBGROUP


class Group(NamedTuple):
    """The items of a subgroup, and the stamp of the first."""

    at: Instant
    items: list[Any]


class Single:
    """Every reading by itself, or every `thin`-th: `passed` says how many came since the last that was taken."""

    deadline: Instant | None = None
    overflow = 0
    inputs: tuple[Signal, ...] = ()

    def __init__(self, thin: int = 1) -> None:
        self._thin = thin
        self.passed = 0

    def _skips(self) -> bool:
        """Whether the item that has come is left out."""
        skipped, self.passed = self.passed > 0, (self.passed + 1) % self._thin
        return skipped

    @property
    def under_way(self) -> bool:
        """Whether a part has a value and is not finished, as far as the part counter tells."""
        return False

    def add(self, at: Instant, item: Any) -> Group | None:
        """A reading; returns the subgroup that it completes, if it does."""
        return None if self._skips() else Group(at, [item])

    def close(self, at: Instant) -> Group | None:
        """Time has come to `at`; returns the subgroup that it ends, if it does."""
        del at
        return None

    def restart(self) -> None:
        """Forget the subgroup that is under way."""
        self.passed = 0

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""

    def snapshot(self) -> list[Any] | None:
        """The subgroup that is under way, as JSON."""
        return None

    def restore(self, data: Any) -> None:
        """The reverse of `snapshot`."""


class BySize(Single):
    """So many readings in a row."""

    def __init__(self, size: int, thin: int = 1) -> None:
        super().__init__(thin)
        self._size = size
        self._begin: Instant = 0
        self._items: list[Any] = []

    def add(self, at: Instant, item: Any) -> Group | None:
        """See `Single`."""
        if self._skips():
            return None
        if not self._items:
            self._begin = at
        self._items.append(item)
        return self._take() if len(self._items) >= self._size else None

    def _take(self) -> Group:
        group = Group(self._begin, self._items)
        self._items = []
        return group

    def restart(self) -> None:
        """See `Single`."""
        super().restart()
        self._items = []

    def shift(self, delta: Duration) -> None:
        """See `Single`."""
        self._begin += delta

    def snapshot(self) -> list[Any] | None:
        """Stamp of the first item, items."""
        return [self._begin, list(self._items)]

    def restore(self, data: Any) -> None:
        """See `Single`; pairs come back as pairs."""
        self._begin, items = data
        self._items = [tuple(item) if isinstance(item, list) else item for item in items]


class ByTime(BySize):
    """The readings of each whole interval since 1970; its end belongs to the next. `overflow` counts those too many."""

    def __init__(self, every: Duration, thin: int = 1) -> None:
        super().__init__(MOST, thin)
        self._every = every
        self._end: Instant = 0
        self.overflow = 0

    @property
    def deadline(self) -> Instant | None:  # type: ignore[override]
        """The end of the interval that is under way."""
        return self._end if self._items else None

    def add(self, at: Instant, item: Any) -> Group | None:
        """See `Single`; what is too much for one subgroup is left out."""
        if self._skips():
            return None
        if not self._items:
            self._begin, self._end = at, (at // self._every + 1) * self._every
        if len(self._items) < MOST:
            self._items.append(item)
        else:
            self.overflow += 1
        return None

    def close(self, at: Instant) -> Group | None:
        """See `Single`."""
        return self._take() if self._items and at >= self._end else None

    def shift(self, delta: Duration) -> None:
        """See `Single`."""
        super().shift(delta)
        self._end += delta

    def snapshot(self) -> list[Any] | None:
        """Stamp of the first item, items, end, overflow."""
        return [self._begin, list(self._items), self._end, self.overflow]

    def restore(self, data: Any) -> None:
        """See `Single`."""
        super().restore(data[:2])
        self._end, self.overflow = data[2:]


class ByParts(BySize):
    """The last value of each of so many parts, or `thin`-th parts; a part ends when `counter` reads something else.

    It tells parts apart and is not counted with: serial numbers and numbers that run down do as well. What it reads
    while it is bad ends no part, unless `ignore_quality`.
    """

    def __init__(self, size: int, counter: Signal, ignore_quality: bool = False, thin: int = 1) -> None:
        super().__init__(size, thin)
        self.inputs = (counter,)
        self._ignore = ignore_quality
        self._part: Value = None
        self._value: tuple[Instant, Any] | None = None

    def add(self, at: Instant, item: Any) -> Group | None:
        """See `Single`."""
        self._value = (at, item)
        return None

    def close(self, at: Instant) -> Group | None:
        """See `Single`."""
        del at
        counter = self.inputs[0]
        part = counter.last if self._ignore else counter.value
        if part is None or part == self._part:
            return None
        self._part, value, self._value = part, self._value, None
        return None if value is None else super().add(*value)

    @property
    def under_way(self) -> bool:
        """See `Single`."""
        return self._value is not None

    def restart(self) -> None:
        """See `Single`; what the part under way read is forgotten too."""
        super().restart()
        self._value = None

    def shift(self, delta: Duration) -> None:
        """See `Single`."""
        super().shift(delta)
        if self._value is not None:
            self._value = (self._value[0] + delta, self._value[1])

    def snapshot(self) -> list[Any] | None:
        """Stamp of the first item, items, part, its value with stamp."""
        return [self._begin, list(self._items), self._part, None if self._value is None else list(self._value)]

    def restore(self, data: Any) -> None:
        """See `Single`."""
        super().restore(data[:2])
        self._part, value = data[2:]
        if value is not None:
            at, item = value
            self._value = (at, tuple(item) if isinstance(item, list) else item)


def grouping(
    subgroup: Subgroup | None, signal: Callable[[str], Signal], ignore_quality: bool = False, thin: int = 1
) -> Single:
    """What the rule asks for; `signal` gives the asset's signal of a name."""
    if subgroup is None:
        return Single(thin)
    if subgroup.counter is not None:
        return ByParts(subgroup.size or MOST, signal(subgroup.counter), ignore_quality, thin)
    return ByTime(subgroup.every, thin) if subgroup.every else BySize(subgroup.size or MOST, thin)
