"""What every detector is: a frozen configuration, and the state of one rule on one asset for one part.

A detector says what it sees now, level by level. Gates, delays, quality policy and the alarm's life are not its affair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rules.clock import AssetClock
from rules.durations import DurationField
from rules.events import Duration, Instant, Value
from rules.limit_table import Choice, Levels, LimitTable, fall
from rules.problems import InputError, quoted
from rules.sight import Sight
from rules.signals import Reads, Signal
from rules.thresholds import LEVELS, RISING

if TYPE_CHECKING:
    from rules.alarms import Priority
    from rules.assetmodel import SignalSpec
    from rules.workingtime import Working

Limit: TypeAlias = Annotated[float, Field(allow_inf_nan=False)] | str
"""A number, or the name of one of the asset's `values`."""
NEVER_QUIET: tuple[float, float] = (inf, -inf)
RISE: Final = f"limits must rise in the order {', '.join(RISING)}"
ALWAYS_QUIET: tuple[float, float] = (-inf, inf)


def shown(value: object) -> str:
    """A value as people read it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def listed(signals: Iterable[Signal], sights: Iterable[Sight] = ()) -> tuple[str, dict[str, Value]]:
    """What signals read, or read last, and what looking back on them gave: in words, and by name."""
    found = {s.name: (s.last if s.value is None else s.value, s.unit) for s in signals}
    found |= {text: (value, "") for sight in sights for text, value in sight.past.items()}
    words = ", ".join(f"{name} {shown(value)}{unit}" for name, (value, unit) in found.items())
    return words, {name: value for name, (value, _) in found.items()}


class Beside(Protocol):
    """What a detector may know of another rule's watch."""

    @property
    def out_of_control(self) -> bool:
        """Whether it is a chart that shows a special cause, and is armed or its alarm held."""


class Bindings(Protocol):
    """What a detector may take hold of when it is built for an asset."""

    asset: str
    clock: AssetClock
    values: dict[str, Value]
    reads: Reads

    def signal(self, name: str) -> Signal:
        """The asset's signal of that name."""

    def number(self, name: str) -> float | None:
        """The asset's own value of that name (`values:` in assets.yaml)."""

    def context(self, key: str) -> Signal | None:
        """The signal that tells a key of the asset's context; None if its type has no such key."""

    def working(self, parts: tuple[str, ...]) -> Working:
        """The time that counts by parts of the plant's calendar."""

    def beside(self, signal: Signal) -> Sequence[Beside]:
        """The watches of the asset, of whatever rule, that judge the signal; ask once all are built."""

    @property
    def ignore_quality(self) -> bool:
        """Whether the rule wants the value as delivered, whatever its quality."""


class Detector(ABC):
    """One rule's eye on one asset, for one part.

    `levels` are the names of what it can find, most severe first. `inputs` are the signals whose readings it must see.
    """

    levels: tuple[str, ...] = ("on",)
    part: str | None = None
    inputs: tuple[Signal, ...] = ()
    basis: str = ""
    """What beside its rule it decides by: only a detector with an equal one may take its state over."""
    sights: tuple[Sight, ...] = ()
    """The expressions that it looks through; where they look back, their past and deadlines are the watch's affair."""
    every_reading = False
    """Whether a reading that repeats the last value still tells something."""
    priority: Priority | None = None
    """The priority of this part's alarm, where it is not the rule's."""
    adjustable: Levels | None = None
    """Its high and low limits, which a person may override for a while; None if it has none."""
    never_hidden = False
    """Whether nobody may shelve its alarm or take it out of service."""
    attentive = False
    """Whether something counts that comes while the rule is not armed: it is asked then whether it is `over`."""
    renewed = False
    """Whether what `update` last found is a new occurrence: what held until then ended at the same moment."""

    notice: dict[str, Any] | None = None
    """What people should be told though no alarm follows from it: JSON with `text`; taken away by who tells it."""

    @abstractmethod
    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """What holds now, one flag per level; None if it cannot be told."""

    @abstractmethod
    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Why the level holds, or no longer does: JSON with `text`, and what there is of `limit`, `values`, `value`."""

    def band(self, signal: Signal) -> tuple[float, float]:
        """The values of `signal`, ends included, at which `update` would say what it said last."""
        del signal
        return NEVER_QUIET

    @property
    def out_of_control(self) -> bool:
        """Whether it is a chart that shows a special cause at work in its first input."""
        return False

    def objection(self, action: str) -> str | None:
        """Why a person's `action` on what is detected (freeze, relearn, dispose) is refused; None if it is not."""
        return f"its rule has no chart: there is nothing to {action}"

    def order(self, action: str, by: str, comment: str) -> dict[str, Any]:
        """Do what a person asks and `objection` does not refuse; returns what is written down of it, as JSON."""
        raise NotImplementedError

    def inherit(self, data: Any) -> None:
        """The rule decides differently from here on; `data` is the snapshot of what detected by it until then."""

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """The rule is armed (again): keep of the past only the levels that are `held`."""

    def rest(self, at: Instant) -> None:
        """The rule is no longer armed: what comes from here until `settle` is not seen."""

    def over(self, at: Instant) -> bool:
        """Something came, whether the rule is armed or not: whether what was found is over by it."""
        del at
        return False

    @property
    def deadline(self) -> Instant | None:
        """When the mere passing of time could change what `update` says."""
        return None

    @property
    def vigilant(self) -> bool:
        """Whether any observation of the asset, not only of the inputs, can change what `update` says."""
        return False

    @property
    def curious(self) -> bool:
        """Whether it wants to meet signals that no rule names."""
        return False

    def adopt(self, signal: Signal) -> bool:
        """A signal that is no input gave a reading; returns whether it is an input from now on."""
        del signal
        return False

    def pause(self, at: Instant) -> None:
        """Our own link is down: silence means nothing from here."""

    def resume(self, at: Instant) -> None:
        """Our own link is back."""

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""

    def snapshot(self) -> Any:
        """The state as JSON; None if there is none."""
        return None

    def restore(self, data: Any) -> None:
        """The reverse of `snapshot`."""


