"""`ewma`: the exponentially weighted moving average of a signal, which sees small lasting shifts early."""

from __future__ import annotations

from functools import cache, partial
from math import inf
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from rules.charting.charted import Charted
from rules.charting.keys import ChartKeys
from rules.charting.recipe import Hit, Recipe
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.statistics.autocorrelated_run_length import ewma_autocorrelated, spread_by_ranges
from rules.statistics.integral_run_length import ewma_run_length, exact_ewma_run_length
from rules.statistics.limits import Limits, Parameters
from rules.statistics.memory_charts import ewma_limits

SETTLED = 1e-12
"""Exact limits this near to the asymptotic ones are taken as those."""


class EwmaConfig(DetectorConfig, ChartKeys):
    """`limit` is L, in standard deviations of the average. 0.2 and 2.962: a false alarm every 494 values."""

    type: Literal["ewma"]
    signal: str
    weight: Annotated[float, Field(alias="lambda", gt=0, le=1)] = 0.2
    limit: Annotated[float, Field(gt=0, le=100)] = 2.962
    limits: Literal["exact", "asymptotic"] = "exact"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.check_source(sigma=True)
        return self

    def signals(self) -> tuple[str, ...]:
        """The signal."""
        return (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        make = partial(Average, self.weight, self.limit, self.limits == "exact")
        length = partial(_run_length, self.weight, self.limit, self.limits == "exact")
        correlated = partial(_correlated_run_length, self.weight, self.limit)
        recipe = Recipe("individuals", make, length, correlated, remembers=True)
        return [Ewma(bindings, self, recipe, bindings.signal(self.signal))]


@cache
def _length(weight: float, width: float, exact: bool) -> float:
    if width > 6:
        return inf
    return exact_ewma_run_length(weight, width) if exact else ewma_run_length(weight, width)


def _run_length(weight: float, width: float, exact: bool, n: float, process: Parameters) -> float:
    del n, process
    return _length(weight, width, exact)


def _correlated_run_length(weight: float, width: float, phi: float, spread: float | None) -> float:
    return ewma_autocorrelated(weight, width, phi, spread_by_ranges(phi) if spread is None else spread)


class Ewma(Charted, Detector):
    """An EWMA chart of one signal."""


class Average:
    """Starts on the centre line; `count` values were taken in since, until the limits have settled."""

    def __init__(self, weight: float, width: float, exact: bool, process: Parameters) -> None:
        self._weight, self._width = weight, width
        self._mean, self._sigma = process.mean, process.sigma
        self._exact = exact
        self._final = ewma_limits(process.mean, process.sigma, weight, width)
        self._average, self._count = process.mean, 0
        self.z = 0.0

    def feed(self, sample: float) -> tuple[Hit, ...]:
        """Whether the average lies beyond its limits."""
        self.z = (sample - self._mean) / self._sigma
        average = self._average
        self._average = average = average + self._weight * (sample - average)
        limits = self._limits() if self._exact else self._final
        if not limits.broken_by(average):
            return ()
        return (Hit("EWMA", "ewma", "the average is beyond its limits", (0,), average, limits),)

    def _limits(self) -> Limits:
        if (1 - self._weight) ** (2 * self._count) < SETTLED:
            return self._final
        self._count += 1
        return ewma_limits(self._mean, self._sigma, self._weight, self._width, self._count)

    def interrupt(self) -> None:
        """Nothing in it is made of neighbours."""

    def restart(self) -> None:
        """Back to the centre line."""
        self._average, self._count = self._mean, 0

    def snapshot(self) -> list[Any]:
        """Average, values since the start."""
        return [self._average, self._count]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._average, self._count = data
