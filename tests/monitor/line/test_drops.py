"""What a broker says it dropped becomes an alarm, a count, and after a calm time the end of the alarm."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from monitor.line import drops
from monitor.line.drops import Drops, DropWatch
from monitor.site import Site
from tests.monitor.line.deciding import Line, deciding, site_of, verdicts


@pytest.mark.parametrize(
    ("totals", "new"),
    [([0, 0, 5, 7], [0, 0, 5, 2]), ([900, 900], [0, 0]), ([10, 3], [0, 3]), ([10, 0, 4], [0, 0, 4])],
)
def test_only_what_is_new_counts_also_after_the_broker_began_anew(totals: list[int], new: list[int]) -> None:
    counter = Drops()
    assert [counter.hear(total) for total in totals] == new


def run(site: Site, script: object) -> list[tuple[str, str]]:
    async def scenario() -> None:
        async with deciding(site) as line:
            await script(line, DropWatch(line.intake, site.settings.data_dir, calm=0))  # type: ignore[operator]
            await line.until(lambda: line.decider._committed >= line.intake.head)

    asyncio.run(scenario())
    return [(rule, event) for rule, event, _ in verdicts(site)]


def test_drops_raise_an_alarm_that_ends_when_all_is_calm(tmp_path: Path) -> None:
    site = site_of(tmp_path, "  - {id: r, kind: equipment, detect: {type: limits, signal: x, high: 1}}\n")

    async def first(_: Line, watch: DropWatch) -> None:
        heard = watch.on_dropped("main")
        heard(40)
        await watch.look()
        assert watch.dropped() == {"main": 40}

    async def second(line: Line, watch: DropWatch) -> None:
        heard = watch.on_dropped("main")
        assert watch.dropped() == {"main": None}
        heard(52)
        await watch.look()
        await line.until(lambda: line.decider._committed >= line.intake.head)

    assert run(site, first) == []
    assert run(site, second) == [("system.queue-dropped", "raised"), ("system.queue-dropped", "cleared")]


def test_a_broker_that_tells_nothing_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "PATIENCE", 0)
    with structlog.testing.capture_logs() as lines:
        watch = DropWatch(None, Path("/nowhere"))  # type: ignore[arg-type]
        for _ in range(3):
            watch._miss(["main"])
    assert [(line["event"], line["broker"]) for line in lines] == [("mqtt_drops_unknown", "main")]


def test_a_file_that_is_no_longer_readable_is_no_counter(tmp_path: Path) -> None:
    (tmp_path / drops.FILE).write_text("{")
    assert DropWatch(None, tmp_path).dropped() == {}  # type: ignore[arg-type]
