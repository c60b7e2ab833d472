"""What keeps rules from deciding on machines that are heard, as the line saved them. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from monitor.database.queries import AlarmReader
from monitor.site import rule_places
from rules.asset import AssetMonitor
from rules.diagnosis import Diagnosis, diagnoses
from rules.events import Instant
from rules.problems import Problem, quoted
from rules.ruleset import RuleSet

HINT = "correct the rule, or what delivers the signal; `andon explain --rule` shows how far the rule gets on a machine"


def diagnosed(reader: AlarmReader, rules: RuleSet, received: Instant) -> Iterator[Diagnosis]:
    """What these rules lack at `received`, machine by machine; nothing of one whose state cannot be read."""
    for asset, body in reader.snapshots():
        if rules.for_asset(asset):
            try:
                monitor = AssetMonitor.restore(rules, msgspec.json.decode(body))
            except (ValueError, KeyError, TypeError):
                continue
            yield from diagnoses(monitor, monitor.clock.reads(received))


def as_warnings(found: Iterable[Diagnosis], texts: Mapping[str, str]) -> Iterator[Problem]:
    """Each as one warning at the place of its rule in the files, however many machines it is about."""
    assets: dict[tuple[str, str], list[str]] = {}
    for one in found:
        assets.setdefault((one.rule, one.text), []).append(one.asset)
    places = rule_places(texts) if assets else {}
    for (rule, text), lacking in assets.items():
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        document, path = places[rule]
        message = f"{quoted(rule)} on {quoted(lacking[0])}{more}: {text}"
        yield document.problem((*path, "detect"), message, HINT, "warning")
