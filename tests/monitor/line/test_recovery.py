"""Recovery that is itself cut short: what no snapshot has seen yet is decided again by the next one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from monitor.alerting.floods import FloodControl
from monitor.database.ledger import Ledger, Step
from monitor.database.queries import AlarmReader
from monitor.decoding import NOTHING, Meaning, Revisions, present
from monitor.journal.entries import Message, RevisionEntry
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.decider import COMMIT_EVERY, MOST_ENTRIES, Decider
from monitor.site import Site, load_site
from rules.events import SECOND
from rules.ruleset import RuleSet

MACHINES = 250
"""More than one commit saves, and more than one read decides."""
SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
notify: {teams: {default: {channels: ["console://"]}}}
"""
RULES = """\
rules:
  - {id: often, kind: equipment, notice: true, detect: {type: count, expression: x > 80, at_least: 3, within: 1h}}
"""
T0 = 1_700_000_000 * SECOND


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "rules").mkdir()
    (tmp_path / "andon.yaml").write_text(SITE)
    (tmp_path / "rules" / "a.yaml").write_text(RULES)
    loaded = load_site(tmp_path, os.environ).site
    assert loaded is not None
    loaded.settings.data_dir.mkdir()
    return loaded


@pytest.fixture
def writer(site: Site) -> Iterator[JournalWriter]:
    with closing(JournalWriter(site.settings.data_dir / "journal")) as writer:
        revision = site.revision_if_new(None)
        assert revision is not None
        writer.append([RevisionEntry(T0, *revision)])
        yield writer


def speak(writer: JournalWriter, value: float) -> None:
    """Every machine says the same, one after the other."""
    now = writer.last_received + SECOND
    payload = f'{{"x": {value}}}'.encode()
    writer.append([Message(now, "main", f"plant/m{n}".encode(), payload, 1, False, False, 1) for n in range(MACHINES)])


class Run:
    """One life of the deciding reader, which ends without warning."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def decide(self, *, reads: int) -> None:
        """At most so many reads of the journal."""
        for _ in range(reads):
            for offset, entry in self._decider._reader.read(MOST_ENTRIES):
                self._decider._take(offset, entry)
            self._decider.next = max(self._decider.next, self._decider._reader.position)

    @property
    def reached(self) -> int:
        """The first entry that this life has not decided."""
        return self._decider.next

    def commit(self) -> Step:
        """A commit in which snapshots are due."""
        steps: list[Step] = []
        self._decider._saved_at -= COMMIT_EVERY
        asyncio.run(self._decider._commit(steps.append))
        return steps[0]


@contextmanager
def life(site: Site) -> Iterator[Run]:
    data = site.settings.data_dir
    with closing(Ledger(data / "alarms.db")) as ledger:
        notifier = FloodControl(site.settings.notify, ZoneInfo("UTC"), ledger.told())
        reader = partial(JournalReader, data / "journal")
        with closing(Decider(ledger, reader, notifier, partial(present, site))) as decider:
            yield Run(decider)


def raised(site: Site) -> set[str]:
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        return {alarm.asset for alarm in reader.alarms()}


def test_a_second_crash_in_the_middle_of_recovery_loses_nothing(site: Site, writer: JournalWriter) -> None:
    for value in (10, 90, 10, 90, 10):
        speak(writer, value)
    with life(site) as first:
        first.decide(reads=20)
        first.commit()
    with life(site) as second:
        second.decide(reads=1)
        step = second.commit()
        assert step.floor < second.reached < step.next_offset == writer.head
    speak(writer, 90)
    with life(site) as third:
        third.decide(reads=20)
        third.commit()
    assert raised(site) == {f"m{n}" for n in range(MACHINES)}


REFUSED = {"rules/a.yaml": "rules: [{id: old, kind: equipment, detect: {type: of-another-time}}]"}


def test_texts_that_only_an_older_version_accepts_keep_nothing_from_being_decided(
    site: Site, writer: JournalWriter
) -> None:
    writer.append([RevisionEntry(T0, "old", REFUSED)])
    for value in (10, 90, 10, 90, 10):
        speak(writer, value)
    with life(site) as first:
        first.decide(reads=20)
        first.commit()
    speak(writer, 90)
    with life(site) as second:
        second.decide(reads=20)
        second.commit()
    assert raised(site) == {f"m{n}" for n in range(MACHINES)}


def test_of_many_reloads_only_the_last_sets_of_rules_stay_in_memory() -> None:
    revisions, first, last = Revisions(lambda: NOTHING), Meaning(RuleSet(), ()), Meaning(RuleSet(), ())
    revisions.know("first", first)
    assert revisions.of("first", {}) is first
    for number in range(100):
        revisions.know(str(number), Meaning(RuleSet(), ()))
    revisions.know("last", last)
    assert revisions.of("last", {}) is last
    assert revisions.of("first", {}) == NOTHING, "read again from its texts, here of no rules"
