"""While a backlog is worked off people are not told alarm by alarm, over a crash neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from monitor import clock
from monitor.alerting import backlog
from monitor.alerting.policy import Why
from monitor.database.queries import AlarmReader
from monitor.journal.entries import Entry, RevisionEntry
from monitor.site import Site
from rules.events import SECOND, Instant
from tests.monitor.line.deciding import Line, deciding, link, message, site_of, told, verdicts

HOUR = 3600 * SECOND
RULES = """\
  - {id: hot, kind: equipment, priority: high, detect: {type: limits, signal: x, high: 80}}
  - {id: trip, kind: safety, latch: false, detect: {type: limits, signal: y, high: 80}}
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_of(tmp_path, RULES)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog that is not released during the test."""
    monkeypatch.setattr(backlog, "GRACE", HOUR)


def on(site: Site, script: Callable[[Line], Awaitable[None]]) -> None:
    """Run a script on a line whose start journals nothing: the entries' times of receipt are the test's own."""

    async def run() -> None:
        async with deciding(site, begin=False) as line:
            await script(line)

    asyncio.run(run())


def flapping(received: Instant, at: Instant | None) -> list[Entry]:
    """One alarm that comes and goes three times, one that comes and stays, and one of safety."""
    step = SECOND // 1000

    def one(n: int, asset: str, **values: object) -> Entry:
        return message(received + n * step, asset, None if at is None else at + n * SECOND, **values)

    return [
        *(one(n, "oven", x=99 if n % 2 == 0 else 20) for n in range(6)),
        one(6, "press", x=99),
        one(7, "guard", y=99),
        one(8, "guard", y=20),
    ]


TOLD = [
    ("alert", "guard", "trip"),
    ("recovery", "guard", "trip"),
    ("alert", "press", "hot"),
    ("summary", "oven", "hot"),
]


def test_what_the_journal_holds_from_long_ago_is_summed_up(site: Site) -> None:
    ago = clock.now() - HOUR

    async def script(line: Line) -> None:
        await line.feed(rules_since(site, ago), *flapping(ago + SECOND, None))
        await line.until(lambda: len(line.told()) == len(TOLD))
        assert line.told() == TOLD

    on(site, script)
    found = verdicts(site)
    assert [why for rule, _, why in found if rule == "trip"] == [Why.DEFAULT, Why.THOSE_TOLD]
    assert sum(why.startswith(Why.SUMMARISED) for _, _, why in found) == 6


@pytest.mark.parametrize("slow", [0, 20 * 365 * 24 * HOUR])
@pytest.mark.parametrize("stamped", [True, False])
def test_what_the_broker_kept_while_the_link_was_down_is_summed_up(site: Site, stamped: bool, slow: int) -> None:
    """Also of a gateway whose clock is wrong by years."""

    async def script(line: Line) -> None:
        now = clock.now()
        before, lost = now - HOUR, now - HOUR + SECOND
        names = ("oven", "press", "guard")
        await line.feed(rules_since(site, before - SECOND))
        await line.feed(*(message(before, name, before - slow if stamped else None, x=1, y=1) for name in names))
        await line.feed(link(lost, False, lost), link(now, True, lost))
        await line.feed(*flapping(now + SECOND // 10, lost - slow + 60 * SECOND if stamped else None))
        assert line.told() == TOLD[:2]
        await line.until(lambda: len(line.told()) == len(TOLD))
        assert line.told() == TOLD
        now = clock.now()
        await line.feed(message(now + 3 * SECOND, "oven", now + 3 * SECOND - slow if stamped else None, x=99))
        assert line.told()[len(TOLD) :] == [("alert", "oven", "hot")]

    on(site, script)


def test_a_link_that_was_down_for_a_moment_makes_nothing_late(site: Site) -> None:
    async def script(line: Line) -> None:
        now = clock.now()
        await line.feed(rules_since(site, now - SECOND), message(now, "oven", x=1))
        await line.feed(link(now + 1, False, now + 1), link(now + 2, True, now + 1))
        await line.feed(message(now + 3, "oven", x=99))
        assert line.told() == [("alert", "oven", "hot")]

    on(site, script)


def test_when_nobody_listened_is_kept_and_is_no_loss_of_messages(site: Site) -> None:
    now = clock.now()

    async def script(line: Line) -> None:
        await line.feed(link(now, False, now - HOUR), link(now + 1, True, now - HOUR), link(now + 2, True, now + 2))

    on(site, script)
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        assert reader.absences(now, now + 9) == [("main", (now - HOUR, now + 1))]
        assert reader.absences(now - 9 * HOUR, now - HOUR) == reader.absences(now + 1, now + 9) == reader.gaps() == []


@pytest.mark.usefixtures("patient")
def test_a_crash_in_the_middle_loses_nothing_and_tells_nothing_twice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = clock.now() - HOUR
    entries = flapping(lost, None)

    async def first(line: Line) -> None:
        await line.feed(rules_since(site, lost - 1), *entries[:4])
        assert line.told() == []

    async def second(line: Line) -> None:
        assert [why for _, _, why in verdicts(site)] == [Why.HELD] * 4
        await line.feed(*entries[4:])
        monkeypatch.setattr(backlog, "GRACE", 0)
        await line.until(lambda: len(line.told()) == len(TOLD))

    on(site, first)
    on(site, second)
    assert sorted(told(site)) == sorted(TOLD)
    assert sum(why.startswith(Why.SUMMARISED) for _, _, why in verdicts(site)) == 6


def rules_since(site: Site, received: Instant) -> Entry:
    """The site's rules, in force since then."""
    return RevisionEntry(received, site.revision, dict(site.texts))
