"""`andon safety`: which safety functions are bypassed, hidden, called upon and due for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from monitor.cli import options
from monitor.cli.loading import counted, load
from monitor.cli.words import plain

if TYPE_CHECKING:
    from monitor.database.queries import Alarm
    from monitor.safety import Register
    from rules.register import Altered, Asked, Due, Function, Held


def safety(
    *,
    site: options.Site,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs; times in nanoseconds.")] = False,
) -> None:
    """Show the register of safety functions: bypasses, demands, proof tests.

    First what keeps a function, or people, from knowing: bypasses that last,
    with what is left of their time and the demands meanwhile; safety alarms
    that are shelved or out of service, by whom, under which permit and until
    when; what waits for a second person; other limits than those of the files;
    gateways that are lost. Then every function with its counts and its next
    test. Also while the monitor does not run: then as it was left.

    Andon watches these functions and is none of them.

      andon safety --site plant
      andon safety --site plant --json
    """
    import msgspec

    from monitor import clock
    from monitor.database.queries import AlarmReader
    from monitor.safety import register

    loaded = load(site)
    with closing(AlarmReader(loaded.settings.alarm_database)) as reader:
        found = register(reader, loaded, clock.now())
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for line in _lines(found, ZoneInfo(loaded.settings.timezone)):
        typer.echo(plain(line))


def _lines(found: Register, zone: ZoneInfo) -> Iterator[str]:
    bypassed = [one for one in found.functions if one.bypass is not None and one.bypass.active is not False]
    yield f"bypassed: {len(bypassed) or 'none'}"
    for function in bypassed:
        yield from _bypass(function, zone)
    yield f"hidden: {len(found.hidden) or 'none'}"
    for alarm in found.hidden:
        yield from _hidden(alarm, zone)
    yield from (_asked(one, zone) for one in found.requests)
    yield from (_altered(one, zone) for one in found.altered)
    yield from (f"gateway lost: {alarm.about}" for alarm in found.lost)
    yield from (f"{asset}: its state cannot be read" for asset in found.unreadable)
    yield f"functions: {len(found.functions) or 'none'}"
    for function in found.functions:
        yield from _function(function, zone)


def _bypass(function: Function, zone: ZoneInfo) -> Iterator[str]:
    bypass = function.bypass
    assert bypass is not None
    yield f"  {function.asset}: {function.title} ({function.rule})"
    if bypass.since is None or bypass.left is None:
        yield f"    unknown: {_what(bypass)}"
        return
    known = "" if bypass.active else ", not known any more"
    yield f"    since {_moment(bypass.since, zone)}{known}: {_what(bypass)}"
    limit = f"of {_length(bypass.limit)}" if bypass.limit else "none is allowed"
    left = f"{_length(bypass.left)} left" if bypass.left > 0 else f"OVER by {_length(-bypass.left)}"
    demands = "demands are not counted" if bypass.demands is None else counted(bypass.demands, "demand") + " meanwhile"
    yield f"    {left}, {limit}; {demands}; alarm {bypass.state} {bypass.state.words}"


def _hidden(alarm: Alarm, zone: ZoneInfo) -> Iterator[str]:
    part = f" [{alarm.part}]" if alarm.part else ""
    yield f"  {alarm.asset}: {alarm.title}{part} ({alarm.rule}), underneath {alarm.underneath} {alarm.underneath.words}"
    for hold in alarm.suppression:
        until = "" if hold.until is None else f" until {_moment(hold.until, zone)}"
        yield f"    {hold.state.words}{until}, by {hold.by}: {hold.comment}"


def _asked(one: Asked, zone: ZoneInfo) -> str:
    until = f"a second person may grant it until {_moment(one.expires, zone)}"
    return f"asked for: {one.action} of {_name(one)}, by {one.by}: {one.comment}; {until}"


def _altered(one: Altered, zone: ZoneInfo) -> str:
    limits = ", ".join(f"{level} {limit:g}" for level, limit in one.limits.items())
    return f"other limits: {_name(one)}: {limits} until {_moment(one.until, zone)}, by {one.by}: {one.comment}"


def _name(one: Asked | Altered) -> str:
    from rules.roster import alarm_name

    return alarm_name(one.asset, one.rule, one.part)


def _function(function: Function, zone: ZoneInfo) -> Iterator[str]:
    yield f"  {function.asset}: {function.title} ({function.rule})"
    for name in ("demand", "bypass", "discrepancy"):
        held: Held | None = getattr(function, name)
        if held is not None:
            state = {True: "now", False: "not now", None: "unknown"}[held.active]
            yield f"    {name}: {state}, {counted(held.count, 'time')} so far, {_length(held.total)} in all"
    if function.proof_test is not None:
        yield f"    proof test: {_test(function.proof_test, zone)}"


def _test(test: Due, zone: ZoneInfo) -> str:
    last = "no test was seen" if test.last is None else f"last {_moment(test.last, zone)}"
    if test.due is None or test.left is None:
        return f"{last}, every {_length(test.interval)}"
    due = f"due {_moment(test.due, zone)}" if test.left > 0 else f"OVERDUE since {_moment(test.due, zone)}"
    return f"{last}, {due}, every {_length(test.interval)}"


def _what(held: Held) -> str:
    values: dict[str, Any] = held.values
    return f"{held.what} ({', '.join(f'{name} {value}' for name, value in values.items())})"


def _moment(at: int, zone: ZoneInfo) -> str:
    from monitor.alerting.messages import moment

    return moment(at, zone)


def _length(duration: int) -> str:
    from rules.durations import format_duration
    from rules.events import SECOND

    return format_duration(duration // SECOND * SECOND)
