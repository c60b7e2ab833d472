"""Loading a site for a command: errors end it with all of them, warnings are shown and it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from monitor.errors import AndonError, ConfigurationError

if TYPE_CHECKING:
    from monitor.settings import Settings
    from monitor.site import LoadedSite, Site
    from rules.problems import Problem
    from rules.ruleset import RuleSet


QUEUES = (
    "not looked at: what the brokers keep while we are away (mosquitto: 1000 messages unless max_queued_messages "
    "says more; see docs/mosquitto.md); --connect asks them what a client may know"
)


def load(directory: Path) -> Site:
    """The site, its warnings shown on standard error.

    Raises:
        ConfigurationError: with every error and warning of it.
    """
    loaded = _loaded(directory)
    if loaded.site is None:
        raise ConfigurationError(loaded.problems)
    show(loaded.problems, err=True)
    return loaded.site


def check_site(directory: Path, *, connect: bool = False) -> int:
    """Show every problem of a site on standard output; 1 if one is an error, else 0."""
    from rules.problems import errors

    loaded = _loaded(directory)
    problems = [*loaded.problems, *_journal_problems(directory, loaded.site), *_store_problems(directory, loaded.site)]
    problems += _lasting_problems(loaded.site)
    if connect:
        problems += _broker_problems(directory, loaded.site)
    show(problems)
    wrong = len(errors(problems))
    typer.echo(f"{directory}: {counted(wrong, 'error')}, {counted(len(problems) - wrong, 'warning')}", err=True)
    if not connect and loaded.site is not None and any(not b.embedded for b in loaded.site.settings.brokers.values()):
        typer.echo(QUEUES, err=True)
    return 1 if wrong else 0


def _journal_problems(directory: Path, site: Site | None) -> list[Problem]:
    """What the journal and its disk say, where the monitor has run already."""
    if site is None:
        return []
    from monitor.journal.check import check_journal
    from monitor.site import SITE_FILE
    from rules.yamltext import read_yaml

    document, _ = read_yaml(SITE_FILE, _text(directory / SITE_FILE))
    findings = check_journal(site.settings, *_reached(site.settings))
    return [document.problem(("journal",), *finding) for finding in findings]


def _reached(settings: Settings) -> tuple[int, int]:
    """The journal entry that rules or store are about to read, whichever is further, and the first that one of them
    still wants; 0 where neither, or not both, can be told.
    """
    from contextlib import closing, suppress

    from monitor.database.queries import AlarmReader
    from monitor.stores.opening import stored_offset

    come: list[int] = []
    with suppress(AndonError), closing(AlarmReader(settings.alarm_database)) as reader:
        come += reader.position(), reader.floor()
    with suppress(AndonError):
        come.append(stored_offset(settings))
    return max(come, default=0), min(come) if len(come) == 3 else 0


def _lasting_problems(site: Site | None) -> list[Problem]:
    """Limits that people overrode, and rules that lack something, where the monitor has run already."""
    path = None if site is None else site.settings.alarm_database
    if site is None or path is None or not path.exists():
        return []
    from contextlib import closing
    from zoneinfo import ZoneInfo

    from monitor import clock, diagnosing, overrides
    from monitor.database.migrate import AlarmDatabaseError
    from monitor.database.queries import AlarmReader
    from rules.problems import Problem

    try:
        with closing(AlarmReader(path)) as reader:
            found = overrides.differences(reader, site.ruleset, clock.now())
            lacking = list(diagnosing.diagnosed(reader, site.ruleset, clock.now()))
    except AlarmDatabaseError as error:
        return [Problem(path.name, 0, f"limits that people overrode are not known: {error}", severity="warning")]
    told = overrides.as_warnings(found, site.texts, ZoneInfo(site.settings.timezone))
    return [*told, *diagnosing.as_warnings(lacking, site.texts)]


def _store_problems(directory: Path, site: Site | None) -> list[Problem]:
    """What stands between the site and its store, where that is a server; else whether its file is whole."""
    if site is None:
        return []
    from monitor.site import SITE_FILE
    from rules.yamltext import read_yaml

    document, _ = read_yaml(SITE_FILE, _text(directory / SITE_FILE))
    return [document.problem(("store",), *finding) for finding in _store_findings(site.settings)]


def _store_findings(settings: Settings) -> Iterable[tuple[str, str, Literal["error", "warning"]]]:
    if settings.store.type == "influxdb":
        from monitor.stores.influx_check import check_influx

        return check_influx(settings)
    from monitor.stores.embedded_check import check_embedded
    from monitor.stores.opening import EMBEDDED_FILE

    return check_embedded(settings.data_dir / EMBEDDED_FILE)


def _broker_problems(directory: Path, site: Site | None) -> list[Problem]:
    """What stands between the site and its brokers, as far as a client can see it; says what it cannot."""
    if site is None:
        return []
    from monitor.collectors.broker_check import check_broker
    from monitor.site import SITE_FILE
    from rules.yamltext import read_yaml

    document, _ = read_yaml(SITE_FILE, _text(directory / SITE_FILE))
    several = isinstance(document.data, dict) and "brokers" in document.data
    problems: list[Problem] = []
    for name, broker in site.settings.brokers.items():
        seen = check_broker(broker)
        problems += [document.problem(("brokers", name) if several else ("broker",), *one) for one in seen.findings]
        typer.echo(f"broker {name}: {seen.note}", err=True)
    return problems


def load_rules(rules: Path, assets: Path | None, timezone: str) -> tuple[RuleSet | None, list[Problem]]:
    """The rules of one file, over the assets of another, or None if one has errors; and every problem of both."""
    from monitor.zones import zone_of
    from rules import ruleset
    from rules.problems import quoted

    about = None if assets is None else (str(assets), _text(assets))
    text = _text(rules)
    tables = {str(path): _text(path) for path in rules.parent.glob("*.csv") if path.name in text}
    try:
        zone = zone_of(timezone)
    except (LookupError, ValueError, OSError):
        raise AndonError(f"unknown time zone {quoted(timezone)}; write Europe/Berlin") from None
    return ruleset.load_rules({str(rules): text, **tables}, about, zone=zone)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AndonError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None


def show(problems: Iterable[Problem], *, err: bool = False) -> None:
    """One line for each, coloured by severity on a terminal."""
    for problem in problems:
        typer.secho(str(problem), err=err, fg="red" if problem.severity == "error" else "yellow")


def _loaded(directory: Path) -> LoadedSite:
    from monitor.site import load_site

    return load_site(directory, os.environ)


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
