"""What was decided and is not durable yet, and who waits for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TypeAlias

from monitor.database.gaps import Gap
from monitor.database.quarantine import Fed, QuarantineRow
from monitor.database.records import Notification
from monitor.journal.entries import Offset
from rules.alarms import Transition

Outcome: TypeAlias = list[Transition] | str
"""What a command led to, or why it was refused when it took effect."""


@dataclass
class Undone:
    """What was decided since the last commit."""

    transitions: list[Transition] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)
    rejects: list[QuarantineRow] = field(default_factory=list)
    fed: list[Fed] = field(default_factory=list)
    revision: tuple[Offset, str, dict[str, str]] | None = None
    outcomes: list[tuple[asyncio.Future[Outcome], Outcome]] = field(default_factory=list)
    gaps: dict[tuple[str, str, Offset], Gap] = field(default_factory=dict)
    unkept: list[asyncio.Future[None]] = field(default_factory=list)
    commanded: dict[str, None] = field(default_factory=dict)

    @property
    def urgent(self) -> bool:
        """Whether it should not wait for the next second."""
        return bool(
            self.transitions
            or self.notifications
            or self.released
            or self.rejects
            or self.fed
            or self.revision
            or self.outcomes
            or self.gaps
            or self.unkept
        )

    def tell(self) -> None:
        """It is durable: whoever waits for a command to take effect, or to acknowledge messages, may know."""
        for waiting, outcome in self.outcomes:
            if not waiting.done():
                waiting.set_result(outcome)
        for decided in self.unkept:
            if not decided.done():
                decided.set_result(None)
