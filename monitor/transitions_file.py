"""Transitions as JSON lines: one object per line, in the order they came, for scorers, dashboards and people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from monitor.codecs.timestamps import format_iso
from rules.alarms import Transition


def to_json_line(transition: Transition) -> str:
    """One transition, without a line end; times are RFC 3339 in UTC, exact to the nanosecond."""
    return msgspec.json.encode(
        {
            "id": transition.id,
            "alarm": transition.alarm,
            "at": format_iso(transition.at),
            "asset": transition.asset,
            "rule": transition.rule,
            "kind": transition.kind,
            "priority": transition.priority,
            "event": transition.event,
            "from": transition.from_,
            "to": transition.to,
            "value": transition.value,
            "reason": transition.reason,
            "by": transition.by,
            "part": transition.part,
            "title": transition.title,
            "mode": transition.mode,
            "received": format_iso(transition.received),
        }
    ).decode()


def write_transitions(path: Path, transitions: Iterable[Transition]) -> int:
    """Write them all, over whatever the file held, and return how many there were.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as lines:
        for count, transition in enumerate(transitions, 1):  # noqa: B007 - counts what went by
            lines.write(to_json_line(transition) + "\n")
    return count
