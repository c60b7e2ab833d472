"""Messages on their way to a decision without a place in the journal, and the account of what is missing for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from monitor.database.gaps import Gap, Why
from monitor.journal.entries import Message, Offset
from rules.events import Instant


@dataclass
class Unkept:
    """A batch for which one entry stands; `decided` is told when all that follows from it is durable."""

    messages: Sequence[Message]
    decided: asyncio.Future[None]


class Shortfall:
    """The gaps of a time without room, by gateway, growing until messages are kept again; none outside such a time."""

    def __init__(self) -> None:
        self.gaps: dict[str, Gap] = {}

    def add(self, gateway: str, offset: Offset, received: Instant) -> Gap:
        """One message more; returns the gap it belongs to."""
        gap = self.gaps.get(gateway) or Gap(Why.NO_ROOM, gateway, offset, received, received, 0)
        grown = msgspec.structs.replace(gap, until=received, messages=gap.messages + 1)
        self.gaps[gateway] = grown
        return grown

    def end(self) -> None:
        """Messages are kept again: the next gap is another one."""
        self.gaps.clear()
