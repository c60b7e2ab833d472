"""What the journal keeps: one entry per thing that happened, numbered by an offset that never repeats.

The encoded form is a MessagePack array with a tag per type: fields may be appended with a default, never moved or
reused.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from rules.events import Instant

Offset: TypeAlias = int
"""Position of an entry in the journal, from 0, over all segments."""


class Message(msgspec.Struct, frozen=True, gc=False, tag="m", array_like=True):
    """A PUBLISH as the broker delivered it; of too large a payload `cut` bytes are missing at its end."""

    received: Instant
    broker: str
    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int
    content_type: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    cut: int = 0


class FedEntry(msgspec.Struct, frozen=True, gc=False, tag="f", array_like=True):
    """The message that stood at `entry` and could not be read, given again by a person; `first` is its `received`.

    Where `metrics` are named, the others of the message were read at the time.
    """

    received: Instant
    entry: Offset
    first: Instant
    broker: str
    topic: bytes
    payload: bytes
    metrics: tuple[str, ...] = ()


class UnkeptEntry(msgspec.Struct, frozen=True, gc=False, tag="u", array_like=True):
    """In place of `count` messages, received from `since` on, that were decided on without room to keep them."""

    received: Instant
    broker: str
    count: int
    since: Instant


class TickEntry(msgspec.Struct, frozen=True, gc=False, tag="t", array_like=True):
    """A deadline had come due; time passed up to `received`."""

    received: Instant


class LinkEntry(msgspec.Struct, frozen=True, gc=False, tag="l", array_like=True):
    """The connection to a broker was lost, or is back; `since` is when it was lost."""

    received: Instant
    broker: str
    up: bool
    since: Instant


class FaultEntry(msgspec.Struct, frozen=True, gc=False, tag="n", array_like=True):
    """The monitor noticed a fault of its own, or that it is over; see `rules.events.Fault`."""

    received: Instant
    rule: str
    part: str | None
    active: bool
    text: str


class CommandEntry(msgspec.Struct, frozen=True, gc=False, tag="c", array_like=True):
    """A person's act; `body` is JSON of the command's fields."""

    received: Instant
    body: bytes


class RevisionEntry(msgspec.Struct, frozen=True, gc=False, tag="r", array_like=True):
    """From here on the configuration with this hash decides; its texts are kept so that the past can be replayed."""

    received: Instant
    hash: str
    texts: dict[str, str]


Entry: TypeAlias = Message | UnkeptEntry | FedEntry | TickEntry | LinkEntry | FaultEntry | CommandEntry | RevisionEntry
