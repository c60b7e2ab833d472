"""Commands that put a site into one file and take it out again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli import options


def backup(site: options.Site, out: options.Out) -> None:
    """Put a site and its data into one file; also while the monitor runs.

    In it are andon.yaml, assets.yaml, rules with their tables and scenarios as
    they are written, alarms, accounts, the journal and the embedded store, each
    consistent with the others. Not in it: secrets that andon.yaml takes from
    the environment or from files, certificates, other files of yours in the
    directory, and what an InfluxDB holds. Keep it as you would keep a password:
    it tells all of the plant, and only its owner may read it.

    A file that is damaged is in it as it lies, and so is all the rest: it is
    named, and the command ends with status 1.

      andon backup --site plant --out plant-2026-03-02.tar.gz
    """
    from monitor.backup import back_up
    from monitor.site import data_dir_of

    home = site.absolute()
    made = back_up(home, data_dir_of(home, os.environ), out)
    typer.echo(f"{made.files:,} files, {made.size / 1e6:,.1f} MB in {out}", err=True)
    for problem in made.unsound:
        typer.secho(problem, err=True, fg="red")
    if made.unsound:
        raise typer.Exit(1)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What backup wrote.", exists=True, dir_okay=False)],
    site: Annotated[Path, typer.Option("--site", metavar="DIR", help="New or empty.", file_okay=False)],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Where data goes that lay outside.", file_okay=False)
    ] = None,
) -> None:
    """Make a site again out of a backup, in a directory that is empty.

    Every file is checked before any takes its place. The restored site goes on
    where the backup was made; with the same client_id the broker sends it what
    it kept since, so stop the old one first.

      andon restore plant-2026-03-02.tar.gz --site plant
    """
    from monitor.restore import restore as unpack

    restored = unpack(file, site.absolute(), None if data is None else data.absolute())
    typer.echo(f"{restored.files:,} files of {restored.made}: site {restored.site}, data {restored.data}", err=True)
