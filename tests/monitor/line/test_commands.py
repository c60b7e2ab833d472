"""A person's command is checked, journalled, applied and answered; a refused one leaves no trace."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor import clock
from monitor.alerting.topics import AlarmTable, _payload
from monitor.cli import app
from monitor.database.queries import AlarmReader
from monitor.diagnosing import as_warnings, diagnosed
from monitor.errors import RefusedError
from monitor.journal.entries import Message
from monitor.journal.reader import journal_end
from monitor.line.commands import CommandDesk
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.linesocket import serving
from monitor.overrides import differences
from monitor.site import Site, load_site
from monitor.stores.base import Point
from monitor.stores.opening import open_store
from rules.events import SECOND
from tests.monitor.line.deciding import deciding

SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}]
notify: {teams: {default: {channels: ["console://"]}}}
"""
RULES = """\
rules:
  - {id: hot, kind: equipment, title: Too hot, notice: true, detect: {type: limits, signal: x, high: 80}}
  - {id: guard, kind: safety, notice: true, detect: {type: limits, signal: x, high: 200}}
"""
HOUR = 3600 * SECOND


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "rules").mkdir()
    (tmp_path / "andon.yaml").write_text(SITE)
    (tmp_path / "rules" / "a.yaml").write_text(RULES)
    loaded = load_site(tmp_path, os.environ).site
    assert loaded is not None
    return loaded


class Line:
    """The deciding part of a line, without brokers."""

    def __init__(self, desk: CommandDesk, intake: Intake, decider: Decider) -> None:
        self.desk = desk
        self._intake = intake
        self._decider = decider

    async def see(self, value: float, **more: object) -> None:
        payload = json.dumps({"x": value, **more}).encode()
        await self._intake.messages([Message(self._intake.stamp(), "main", b"plant/oven", payload, 1, False, False, 1)])
        async with asyncio.timeout(10):
            while self._decider._committed < self._intake.head:  # noqa: ASYNC110 - the decider tells nobody else
                await asyncio.sleep(0.01)

    async def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        return await self.desk({"action": action, "alarm": "oven:hot", "by": "kim", **arguments})


@asynccontextmanager
async def line(site: Site) -> AsyncIterator[Line]:
    async with deciding(site) as running:
        yield Line(CommandDesk(running.decider, running.intake), running.intake, running.decider)


