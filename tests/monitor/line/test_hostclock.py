"""The clock of the host steps; alarms of machines do not come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from monitor import clock
from monitor.database.queries import AlarmReader
from monitor.line.hostclock import HostClock
from rules.events import SECOND, Duration
from tests.monitor.line.deciding import Line, deciding, message, site_of, verdicts

HOUR = 3600 * SECOND
RULES = "  - {id: gone, kind: equipment, assets: oven, detect: {type: silence, after: 30s}}\n"


class Host:
    """The wall clock as a test steps it; the steady one goes on."""

    def __init__(self) -> None:
        self.away: Duration = 0


def script_of(steps: Callable[[Line, HostClock, Host], Awaitable[None]], tmp_path: Path, host: Host) -> list[str]:
    """What was raised and cleared while the line ran this script."""
    site = site_of(tmp_path, RULES)

    async def run() -> None:
        async with deciding(site) as line:
            await steps(line, HostClock(line.intake, calm=0), host)
            await line.until(lambda: line.decider._committed >= line.intake.head)

    asyncio.run(run())
    return [f"{rule} {event}" for rule, event, _ in verdicts(site)]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host, now = Host(), clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + host.away)
    return host


async def tick(line: Line) -> None:
    """As the ticker would."""
    due = line.decider.fleet.next_due()
    if due is not None and due <= line.intake.now():
        await line.intake.tick()


def test_a_step_forward_makes_no_machine_silent(tmp_path: Path, host: Host) -> None:
    async def steps(line: Line, watch: HostClock, host: Host) -> None:
        await line.feed(message(line.intake.stamp(), "oven", x=1))
        host.away = HOUR
        await tick(line)
        await watch.look()
        assert abs(line.intake.stamp() - clock.now()) < SECOND
        await tick(line)
        await line.feed(message(line.intake.stamp(), "oven", x=2))
        await watch.look()

    assert script_of(steps, tmp_path, host) == ["system.host-clock raised", "system.host-clock cleared"]


def test_a_step_back_is_told_until_the_clock_has_caught_up(tmp_path: Path, host: Host) -> None:
    async def steps(line: Line, watch: HostClock, host: Host) -> None:
        before = line.intake.stamp()
        host.away = -HOUR
        await watch.look()
        await watch.look()
        assert before < line.intake.stamp() < before + HOUR // 2
        host.away = 0
        await watch.look()

    assert script_of(steps, tmp_path, host) == ["system.host-clock raised", "system.host-clock cleared"]


def test_the_alarm_says_the_last_step(tmp_path: Path, host: Host) -> None:
    site = site_of(tmp_path, RULES)

    async def run() -> None:
        async with deciding(site) as line:
            watch = HostClock(line.intake)
            for away in (24 * HOUR, 0):
                host.away = away
                await watch.look()
                await watch.look()
            await line.until(lambda: line.decider._committed >= line.intake.head)

    asyncio.run(run())
    assert [event for _, event, _ in verdicts(site)] == ["raised", "cleared", "raised"]

    async def restarted() -> None:
        host.away = 25 * HOUR
        async with deciding(site) as line:
            await HostClock(line.intake, calm=0).look()
            await line.until(lambda: line.decider._committed >= line.intake.head)

    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as alarms:
        _, last = list(alarms.transitions_after(0))[-1]
    assert "stepped back by" in last.reason["text"]
    asyncio.run(restarted())
    assert [event for _, event, _ in verdicts(site)][3:] == ["cleared"]
