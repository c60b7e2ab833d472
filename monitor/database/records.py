"""Values that alerting decides and the alarm database keeps. Pure."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

from rules.alarms import Kind, Priority, State, Transition
from rules.events import Instant


class Suppression(msgspec.Struct, frozen=True):
    """What lies over an alarm: shelved, by design or out of service; until when, by whom and why."""

    state: State
    until: Instant | None
    by: str
    comment: str
    once: bool = False


class Because(msgspec.Struct, frozen=True):
    """What a transition's reason says of the present: in words, and what a suppression hides."""

    text: str = ""
    underneath: State | None = None
    suppression: tuple[Suppression, ...] = ()


class Acknowledgement(msgspec.Struct, frozen=True):
    """Who acknowledged an alarm when, and why in words."""

    at: Instant
    by: str
    text: str


class _Told(msgspec.Struct):
    reason: Because
    at: Instant = 0
    by: str = ""


def because(body: str | None) -> Because:
    """The reason in a stored transition's JSON."""
    return Because() if body is None else msgspec.json.decode(body, type=_Told).reason


def acknowledgement(body: str | None) -> Acknowledgement | None:
    """What the JSON of an acknowledgement says."""
    if body is None:
        return None
    told = msgspec.json.decode(body, type=_Told)
    return Acknowledgement(told.at, told.by, told.reason.text)


class Purpose(enum.StrEnum):
    """What a notification is for."""

    ALERT = "alert"
    LATCHED = "latched"
    RECOVERY = "recovery"
    SUMMARY = "summary"


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
        return (0 if self.safety else len(Priority)) + Priority.CRITICAL.rank - self.priority.rank


def began(transition: Transition) -> Instant:
    """When the alarm was raised: the instant in its id, else the transition's own."""
    parts = transition.alarm.rsplit(":", 2)
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() and len(parts[1]) < 20 else transition.at
