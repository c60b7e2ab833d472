"""Alarms that wear people out: chattering (comes again and again) and fleeting (gone before anyone can act)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import msgspec

from rules.alarms import Transition
from rules.durations import format_duration
from rules.events import SECOND, Duration, Instant

CHATTERS: Final = 3
"""So many activations (EEMUA 191, ISA-18.2) ..."""
CHATTER_WINDOW: Final[Duration] = 60 * SECOND
"""... within this time are chattering."""
FLEETING: Final[Duration] = 5 * SECOND
"""What lasts no longer is gone before anyone can act."""
MOST: Final = 10_000
"""Alarms that are remembered; those that came longest ago are forgotten first."""


class Nuisance(msgspec.Struct, frozen=True):
    """An alarm that began to chatter or to be fleeting (`sort`), at a transition; `text` says what would help."""

    sort: str
    transition: str
    asset: str
    rule: str
    part: str | None
    text: str


class _Past(msgspec.Struct, array_like=True):
    """The last activations, each with its end, and what was said of them already."""

    spells: list[list[Instant | None]] = msgspec.field(default_factory=list)
    chatters: bool = False
    fleets: bool = False


class Nuisances:
    """Told of every raise and end; speaks up once when it begins, and again after it was better."""

    def __init__(self) -> None:
        self._pasts: dict[str, _Past] = {}

    def raised(self, t: Transition) -> Nuisance | None:
        """The condition came about."""
        past = self._past(t)
        past.spells = [*past.spells[1 - CHATTERS :], [t.at, None]]
        first = past.spells[0][0]
        chatters = len(past.spells) == CHATTERS and first is not None and 0 <= t.at - first <= CHATTER_WINDOW
        began, past.chatters = chatters and not past.chatters, chatters
        if not began:
            return None
        spells = past.spells
        gaps = [b[0] - a[1] for a, b in pairwise(spells) if a[1] is not None and b[0] is not None]
        delay = format_duration(_whole(max(gaps, default=0)))
        within = format_duration(t.at - (first or 0))
        text = f"raised {CHATTERS} times within {within}: off_delay: {delay} would make it one"
        return _nuisance("chattering", t, text)

    def ended(self, t: Transition) -> Nuisance | None:
        """The condition is gone."""
        past = self._past(t)
        begin = past.spells[-1][0] if past.spells else None
        if begin is None:
            return None
        past.spells[-1][1] = t.at
        fleets = 0 <= t.at - begin <= FLEETING
        began, past.fleets = fleets and not past.fleets, fleets
        if not began:
            return None
        lasted, delay = format_duration(t.at - begin), format_duration(_whole(t.at - begin))
        return _nuisance("fleeting", t, f"gone after {lasted}, before anyone could act: try on_delay: {delay}")

    def snapshot(self) -> dict[str, Any]:
        """What is remembered, as JSON."""
        pasts: dict[str, Any] = msgspec.to_builtins(self._pasts)
        return pasts

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._pasts = msgspec.convert(data, dict[str, _Past])

    def _past(self, t: Transition) -> _Past:
        key = "\n".join((t.asset, t.rule, t.part or ""))
        past = self._pasts.pop(key, None) or _Past()
        self._pasts[key] = past
        if len(self._pasts) > MOST:
            del self._pasts[next(iter(self._pasts))]
        return past


def _whole(duration: Duration) -> Duration:
    """The next whole second above."""
    return (duration // SECOND + 1) * SECOND


def _nuisance(sort: str, t: Transition, text: str) -> Nuisance:
    return Nuisance(sort, t.id, t.asset, t.rule, t.part, text)
