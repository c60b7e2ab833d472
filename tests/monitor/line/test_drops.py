"""What a broker says it dropped becomes an alarm, a count, and after a calm time the end of the alarm."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from monitor import telemetry
from monitor.collectors.mqtt import DROPPED, UPTIME, Statistic
from monitor.database.queries import AlarmReader
from monitor.line import drops
from monitor.line.drops import Drops, DropWatch
from monitor.site import Site
from tests.monitor.line.deciding import Line, deciding, site_of, verdicts


def up(seconds: int, *, kept: bool = False) -> Statistic:
    return Statistic(UPTIME, seconds, kept)


def dropped(total: int, *, kept: bool = False) -> Statistic:
    return Statistic(DROPPED, total, kept)


FIRST_CONTACT = [up(500, kept=True), dropped(900, kept=True)]


@pytest.mark.parametrize(
    ("said", "new", "doubt"),
    [
        ([dropped(0), dropped(5), dropped(7)], [0, 5, 2], ""),
        ([*FIRST_CONTACT, dropped(900, kept=True)], [0, 0, 0], ""),
        ([*FIRST_CONTACT, up(510), dropped(907)], [0, 0, 0, 7], ""),
        ([dropped(10, kept=True), dropped(3)], [0, 3], "more"),
        ([dropped(10, kept=True), dropped(0), dropped(4)], [0, 0, 4], ""),
        ([up(90, kept=True), up(100), dropped(40)], [0, 0, 40], "older"),
        ([up(90, kept=True), up(100), up(200, kept=True), dropped(40, kept=True)], [0, 0, 0, 40], "older"),
        ([up(1), dropped(0), dropped(40)], [0, 0, 40], ""),
        ([dropped(40)], [40], "older"),
        ([up(90), dropped(5), up(2, kept=True), dropped(7, kept=True)], [0, 5, 0, 7], "more"),
    ],
)
def test_only_what_is_new_counts_whatever_was_said_first(said: list[Statistic], new: list[int], doubt: str) -> None:
    counter = Drops()
    assert [counter.hear(each) for each in said] == new
    assert counter.doubt == doubt


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
        heard = watch.on_statistic("main")
        heard(dropped(40, kept=True))
        await watch.look()
        assert watch.dropped() == {"main": 40}

    async def second(line: Line, watch: DropWatch) -> None:
        heard = watch.on_statistic("main")
        assert watch.dropped() == {"main": None}
        heard(dropped(52, kept=True))
        await watch.look()
        await line.until(lambda: line.decider._committed >= line.intake.head)

    assert run(site, first) == []
    assert run(site, second) == [("system.queue-dropped", "raised"), ("system.queue-dropped", "cleared")]


def test_what_was_dropped_while_we_were_away_is_told_though_no_counter_was_ever_heard_before(tmp_path: Path) -> None:
    site = site_of(tmp_path, "  - {id: r, kind: equipment, detect: {type: limits, signal: x, high: 1}}\n")

    async def listening(_: Line, watch: DropWatch) -> None:
        watch.on_statistic("main")(up(130, kept=True))
        watch.on_statistic("main")(up(140))
        await watch.look()
        assert watch.dropped() == {"main": 0}

    async def back(_: Line, watch: DropWatch) -> None:
        watch.on_statistic("main")(up(200, kept=True))
        watch.on_statistic("main")(dropped(19_000, kept=True))
        await watch.look()

    before = telemetry.BROKER_DROPPED.labels("main")._value.get()
    assert run(site, listening) == []
    assert run(site, back)[0] == ("system.queue-dropped", "raised")
    assert telemetry.BROKER_DROPPED.labels("main")._value.get() - before == 19_000
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as alarms:
        text = alarms.transitions_after(0, 1)[0][1].reason["text"]
    assert text.endswith(
        "dropped 19000 messages for want of room, of whatever client; how many of them before we first "
        "listened is not known"
    )


def test_counters_of_the_form_before_are_gone_on_with_and_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / drops.FILE).write_text('{"main": 40}')
    watch = DropWatch(None, tmp_path)  # type: ignore[arg-type]
    assert watch._drops == {"main": Drops(40)}
    watch._file = tmp_path / "nowhere" / drops.FILE
    asyncio.run(watch.look())


def test_a_broker_that_tells_nothing_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drops, "PATIENCE", 0)
    with structlog.testing.capture_logs() as lines:
        watch = DropWatch(None, Path("/nowhere"))  # type: ignore[arg-type]
        for _ in range(3):
            watch.on_statistic("other")(up(90, kept=True))
            watch._miss({"main": True, "other": True, "away": False})
    assert [(line["event"], line["broker"]) for line in lines] == [("mqtt_drops_unknown", "main")]


def test_a_file_that_is_no_longer_readable_is_no_counter(tmp_path: Path) -> None:
    (tmp_path / drops.FILE).write_text("{")
    assert DropWatch(None, tmp_path).dropped() == {}  # type: ignore[arg-type]
