"""`andon states`: how long a machine ran, idled and was down, shift by shift, and what it was down for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, TypeAlias
from zoneinfo import ZoneInfo

import typer

from monitor.cli import options
from monitor.cli.loading import load

if TYPE_CHECKING:
    from monitor.statetimes import Account


Asset: TypeAlias = Annotated[str, typer.Option(metavar="A", help="The machine.")]
Start: TypeAlias = Annotated[
    int, typer.Option(metavar="TIME", help="From here on (RFC 3339, or a day).", parser=options.instant)
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="A JSON array, for programs; times in nanoseconds.")]


def states(*, site: options.Site, asset: Asset, start: Start, end: options.End = None, as_json: Json = False) -> None:
    """Tell how long a machine was in each state, what it made, and why it stopped.

    Shift by shift where assets.yaml has a calendar. The states are those of
    the type's `states`, good parts and scrap those of its `counts`. Each stop
    names the alarm that was first up before it.

      andon states --site plant --asset line1/mill3 --start 2026-03-02 --end 2026-03-03
    """
    import msgspec

    from monitor import clock
    from monitor.database.queries import AlarmReader
    from monitor.statetimes import accounts
    from monitor.stores.opening import open_store
    from monitor.unseen import unseen

    loaded = load(site)
    settings = loaded.settings
    zone, until = ZoneInfo(settings.timezone), clock.now() if end is None else end
    if until <= start:
        raise typer.BadParameter("--end lies before --start")
    path = settings.alarm_database
    with closing(AlarmReader(path)) as reader, closing(open_store(settings, read_only=True)) as store:
        blind = unseen(settings, store, reader, loaded.ruleset, asset, start, until)
        found = accounts(store, reader, loaded.ruleset.assets, zone, asset, start, until, blind)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for account in found:
        for line in _lines(account, zone):
            typer.echo("".join(sign if sign.isprintable() else " " for sign in line))


def _lines(account: Account, zone: ZoneInfo) -> Iterator[str]:
    from monitor.alerting.messages import moment
    from rules.durations import format_duration
    from rules.events import SECOND

    period = account.period
    counts = {"good": account.good, "scrap": account.scrap}
    made = [f"{name} {count:g}" for name, count in counts.items() if count is not None]
    yield f"{period.day} {period.shift}, {account.asset}{': ' if made else ''}{', '.join(made)}"
    length = max(1, period.end - period.start)
    for state, time in account.states.items():
        yield f"    {state:12} {format_duration(time // SECOND * SECOND):>10} {100 * time / length:5.1f} %"
    for stop in account.stops:
        why = "no alarm before it" if stop.alarm is None else f"{stop.alarm.title} ({stop.alarm.alarm})"
        length = (stop.end - stop.start) // SECOND * SECOND
        yield f"    {stop.state} at {moment(stop.start, zone)} for {format_duration(length)}: {why}"