def on(site: Site, script: Callable[[Line], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with line(site) as running:
            return await script(running)

    return asyncio.run(run())


def present(site: Site) -> dict[str, Any]:
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        return {alarm.rule: alarm for alarm in reader.alarms()}


def test_an_acknowledgement_is_durable_when_it_is_answered(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(99)
        answer = await running.ask("acknowledge", comment="on my way")
        assert (answer["state"], answer["events"], answer["asset"]) == ("C", ["acknowledged"], "oven")
        assert answer["text"] == "acknowledge by kim: on my way"
        assert present(site)["hot"].state == "C"

    on(site, script)


def test_what_does_not_apply_is_refused_and_not_journalled(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(99)
        await running.ask("acknowledge")
        before = journal_end(site.settings.data_dir / "journal")
        for action, why in (("acknowledge", "already"), ("reset", "still holds"), ("explode", "unknown command")):
            with pytest.raises(RefusedError, match=why):
                await running.ask(action)
        assert journal_end(site.settings.data_dir / "journal") == before

    on(site, script)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "no command"),
        ({"action": "acknowledge", "alarm": "oven:hot", "by": 5}, "no command"),
        ({"action": "acknowledge", "alarm": "oven:hot", "by": "kim", "extra": 1}, "no command"),
        ({"action": "acknowledge", "alarm": "stove:hot", "by": "kim"}, "no alarm `stove:hot`"),
        ({"action": "acknowledge", "alarm": "oven:hot:1:0", "by": "kim"}, "no alarm `oven:hot:1:0`"),
        ({"action": "acknowledge", "alarm": ":" * 100_000, "by": "kim"}, "no alarm"),
        (
            {"action": "shelve", "alarm": "oven:hot", "by": "kim", "comment": "x", "duration": 10**30},
            "no command|too long",
        ),
    ],
)
def test_whatever_is_asked_gets_a_reason(site: Site, arguments: dict[str, Any], why: str) -> None:
    async def script(running: Line) -> None:
        await running.see(99)
        with pytest.raises(RefusedError, match=why):
            await running.desk(arguments)

    on(site, script)


def test_of_two_that_ask_at_once_the_second_hears_that_it_came_too_late(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(99)
        one, two = await asyncio.gather(running.ask("acknowledge"), running.ask("acknowledge"), return_exceptions=True)
        assert isinstance(one, dict)
        assert isinstance(two, RefusedError)
        assert "already" in str(two)

    on(site, script)


def test_a_shelf_survives_a_restart_and_the_alarm_row_says_what_it_hides(site: Site) -> None:
    async def shelve(running: Line) -> None:
        await running.see(99)
        await running.ask("shelve", comment="drift", duration=2 * HOUR)

    async def go_on(running: Line) -> dict[str, Any]:
        await running.see(20)
        alarm = present(site)["hot"]
        assert (alarm.state, alarm.underneath) == ("G", "D")
        assert (alarm.suppression[0].by, alarm.suppression[0].comment) == ("kim", "drift")
        return await running.ask("unshelve")

    on(site, shelve)
    assert (present(site)["hot"].state, present(site)["hot"].underneath) == ("G", "B")
    assert on(site, go_on)["state"] == "D"


def test_the_retained_topic_says_what_is_suppressed(site: Site) -> None:
    async def shelve(running: Line) -> None:
        await running.see(99)
        await running.ask("shelve", comment="drift", duration=2 * HOUR)

    on(site, shelve)
    with closing(AlarmTable(site.settings.data_dir / "alarms.db")) as table:
        (row,) = table.unpublished()
        payload = json.loads(_payload(row))
        assert (payload["state"], payload["underneath"]) == ("G", "B")
        assert payload["suppression"][0]["until"].endswith("Z")
        assert table.active() == []


def test_a_safety_alarm_is_shelved_by_two(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(300)
        wanted = {"alarm": "oven:guard", "comment": "test", "duration": HOUR}
        assert (await running.ask("shelve", **wanted))["events"] == ["commented"]
        granted = await running.ask("shelve", **{**wanted, "by": "lee"})
        assert (granted["state"], granted["events"]) == ("G", ["shelved"])

    on(site, script)


def andon(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "100"})


def test_the_command_line_shows_and_acts(site: Site) -> None:
    at = ("--site", site.settings.data_dir.parent)

    async def script(running: Line) -> None:
        await running.see(99)
        async with serving(site.settings.data_dir, {"command": running.desk}):
            done = await asyncio.to_thread(
                andon, "alarm", "shelve", "oven:hot", *at, "--by", "kim", "--comment", "drift", "--for", "2h"
            )
            assert (done.exit_code, done.stdout.count("shelve by kim (2h): drift; its state is G")) == (0, 1)
            refused = await asyncio.to_thread(andon, "alarm", "acknowledge", "oven:hot", *at, "--by", "kim")
            assert (refused.exit_code, refused.stdout) == (1, "")
            assert refused.stderr == "andon: it is shelved: that has to end first\n"

    on(site, script)
    shown = andon("alarms", *at).stdout
    assert "G shelved, medium equipment: oven: Too hot" in shown
    assert "by kim: drift" in shown
    assert "underneath: B unacknowledged" in shown
    (row,) = json.loads(andon("alarms", *at, "--json").stdout)
    assert (row["state"], row["underneath"], row["suppression"][0]["by"]) == ("G", "B", "kim")
    assert row["alarm"] in shown
    down = andon("alarm", "unshelve", "oven:hot", *at, "--by", "kim")
    assert down.exit_code == 1
    assert "the line process is not running" in down.stderr


def test_an_alarm_that_somebody_acknowledged_still_says_what_is_wrong(site: Site) -> None:
    at = ("--site", site.settings.data_dir.parent)

    async def script(running: Line) -> None:
        await running.see(99)
        await running.ask("acknowledge", comment="on my way")
        await running.ask("comment", comment="bearing ordered")

    on(site, script)
    about, acknowledged, noted = andon("alarms", *at).stdout.splitlines()[1:4]
    assert about.endswith("x 99 above high limit 80")
    assert acknowledged.endswith(": acknowledge by kim: on my way")
    assert noted.endswith(": comment by kim: bearing ordered")
    (row,) = json.loads(andon("alarms", *at, "--json").stdout)
    assert (row["text"], row["about"]) == ("comment by kim: bearing ordered", "x 99 above high limit 80")
    assert (row["acknowledged"]["by"], row["acknowledged"]["text"]) == ("kim", "acknowledge by kim: on my way")
    assert row["acknowledged"]["at"].endswith("Z")


def test_all_shows_what_is_normal_too(site: Site) -> None:
    at = ("--site", site.settings.data_dir.parent)

    async def script(running: Line) -> None:
        await running.see(99)
        await running.see(20)
        await running.ask("acknowledge")

    on(site, script)
    assert andon("alarms", *at).stdout == "no alarms\n"
    assert andon("alarms", *at, "--json").stdout == "[]\n"
    assert "A normal, medium equipment: oven: Too hot" in andon("alarms", *at, "--all").stdout


def test_alarms_before_the_first_run_says_what_is_missing(site: Site) -> None:
    done = andon("alarms", "--site", site.settings.data_dir.parent)
    assert done.exit_code == 1
    assert "no alarm database yet" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["acknowledge"], ["acknowledge", "a:b"], ["shelve", "a:b", "--by", "kim", "--for", "2x"], ["explode"]]
)
def test_a_wrong_command_line_is_status_2(site: Site, arguments: list[str]) -> None:
    done = andon("alarm", *arguments, "--site", site.settings.data_dir.parent)
    assert done.exit_code == 2


