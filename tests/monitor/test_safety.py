"""`andon safety`: the register as people and programs read it, while the line runs and afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from monitor.cli import app
from monitor.database.queries import AlarmReader
from monitor.line.commands import CommandDesk
from monitor.site import Site, load_site
from rules.events import SECOND
from tests.monitor.line.deciding import SITE, Line, deciding, message

HOUR = 3_600 * SECOND
RULES = """\
rules:
  - id: curtain
    kind: safety
    title: Light curtain
    assets: press
    notice: true
    detect: {type: safety_function, demand: "beam == 0", bypass: "muted == 1", max_bypass: 60s, proof_test: 30d}
  - {id: gas, kind: safety, title: Gas, assets: press, notice: true, detect: {type: limits, signal: ppm, high: 10}}
  - {id: silent, kind: safety, title: Press silent, assets: press, notice: true, detect: {type: silence, after: 1h}}
"""


def site_in(directory: Path) -> Site:
    (directory / "rules").mkdir()
    (directory / "andon.yaml").write_text(SITE)
    (directory / "rules" / "a.yaml").write_text(RULES)
    (directory / "assets.yaml").write_text("assets: {press: {gateway: line1}}\n")
    return loaded_again(directory)


def loaded_again(directory: Path) -> Site:
    loaded = load_site(directory, os.environ)
    assert loaded.site is not None, loaded.problems
    return loaded.site


def saved(site: Site) -> bool:
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        return any(asset == "press" for asset, _ in reader.snapshots())


def told(site: Site, *options: str) -> str:
    done = CliRunner().invoke(app, ["safety", "--site", str(site.settings.directory), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


async def bypassed(line: Line) -> None:
    """For 99 seconds the curtain is muted, and was needed meanwhile; kim and lee shelve its alarm."""
    now = line.intake.stamp()
    story = (
        (100, {"beam": 1, "muted": 0, "ppm": 1}),
        (99, {"muted": 1}),
        (98, {"beam": 0}),
        (97, {"beam": 1}),
        (0, {"ppm": 1}),
    )
    await line.feed(*(message(now, "press", now - ago * SECOND, **values) for ago, values in story))
    desk = CommandDesk(line.decider, line.intake)
    shelve: dict[str, Any] = {"action": "shelve", "alarm": "press:curtain:demand", "duration": HOUR}
    await desk({**shelve, "by": "kim", "comment": "permit 4711"})
    await desk({**shelve, "by": "lee", "comment": "seen"})
    await desk({**shelve, "by": "kim", "comment": "permit 12", "alarm": "press:gas"})
    await line.until(lambda: saved(line.site))


def test_the_register_tells_of_bypasses_of_what_is_hidden_and_of_every_function(tmp_path: Path) -> None:
    site = site_in(tmp_path)

    async def script() -> str:
        async with deciding(site) as line:
            await bypassed(line)
            await line.until(lambda: "asked for" in told(site))
            return told(site)

    text = asyncio.run(script())
    assert "bypassed: 1\n  press: Light curtain (curtain)\n    since 20" in text
    assert "muted == 1 (muted 1.0)" in text
    assert "of 1m; 1 demand meanwhile; alarm B unacknowledged" in text
    assert "hidden: 1\n  press: Light curtain [demand] (curtain), underneath E latched unacknowledged\n" in text
    assert "by kim and lee: permit 4711; seen" in text
    assert "asked for: shelve of press:gas, by kim: permit 12; a second person may grant it until 20" in text
    assert "    demand: not now, 1 time so far, 1s in all\n" in text
    assert "    proof test: last 20" in text
    assert told(site).count("Light curtain") == 3, "also when nothing runs"
    found = json.loads(told(site, "--json"))
    (function,) = found["functions"]
    assert (function["bypass"]["demands"], function["demand"]["count"]) == (1, 1)
    assert function["bypass"]["limit"] == 60 * SECOND
    assert found["hidden"][0]["suppression"][0]["by"] == "kim and lee"
    assert found["requests"][0]["comment"] == "permit 12"


def test_what_is_asked_for_is_named_as_it_is_granted_also_of_rules_over_several_machines(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    detect = "{type: condition, scope: plant, expression: 'asset(\"press\").ppm > 5'}"
    rule = f"{{id: both, kind: safety, assets: cell, notice: true, detect: {detect}}}"
    (tmp_path / "rules" / "b.yaml").write_text(f"rules: [{rule}]")
    site = loaded_again(tmp_path)

    async def script() -> str:
        async with deciding(site) as line:
            await line.feed(message(line.intake.stamp(), "press", beam=1, muted=0, ppm=7))
            desk = CommandDesk(line.decider, line.intake)
            shelve = {"action": "shelve", "duration": HOUR, "by": "kim", "comment": "permit 12"}
            for alarm in ("cell:both", "press:curtain:demand"):
                await desk({**shelve, "alarm": alarm})
            await line.until(lambda: told(site).count("asked for") == 2)
            return told(site)

    text = asyncio.run(script())
    assert "asked for: shelve of press:curtain:demand, by kim" in text
    assert "asked for: shelve of cell:both, by kim" in text
    with closing(sqlite3.connect(site.settings.data_dir / "alarms.db")) as database, database:
        database.execute("UPDATE stages SET body = x'7bff' WHERE name = 'plant'")
    assert "cell: its state cannot be read\n" in told(site)


def test_before_the_first_run_it_says_what_is_missing(tmp_path: Path) -> None:
    site = site_in(tmp_path)
    done = CliRunner().invoke(app, ["safety", "--site", str(site.settings.directory)])
    assert done.exit_code == 1
    assert "no alarm database yet" in done.stderr


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    site = site_in(tmp_path)

    async def script() -> None:
        async with deciding(site) as line:
            await line.feed(message(line.intake.stamp(), "press", beam=1, muted=0))
            await line.until(lambda: saved(site))

    asyncio.run(script())
    with closing(sqlite3.connect(site.settings.data_dir / "alarms.db")) as database, database:
        database.execute("UPDATE snapshots SET body = '{}' WHERE asset = 'press'")
    assert "press: its state cannot be read\nfunctions: none\n" in told(site)
