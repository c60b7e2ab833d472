"""Which alarms stand though their rule does not look just now: its gate is closed and the alarm is held."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from monitor.database.queries import AlarmReader
from rules.alarms import Identity
from rules.stages import PLANT


class _Alarm(msgspec.Struct):
    level: str | None = None


class _Watch(msgspec.Struct):
    alarm: _Alarm
    settled: bool = True


class _Saved(msgspec.Struct):
    """What of an asset's snapshot matters here."""

    watches: list[tuple[str, str | None, str, _Watch]] = []


class _Plant(msgspec.Struct):
    plant: dict[str, _Saved] = {}


def unevaluated(reader: AlarmReader) -> set[Identity]:
    """The active alarms that are not evaluated, as the line saved them; at most some seconds behind a running line."""
    return {
        (asset, rule, part)
        for asset, saved in _states(reader)
        for rule, part, _, watch in saved.watches
        if watch.alarm.level is not None and not watch.settled
    }


def _states(reader: AlarmReader) -> Iterator[tuple[str, _Saved]]:
    """All that is saved of machines and of rules over several; nothing of what cannot be read."""
    for asset, body in reader.snapshots():
        if b'"settled":false' in body:
            try:
                yield asset, msgspec.json.decode(body, type=_Saved)
            except ValueError:
                continue
    try:
        yield from msgspec.json.decode(reader.stage(PLANT) or b"{}", type=_Plant).plant.items()
    except ValueError:
        return
