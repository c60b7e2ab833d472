"""Commands over alarms: what there is now, and what a person does about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from monitor.cli import options
from monitor.cli.loading import load
from monitor.cli.words import plain

if TYPE_CHECKING:
    from monitor.database.queries import Alarm
    from rules.events import Instant

Id: TypeAlias = Annotated[str, typer.Argument(metavar="ALARM", help="Its id, or asset:rule, or asset:rule:part.")]
By: TypeAlias = Annotated[str, typer.Option("--by", metavar="NAME", help="Who you are; it is written down.")]
Comment: TypeAlias = Annotated[str, typer.Option("--comment", metavar="TEXT", help="Why, or the work order.")]
For: TypeAlias = Annotated[
    int | None, typer.Option("--for", metavar="TIME", help="For how long: 30m, 2h.", parser=options.duration)
]
Limits: TypeAlias = Annotated[
    list[Any], typer.Argument(metavar="LEVEL=NUMBER...", help="high=90, low_low=-5, ...", parser=options.limit)
]
ANSWER_WITHIN: Final = 10
"""Seconds for the line to check, journal, apply and answer."""


def alarms(
    *,
    site: options.Site,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are normal now.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array, for programs.")] = False,
) -> None:
    """Show the alarms that are active, latched, shelved, suppressed or out of service.

    The most urgent stand first. Each shows its state (a letter of ISA-18.2),
    since when, what it is about, what was done about it, and the id that
    `andon alarm` takes; it is marked not evaluated where its rule holds it
    while `when` does not hold.
    Also while the monitor does not run: then as it was left.

      andon alarms --site plant
      andon alarms --site plant --all --json
    """
    from monitor.database.queries import AlarmReader
    from monitor.unevaluated import unevaluated

    settings = load(site).settings
    with closing(AlarmReader(settings.alarm_database)) as reader:
        found = sorted(reader.alarms() if everything else reader.active(), key=_urgency)
        blind = unevaluated(reader) if found else set()
    evaluated = [(alarm.asset, alarm.rule, alarm.part) not in blind for alarm in found]
    if as_json:
        typer.echo(_json(found, evaluated))
        return
    for alarm, looked_at in zip(found, evaluated, strict=True):
        typer.echo(_shown(alarm, looked_at, settings.timezone))
    if not found:
        typer.echo("no alarms")


def _urgency(alarm: Alarm) -> tuple[bool, bool, int]:
    return bool(alarm.suppression), alarm.kind != "safety", -alarm.priority.rank


def _json(found: list[Alarm], evaluated: list[bool]) -> str:
    import msgspec

    from monitor.codecs.timestamps import format_iso

    def row(alarm: Alarm, looked_at: bool) -> dict[str, Any]:
        held = [{**msgspec.structs.asdict(s), "until": s.until and format_iso(s.until)} for s in alarm.suppression]
        seen = alarm.acknowledged
        acknowledged = seen and {**msgspec.structs.asdict(seen), "at": format_iso(seen.at)}
        times = {"since": format_iso(alarm.since), "at": format_iso(alarm.at)}
        told = {"suppression": held, "acknowledged": acknowledged, "evaluated": looked_at}
        return {**msgspec.structs.asdict(alarm), **times, **told}

    return msgspec.json.format(msgspec.json.encode(list(map(row, found, evaluated)))).decode()


def _shown(alarm: Alarm, looked_at: bool, timezone: str) -> str:
    from zoneinfo import ZoneInfo

    from monitor.alerting.messages import moment

    zone = ZoneInfo(timezone)
    part = f" [{alarm.part}]" if alarm.part else ""
    lines = [
        f"{alarm.state} {alarm.state.words}, {alarm.priority} {alarm.kind}: {alarm.asset}: {alarm.title}{part}",
        f"    since {moment(alarm.since, zone)}: {alarm.about}",
    ]
    lines += [f"    {moment(at, zone)}: {text}" for at, text in _acts(alarm)]
    for hold in alarm.suppression:
        until = "as long as it holds" if hold.until is None else f"until {moment(hold.until, zone)}"
        once = ", or normal again" if hold.once else ""
        lines.append(f"    {hold.state.words} {until}{once}, by {hold.by}: {hold.comment}")
    if not looked_at:
        lines.append("    not evaluated: its rule is not armed, the alarm stays as it was")
    if alarm.suppression:
        lines.append(f"    underneath: {alarm.underneath} {alarm.underneath.words}")
    return "\n".join(plain(line) for line in (*lines, f"    {alarm.alarm}"))


def _acts(alarm: Alarm) -> Iterator[tuple[Instant, str]]:
    """What persons did about it, and when; suppressions are told by themselves."""
    seen = alarm.acknowledged
    if seen is not None:
        yield seen.at, seen.text
    if not alarm.suppression and alarm.text not in {alarm.about, seen.text if seen else ""}:
        yield alarm.at, alarm.text


def _send(
    action: str, alarm: str, site: Path, by: str, comment: str, duration: int | None = None, **more: dict[str, float]
) -> None:
    import asyncio

    from monitor.linesocket import ask
    from rules.events import SECOND

    data_dir = load(site).settings.data_dir
    asked = {"action": action, "alarm": alarm, "by": by, "comment": comment, "duration": duration, **more}
    told = asyncio.run(ask(data_dir, "command", asked, timeout=ANSWER_WITHIN * SECOND))
    typer.echo(plain(f"{told['alarm']}: {told['text']}; its state is {told['state']}"))


def _acting(action: str) -> Callable[..., None]:
    def act(alarm: Id, *, site: options.Site, by: By, comment: Comment = "") -> None:
        _send(action, alarm, site, by, comment)

    return act


def _suppressing(action: str) -> Callable[..., None]:
    def act(alarm: Id, *, site: options.Site, by: By, comment: Comment = "", duration: For = None) -> None:
        _send(action, alarm, site, by, comment, duration)

    return act


def _overriding(action: str) -> Callable[..., None]:
    def act(
        alarm: Id, limits: Limits, *, site: options.Site, by: By, comment: Comment = "", duration: For = None
    ) -> None:
        _send(action, alarm, site, by, comment, duration, limits=dict(limits))

    return act


EXAMPLE: Final = "\n\n      andon alarm {} line1/oven:too-hot --site plant --by kim{}\n    "

SHELVE: Final = """\
Hide it for a while, with the reason; without --for until it is normal again.

    Nobody is told meanwhile, and it comes back by itself, at the latest after the
    rule's max_shelve. A safety alarm takes a second person, who does the same
    within 15 minutes."""
OUT_OF_SERVICE: Final = """\
Take it out of service for maintenance, with the work order and an end.

    It returns by itself. A safety alarm takes a second person, who does the same
    within 15 minutes."""

OVERRIDE: Final = """\
Put other limits in force for a while, with the reason and an end.

    They hold over restarts and new files until the time is up (7 d at most) or
    somebody restores those of the files; `andon check` lists them. A limit that
    goes by product is overridden for what is being made now. Of a safety rule it
    takes a second person, who does the same within 15 minutes, and lasts a shift
    at most."""

FREEZE: Final = """\
Put the limits that a chart proposes in force, as the next revision, with the reason.

    They are those of the product that is being made, and stay until somebody
    freezes others."""
RELEARN: Final = """\
Let a chart propose limits anew from what comes next, with the reason.

    Those in force stay until the new ones are frozen."""
DISPOSE: Final = """\
Close a chart's alarm with its cause and what was done; the chart begins anew.

    Of a usage rule: the maintenance is done, and counting begins anew; also
    before it is due."""

ACTIONS: Final[dict[str, tuple[Callable[[str], Callable[..., None]], str, str]]] = {
    "acknowledge": (_acting, "Say that you know of it and see to it.", ' --comment "on my way"'),
    "comment": (_acting, "Write something down about it.", ' --comment "nozzle replaced"'),
    "freeze": (_acting, FREEZE, ' --comment "as of the trial run of May"'),
    "relearn": (_acting, RELEARN, ' --comment "new gauge"'),
    "dispose": (_acting, DISPOSE, ' --comment "cause: worn nozzle; action: replaced, 40 parts sorted"'),
    "shelve": (_suppressing, SHELVE, ' --comment "sensor drifts" --for 2h'),
    "unshelve": (_acting, "Show it again.", ""),
    "reset": (_acting, "Let go of a latched alarm that is over and acknowledged.", ""),
    "override": (_overriding, OVERRIDE, ' high=90 --comment "trial run" --for 8h'),
    "restore": (_acting, "Let the limits of the files hold again before the time of an override is up.", ""),
    "out-of-service": (_suppressing, OUT_OF_SERVICE, ' --comment "WO 4711" --for 4h'),
    "return": (_acting, "Return it to service before its time.", ""),
}
"""How each command is made, what it says it does, and the rest of its example."""

alarm_app: Final = typer.Typer(
    name="alarm",
    no_args_is_help=True,
    help="Do something about an alarm; the line checks it, writes it down and answers.",
)
for name, (make, about, rest) in ACTIONS.items():
    alarm_app.command(name, help=about + EXAMPLE.format(name, rest))(make(name))
