"""Commands over scenarios: try the rules on what might happen, and keep what did happen as one more of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import options
from monitor.cli.loading import counted, load, show
from monitor.cli.words import plain
from monitor.errors import AndonError

if TYPE_CHECKING:
    from rules.scenarios.comparing import Verdict


def try_scenarios(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Only these; else all of scenarios/.", exists=True, dir_okay=False),
    ] = None,
    *,
    site: options.Site,
) -> None:
    """Try the site's rules on its scenarios, and tell what comes otherwise.

    scenarios/*.yaml say in a few lines what machines do, and which transitions
    have to come of it; docs/scenarios.md has the notation. One line for each
    that passes, the differences for each that fails, which ends this with
    status 1.

      andon test --site plant
      andon test --site plant plant/scenarios/pump.yaml
    """
    from monitor.scenarios import read_scenarios, scenario_files
    from rules.problems import errors
    from rules.scenarios.comparing import judge

    rules = load(site).ruleset
    scenarios, problems = read_scenarios(files or scenario_files(site), rules)
    show(problems)
    failed = sum(not _told(judge(scenario)) for scenario in scenarios)
    wrong = len(errors(problems))
    mistakes = f", {counted(wrong, 'error')} in files" if wrong else ""
    typer.echo(f"{len(scenarios) - failed} passed, {failed} failed{mistakes}", err=True)
    raise typer.Exit(1 if failed or wrong else 0)


def _told(verdict: Verdict) -> bool:
    """Show it; whether all was as expected."""
    passed = not verdict.complaints
    word, colour = ("passed", "green") if passed else ("FAILED", "red")
    place = f"{verdict.file}:{verdict.line}"
    count = f" ({counted(verdict.transitions, 'transition')})" if passed else ""
    typer.secho(plain(f"{place}: {word}: {verdict.name}{count}"), fg=colour)
    for complaint in verdict.complaints:
        typer.echo(plain(f"    {complaint}"))
    return passed


def record(
    *,
    site: options.Site,
    asset: Annotated[str, typer.Option(metavar="NAME", help="Of this machine.")],
    start: options.Start,
    end: options.End,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="A new file.", dir_okay=False)],
) -> None:
    """Keep a stretch of stored readings as a scenario, with what the rules make of it.

    So the file passes at once; edit it into what ought to come instead. Also
    while the monitor runs. The end itself is not part of it.

      andon record --site plant --asset line1/oven --out plant/scenarios/door.yaml \\
        --start 2026-03-02T06:00:00Z --end 2026-03-02T06:20:00Z
    """
    from monitor.scenarios import record as recorded
    from monitor.stores.opening import open_store

    assert start is not None
    assert end is not None
    if start >= end:
        raise typer.BadParameter("--start must be before --end")
    loaded = load(site)
    with closing(open_store(loaded.settings, read_only=True)) as store:
        text = recorded(store, loaded.ruleset, asset, start, end, out.stem)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise AndonError(f"{out}: cannot be written ({error.strerror}); name a new file") from None
    typer.echo(f"{out}: {counted(text.count('- {at: '), 'expected transition')}", err=True)
