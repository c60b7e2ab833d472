"""The register of safety functions: what is bypassed, called upon, contradictory or due for its test, as far as known.

It tells of functions that others perform; nothing here makes anything safe.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rules.alarms import Kind, State
from rules.asset import AssetMonitor
from rules.detectors.base import listed
from rules.detectors.safety_function import Lasting, ProofTest
from rules.events import Duration, Instant, Value
from rules.watch import Watch


class Held(msgspec.Struct, frozen=True):
    """A bypass, a demand or a discrepancy.

    `active` is None where that cannot be told. `left` is how long it may still last, below zero if it lasts too long;
    None while it does not hold. `demands` counts those during the bypass that lasts, or the last one; None if that is
    not counted. `state` is that of its alarm.
    """

    active: bool | None
    since: Instant | None
    what: str
    values: dict[str, Value]
    count: int
    total: Duration
    limit: Duration
    left: Duration | None
    demands: int | None
    state: State


class Due(msgspec.Struct, frozen=True):
    """A proof test: `last` is None if none was seen; `left` is below zero if it is overdue."""

    what: str
    interval: Duration
    last: Instant | None
    due: Instant | None
    left: Duration | None
    state: State


class Function(msgspec.Struct, frozen=True):
    """One safety function of one machine; `heard` is when the machine last spoke. What is not watched is None."""

    asset: str
    rule: str
    title: str
    heard: Instant | None
    bypass: Held | None = None
    demand: Held | None = None
    discrepancy: Held | None = None
    proof_test: Due | None = None


class Asked(msgspec.Struct, frozen=True):
    """What one person asked for about a safety alarm, and a second one may still grant until `expires`."""

    asset: str
    rule: str
    part: str | None
    action: str
    by: str
    comment: str
    until: Instant | None
    expires: Instant


class Altered(msgspec.Struct, frozen=True):
    """Limits of a safety rule that two persons put in the place of those of the files."""

    asset: str
    rule: str
    part: str | None
    limits: dict[str, float]
    by: str
    comment: str
    since: Instant
    until: Instant


def functions(monitor: AssetMonitor, received: Instant) -> list[Function]:
    """The safety functions of a machine as they stand at `received`."""
    now = monitor.clock.reads(received)
    found: dict[str, dict[str, Any]] = {}
    for watch in monitor.watches:
        if isinstance(watch.detector, Lasting | ProofTest):
            found.setdefault(watch.rule.id, {"title": watch.rule.title})[str(watch.detector.part)] = _entry(watch, now)
    return [Function(monitor.asset, rule, heard=monitor.clock.heard, **parts) for rule, parts in found.items()]


def requests(monitor: AssetMonitor, received: Instant) -> list[Asked]:
    """What still waits for a second person at `received`."""
    now = monitor.clock.reads(received)
    return [
        Asked(monitor.asset, *watch.key, one.action, one.hold.by, one.hold.comment, one.hold.end, one.expires)
        for watch in monitor.watches
        if (one := watch.alarm.request) is not None and one.expires > now
    ]


def altered(monitor: AssetMonitor, received: Instant) -> list[Altered]:
    """The limits of safety rules that are not those of the files, as far as they hold at `received`."""
    now = monitor.clock.reads(received)
    return [
        Altered(monitor.asset, *watch.key, one.limits, one.by, one.comment, one.since, one.end)
        for watch in monitor.watches
        if (one := watch.alarm.override) is not None and watch.rule.kind is Kind.SAFETY and one.end > now
    ]


def _entry(watch: Watch, now: Instant) -> Held | Due:
    detector, state = watch.detector, watch.alarm.shown
    if isinstance(detector, ProofTest):
        left = None if detector.end is None else detector.end - now
        return Due(detector.text, detector.interval, detector.last, detector.end, left, state)
    assert isinstance(detector, Lasting)
    _, values = listed(detector.inputs)
    left = None if detector.since is None else detector.since + detector.longest - now
    about = (detector.count, detector.total(now), detector.longest, left, detector.demands, state)
    return Held(detector.holds, detector.since, detector.text, values, *about)
