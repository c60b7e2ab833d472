"""The words of a notification: plain text that says which asset, what, value against limit, since when, what to do.

Pure: no clock, no files; the site's time zone is handed in.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final, NamedTuple, Protocol

from monitor.database.records import Purpose, began
from rules.alarms import State, Transition
from rules.durations import format_duration
from rules.events import SECOND, Duration, Instant, Value

LONGEST_LINE: Final = 500
LONGEST_TITLE: Final = 160
LONGEST_SUMMARY: Final = 50
"""Alarms that a summary names; the rest is counted."""


class RuleFacts(Protocol):
    """What a message needs to know of a rule."""

    @property
    def cause(self) -> str | None:
        """What usually makes the condition come about."""

    @property
    def consequence(self) -> str | None:
        """What happens if nobody acts."""

    @property
    def response(self) -> str | None:
        """What to do."""

    @property
    def time_to_respond(self) -> Duration | None:
        """How long there is to act, in nanoseconds."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Words of the site's own, for routing."""

    @property
    def notice(self) -> bool:
        """True: for information, nobody has to act."""


class AssetFacts(NamedTuple):
    """What a message needs to know of a machine: what people call it, and where it stands."""

    name: str | None = None
    area: str | None = None


_HEADLINES: Final[dict[str, str]] = {
    "raised": "{urgency}",
    "raised_priority": "NOW {urgency}",
    "re_alarmed": "STILL {urgency}",
}
_PURPOSES: Final[dict[Purpose, str]] = {
    Purpose.ALERT: "{urgency}",
    Purpose.LATCHED: "RESET NEEDED",
    Purpose.RECOVERY: "CLEARED",
    Purpose.SUMMARY: "SUMMARY",
}


def title(transition: Transition, rule: RuleFacts | None, asset: AssetFacts, purpose: Purpose) -> str:
    """One line: urgency, machine, what."""
    headline = _HEADLINES.get(transition.event, _PURPOSES[purpose]).format(urgency=_urgency(transition, rule))
    part = f" [{transition.part}]" if transition.part else ""
    return _clean(f"{headline} {asset.name or transition.asset}: {transition.title}{part}", LONGEST_TITLE)


def body(
    transition: Transition, rule: RuleFacts | None, asset: AssetFacts, purpose: Purpose, zone: tzinfo = UTC
) -> str:
    """The lines under the title; every one stands for itself, so that a channel may cut the end."""
    sections = (
        _what(transition, asset, purpose),
        _when(transition, purpose, zone),
        _advice(rule, transition) if purpose is not Purpose.RECOVERY else iter(()),
        iter((f"Alarm: {transition.alarm}",)),
    )
    return "\n".join(_clean(line, LONGEST_LINE) for lines in sections for line in lines)


def summary_title(count: int) -> str:
    """One line over a summary of alarms that came and went while nobody could be told."""
    return f"SUMMARY {count} {'alarm' if count == 1 else 'alarms'} came and went unannounced; none of them is active"


def summary_body(lines: Sequence[str]) -> str:
    """One line for each alarm, as many as a person reads."""
    shown = [_clean(line, LONGEST_LINE) for line in lines[:LONGEST_SUMMARY]]
    more = [f"and {len(lines) - len(shown)} more: `andon alarms --all` shows them"] if len(lines) > len(shown) else []
    return "\n".join(
        ["Late: they came and went before they could be decided, e.g. while the connection was down.", *shown, *more]
    )


def moment(at: Instant, zone: tzinfo = UTC) -> str:
    """An instant for people, to the second, with its zone."""
    try:
        return datetime.fromtimestamp(at // SECOND, zone).strftime("%Y-%m-%d %H:%M:%S %Z")
    except (OverflowError, ValueError, OSError):
        return f"{at} ns"


def _urgency(transition: Transition, rule: RuleFacts | None) -> str:
    word = "notice" if rule is not None and rule.notice else transition.priority.value
    return f"{'SAFETY ' if transition.kind == 'safety' else ''}{word.upper()}"


def _what(transition: Transition, asset: AssetFacts, purpose: Purpose) -> Iterator[str]:
    named = asset.name is not None and asset.name != transition.asset
    machine = f"{asset.name} ({transition.asset})" if named else transition.asset
    yield f"Machine: {machine}" + (f", area {asset.area}" if asset.area else "")
    if purpose is Purpose.LATCHED:
        yield "The condition is gone; the alarm stays until somebody resets it."
    text = str(transition.reason.get("text", transition.title))
    yield text
    if len(text) > LONGEST_LINE and purpose is not Purpose.RECOVERY:
        yield from (f"Blind: {name}" for name in transition.reason.get("blind", ()))
    yield from _measured(transition)
    if transition.reason.get("late"):
        yield "Late: this happened before it could be decided, e.g. while the connection was down."


def _measured(transition: Transition) -> Iterator[str]:
    reason, text = transition.reason, str(transition.reason.get("text", ""))
    value, limit = transition.value, reason.get("limit")
    if value is not None and _value(value) not in text:
        yield f"Value: {_value(value)}" + (f", limit {_value(limit)}" if limit is not None else "")
    values, quality = reason.get("values"), reason.get("quality")
    if isinstance(values, Mapping) and len(values) > 1:
        yield "Values: " + ", ".join(f"{name} {_value(value)}" for name, value in list(values.items())[:20])
    if isinstance(quality, Mapping) and quality:
        yield "Quality: " + ", ".join(f"{name} {word}" for name, word in list(quality.items())[:20])


def _when(transition: Transition, purpose: Purpose, zone: tzinfo) -> Iterator[str]:
    since = began(transition)
    yield f"Since: {moment(since, zone)}"
    if purpose is not Purpose.ALERT:
        lasted = max(0, transition.at - since) // 1_000_000 * 1_000_000
        lasted = lasted if lasted < 10 * SECOND else lasted // SECOND * SECOND
        yield f"Until: {moment(transition.at, zone)}, lasted {format_duration(lasted)}"
    if purpose is Purpose.RECOVERY and transition.to is State.RETURNED_UNACKNOWLEDGED:
        yield "Nobody has acknowledged it yet."


def _advice(rule: RuleFacts | None, transition: Transition) -> Iterator[str]:
    if rule is None:
        return
    response = transition.reason.get("response") or rule.response
    for label, text in (("What to do", response), ("Cause", rule.cause), ("Consequence", rule.consequence)):
        if text:
            yield f"{label}: {text}"
    if rule.time_to_respond:
        yield f"Time to respond: {format_duration(rule.time_to_respond)}"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, ".10g") if isinstance(value, int | float) else str(value)


def _clean(line: str, longest: int) -> str:
    flat = "".join(" " if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp", "Cf") else c for c in line[: longest * 2])
    flat = " ".join(flat.split())
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
