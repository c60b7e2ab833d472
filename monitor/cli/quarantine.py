"""`andon quarantine`: what could not be read or stored, one look at it, another try, and an end to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from monitor.cli import options
from monitor.cli.loading import load
from monitor.errors import AndonError, UsageError

if TYPE_CHECKING:
    from monitor.quarantine import Item, Selection
    from monitor.settings import Settings

Ids: TypeAlias = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="As `list` shows them.")]
ByGateway: TypeAlias = Annotated[
    str | None, typer.Option("--gateway", metavar="NAME", help="Only of this gateway; `store:` are refused readings.")
]
ByReason: TypeAlias = Annotated[str | None, typer.Option("--reason", metavar="REASON", help="Only for this reason.")]
ByTopic: TypeAlias = Annotated[
    str | None, typer.Option("--topic", metavar="PATTERN", help="Only these topics; * stands for any text.")
]
Since: TypeAlias = Annotated[
    int | None, typer.Option("--since", metavar="TIME", help="Received then or later.", parser=options.instant)
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="Everything, whatever it is.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
LONGEST_SHOWN: Final = 4_096
"""Bytes of a payload that are shown; --out has all of it."""

quarantine_app: Final = typer.Typer(
    name="quarantine",
    no_args_is_help=True,
    help="What could not be read or stored: nothing of it is lost, and it can be given another try.",
)


@quarantine_app.command("list")
def list_(
    *,
    site: options.Site,
    gateway: ByGateway = None,
    reason: ByReason = None,
    topic: ByTopic = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(help="Show so many, the newest.", min=0, max=100_000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Count what stands in quarantine by gateway and reason, and show the newest.

    Also while the monitor does not run.

      andon quarantine list --site plant
      andon quarantine list --site plant --gateway line1 --reason not-json
    """
    from monitor.cli import quarantine_text as text
    from monitor.quarantine import Selection, find, groups

    settings = load(site).settings
    chosen = Selection(gateway=gateway, reason=reason, topic=topic, since=since)
    found = list(find(settings, chosen))
    counted = [group for group in groups(settings) if chosen.concerns(group)]
    shown = found[len(found) - min(limit, len(found)) :]
    typer.echo(text.as_json(counted, shown) if as_json else text.overview(counted, shown, len(found), settings))


@quarantine_app.command()
def show(
    number: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    *,
    site: options.Site,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the payload there as it is.", dir_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show one delivery as it came: topic, reason, payload.

    andon quarantine show 17 --site plant
    andon quarantine show 17 --site plant --out payload.bin
    """
    from monitor.cli import quarantine_text as text
    from monitor.quarantine import Selection, find, payload_of

    settings = load(site).settings
    item = next(find(settings, Selection(ids=(number,))), None)
    payload = None if item is None else payload_of(settings, item)
    if item is None or payload is None:
        raise AndonError(f"there is no {number[:40]} in quarantine; `andon quarantine list` shows what there is")
    if out is not None:
        _write(out, payload)
    typer.echo(text.one_as_json(item, payload) if as_json else text.one(item, payload[:LONGEST_SHOWN], settings))


def _write(out: Path, payload: bytes) -> None:
    try:
        out.write_bytes(payload)
    except OSError as error:
        raise AndonError(f"{out}: cannot be written ({error.strerror}); give --out another file") from None


@quarantine_app.command()
def feed(
    ids: Ids = None,
    *,
    site: options.Site,
    gateway: ByGateway = None,
    reason: ByReason = None,
    topic: ByTopic = None,
    since: Since = None,
    everything: All = False,
) -> None:
    """Give what was refused another try, after the mapping or the store was mended.

    Messages go through the running monitor once more, with the time at which
    they first came; each is read at most once. Refused readings are offered to
    the store again. What is refused again stays, with the new reason, and this
    ends with status 1.

      andon quarantine feed 17 18 --site plant
      andon quarantine feed --site plant --gateway line1 --reason text-for-number
    """
    from monitor.cli import quarantine_text as text
    from monitor.quarantine import feed as give

    settings = load(site).settings
    chosen = _chosen(settings, ids, everything, gateway=gateway, reason=reason, topic=topic, since=since)
    outcome = _act(settings, chosen, give)
    typer.echo(text.fed(outcome))
    raise typer.Exit(0 if outcome.get("read", 0) == sum(outcome.values()) else 1)


@quarantine_app.command()
def expire(
    ids: Ids = None,
    *,
    site: options.Site,
    gateway: ByGateway = None,
    reason: ByReason = None,
    topic: ByTopic = None,
    older: Annotated[
        int | None,
        typer.Option("--older-than", metavar="TIME", help="Received longer ago: 7d.", parser=options.duration),
    ] = None,
    everything: All = False,
) -> None:
    """Delete what nobody will need; the monitor itself does so by the site's quarantine: {keep: 30d}.

    andon quarantine expire --site plant --older-than 7d
    andon quarantine expire --site plant --gateway line1 --reason empty
    """
    from monitor import clock
    from monitor.quarantine import expire as delete

    settings = load(site).settings
    before = None if older is None else clock.now() - older
    chosen = _chosen(settings, ids, everything, gateway=gateway, reason=reason, topic=topic, before=before)
    typer.echo(f"{_act(settings, chosen, delete).get('expired', 0):,} deleted")


def _chosen(settings: Settings, ids: list[str] | None, everything: bool, **filters: Any) -> Iterator[Item]:
    from monitor.quarantine import Selection, find

    selection: Selection = Selection(ids=tuple(ids or ()), **filters)
    if selection == Selection() and not everything:
        raise UsageError("say which: ids, a filter, or --all")
    return find(settings, selection)


def _act(settings: Settings, items: Iterator[Item], act: Callable[..., dict[str, int]]) -> dict[str, int]:
    """The sums of what came of it, a portion at a time."""
    from collections import Counter

    from monitor.quarantine import in_portions

    sums: Counter[str] = Counter()
    with closing(in_portions(items)) as portions:
        for portion in portions:
            sums.update(act(settings, portion))
    return dict(sums)
