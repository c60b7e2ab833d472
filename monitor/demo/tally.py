"""What a demonstration has seen: every alarm once, with what raised it, when, and for how long. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from rules.alarms import Kind, Priority, Transition
from rules.events import Duration, Instant


@dataclass(frozen=True)
class Shown:
    """One alarm, from its raise on; `cleared` is None while its condition holds."""

    kind: Kind
    priority: Priority
    asset: str
    title: str
    text: str
    raised: Instant
    cleared: Instant | None = None

    @property
    def lasted(self) -> Duration | None:
        """From raised to cleared."""
        return None if self.cleared is None else self.cleared - self.raised


@dataclass
class Tally:
    """Alarms by id in the order they came, and how often what happened to which kind."""

    alarms: dict[str, Shown] = field(default_factory=dict)
    events: Counter[tuple[Kind, str]] = field(default_factory=Counter)

    def add(self, transition: Transition) -> None:
        """Count one transition; they come in the order of their commit."""
        self.events[transition.kind, transition.event] += 1
        known = self.alarms.get(transition.alarm)
        if known is None:
            known = Shown(
                transition.kind,
                transition.priority,
                transition.asset,
                transition.title,
                said(transition),
                transition.at,
            )
        cleared = transition.at if transition.event == "cleared" else known.cleared
        worst = max(known.priority, transition.priority, key=tuple(Priority).index)
        self.alarms[transition.alarm] = replace(known, cleared=cleared, priority=worst)

    @property
    def active(self) -> list[Shown]:
        """What holds now, newest first."""
        return [alarm for alarm in reversed(self.alarms.values()) if alarm.cleared is None]


def said(transition: Transition) -> str:
    """Why it happened, in words, on one line."""
    return " ".join(str(transition.reason.get("text", "")).split())
