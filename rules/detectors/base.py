"""What every detector is: a frozen configuration, and the state of one rule on one asset for one part.

A detector says what it sees now, level by level. Gates, delays, quality policy and the alarm's life are not its affair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from rules.clock import AssetClock
from rules.events import Duration, Instant, Value
from rules.signals import Signal

NEVER_QUIET: tuple[float, float] = (inf, -inf)
ALWAYS_QUIET: tuple[float, float] = (-inf, inf)


def shown(value: object) -> str:
    """A value as people read it."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class Bindings(Protocol):
    """What a detector may take hold of when it is built for an asset."""

    asset: str
    clock: AssetClock
    values: dict[str, Value]
    last_values: dict[str, Value]

    def signal(self, name: str) -> Signal:
        """The asset's signal of that name."""

    def number(self, name: str) -> float | None:
        """The asset's own value of that name (`values:` in assets.yaml)."""

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
    every_reading = False
    """Whether a reading that repeats the last value still tells something."""

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

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """The rule is armed (again): keep of the past only the levels that are `held`."""

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

    NO_DELAY: ClassVar[bool] = False
    """The detector waits by itself; on_delay and off_delay are not keys of it."""

    @property
    def delays(self) -> tuple[Duration, Duration]:
        """On-delay and off-delay."""
        return getattr(self, "on_delay", 0), getattr(self, "off_delay", 0)

    def signals(self) -> tuple[str, ...]:
        """Every signal that the detector names."""
        raise NotImplementedError

    def build(self, bindings: Bindings) -> list[Detector]:
        """The detectors of this rule on one asset, one per part."""
        raise NotImplementedError
