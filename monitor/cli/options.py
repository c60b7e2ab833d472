"""Arguments and options that several commands share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rules.events import Duration, Instant


def duration(text: str) -> Duration:
    """Nanoseconds of `60s` or `1h30m`; what is none is a usage error."""
    from rules.durations import parse_duration
    from rules.problems import InputError

    try:
        return parse_duration(text)
    except InputError as error:
        raise typer.BadParameter(f"{error.message}; {error.hint}") from None


def limit(text: str) -> tuple[str, float]:
    """Level and number of `high=90`; what is none is a usage error."""
    level, _, number = text.partition("=")
    try:
        return level.strip(), float(number)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no limit; write, for example, high=90") from None


def instant(text: str) -> Instant:
    """Nanoseconds since 1970 of an RFC 3339 time, or of a day's beginning in UTC; what is none is a usage error."""
    from monitor.codecs.timestamps import parse_iso

    try:
        return parse_iso(f"{text}T00:00:00Z" if len(text) == len("2026-03-01") else text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is {error}") from None


Site: TypeAlias = Annotated[
    Path, typer.Option("--site", metavar="DIR", help="The site directory.", exists=True, file_okay=False)
]
For: TypeAlias = Annotated[
    int | None, typer.Option("--for", metavar="TIME", help="End by itself after, e.g., 60s or 5m.", parser=duration)
]
Start: TypeAlias = Annotated[
    int | None, typer.Option(metavar="TIME", help="From here on (RFC 3339, or a day).", parser=instant)
]
End: TypeAlias = Annotated[int | None, typer.Option(metavar="TIME", help="Up to, without, this time.", parser=instant)]
Out: TypeAlias = Annotated[Path, typer.Option("--out", metavar="FILE", help="Overwritten.", dir_okay=False)]
