"""The register behind `andon safety`: read from the states that the line saved. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from monitor.database.queries import Alarm, AlarmReader
from monitor.errors import AndonError
from monitor.site import Site, ruleset_from_texts
from rules.alarms import Kind, State
from rules.asset import AssetMonitor
from rules.builtin import COMMS_LOST
from rules.events import Instant
from rules.plant import PlantRules
from rules.register import Altered, Asked, Function, altered, functions, requests
from rules.ruleset import RuleSet
from rules.stages import PLANT


class Register(msgspec.Struct, frozen=True):
    """All there is to know of safety functions, and of what keeps people from being told.

    `hidden` are safety alarms that are shelved or out of service, `lost` the gateways whose loss blinds safety
    functions. `unreadable` are machines whose state could not be read.
    """

    functions: list[Function]
    hidden: list[Alarm]
    requests: list[Asked]
    altered: list[Altered]
    lost: list[Alarm]
    unreadable: list[str]


class _Plant(msgspec.Struct):
    """What of the state above the assets matters here."""

    plant: dict[str, msgspec.Raw] = {}


def register(reader: AlarmReader, site: Site, received: Instant) -> Register:
    """The register as it stands at `received`, by machine; at most some seconds behind a running line."""
    rules = _in_force(reader, site)
    found = Register([], [], [], [], [], [])
    for alarm in reader.active():
        if alarm.kind is Kind.SAFETY and alarm.suppression:
            found.hidden.append(alarm)
        elif alarm.rule == COMMS_LOST and alarm.underneath in (State.UNACKNOWLEDGED, State.ACKNOWLEDGED):
            found.lost.append(alarm)
    for asset, monitor in _monitors(reader, rules):
        if monitor is None:
            found.unreadable.append(asset)
            continue
        found.functions.extend(functions(monitor, received))
        found.requests.extend(requests(monitor, received))
        found.altered.extend(altered(monitor, received))
    return found


def _monitors(reader: AlarmReader, rules: RuleSet) -> Iterator[tuple[str, AssetMonitor | None]]:
    """What has a safety rule, or a safety function of whatever kind; None for what cannot be read."""
    for asset, deciding, body in _states(reader, rules):
        if any(rule.kind is Kind.SAFETY or rule.detector == "safety_function" for rule in deciding.for_asset(asset)):
            try:
                yield asset, AssetMonitor.restore(deciding, msgspec.json.decode(body))
            except (ValueError, KeyError, TypeError):
                yield asset, None


def _states(reader: AlarmReader, rules: RuleSet) -> Iterator[tuple[str, RuleSet, bytes | msgspec.Raw]]:
    """The machines, then the names under which alarms over several of them are shown: its rules, and what was saved."""
    yield from ((asset, rules, body) for asset, body in reader.snapshots())
    hosted = PlantRules(rules)
    try:
        saved = msgspec.json.decode(reader.stage(PLANT) or b"{}", type=_Plant).plant
    except ValueError:
        saved = dict.fromkeys(hosted.hosted, msgspec.Raw())
    yield from ((name, hosted, body) for name, body in saved.items())


def _in_force(reader: AlarmReader, site: Site) -> RuleSet:
    """The rules by which the line decides, whatever the files say now."""
    for texts in reader.revision_texts():
        try:
            return ruleset_from_texts(texts)
        except AndonError:
            break
    return site.ruleset
