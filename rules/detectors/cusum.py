"""`cusum`: the tabular cumulative sums of a signal, which see a lasting shift of a known size soonest."""

from __future__ import annotations

from functools import cache, partial
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rules.charting.charted import Charted
from rules.charting.keys import ChartKeys
from rules.charting.recipe import Hit, Recipe
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.problems import InputError
from rules.statistics.autocorrelated_run_length import cusum_autocorrelated, spread_by_ranges
from rules.statistics.integral_run_length import cusum_run_length
from rules.statistics.limits import Limits, Parameters
from rules.statistics.memory_charts import cusum

LONGEST_RUN = 1000
"""So many points of a run are named at most."""


class CusumConfig(DetectorConfig, ChartKeys):
    """`k`, `h` and `head_start` in sigma: k is half the shift to be found, h/2 the usual fast initial response."""

    type: Literal["cusum"]
    signal: str
    k: Annotated[float, Field(ge=0, le=10)] = 0.5
    h: Annotated[float, Field(gt=0, le=100)] = 5.0
    head_start: Annotated[float, Field(ge=0, le=100)] = 0.0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.check_source(sigma=True)
        if self.head_start >= self.h:
            raise InputError("a head start of h or more is an alarm from the start", "head_start is usually h / 2")
        return self

    def signals(self) -> tuple[str, ...]:
        """The signal."""
        return (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        make = partial(Sums, self.k, self.h, self.head_start)
        length = partial(_run_length, self.k, self.h, self.head_start)
        recipe = Recipe("individuals", make, length, partial(_correlated_run_length, self.k, self.h), remembers=True)
        return [CusumChart(bindings, self, recipe, bindings.signal(self.signal))]


@cache
def _length(k: float, h: float, head_start: float) -> float:
    return cusum_run_length(k, h, head_start=head_start) if k * h <= 10 and h <= 20 else inf


def _run_length(k: float, h: float, head_start: float, n: float, process: Parameters) -> float:
    del n, process
    return _length(k, h, head_start)


def _correlated_run_length(k: float, h: float, phi: float, spread: float | None) -> float:
    return cusum_autocorrelated(k, h, phi, spread_by_ranges(phi) if spread is None else spread)


class CusumChart(Charted, Detector):
    """A CUSUM chart of one signal."""


class Sums:
    """The sum of what lies above the mean by more than k sigma, that of what lies below, and how long each has run."""

    def __init__(self, k: float, h: float, head_start: float, process: Parameters) -> None:
        self._chart = cusum(process.mean, process.sigma, k, h, head_start)
        self._limits = Limits(0.0, -self._chart.decision, self._chart.decision, process.sigma)
        self._sigma = process.sigma
        self.z = 0.0
        self._high = self._low = self._chart.start
        self._rising = self._falling = 0

    def feed(self, sample: float) -> tuple[Hit, ...]:
        """Whether a sum lies beyond the decision interval; the lower one is shown below zero."""
        chart = self._chart
        self.z = (sample - chart.target) / self._sigma
        self._high, self._low = high, low = chart.step(self._high, self._low, sample)
        self._rising = self._rising + 1 if high > 0 else 0
        self._falling = self._falling + 1 if low > 0 else 0
        return tuple(self._hits()) if chart.signals(high, low) else ()

    def _hits(self) -> list[Hit]:
        found = []
        for side, total, run in (("upper", self._high, self._rising), ("lower", -self._low, self._falling)):
            if self._chart.beyond(abs(total)):
                says = f"the {side} sum is beyond h"
                reach = tuple(range(min(run, LONGEST_RUN)))
                found.append(Hit("CUSUM", f"cusum_{side}", says, reach, total, self._limits))
        return found

    def interrupt(self) -> None:
        """Nothing in it is made of neighbours."""

    def restart(self) -> None:
        """Both sums at the head start."""
        self._high = self._low = self._chart.start
        self._rising = self._falling = 0

    def snapshot(self) -> list[Any]:
        """Upper and lower sum, how many samples each is above zero."""
        return [self._high, self._low, self._rising, self._falling]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._high, self._low, self._rising, self._falling = data
