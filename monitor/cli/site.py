"""Commands over a site directory: make one, check it, run it; and the demonstration that needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import options
from monitor.cli.loading import load


def demo(
    duration: options.For = None,
    port: Annotated[int, typer.Option(help="Of the web pages; 0 takes a free one.", min=0, max=65535)] = 8080,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write every transition there, as JSON lines.", dir_okay=False),
    ] = None,
) -> None:
    """Show everything working, on a simulated plant with faults.

    An embedded broker, a line of four machines and the monitor, without any
    configuration; nothing is left behind. Alarms are shown as they come and
    go. Ctrl-C ends it.

      andon demo
      andon demo --for 60s --out transitions.jsonl
    """
    from monitor.demo import run_demo

    raise typer.Exit(run_demo(duration, port, out))


def _list_packs(value: bool) -> None:
    if value:
        from monitor.packs import all_packs

        for pack in all_packs().values():
            typer.echo(f"{pack.name:<18} {pack.kind:<10} {pack.about}")
        raise typer.Exit


def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if need be; nothing in it is overwritten.")],
    pack: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Start from ready-made rules; may be given again.")
    ] = None,
    list_packs: Annotated[
        bool, typer.Option("--list-packs", help="Show which packs there are.", is_eager=True, callback=_list_packs)
    ] = False,
) -> None:
    """Write a commented site directory to start from.

    It holds andon.yaml, assets.yaml, rules/ and scenarios/; check and test
    accept it as it is. A pack brings rules with causes, responses and the
    sources of their limits, the machine type that they name, and scenarios.

      andon init plant
      andon init plant --pack pump --pack motor --pack guards
      andon test --site plant
    """
    from monitor.scaffold import write_site

    del list_packs
    write_site(directory, pack or ())
    typer.echo(f"{directory} is ready: edit {directory / 'andon.yaml'}, then andon check --site {directory}")


def check(
    site: options.Site,
    connect: Annotated[bool, typer.Option("--connect", help="Also ask the brokers what they keep for us.")] = False,
) -> None:
    """Report every problem of a site at once, and how to mend it.

    Errors end this with status 1, warnings do not. With an error in its files
    the monitor does not start, with one of the journal it decides nothing. One
    of the store or of a broker holds up nothing else.

      andon check --site plant
      andon check --site plant --connect
    """
    from monitor.cli.loading import check_site

    raise typer.Exit(check_site(site, connect=connect))


def run(site: options.Site) -> None:
    """Run the monitor of a site until SIGTERM or Ctrl-C.

    Three processes do the work: line (collect, journal, decide, alert), store
    and web. One that dies restarts alone; nothing that was acknowledged to a
    broker is lost, whatever dies. A second monitor on the same data directory
    is refused. Log lines go to standard error, as JSON unless that is a
    terminal.

      andon run --site plant
    """
    from monitor.running import run_site

    raise typer.Exit(run_site(site.absolute(), load(site).settings.data_dir))


def reload(site: options.Site) -> None:
    """Let a running monitor read the site's files again.

    Rules, assets, gateways, teams and routes follow at once; alarms, timers
    and learning of rules that did not change go on. Store and web are started
    anew. If a file has an error, everything stays as it was and this ends with
    status 1. What needs a restart instead is named. SIGHUP does the same.

      andon reload --site plant
    """
    import asyncio

    from monitor.linesocket import ask
    from monitor.running import RELOAD_PATIENCE

    data_dir = load(site).settings.data_dir
    answer = asyncio.run(ask(data_dir, "reload", process="supervisor", timeout=RELOAD_PATIENCE))
    typer.echo(f"changed: {', '.join(answer['changed']) or 'nothing'}", err=True)
    if answer["restart_for"]:
        typer.echo(f"needs a restart: {', '.join(answer['restart_for'])}", err=True)
