"""What a machine did shift by shift: read from the store, joined with its alarms. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import msgspec

from monitor.database.queries import AlarmReader
from monitor.errors import AndonError
from monitor.stores.base import Store, reading_of
from rules.assetmodel import AssetModel, StateMap
from rules.calendar import Calendar
from rules.events import SECOND, Duration, Instant, Quality, Value
from rules.problems import quoted
from rules.signals import refused
from rules.statetime import Span, Stop, blinded, counted, stays, stops, times, within

BEFORE: Final[Duration] = 24 * 3600 * SECOND
"""How far back the state that held at the beginning is looked for."""
MOST_PERIODS: Final = 10_000
WHOLE: Final = "whole"
"""The name of the only period where no shifts are known."""


class Period(msgspec.Struct, frozen=True):
    """A shift on a day, or the whole time where the calendar has none."""

    day: str
    shift: str
    start: Instant
    end: Instant


class Account(msgspec.Struct, frozen=True):
    """What a machine did in a period: nanoseconds by state, parts by sort (None: not counted), and its stops."""

    asset: str
    period: Period
    states: dict[str, Duration]
    good: float | None
    scrap: float | None
    stops: tuple[Stop, ...]


def accounts(
    store: Store,
    reader: AlarmReader,
    assets: AssetModel,
    zone: tzinfo,
    asset: str,
    start: Instant,
    end: Instant,
    unseen: Sequence[Span] = (),
) -> list[Account]:
    """The account of each shift that meets the time from start to end; a shift is cut where that begins or ends.

    The state in `unseen`, spans in order and apart, is unknown.

    Raises:
        AndonError: the asset's type has no `states`, or there would be too many shifts.
        StoreError: the store fails.
    """
    states = assets.states(asset)
    if states is None:
        raise AndonError(
            f"the states of {quoted(asset)} are not known; give its type `states` in assets.yaml: "
            "states: {signal: mode, map: {3: running, 4: fault}}"
        )
    found = stays(blinded(_changes(store, assets, asset, states, start, end), unseen), start, end)
    counts = {sort: _count(store, assets, asset, name, start, end) for sort, name in assets.counts(asset).items()}
    down = stops(found, reader.raised(asset, start - BEFORE, end))
    return [
        Account(
            asset,
            period,
            times(within(found, period.start, period.end)),
            _counted(counts.get("good"), period),
            _counted(counts.get("scrap"), period),
            tuple(stop for stop in down if period.start <= stop.start < period.end),
        )
        for period in periods(assets.calendar, zone, start, end)
    ]


def periods(calendar: Calendar, zone: tzinfo, start: Instant, end: Instant) -> list[Period]:
    """The shifts between start and end, by the clock on the wall of the zone; the whole time if there are none."""
    if not calendar.shifts:
        return [Period(_day(start, zone).isoformat(), WHOLE, start, end)]
    found: list[Period] = []
    day = _day(start, zone) - timedelta(days=1)
    while (midnight := _instant(day, 0, zone)) < end:
        for name, begin, until in calendar.on(day.isoformat()):
            first, last = max(start, _instant(day, begin, zone)), min(end, _instant(day, until, zone))
            if first < last:
                found.append(Period(day.isoformat(), name, first, last))
        if len(found) > MOST_PERIODS or midnight > end:
            raise AndonError(f"that are more than {MOST_PERIODS} shifts; ask for less time at once")
        day += timedelta(days=1)
    return found


def _day(at: Instant, zone: tzinfo) -> date:
    try:
        return datetime.fromtimestamp(at // SECOND, zone).date()
    except (OverflowError, ValueError, OSError):
        raise AndonError("that time lies beyond the calendar") from None


def _instant(day: date, minutes: int, zone: tzinfo) -> Instant:
    """So many minutes after midnight as the clock on the wall shows them, also on days that are longer or shorter."""
    wall = datetime(day.year, day.month, day.day, tzinfo=None) + timedelta(minutes=minutes)  # noqa: DTZ001
    return int(wall.replace(tzinfo=zone).astimezone(UTC).timestamp()) * SECOND


def _changes(
    store: Store, assets: AssetModel, asset: str, states: StateMap, start: Instant, end: Instant
) -> Iterator[tuple[Instant, str | None]]:
    for at, value in _read(store, assets, asset, states.signal, start, end):
        yield at, None if value is None else states.table.get(value)


def _count(
    store: Store, assets: AssetModel, asset: str, signal: str, start: Instant, end: Instant
) -> list[tuple[Instant, float]]:
    readings = _read(store, assets, asset, signal, start, end)
    return [(at, float(value)) for at, value in readings if isinstance(value, float | bool)]


def _read(
    store: Store, assets: AssetModel, asset: str, signal: str, start: Instant, end: Instant
) -> Iterator[tuple[Instant, Value]]:
    """What was read of a signal, also in the time before the start; None where it is bad, as detectors judge it."""
    spec = assets.signal(asset, signal)
    for point in store.read(asset, assets.metric(asset, signal), start - BEFORE, end):
        reading = reading_of(point)
        value = None if reading.quality is Quality.BAD else reading.value
        bad = spec is not None and type(value) is float and refused(spec, value)
        yield point.at, None if bad else value


def _counted(readings: list[tuple[Instant, float]] | None, period: Period) -> float | None:
    return None if readings is None else counted(readings, period.start, period.end)
