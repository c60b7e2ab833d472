"""Values that alerting decides and the alarm database keeps. Pure."""

from __future__ import annotations

import enum
from typing import Final, NamedTuple, TypeAlias

import msgspec

from rules.alarms import Kind, Priority, Transition
from rules.events import Instant

Identity: TypeAlias = tuple[str, str, str | None]
"""Asset, rule, part: what makes an alarm the same one."""

_ORDER: Final = tuple(reversed(Priority))


class Purpose(enum.StrEnum):
    """What a notification is for."""

    ALERT = "alert"
    LATCHED = "latched"
    RECOVERY = "recovery"


class Recipient(NamedTuple):
    """A team and the fingerprint of one of its channels."""

    team: str
    channel: str


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel. `key` is the same at every attempt and after every restart."""

    key: str
    transition: str
    alarm: str
    purpose: Purpose
    event: str
    asset: str
    rule: str
    part: str | None
    kind: Kind
    priority: Priority
    safety: bool
    team: str
    channel: str
    at: Instant
    received: Instant
    title: str
    body: str

    @property
    def rank(self) -> int:
        """The order of sending, smallest first: safety before everything, then by priority."""
        return (0 if self.safety else len(_ORDER)) + _ORDER.index(self.priority)


def began(transition: Transition) -> Instant:
    """When the alarm was raised: the instant in its id, else the transition's own."""
    parts = transition.alarm.rsplit(":", 2)
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() and len(parts[1]) < 20 else transition.at
