"""Keys of `detect:` that every chart has."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rules.durations import DurationField
from rules.problems import InputError
from rules.statistics.limits import LARGEST, Parameters

Number: TypeAlias = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
"""A number that can be charted."""
Positive: TypeAlias = Annotated[float, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
"""One above zero."""
LARGEST_SUBGROUP = 1000
"""No subgroup holds more values."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Learn(_Part):
    """How many subgroups, or single values where there are none, limits are learned from."""

    subgroups: int = Field(ge=2, le=1000)


class Subgroup(_Part):
    """How readings become subgroups: so many of them, or those of an interval of time."""

    size: int | None = Field(default=None, ge=2, le=LARGEST_SUBGROUP)
    every: DurationField | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.size is None) is (self.every is None):
            raise InputError("a subgroup is by size or by time", "subgroup: {size: 5} or subgroup: {every: 10m}")
        if self.every == 0:
            raise InputError("a subgroup of no time holds nothing", "subgroup: {every: 10m}")
        return self


class ChartKeys(BaseModel):
    """Where the limits come from, and what an alarm does to the statistic and when it goes."""

    mean: Number | None = None
    sigma: Positive | None = None
    learn: Learn | None = None
    on_signal: Literal["restart", "continue"] = "continue"
    clear_after: int = Field(default=8, ge=1, le=1000)

    @property
    def given(self) -> Parameters | None:
        """The process in control as the rule states it; None if it is to be learned."""
        if self.mean is None:
            return None
        return Parameters(self.mean, 1.0 if self.sigma is None else self.sigma)

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