# -- overrides ------------------------------------------------------------------------------------------------------


def test_an_override_is_listed_by_check_beside_what_the_files_say_also_after_a_restart(site: Site) -> None:
    directory = site.settings.data_dir.parent
    at = ("--site", directory)

    async def script(running: Line) -> None:
        await running.see(10)
        async with serving(site.settings.data_dir, {"command": running.desk}):
            told = ("--by", "kim", "--comment", "trial run", "--for", "8h")
            done = await asyncio.to_thread(andon, "alarm", "override", "oven:hot", "high=90", *at, *told)
            assert (done.exit_code, done.stderr) == (0, "")
            assert "override by kim (high 90 instead of 80, 8h): trial run; its state is A" in done.stdout
            refused = await asyncio.to_thread(andon, "alarm", "override", "oven:hot", "low=9", *at, *told)
            assert refused.exit_code == 1
            assert "there is no limit `low` here; there is high" in refused.stderr
        assert "oven:hot: high is 90 until" in andon("check", *at).stdout, "as soon as it is answered"

    async def go_on(running: Line) -> None:
        await running.see(85)
        assert present(site)["hot"].state == "A"
        await running.see(91)
        assert present(site)["hot"].text == "x 91 above high limit 90 (overridden by kim: trial run; the files say 80)"

    on(site, script)
    on(site, go_on)
    story = andon("explain", *at, "oven:hot").stdout
    assert "override: high 90.0 (files: 80.0) until 20" in story
    (directory / "rules" / "a.yaml").write_text(RULES.replace("high: 80", "high: 82"))
    (line,) = [line for line in andon("check", *at).stdout.splitlines() if "oven:hot" in line]
    assert line.startswith("rules/a.yaml:2: warning: oven:hot: high is 90 until 20")
    assert "by kim (trial run); the files say 82" in line
    (directory / "rules" / "a.yaml").write_text(RULES.replace("high: 80", "high: 90"))
    assert "oven:hot" not in andon("check", *at).stdout, "it does not differ any more"