class DetectorConfig(BaseModel):
    """The `detect:` part of a rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def delays(self) -> tuple[Duration, Duration]:
        """On-delay and off-delay."""
        return getattr(self, "on_delay", 0), getattr(self, "off_delay", 0)

    def signals(self) -> tuple[str, ...]:
        """Every signal that the detector names."""
        raise NotImplementedError

    def level_names(self) -> tuple[str, ...]:
        """The levels that a table of priorities may name."""
        return tuple(level for level in LEVELS if getattr(self, level, None) is not None)

    @property
    def doubt(self) -> InputError | None:
        """What is right as it is written and probably not what is meant; None if nothing."""
        return None

    @property
    def spoken(self) -> frozenset[str]:
        """Keys by which no part decides differently: they change what is said, or which parts there are."""
        return frozenset()

    @property
    def calendar_parts(self) -> tuple[str, ...]:
        """Shifts and days of the week outside which it rests; none if it never does."""
        return ()

    def misfit(self, signal: str, spec: SignalSpec) -> InputError | None:
        """Why the detector cannot watch a signal of which this is known; None if it can."""
        del signal, spec
        return None

    def build(self, bindings: Bindings) -> list[Detector]:
        """The detectors of this rule on one asset, one per part."""
        raise NotImplementedError


class LevelledConfig(DetectorConfig):
    """Up to four limits of one number. A level is exceeded by more than (high) or less than (low) its limit.

    A limit is a number, the name of one of the asset's values, or a table: `{by: asset, line1/mill3: 85, default: 80}`,
    or `{by: product, A7: 85}` with a key of the type's `context`. What a table leaves out has no limit. A table by
    asset names assets, not patterns.
    """

    high_high: Limit | LimitTable | None = None
    high: Limit | LimitTable | None = None
    low: Limit | LimitTable | None = None
    low_low: Limit | LimitTable | None = None
    deadband: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        if not self.level_names():
            raise ValueError("give at least one of high_high, high, low, low_low")
        numbers = [v for level in RISING if isinstance(v := getattr(self, level), float)]
        if numbers != sorted(numbers):
            raise ValueError(RISE)
        for by, row in self._rows():
            if (broken := self.fall(partial(_in_row, by, row))) is not None:
                named = f"{by} {quoted('default' if row is None else row)}"
                raise InputError(f"in the row of {named} {broken}", RISE)
        return self

    def fall(self, number: Callable[[Limit | LimitTable], float | None]) -> str | None:
        """Where the limits do not rise from level to level, in words; `number` reads one, None leaves it out."""
        given = ((level, limit) for level in RISING if (limit := getattr(self, level)) is not None)
        return fall((level, number(limit)) for level, limit in given)

    def _rows(self) -> Iterator[tuple[str, str | None]]:
        """What tables go by, with each of their rows; None stands for what they do not name."""
        for table in (limit for _, limit in self._given if isinstance(limit, LimitTable)):
            yield from ((table.by, row) for row in (*table.limits, None))

    def value_names(self) -> tuple[str, ...]:
        """Names of the asset's `values` that stand for limits."""
        return tuple(v for v in (getattr(self, level) for level in LEVELS) if isinstance(v, str))

    def context_keys(self) -> tuple[str, ...]:
        """Keys of the context that tables go by."""
        tables = (limit for level in LEVELS if isinstance(limit := getattr(self, level), LimitTable))
        return tuple(dict.fromkeys(table.by for table in tables if table.by != "asset"))

    def limits(self, bindings: Bindings) -> Levels:
        """The limits as they are for an asset, by level; one that the asset has no value for is not watched."""
        found = ((level, _resolved(limit, bindings)) for level, limit in self._given)
        return Levels({level: limit for level, limit in found if limit is not None}, self.deadband)

    @cached_property
    def _given(self) -> tuple[tuple[str, Limit | LimitTable], ...]:
        return tuple((level, limit) for level in LEVELS if (limit := getattr(self, level)) is not None)


def _resolved(limit: Limit | LimitTable | None, bindings: Bindings) -> float | Choice | None:
    if not isinstance(limit, LimitTable):
        return limit_of(limit, bindings)
    if limit.by == "asset":
        return limit.at(bindings.asset)
    signal = bindings.context(limit.by)
    return limit.default if signal is None else Choice(limit, signal)


def _in_row(by: str, row: str | None, limit: Limit | LimitTable) -> float | None:
    """What a limit is in a row; None if it goes by something else."""
    if isinstance(limit, LimitTable):
        return None if limit.by != by else limit.default if row is None else limit.at(row)
    return None if isinstance(limit, str) else limit


def limit_of(limit: Limit | None, bindings: Bindings) -> float | None:
    """The number that a limit is for an asset."""
    return bindings.number(limit) if isinstance(limit, str) else limit
