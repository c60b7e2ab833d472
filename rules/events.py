"""What goes into the core: observations, time passing, commands, changes of rules, of a broker link, our own faults.

All times are `Instant`s: integer nanoseconds since 1970-01-01T00:00Z. The core never asks what time it is; every event
says when it was received by us, and observations also say when their values were true at the machine.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from rules.ruleset import RuleSet

Instant: TypeAlias = int
"""Nanoseconds since 1970-01-01T00:00Z."""
Duration: TypeAlias = int
"""Nanoseconds."""
Value: TypeAlias = float | bool | str | None
"""A number (always float), a truth value, a text, or nothing (bad quality)."""

SECOND: Final[Duration] = 1_000_000_000


class Quality(enum.IntEnum):
    """How far a value may be trusted. The order matters: the worst of several is their maximum."""

    GOOD = 0
    UNCERTAIN = 1
    BAD = 2


class Reading(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One value of one metric. `text` keeps the digits of an integer that a float cannot hold."""

    metric: str
    value: Value
    quality: Quality = Quality.GOOD
    text: str | None = None


class Observation(msgspec.Struct, frozen=True, gc=False):
    """Readings of one asset that share one source time and came in one message: applied together, evaluated once.

    `at` is the source's stamp as delivered (equal to `received` where it sent none).
    """

    asset: str
    at: Instant
    received: Instant
    readings: tuple[Reading, ...]


class Refed(msgspec.Struct, frozen=True, gc=False):
    """An observation fed again that could not be read before; its own `received` is that of then."""

    received: Instant
    observation: Observation


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Time has passed up to `received` and nothing else happened."""

    received: Instant


EVERY_BROKER: Final = ""
"""Stands for all links in a `Link`: the host's clock stepped forward, and nobody could speak in what was left out."""


class Link(msgspec.Struct, frozen=True, gc=False):
    """Our connection to a broker was lost, or is back; `since` is when it was lost. Silence means nothing between."""

    received: Instant
    broker: str
    up: bool
    since: Instant


class GatewayLink(msgspec.Struct, frozen=True, gc=False):
    """A gateway, or the broker in its name by a Will, says that it is gone, or there; `kept`: it said so before."""

    received: Instant
    gateway: str
    up: bool
    kept: bool = False


class Fault(msgspec.Struct, frozen=True, gc=False):
    """Something that the monitor itself noticed of its own work: `rule` is the built-in rule that it raises or clears.

    `part` is what it befell, if there may be several; `text` says what is the matter, or that it is over.
    """

    received: Instant
    rule: str
    part: str | None
    active: bool
    text: str


class Command(msgspec.Struct, frozen=True, gc=False):
    """A person's act on an alarm, e.g. `acknowledge`; `alarm` is the alarm's id, `limits` are for `override`."""

    received: Instant
    action: str
    asset: str
    alarm: str
    by: str
    comment: str = ""
    until: Instant | None = None
    limits: dict[str, float] = {}


class Revision(msgspec.Struct, frozen=True, gc=False):
    """From here on these rules hold."""

    received: Instant
    rules: RuleSet


Event: TypeAlias = Observation | Refed | Tick | Link | GatewayLink | Fault | Command | Revision
