"""Assets beyond the most that are watched are counted, and told once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import structlog

from monitor import telemetry
from monitor.clock import now
from rules import fleet
from tests.monitor.line.deciding import deciding, message, site_of


def test_assets_beyond_the_most_are_counted_and_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MOST_ASSETS", 3)
    site = site_of(tmp_path, "  - {id: hot, kind: equipment, detect: {type: limits, signal: x, high: 80}}\n")
    before = telemetry.UNWATCHED._value.get()

    async def script() -> list[str]:
        with structlog.testing.capture_logs() as logs:
            async with deciding(site) as line:
                for asset in ("a", "b", "c", "d", "a", "c"):
                    await line.feed(message(now(), asset, x=1))
                assert sorted(line.decider.fleet.monitors) == ["a", "andon", "b"]
        return [entry["event"] for entry in logs]

    events = asyncio.run(script())
    assert telemetry.UNWATCHED._value.get() - before == 3
    assert events.count("assets_not_watched") == 1
