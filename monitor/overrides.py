"""The limits that people put in the place of those of the files, as far as they differ. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import tzinfo

import msgspec

from monitor.alerting.messages import moment
from monitor.database.queries import AlarmReader
from monitor.site import rule_places
from rules.asset import AssetMonitor
from rules.detectors.base import shown
from rules.events import Instant
from rules.life import Override
from rules.problems import Problem
from rules.roster import alarm_name
from rules.ruleset import RuleSet


class Difference(msgspec.Struct, frozen=True):
    """One limit that is another than the files say: `filed`, None if they have no such limit.

    `row` is for what it holds, where the limit goes by context.
    """

    asset: str
    rule: str
    part: str | None
    level: str
    limit: float
    filed: float | None
    row: str | None
    by: str
    comment: str
    since: Instant
    until: Instant


class _Alarm(msgspec.Struct):
    override: Override | None = None


class _Watch(msgspec.Struct):
    alarm: _Alarm


class _Saved(msgspec.Struct):
    """What of an asset's snapshot matters here."""

    watches: list[tuple[str, str | None, str, _Watch]] = []


def differences(reader: AlarmReader, rules: RuleSet, now: Instant) -> list[Difference]:
    """Every limit in force at `now` that is not that of these rules, by asset.

    Left out are overrides that say the same, and those whose time ended while the monitor did not run.
    """
    return [
        difference
        for asset, body in reader.snapshots()
        for rule, part, override in _overrides(body)
        if override.end > now
        for difference in _compared(rules, asset, rule, part, override)
    ]


def as_warnings(found: Collection[Difference], texts: Mapping[str, str], zone: tzinfo) -> Iterator[Problem]:
    """Each as a warning at the place of its rule in the files."""
    places = rule_places(texts) if found else {}
    for one in found:
        filed = "none" if one.filed is None else shown(one.filed)
        row = f" for {one.row}" if one.row else ""
        what = f"{alarm_name(one.asset, one.rule, one.part)}: {one.level}{row} is {shown(one.limit)} until"
        message = f"{what} {moment(one.until, zone)}, by {one.by} ({one.comment}); the files say {filed}"
        hint = "change the file if it is to stay so, or end it with `andon alarm restore`"
        document, path = places.get(one.rule, (None, ()))
        if document is None:
            yield Problem("rules", 0, f"{message}: the rule is not in the files", hint, "warning")
        else:
            yield document.problem((*path, "detect", one.level), message, hint, "warning")


def _overrides(body: bytes) -> list[tuple[str, str | None, Override]]:
    """Rule, part and override; none of a state that cannot be read, which the line decides anew."""
    try:
        watches = msgspec.json.decode(body, type=_Saved).watches
    except ValueError:
        return []
    return [(rule, part, watch.alarm.override) for rule, part, _, watch in watches if watch.alarm.override is not None]


def _compared(rules: RuleSet, asset: str, rule: str, part: str | None, override: Override) -> Iterator[Difference]:
    watches = [watch for watch in AssetMonitor(asset, rules).watching(rule) if watch.detector.part == part]
    levels = watches[0].detector.adjustable if watches else None
    if levels is not None:
        levels.override(override.limits, override.rows)
    for level, limit in override.limits.items():
        filed = None if levels is None else levels.filed(level)
        if filed != limit:
            about = (override.by, override.comment, override.since, override.end)
            yield Difference(asset, rule, part, level, limit, filed, override.rows.get(level), *about)
