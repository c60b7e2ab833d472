"""What a channel is: one way to reach people, blocking, with its address kept to itself."""

from __future__ import annotations

from typing import Protocol

import msgspec

from rules.events import Instant


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent. `key` is the same at every attempt, so that a receiver can drop repeats."""

    key: str
    transition: str
    alarm: str
    purpose: str
    event: str
    asset: str
    rule: str
    part: str | None
    kind: str
    priority: str
    safety: bool
    at: Instant
    title: str
    body: str


class Answer(msgspec.Struct, frozen=True):
    """The channel took the message over; `text` is what it said, without anything secret."""

    text: str


class ChannelError(Exception):
    """The message was not taken over; the text never holds a part of the address.

    `permanent` is True when the same attempt can never succeed, so that repeating it is of no use.
    """

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class Channel(Protocol):
    """One way to reach people. `send` is called by one thread at a time and may block."""

    def send(self, message: Message) -> Answer:
        """Hand one message over.

        Raises:
            ChannelError: it was not taken over.
        """
