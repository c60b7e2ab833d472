"""`andon explain`: why an alarm came and who was told, or why nothing came."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias
from zoneinfo import ZoneInfo

import typer

from monitor.cli import options
from monitor.cli.loading import load

if TYPE_CHECKING:
    from monitor.database.queries import Delivery
    from monitor.explaining import AlarmStory, Chapter, Silence

MARKS: Final = {"passes": "+", "stops": "-", "unknown": "?"}
FACTS: Final = ("level", "value", "limit", "values", "began", "quality", "context", "why", "comment")
"""What of a reason is worth a line beside its text."""


Id: TypeAlias = Annotated[
    str | None, typer.Argument(metavar="[ALARM]", help="Its id, or asset:rule, or asset:rule:part.")
]
Rule: TypeAlias = Annotated[str | None, typer.Option(metavar="R", help="Why did nothing come of this rule?")]
Asset: TypeAlias = Annotated[str | None, typer.Option(metavar="A", help="On this asset.")]
At: TypeAlias = Annotated[
    int | None, typer.Option(metavar="TIME", help="At this time; now unless given.", parser=options.instant)
]
Back: TypeAlias = Annotated[
    int | None, typer.Option(metavar="TIME", help="So much of the past is decided again: 24h.", parser=options.duration)
]


def explain(
    *,
    alarm: Id = None,
    site: options.Site,
    rule: Rule = None,
    asset: Asset = None,
    at: At = None,
    back: Back = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Tell why an alarm was raised and who was told, or why nothing came.

    Of an alarm: the rule as it was then, values, limits, delays, quality, gate
    and suppression of every step, and why each notification was or was not
    sent. With --rule and --asset: the stored readings are decided again up to
    --at, and each step from signal to alarm says what it did with them.

      andon explain --site plant line1/oven:too-hot
      andon explain --site plant --rule too-hot --asset line1/oven --at 2026-03-02T03:10:00Z
    """
    if (alarm is None) is (rule is None and asset is None) or (rule is None) is not (asset is None):
        raise typer.BadParameter("name an alarm, or --rule and --asset together")
    import msgspec

    told = _story(site, alarm) if alarm is not None else _silence(site, str(rule), str(asset), at, back)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
        return
    zone = ZoneInfo(load(site).settings.timezone)
    for line in _alarm_lines(told, zone) if alarm is not None else _silence_lines(told, zone):
        typer.echo("".join(sign if sign.isprintable() else " " for sign in line))


def _story(directory: Any, alarm: str) -> Any:
    from monitor.database.queries import AlarmReader
    from monitor.explaining import alarm_story

    site = load(directory)
    with closing(AlarmReader(site.settings.alarm_database)) as reader:
        return alarm_story(reader, site, alarm)


def _silence(directory: Any, rule: str, asset: str, at: int | None, back: int | None) -> Any:
    from monitor import clock
    from monitor.database.queries import AlarmReader
    from monitor.explaining import LOOK_BACK, silence
    from monitor.stores.opening import open_store

    site = load(directory)
    path = site.settings.alarm_database
    moment, length = clock.now() if at is None else at, LOOK_BACK if back is None else back
    with closing(AlarmReader(path)) as reader, closing(open_store(site.settings, read_only=True)) as store:
        return silence(reader, store, site, rule=rule, asset=asset, at=moment, look_back=length)


def _alarm_lines(story: AlarmStory, zone: ZoneInfo) -> Iterator[str]:
    from monitor.alerting.messages import moment

    first = story.chapters[0].transition
    part = f" [{first.part}]" if first.part else ""
    yield f"{first.asset}: {first.title}{part} ({first.priority.value} {first.kind.value}), {story.alarm}"
    yield f"  rule {first.rule}, revision {first.reason.get('revision')}{_changed(story)}"
    for key, value in (story.rule or {}).items():
        if key not in {"id", "kind", "title"}:
            yield f"    {key}: {_flat(value)}"
    for chapter in story.chapters:
        transition = chapter.transition
        yield ""
        states = f"{transition.from_} to {transition.to}"
        yield f"  {moment(transition.at, zone)}  {transition.event} ({states}) by {transition.by}"
        yield f"    {transition.reason.get('text', '')}"
        yield from _fact_lines(transition.reason, zone)
        yield from _told_lines(chapter, zone)


def _changed(story: AlarmStory) -> str:
    if story.rule is None:
        return "; its text is not kept any more"
    return "; the rule was changed since, this is how it was then" if story.changed else ""


def _fact_lines(reason: dict[str, Any], zone: ZoneInfo) -> Iterator[str]:
    from monitor.alerting.messages import moment

    if reason.get("quality") == {}:
        yield "      quality: all good"
    for key in FACTS:
        value = reason.get(key)
        if value not in (None, {}, [], ""):
            yield f"      {key}: {moment(value, zone) if key == 'began' and isinstance(value, int) else _flat(value)}"
    if override := reason.get("override"):
        limits = (f"{level} {_flat(one['limit'])} (files: {one['filed']})" for level, one in override["limits"].items())
        until = moment(override["until"], zone)
        yield f"      override: {', '.join(limits)} until {until}, by {override['by']}: {override['comment']}"
    for hold in reason.get("suppression", ()):
        yield f"      hidden: {hold['by']}: {hold['comment']}"


def _told_lines(chapter: Chapter, zone: ZoneInfo) -> Iterator[str]:
    yield f"      told: {chapter.told or 'nobody, and nothing was written down of why'}"
    for delivery in chapter.deliveries:
        yield f"        {_fared(delivery)}"
        from monitor.alerting.messages import moment

        for at, outcome, answer in delivery.answers:
            yield f"          {moment(at, zone)}  {outcome}{f': {answer}' if answer else ''}"


def _fared(delivery: Delivery) -> str:
    return f"{delivery.team} over {delivery.channel}: {delivery.state}, {delivery.attempts} attempts"


def _silence_lines(told: Silence, zone: ZoneInfo) -> Iterator[str]:
    from monitor.alerting.messages import moment

    yield f"{told.asset}, rule {told.rule}, at {moment(told.at, zone)}: {told.answer}"
    since = moment(told.since, zone)
    yield f"  decided again, by the rules as they are now: {told.readings:,} stored readings since {since}"
    for way in told.ways:
        yield f"  {way.part or told.rule}: {'the condition counts as active' if way.raised else 'no alarm'}"
        for step in way.steps:
            yield f"    {MARKS[step.answer]} {step.name}: {step.text}"
    for transition in told.near:
        yield f"  nearby: {moment(transition.at, zone)}  {transition.event}: {transition.reason.get('text', '')}"


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_flat(each)}" for key, each in value.items())
    return ", ".join(map(_flat, value)) if isinstance(value, list | tuple) else str(value)
