"""The configuration of a running line: read again when asked, and followed without losing what is under way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog

from monitor import clock
from monitor.alerting.channels import open_channels
from monitor.alerting.dispatcher import Dispatcher
from monitor.alerting.policy import Directory, Notifier
from monitor.codecs.topics import filters_of
from monitor.collectors.mqtt import Collector
from monitor.database.ledger import Ledger
from monitor.decoding import present
from monitor.errors import RefusedError
from monitor.journal.entries import Offset, RevisionEntry
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalGap
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.settings import Settings
from monitor.site import Site, gateways_from_texts, load_site, rules_unreadable
from rules.events import SECOND, Duration
from rules.problems import errors

FIXED: Final[dict[str, tuple[str, ...]]] = {"site": (), "data_dir": (), "brokers": ("gateways",)}
"""Keys that a running monitor cannot change, each with the keys that wait with it: a gateway names its broker."""
FOLLOWERS: Final = ("store", "web")
"""Processes that read the configuration when they start: others take their place. They use no fixed key but by what
the line says, so that all three always work by the same values."""
REMEMBERED: Final = 50
"""Revisions whose topics are unsubscribed at a start."""
PATIENCE: Final[Duration] = 5 * SECOND
"""How long a reload waits until the line decides by the new rules; with a backlog they come into force later."""

UNCHANGED: Final = "the configuration stays as it was:"

log = structlog.get_logger()


class Reload:
    """Answers `reload` with `{revision, changed, restart_for, replace}`; no problem of the files disturbs anything.

    `follow` is called with the settings that are in force from then on.
    """

    def __init__(
        self,
        site: Site,
        intake: Intake,
        decider: Decider,
        notifier: Notifier,
        dispatcher: Dispatcher,
        collectors: Mapping[str, Collector],
        follow: Callable[[Settings], None],
    ) -> None:
        self._site = site
        self._intake = intake
        self._decider = decider
        self._notifier = notifier
        self._dispatcher = dispatcher
        self._collectors = collectors
        self._follow_settings = follow
        self._alone = asyncio.Lock()

    async def __call__(self, _: dict[str, Any]) -> dict[str, Any]:
        """Read the site's files again and follow them.

        `changed` names what is new, `restart_for` what of it has to wait for a restart, `replace` the processes that
        should be started anew.

        Raises:
            RefusedError: the files have errors, and which; the line goes on as before.
        """
        async with self._alone:
            written = await self._read()
            old = self._site.settings
            changed = [name for name in type(old).model_fields if getattr(old, name) != getattr(written.settings, name)]
            fixed = held_back(changed)
            changed += ["rules"] if written.ruleset.revision != self._site.ruleset.revision else []
            site = in_force(self._site, written, fixed)
            await self._follow(site)
            replaced = list(FOLLOWERS) if set(changed) - set(fixed) else []
            log.info("configuration_reloaded", changed=changed, revision=site.revision)
            if fixed:
                log.warning("restart_needed", keys=fixed, hint="these keys keep their old values until a restart")
            return {"revision": site.revision, "changed": changed, "restart_for": fixed, "replace": replaced}

    async def _read(self) -> Site:
        site, problems = await asyncio.to_thread(load_site, self._site.settings.directory, os.environ)
        for problem in problems:
            say = log.error if problem.severity == "error" else log.warning
            say("misconfigured" if site is None else "configuration_doubtful", problem=str(problem))
        if site is None:
            raise RefusedError("\n".join([UNCHANGED, *map(str, errors(problems))]))
        if self._site.ruleset.rules and not site.ruleset.rules and (gone := rules_unreadable(problems)) is not None:
            raise RefusedError(f"{UNCHANGED}\n{gone}; all rules would go")
        return site

    async def _follow(self, site: Site) -> None:
        before = await asyncio.to_thread(open_channels, self._site.settings.notify)
        after = await asyncio.to_thread(open_channels, site.settings.notify)
        self._dispatcher.replace({**before, **after}, Directory(site.settings.notify, besides=before))
        self._notifier.replace(site.settings.notify, ZoneInfo(site.settings.timezone))
        self._follow_settings(site.settings)
        if site.revision != self._site.revision:
            await self._decide_by(site)
        for name, collector in self._collectors.items():
            await collector.resubscribe(site.filters(name), site.largest_payload(name))
        self._dispatcher.replace(after, Directory(site.settings.notify))
        self._site = site

    async def _decide_by(self, site: Site) -> None:
        """The rules come into force at one place of the journal, before any message of a topic they add."""
        self._decider.prepare(site.revision, present(site))
        await self._intake.append([RevisionEntry(self._intake.stamp(), site.revision, dict(site.texts))])
        head, deadline = self._intake.head, clock.elapsed() + PATIENCE
        while self._decider.next < head and clock.elapsed() < deadline:  # noqa: ASYNC110 - at most once a reload
            await asyncio.sleep(0.01)


def held_back(changed: Collection[str]) -> list[str]:
    """Of the keys that changed, those that wait for a restart."""
    waiting = {name for fixed in FIXED if fixed in changed for name in (fixed, *FIXED[fixed])}
    return [name for name in changed if name in waiting]


def in_force(old: Site, new: Site, fixed: Collection[str]) -> Site:
    """The new site with what waits for a restart as it was: subscriptions, too, if a broker changed."""
    site = new.with_gateways(old.settings.gateways) if "gateways" in fixed else new
    return site.with_settings(**{name: getattr(old.settings, name) for name in fixed})


def newest_revision(ledger: Ledger, reader: Callable[[Offset], JournalReader]) -> str | None:
    """The hash of the rules that will be in force once the journal is worked off; None in a new one."""
    newest = ledger.last_revision()
    with reader(ledger.position()) as journal:
        while True:
            try:
                entries = journal.read(1_000)
            except JournalGap:
                continue
            if not entries:
                return newest
            for _, entry in entries:
                newest = entry.hash if isinstance(entry, RevisionEntry) else newest


def former_filters(ledger: Ledger, broker: str) -> list[str]:
    """What an earlier configuration subscribed on a broker: its session may still hold it."""
    found: dict[str, None] = {}
    for texts in ledger.recent_texts(REMEMBERED):
        with suppress(ValueError):  # what this program no longer accepts it does not unsubscribe either
            gateways = gateways_from_texts(texts)
            found |= dict.fromkeys(
                filters_of(t for gateway in gateways if gateway.broker == broker for t in gateway.topics)
            )
    return list(found)