def test_check_goes_on_where_overrides_cannot_be_looked_up_and_says_so(site: Site) -> None:
    site.settings.data_dir.mkdir()
    (site.settings.data_dir / "alarms.db").write_bytes(b"no database at all, only some bytes" * 100)
    done = andon("check", "--site", site.settings.data_dir.parent)
    assert done.exit_code == 0
    assert "alarms.db: warning: limits that people overrode are not known: " in done.stdout
    assert "0 errors, 1 warning" in done.stderr


def test_a_restored_limit_is_not_listed(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(10)
        await running.ask("override", comment="trial", duration=HOUR, limits={"high": 90})
        await running.ask("restore")

    on(site, script)
    assert "oven:hot" not in andon("check", "--site", site.settings.data_dir.parent).stdout


def test_a_limit_whose_time_ended_while_nothing_ran_is_not_listed(site: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(10)
        await running.ask("override", comment="trial", duration=HOUR, limits={"high": 90})

    on(site, script)
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        (found,) = differences(reader, site.ruleset, clock.now())
        assert (found.limit, found.filed) == (90, 80)
        assert not differences(reader, site.ruleset, found.until)


def test_why_nothing_came_knows_of_other_limits(site: Site) -> None:
    directory = site.settings.data_dir.parent

    async def script(running: Line) -> None:
        await running.see(10)
        await running.ask("override", comment="trial", duration=HOUR, limits={"high": 90})
        await running.see(85)

    on(site, script)
    store = open_store(site.settings)
    now = clock.now()
    store.write([Point("oven", "x", now, 85.0, None, 0)], 1)
    store.close()
    told = andon("explain", "--site", directory, "--rule", "hot", "--asset", "oven").stdout
    assert "no longer above high limit 90" in told
    assert "overridden by kim: trial; the files say 80" in told


# -- what is not looked at ------------------------------------------------------------------------------------------

GATED = """\
version: 1
rules:
  - {id: hot, kind: equipment, response: Cool it., when: running == true, detect: {type: limits, signal: x, high: 80}}
  - {id: wrong, kind: equipment, response: Look., detect: {type: limits, signal: xx, high: 80}}
"""


@pytest.fixture
def gated(site: Site) -> Site:
    directory = site.settings.data_dir.parent
    (directory / "rules" / "a.yaml").write_text(GATED)
    loaded = load_site(directory, {}).site
    assert loaded is not None
    return loaded


def test_an_alarm_that_is_held_while_its_gate_is_closed_is_marked(gated: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(90, running=True)
        await running.see(90, running=False)
        await running.ask("override", comment="trial", duration=HOUR, limits={"high": 85})

    on(gated, script)
    directory = gated.settings.data_dir.parent
    (alarm,) = json.loads(andon("alarms", "--site", directory, "--json").stdout)
    assert (alarm["rule"], alarm["evaluated"]) == ("hot", False)
    assert "not evaluated: its rule is not armed" in andon("alarms", "--site", directory).stdout


def test_a_rule_whose_signal_never_comes_is_named_by_check(gated: Site) -> None:
    async def script(running: Line) -> None:
        await running.see(20, running=True)
        await running.ask("override", comment="trial", duration=HOUR, limits={"high": 85})

    on(gated, script)
    with closing(AlarmReader(gated.settings.data_dir / "alarms.db")) as reader:
        found = list(diagnosed(reader, gated.ruleset, clock.now() + HOUR))
    assert [(one.rule, one.text) for one in found] == [("wrong", "the signal `xx` was never seen")]
    (warning,) = as_warnings(found, gated.texts)
    assert str(warning).startswith("rules/a.yaml:4: warning: `wrong` on `oven`: the signal `xx`")
