"""How a detector looks at an asset through an expression, and how it tells that something came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from rules.events import Duration, Instant, Value
from rules.signals import Signal

if TYPE_CHECKING:
    from rules.expressions import Expression


class Source(Protocol):
    """The asset that is looked at."""

    values: dict[str, Value]
    last_values: dict[str, Value]

    def signal(self, name: str) -> Signal:
        """The asset's signal of that name."""

    @property
    def ignore_quality(self) -> bool:
        """Whether values count as delivered, whatever their quality."""


class Sight:
    """One expression over one asset's present values."""

    def __init__(self, expression: Expression, source: Source) -> None:
        self.text = expression.text
        self.inputs = tuple(source.signal(name) for name in sorted(expression.signals))
        self._holds: Callable[[Mapping[str, Value]], bool | None] = expression.holds
        self._values = source.last_values if source.ignore_quality else source.values

    def holds(self) -> bool | None:
        """The expression's truth now; None where it cannot be told."""
        return self._holds(self._values)


class Edge:
    """Tells when a truth comes about. What holds from the beginning has not come about."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: bool | None = None

    def rises(self, now: bool | None) -> bool:
        """Whether it holds now and, as far as was known last, did not before."""
        if now is None:
            return False
        was, self.known = self.known, now
        return now and was is False


class Stopwatch:
    """How long a truth has held, in all, as far as is known: what was known last goes on until something else is."""

    __slots__ = ("_since", "total")

    def __init__(self) -> None:
        self.total: Duration = 0
        self._since: Instant | None = None

    @property
    def running(self) -> bool:
        """Whether it holds, as far as is known."""
        return self._since is not None

    def feed(self, now: bool | None, at: Instant) -> None:
        """What is known at `at`."""
        if self._since is not None:
            self.total += max(0, at - self._since)
            self._since = at
        if now is not None:
            self._since = at if now else None

    def stop(self, at: Instant) -> None:
        """Nobody looks from here on."""
        self.feed(False, at)

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
        """Total, running since."""
        return [self.total, self._since]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.total, self._since = data
