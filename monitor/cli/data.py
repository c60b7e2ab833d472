"""Commands over recorded data: the rules over the past, and readings out of the store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import options
from monitor.cli.loading import load, load_rules
from monitor.errors import AndonError, ConfigurationError

if TYPE_CHECKING:
    from monitor.cli.progress import Progress
    from monitor.collectors.files import TidyFile
    from rules.ruleset import RuleSet


def replay(
    recording: Annotated[
        Path, typer.Argument(metavar="INPUT", help="Tidy CSV, also .csv.gz.", exists=True, dir_okay=False)
    ],
    rules: Annotated[Path, typer.Option(metavar="FILE", help="A rule file.", exists=True, dir_okay=False)],
    out: options.Out,
    assets: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What is known of the machines.", exists=True, dir_okay=False)
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="For rules that go by the calendar.")] = "UTC",
) -> None:
    """Decide over recorded data as if it were live, as fast as it goes.

    INPUT has the columns timestamp,asset,metric,value and perhaps quality,
    ordered by time, as export writes them. Each transition of an alarm becomes
    one line of JSON. Rows that do not fit are left out, counted and reported.

      andon replay week.csv --rules limits.yaml --out alarms.jsonl
      andon replay week.csv.gz --rules mill.yaml --assets assets.yaml --out a.jsonl
    """
    from monitor.cli.progress import Progress
    from monitor.collectors.files import read_tidy
    from monitor.transitions_file import write_transitions
    from rules.replay import replay as decide

    tidy = read_tidy(recording)
    ruleset = _prepared(rules, assets, timezone, tidy)
    progress = Progress()
    try:
        count = write_transitions(out, decide(ruleset, progress.watch(tidy)))
    except OSError as error:
        raise AndonError(
            f"{out}: cannot be written ({error.strerror}); give --out a file this user may write"
        ) from None
    finally:
        progress.done()
    _summary(tidy, progress, count, out)


def _prepared(rules: Path, assets: Path | None, timezone: str, tidy: TidyFile) -> RuleSet:
    """The rules; the problems of rules, assets and the recording's header all at once."""
    ruleset, problems = load_rules(rules, assets, timezone)
    found: list[object] = list(problems)
    try:
        next(iter(tidy), None)
    except AndonError as error:
        found.append(error)
        ruleset = None
    if ruleset is None:
        raise ConfigurationError(found)
    for problem in problems:
        typer.echo(str(problem), err=True)
    return ruleset


def _summary(tidy: TidyFile, progress: Progress, count: int, out: Path) -> None:
    typer.echo(f"{tidy.rows:,} rows in {progress.seconds:.1f} s: {count:,} transitions in {out}", err=True)
    if tidy.bad:
        shown = "\n  ".join(tidy.examples)
        typer.echo(f"{tidy.bad:,} bad rows were left out, among them:\n  {shown}", err=True)


def export(
    *,
    site: options.Site,
    out: options.Out,
    asset: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this asset.")] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="Only this metric.")] = None,
    start: options.Start = None,
    end: options.End = None,
) -> None:
    """Write stored readings, ordered by time; also while the monitor runs.

    The ending of FILE says the format: .csv, .csv.gz or .parquet (needs
    andon\\[export]). Times are in UTC; the end itself is not part of it.

      andon export --site plant --out day.csv.gz --start 2026-03-02 --end 2026-03-03
      andon export --site plant --out oven.csv --asset line1/oven --metric zone1
    """
    from monitor.stores.export import export as write
    from monitor.stores.opening import open_store

    with closing(open_store(load(site).settings, read_only=True)) as store:
        rows = write(store, out, asset=asset, metric=metric, start=start, end=end)
    typer.echo(f"{rows:,} readings in {out}", err=True)
