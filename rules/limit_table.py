"""Limits that depend on the asset, or on what is being made on it: `high: {by: product, A7: 85, default: 80}`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from math import inf, isfinite
from typing import Any, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rules.events import Value
from rules.patterns import is_literal
from rules.problems import InputError, quoted
from rules.signals import Signal
from rules.thresholds import RISING, Thresholds

NONE: Final[Mapping[str, Any]] = {}
"""Nothing is overridden. Nobody writes to it."""


class LimitTable(BaseModel):
    """`by` is `asset` or a key of the type's context; `default` is for what the table does not name."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    by: str
    default: float | None = None
    limits: dict[str, float] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _rows(cls, data: Any) -> Any:
        if not isinstance(data, dict) or isinstance(data.get("limits"), dict):
            return data
        known = {key: data[key] for key in ("by", "default") if key in data}
        return known | {"limits": {key: limit for key, limit in data.items() if key not in known}}

    @model_validator(mode="after")
    def _assets_are_named(self) -> Self:
        pattern = next((key for key in self.limits if not is_literal(key)), None) if self.by == "asset" else None
        if pattern is not None:
            hint = "name the assets one by one, or give them `values` in assets.yaml and write the value's name"
            raise InputError(f"{quoted(pattern)} is a pattern, and a table by asset names assets", hint)
        return self

    def at(self, key: str) -> float | None:
        """The limit for an asset or a context's value; None where there is none."""
        return self.limits.get(key, self.default)


class Choice(NamedTuple):
    """A table by context, with the signal that tells which row holds."""

    table: LimitTable
    signal: Signal

    def known(self) -> bool:
        """Whether a limit, or its absence, is certain."""
        return self.signal.known is not None or self.table.default is not None

    def limit(self) -> float | None:
        """The limit that holds now."""
        return self.table.at(written(self.signal.known))


def written(value: Value) -> str:
    """A context's value as tables name it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def fall(limits: Iterable[tuple[str, float | None]]) -> str | None:
    """Where limits, given by level in the order in which they must rise, do not: in words; None if they do."""
    given = [(level, limit) for level, limit in limits if limit is not None]
    broken = next(((one, two) for one, two in pairwise(given) if one[1] > two[1]), None)
    return None if broken is None else "{} {:g} is above {} {:g}".format(*broken[0], *broken[1])


class Levels:
    """Thresholds whose limits may change with the context, or by a person's override for a while.

    `inputs` are the signals that tell the context.
    """

    def __init__(self, limits: Mapping[str, float | Choice], deadband: float) -> None:
        self.names = tuple(limits)
        self._limits = limits
        self._deadband = deadband
        self._overridden: Mapping[str, float] = NONE
        self._rows: Mapping[str, str] = NONE
        self._choices = [limit for limit in limits.values() if isinstance(limit, Choice)]
        self.inputs = tuple(dict.fromkeys(choice.signal for choice in self._choices))
        self._present = self._now()
        self.thresholds = Thresholds(self._present, deadband)

    def feed(self, value: float) -> tuple[bool, ...] | None:
        """One flag per level; None while a limit is not known."""
        if self._choices:
            if not all(choice.known() for choice in self._choices):
                return None
            self._choose()
        return self.thresholds.feed(value)

    def limit(self, level: str) -> float | None:
        """The limit of a level as it was last judged by; None where the context has none."""
        limit = self._present[level]
        return limit if isfinite(limit) else None

    def keep(self, flags: tuple[bool, ...]) -> None:
        """Go on from these flags, with the limits of the present."""
        self._choose()
        self.thresholds.keep(flags)

    # -- overrides --------------------------------------------------------------------------------------------------

    def objection(self, limits: Mapping[str, float]) -> str | None:
        """Why these cannot stand in the place of the files' limits; None if they can."""
        for level, limit in limits.items():
            if level not in self._limits:
                return f"there is no limit {quoted(level)} here; there is {', '.join(self.names)}"
            if not isfinite(limit):
                return f"{level} must be a finite number"
            if isinstance(choice := self._limits[level], Choice) and choice.signal.known is None:
                return f"the limit {level} goes by {choice.table.by}, and that is not known now"
        after = {level: _number(limit, level) for level, limit in self._limits.items()} | dict(limits)
        rising = [(level, after[level]) for level in RISING if level in after]
        if [limit for _, limit in rising] != sorted(limit for _, limit in rising):
            together = ", ".join(f"{level} {limit:g}" for level, limit in rising if isfinite(limit))
            return f"limits must rise in the order {', '.join(RISING)}; with the others that would be {together}"
        return None

    def rows(self, levels: Iterable[str]) -> dict[str, str]:
        """For what an override of these levels would hold, where their limits go by context: what is made now."""
        chosen = ((level, self._limits[level]) for level in levels)
        return {level: written(limit.signal.known) for level, limit in chosen if isinstance(limit, Choice)}

    def still_has(self, limits: Mapping[str, float], rows: Mapping[str, str]) -> bool:
        """Whether the limits of an override are there, and go by context where they did."""
        return set(limits) <= set(self.names) and self.rows(limits).keys() == rows.keys()

    def override(self, limits: Mapping[str, float], rows: Mapping[str, str]) -> None:
        """These limits from now on, a limit by context only for what `rows` names; none: those of the files."""
        self._overridden, self._rows = limits, rows
        self._choose()

    def overrides(self, level: str) -> bool:
        """Whether the limit of a level is not that of the files now."""
        if level not in self._overridden:
            return False
        limit = self._limits[level]
        return not isinstance(limit, Choice) or written(limit.signal.known) == self._rows.get(level)

    def filed(self, level: str) -> float | None:
        """What the files say in the place of an override; None if they have no such limit."""
        limit = self._limits.get(level)
        return limit.table.at(self._rows.get(level, "")) if isinstance(limit, Choice) else limit

    def limit_of_files(self, level: str) -> float | None:
        """What the files say for what is made now; None if they have no such limit."""
        limit = self._limits.get(level)
        return limit.limit() if isinstance(limit, Choice) else limit

    def _choose(self) -> None:
        now = self._now()
        if now != self._present:
            self._present, flags = now, self.thresholds.flags
            self.thresholds = Thresholds(now, self._deadband)
            self.thresholds.keep(flags)

    def _now(self) -> dict[str, float]:
        return {
            level: self._overridden[level] if self.overrides(level) else _number(limit, level)
            for level, limit in self._limits.items()
        }


def _number(limit: float | Choice, level: str) -> float:
    found = limit.limit() if isinstance(limit, Choice) else limit
    if found is None:
        return inf if level.startswith("high") else -inf
    return found
