"""The command `andon`: reads what was typed, calls the part that does it, turns errors into a message and a status.

Parts are imported inside the commands, so that help and usage errors come at once.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from monitor.cli import alarms, backup, data, explain, quarantine, safety, scenarios, site, states
from monitor.errors import EXIT_CRASHED, AndonError, ConfigurationError


def _debugging() -> bool:
    return os.environ.get("ANDON_DEBUG", "") not in ("", "0")


def _debug(value: bool) -> None:
    if value:
        os.environ["ANDON_DEBUG"] = "1"


def _version(value: bool) -> None:
    if value:
        from importlib import metadata

        typer.echo(f"andon {metadata.version('andon')}")
        raise typer.Exit


class Commands(TyperGroup):
    """Errors that a person can mend become their message and their exit status."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AndonError as error:
            if _debugging():
                import traceback

                traceback.print_exc()
            typer.echo(error if isinstance(error, ConfigurationError) else f"andon: {error}", err=True)
            raise typer.Exit(error.exit_code) from None


app: Final = typer.Typer(
    name="andon",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done, 1 problems found in configuration or data, 2 the command line is wrong. "
    "Logs and progress go to standard error.",
)
app.command("test")(scenarios.try_scenarios)
COMMANDS: Final = (
    *(site.demo, site.init, site.check, site.run, site.reload, scenarios.record),
    *(data.replay, data.export, backup.backup, backup.restore),
    *(alarms.alarms, explain.explain, safety.safety, states.states),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(alarms.alarm_app)
app.add_typer(quarantine.quarantine_app)


@app.callback()
def andon(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where an error came from (or set ANDON_DEBUG=1).", callback=_debug)
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Listen to machines over MQTT, keep every reading, tell the right person.

    A first look, without any configuration:

      andon demo

    A plant of your own is a directory with [bold]andon.yaml[/bold] (brokers, gateways,
    people), [bold]assets.yaml[/bold] (what is known of the machines) and
    [bold]rules/*.yaml[/bold] (what calls for a person):

      andon init plant
      andon check --site plant
      andon run --site plant

    What must come of what machines do is tried by scenarios/*.yaml:

      andon test --site plant

    What calls for a person now, and what the person does about it:

      andon alarms --site plant
      andon alarm acknowledge line1/oven:too-hot --site plant --by kim

    Why it came, who was told, or why nothing came:

      andon explain --site plant line1/oven:too-hot
      andon explain --site plant --rule too-hot --asset line1/oven

    Which safety functions are bypassed, hidden or due for a test:

      andon safety --site plant

    Rules can be tried on the past before they wake anybody:

      andon export --site plant --out week.csv
      andon replay week.csv --rules limits.yaml --out alarms.jsonl
    """


def main() -> None:
    """The entry point: never a traceback unless ANDON_DEBUG asks for it."""
    try:
        app()
    except Exception as error:
        if _debugging():
            raise
        typer.echo(
            f"andon: an error of ours ({type(error).__name__}: {error}); set ANDON_DEBUG=1 to see where, and report it",
            err=True,
        )
        sys.exit(EXIT_CRASHED)
