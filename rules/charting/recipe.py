"""What a chart is to the engine that drives it: how it learns, how it judges a sample, what its false alarms cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from rules.statistics.limits import FAR, Limits, Parameters


def within_reach(z: float) -> float:
    """A distance in sigma that can be reckoned with further."""
    return max(-FAR, min(FAR, z))


class Hit(NamedTuple):
    """One rule of one chart that signals at the newest sample; `points` are those of its run, as steps back from it.

    `drift` says whether the chart shows location, so that it may be asked when the mean began to move; `sided` whether
    what signals lies to one side of the centre line, that of `value`.
    """

    chart: str
    rule: str
    says: str
    points: tuple[int, ...]
    value: float
    limits: Limits
    drift: bool = True
    sided: bool = True

    @property
    def side(self) -> int:
        """To which side the mean has moved: 1 is up, -1 down, 0 where the rule does not say."""
        if not (self.drift and self.sided):
            return 0
        return (self.value > self.limits.center) - (self.value < self.limits.center)


class Statistic(Protocol):
    """A chart with limits. `z` is how many sigma the newest sample lies above the centre line."""

    z: float

    def feed(self, sample: Any) -> tuple[Hit, ...]:
        """What signals at this sample."""

    def interrupt(self) -> None:
        """The next sample is no neighbour of the last: runs go on, what is made of two neighbours waits for them."""

    def restart(self) -> None:
        """Begin anew, with the same limits."""

    def snapshot(self) -> Any:
        """The state as JSON."""

    def restore(self, data: Any) -> None:
        """The reverse of `snapshot`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """`chart` names what estimates the process in control; `make` gives the chart with its limits.

    `run_length` is the mean number of points to a false alarm, by subgroup size (of counts: by how many are inspected)
    and the process; `correlated` the same where each point follows the one before by phi, and points vary so many times
    as much as the limits take them to (None: as where sigma is from moving ranges). `learned` gives the quartiles of
    that number over all limits that so many samples of a size may teach, if they are known. `subgroups` says whether
    the chart takes any, `thins` what `thin` leaves out to set points farther apart (nothing: it cannot). `remembers`
    says whether a sample counts in all that come after it.
    """

    chart: str
    make: Callable[[Parameters], Statistic]
    run_length: Callable[[float, Parameters], float]
    correlated: Callable[[float, float | None], float]
    learned: Callable[[int, float], tuple[float, float] | None] | None = None
    remembers: bool = False
    subgroups: bool = False
    thins: str = "value"
