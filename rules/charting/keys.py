"""Keys of `detect:` that every chart has."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rules.durations import DurationField
from rules.problems import InputError
from rules.statistics.checks import Autoregression
from rules.statistics.limits import LARGEST, Parameters

Number: TypeAlias = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""A number that can be charted."""
Positive: TypeAlias = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
"""One above zero."""
LARGEST_SUBGROUP = 1000
"""No subgroup holds more values."""
GROUNDS: Final = frozenset(
    {"signal", "chart", "inspected", "subgroup", "thin", "autoregression", "per", "mean", "sigma", "learn"}
)
"""The keys on which a chart's limits depend; run rules, what clears an alarm and the like are not among them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Learn(_Part):
    """How many subgroups, or single values where there are none, limits are learned from."""

    subgroups: int = Field(ge=2, le=1000)


class Subgroup(_Part):
    """How readings become subgroups: so many of them, or those of an interval of time.

    With `counter`, a signal that changes with each part, `size` is a number of parts, and a part's value is its last.
    """

    size: int | None = Field(default=None, ge=1, le=LARGEST_SUBGROUP)
    every: DurationField | None = None
    counter: str | None = None

    @property
    def thins(self) -> str:
        """What `thin` leaves out to set points farther apart; nothing where time alone says how far apart they are."""
        return "" if self.every is not None else "value" if self.counter is None else "part"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.size is None) is (self.every is None):
            raise InputError("a subgroup is by size or by time", "subgroup: {size: 5} or subgroup: {every: 10m}")
        if self.every == 0:
            raise InputError("a subgroup of no time holds nothing", "subgroup: {every: 10m}")
        if self.counter is not None and self.size is None:
            raise InputError("a part counter makes subgroups by size", "subgroup: {size: 5, counter: part_count}")
        if self.size == 1 and self.counter is None:
            raise InputError("a subgroup of one value is the value", "remove subgroup, or add counter: part_count")
        return self


class ChartKeys(BaseModel):
    """Where the limits come from, what a sample is, and what an alarm does to the statistic and when it goes.

    `per` is the key of the context that has limits of its own (`product`); a change of one of `restart_on` (`tool`
    where the type has it) begins the runs anew and keeps the limits. `thin: 5` takes every fifth value, or part.
    `autoregression` charts what a value does not owe to the one before: by how much it follows it (phi), or `learn`.
    """

    mean: Number | None = None
    sigma: Positive | None = None
    learn: Learn | None = None
    on_signal: Literal["restart", "continue"] = "continue"
    clear_after: int = Field(default=8, ge=1, le=1000)
    per: str | None = None
    restart_on: tuple[str, ...] | None = Field(default=None, max_length=10)
    thin: int = Field(default=1, ge=1, le=10_000)
    autoregression: Literal["learn"] | Annotated[float, Field(gt=-1, lt=1)] | None = None

    @cached_property
    def grounds(self) -> dict[str, Any]:
        """What the limits depend on, as JSON; `learn` matters to none but those that nobody has frozen yet."""
        return {"chart": "individuals", **self.model_dump(mode="json", include=set(GROUNDS))}

    def context_keys(self) -> tuple[str, ...]:
        """Keys of the context that the rule names."""
        return (*(() if self.per is None else (self.per,)), *(self.restart_on or ()))

    @property
    def residuals(self) -> bool:
        """Whether what is charted is what a value does not owe to the one before."""
        return self.autoregression is not None

    @property
    def model(self) -> Autoregression | None:
        """How values follow each other, as the rule states it."""
        if not isinstance(self.autoregression, float) or self.mean is None:
            return None
        return Autoregression(self.mean, self.autoregression, 1.0 if self.sigma is None else self.sigma)

    @property
    def given(self) -> Parameters | None:
        """The process in control as the rule states it; None if it is to be learned."""
        if self.mean is None:
            return None
        return Parameters(0.0 if self.residuals else self.mean, 1.0 if self.sigma is None else self.sigma)

    def check_source(self, *, sigma: bool) -> None:
        """Limits are given or learned, not both; `sigma` says whether giving takes a sigma too.

        Raises:
            InputError: neither, both, or half of it.
        """
        both = "mean and sigma" if sigma else "mean"
        if (self.mean is not None or self.sigma is not None) and self.learn is not None:
            raise InputError("limits are given or learned, not both", f"remove learn, or {both}")
        if self.learn is None and (self.mean is None or (sigma and self.sigma is None)):
            raise InputError(f"limits need {both}, or a stretch to learn from", "add learn: {subgroups: 25}")
        if self.autoregression is not None and (self.autoregression == "learn") is (self.learn is None):
            hint = "autoregression: learn beside learn, or its phi (0.8) beside mean and sigma"
            raise InputError("autoregression is learned with the limits, or given with them", hint)
