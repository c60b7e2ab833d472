"""What was refused is fed again through the line: read at most once, at its own time, whatever dies in between."""

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

from monitor.cli import app
from monitor.database import quarantine as limits
from monitor.database.quarantined import Quarantined, QuarantineReader, Wanted
from monitor.database.queries import AlarmReader
from monitor.errors import AndonError, RefusedError
from monitor.journal.entries import FedEntry, Message
from monitor.journal.reader import JournalReader, journal_end
from monitor.line import quarantine as desks
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from monitor.line.quarantine import QuarantineDesk
from monitor.linesocket import serving
from monitor.settings import Quarantine
from monitor.site import Site, load_site
from monitor.stores.embedded import EmbeddedStore
from monitor.storing import run_store
from rules.events import SECOND
from tests.monitor.line.deciding import deciding as deciding_line

BEFORE = '{name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}'
MENDED = '{name: line1, format: json, topic: "werk/{machine}", asset: "{machine}"}'
SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways: [GATEWAY]
notify: {teams: {default: {channels: ["console://"]}}}
"""
RULES = """\
rules:
  - {id: hot, kind: equipment, title: Too hot, notice: true, detect: {type: limits, signal: x, high: 80}}
"""
ASSETS = "types: {oven: {signals: {x: {unit: degC}, y: {unit: bar}}}}\nassets: {oven: {type: oven}}\n"


def written(home: Path, gateway: str, assets: str = ASSETS) -> Site:
    (home / "rules").mkdir(exist_ok=True)
    (home / "andon.yaml").write_text(SITE.replace("GATEWAY", gateway))
    (home / "assets.yaml").write_text(assets)
    (home / "rules" / "a.yaml").write_text(RULES)
    loaded = load_site(home, os.environ)
    assert loaded.site is not None, loaded.problems
    return loaded.site


class Line:
    """The deciding part of a line, without brokers."""

    def __init__(self, site: Site, decider: Decider, intake: Intake) -> None:
        self.site = site
        self.data = site.settings.data_dir
        self.desk = QuarantineDesk(decider, intake, site.settings)
        self.intake = intake
        self.decider = decider

    async def see(self, topic: str, payload: object) -> None:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        received = self.intake.stamp()
        await self.intake.messages([Message(received, "main", topic.encode(), body, 1, False, False, 1)])
        await self.decided()

    async def decided(self) -> None:
        async with asyncio.timeout(10):
            while self.decider.committed < self.intake.head:  # noqa: ASYNC110 - the decider tells nobody else
                await asyncio.sleep(0.01)

    def kept(self) -> list[Quarantined]:
        return kept(self.data)

    async def feed(self) -> dict[str, Any]:
        return await self.desk.feed({"ids": [item.id for item in self.kept()]})


def kept(data: Path) -> list[Quarantined]:
    with closing(QuarantineReader(data / "alarms.db")) as reader:
        return list(reader.find(Wanted()))


@asynccontextmanager
async def line(site: Site, *, deciding: bool = True) -> AsyncIterator[Line]:
    async with deciding_line(site, run=deciding) as running:
        yield Line(site, running.decider, running.intake)


def on(site: Site, script: Callable[[Line], Awaitable[Any]], **wishes: Any) -> Any:
    async def run() -> Any:
        async with line(site, **wishes) as running:
            return await script(running)

    return asyncio.run(run())


def events(data: Path) -> list[tuple[str, float | str | None]]:
    with closing(AlarmReader(data / "alarms.db")) as reader:
        return [(t.event, t.value) for _, t in reader.transitions_after(0)]


def fed_entries(data: Path) -> list[FedEntry]:
    with JournalReader(data / "journal") as reader:
        return [entry for _, entry in reader.read(1_000) if isinstance(entry, FedEntry)]


def stored(site: Site) -> list[tuple[str, str, int, float | None]]:
    """What the store process makes of the journal."""

    async def store() -> None:
        stop = asyncio.Event()
        storing = asyncio.create_task(run_store(site.settings, stop))
        end = journal_end(site.settings.data_dir / "journal")
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(there, end):  # noqa: ASYNC110 - another thread stores
                await asyncio.sleep(0.02)
        stop.set()
        await storing

    def there(end: int) -> bool:
        try:
            with closing(EmbeddedStore(site.settings.data_dir / "store.db", read_only=True)) as reading:
                return reading.offset() >= end
        except AndonError:
            return False

    asyncio.run(store())
    with closing(EmbeddedStore(site.settings.data_dir / "store.db", read_only=True)) as reading:
        return [(p.asset, p.metric, p.at, p.value) for p in reading.read()]


def test_a_message_is_read_once_the_mapping_is_mended_and_has_its_own_time(tmp_path: Path) -> None:
    async def first(running: Line) -> None:
        await running.see("werk/oven", {"x": 99})
        await running.see("werk/oven", {"x": 20, "timestamp": "2026-03-01T00:00:00Z"})
        assert [item.reason for item in running.kept()] == ["no-gateway", "no-gateway"]
        assert await running.feed() == {"read": 0, "again": {"no-gateway": 2}, "cut": 0}

    on(written(tmp_path, BEFORE), first)
    received = kept(tmp_path / "data")[0].received
    site = written(tmp_path, MENDED)

    async def second(running: Line) -> None:
        assert await running.feed() == {"read": 2, "again": {}, "cut": 0}
        assert running.kept() == []
        assert await running.desk.feed({"ids": [1, 2]}) == {"read": 0, "again": {}, "cut": 0}

    on(site, second)
    assert events(site.settings.data_dir) == [("raised", 99.0)]
    assert stored(site) == [("oven", "x", 1_772_323_200 * SECOND, 20.0), ("oven", "x", received, 99.0)]


def test_an_old_value_decides_nothing_once_a_newer_one_came(tmp_path: Path) -> None:
    on(written(tmp_path, BEFORE), lambda running: running.see("werk/oven", {"x": 99}))

    async def second(running: Line) -> None:
        await running.see("werk/oven", {"x": 20})
        assert (await running.feed())["read"] == 1
        assert running.decider.fleet.monitors["oven"].late == 1

    site = written(tmp_path, MENDED)
    on(site, second)
    assert events(site.settings.data_dir) == []
    assert [value for *_, value in stored(site)] == [99.0, 20.0]


def test_of_a_message_that_was_read_in_part_only_the_rest_is_fed(tmp_path: Path) -> None:
    site = written(tmp_path, BEFORE)

    async def first(running: Line) -> None:
        await running.see("plant/oven", {"x": 99, "y": "n/a"})
        assert [(item.reason, item.metric, item.partly) for item in running.kept()] == [("text-for-number", "y", True)]

    on(site, first)

    async def second(running: Line) -> None:
        assert (await running.feed())["read"] == 1

    on(written(tmp_path, BEFORE, ASSETS.replace(", y: {unit: bar}", "")), second)
    (entry,) = fed_entries(site.settings.data_dir)
    assert entry.metrics == ("y",)
    assert events(site.settings.data_dir) == [("raised", 99.0)]


def test_feeding_survives_a_crash_before_the_decision_and_goes_in_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(written(tmp_path, BEFORE), lambda running: running.see("werk/oven", {"x": 99}))
    site = written(tmp_path, MENDED)
    monkeypatch.setattr(desks, "PATIENCE", SECOND // 5)

    async def cut_short(running: Line) -> None:
        running.desk._fed_until = 0
        for _ in range(2):
            with pytest.raises(AndonError, match="behind"):
                await running.feed()

    on(site, cut_short, deciding=False)
    assert len(fed_entries(site.settings.data_dir)) == 1
    assert len(kept(site.settings.data_dir)) == 1
    monkeypatch.undo()

    async def again(running: Line) -> None:
        assert await running.feed() == {"read": 0, "again": {}, "cut": 0}

    on(site, again)
    assert kept(site.settings.data_dir) == []
    assert len(fed_entries(site.settings.data_dir)) == 1
    assert events(site.settings.data_dir) == [("raised", 99.0)]


def test_nothing_is_fed_after_a_start_before_everything_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = written(tmp_path, BEFORE)
    on(site, lambda running: running.see("werk/oven", {"x": 99}))
    monkeypatch.setattr(desks, "PATIENCE", SECOND // 5)
    site = written(tmp_path, MENDED)

    async def waiting(running: Line) -> None:
        with pytest.raises(AndonError, match="the line is behind; feed again"):
            await running.feed()

    on(site, waiting, deciding=False)
    assert fed_entries(site.settings.data_dir) == []


def test_the_whole_of_a_cut_payload_comes_from_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "QUARANTINE_PAYLOAD", 4)
    site = written(tmp_path, BEFORE)
    on(site, lambda running: running.see("werk/oven", {"x": 99}))
    assert kept(site.settings.data_dir)[0].size > 4

    async def feed(running: Line) -> None:
        assert await running.feed() == {"read": 1, "again": {}, "cut": 0}

    on(written(tmp_path, MENDED), feed)
    assert events(site.settings.data_dir) == [("raised", 99.0)]


def test_what_was_too_large_to_be_taken_whole_is_kept_by_its_beginning_and_never_fed(tmp_path: Path) -> None:
    async def script(running: Line) -> None:
        large = Message(running.intake.stamp(), "main", b"plant/oven", b'{"x": 99', 1, False, False, 1, cut=200_000_000)
        await running.intake.messages([large])
        await running.decided()
        (kept,) = running.kept()
        assert (kept.gateway, kept.reason, kept.size) == ("line1", "too-large", 200_000_008)
        assert await running.feed() == {"read": 0, "again": {}, "cut": 1}

    on(written(tmp_path, BEFORE), script)


def test_a_cut_payload_that_the_journal_has_lost_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "QUARANTINE_PAYLOAD", 4)

    async def feed(running: Line) -> None:
        await running.see("werk/oven", {"x": 99})
        running.desk._journal = tmp_path / "elsewhere"
        assert await running.feed() == {"read": 0, "again": {}, "cut": 1}
        assert len(running.kept()) == 1

    on(written(tmp_path, BEFORE), feed)


@pytest.mark.parametrize("arguments", [{}, {"ids": "1"}, {"ids": ["1"]}, {"ids": [1], "x": 1}, {"ids": [1] * 2000}])
def test_what_is_no_list_of_deliveries_is_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    async def ask(running: Line) -> None:
        for request in (running.desk.feed, running.desk.expire):
            with pytest.raises(RefusedError):
                await request(arguments)

    on(written(tmp_path, BEFORE), ask)


def test_what_is_too_old_expires_by_itself(tmp_path: Path) -> None:
    site = written(tmp_path, BEFORE)

    async def expire(running: Line) -> None:
        await running.see("werk/oven", {"x": 1})
        await tidied(running, 3_600 * SECOND)
        assert len(running.kept()) == 1
        await tidied(running, 0)

    on(site, expire)
    assert kept(site.settings.data_dir) == []
    with closing(QuarantineReader(site.settings.data_dir / "alarms.db")) as reader:
        assert [(group.kept, group.expired) for group in reader.groups()] == [(0, 1)]


async def tidied(running: Line, keep: int) -> None:
    """One round of the housekeeping."""
    kept = Quarantine.model_construct(keep=keep)
    running.desk.replace(running.site.settings.model_copy(update={"quarantine": kept}))
    await running.desk.tidy()


def command(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["quarantine", arguments[0], "--site", str(home), *arguments[1:]])


HOSTILE = b'\x1b[2J{"x":\r\n"\xe2\x80\xae'


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """A site in whose quarantine stand three deliveries; nothing runs."""

    async def see(running: Line) -> None:
        await running.see("werk/oven", {"x": 99})
        await running.see("plant/oven", HOSTILE)
        await running.see("plant/oven", b"\xff\x00\x01" * 10)

    on(written(tmp_path, BEFORE), see)
    return tmp_path


def test_the_list_counts_and_shows_while_nothing_runs(refused: Path) -> None:
    done = command(refused, "list")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["gateway", "reason", "kept", "size", "refused", "read", "expired", "dropped"]
    assert any(line.split()[:3] == ["(none)", "no-gateway", "1"] for line in lines)
    assert "werk/oven  (9 bytes)" in done.stdout
    assert "the newest 1 of 3:" in command(refused, "list", "--limit", "1").stdout


def test_the_list_as_json_can_be_filtered(refused: Path) -> None:
    found = json.loads(command(refused, "list", "--json", "--gateway", "line1").stdout)
    assert {item["gateway"] for item in found["items"]} == {"line1"} == {group["gateway"] for group in found["groups"]}
    assert len(found["items"]) == 2
    assert (
        json.loads(command(refused, "list", "--json", "--topic", "werk/*").stdout)["items"][0]["topic"] == "werk/oven"
    )
    assert json.loads(command(refused, "list", "--json", "--since", "2200-01-01").stdout)["items"] == []


def test_a_payload_is_shown_so_that_no_terminal_obeys_it(refused: Path) -> None:
    shown = command(refused, "show", "2").stdout
    assert r'    \x1b[2J{"x":\r\n"\u202e' in shown
    assert "\x1b" not in shown
    assert "00000000  ff 00 01 ff" in command(refused, "show", "3").stdout


def test_a_payload_comes_out_as_it_was_delivered(refused: Path, tmp_path: Path) -> None:
    assert command(refused, "show", "2", "--out", str(tmp_path / "raw")).exit_code == 0
    assert (tmp_path / "raw").read_bytes() == HOSTILE
    told = json.loads(command(refused, "show", "2", "--json").stdout)
    assert bytes.fromhex(told["payload"]["hex"]) == HOSTILE
    assert told["topic"] == "plant/oven"


@pytest.mark.parametrize("number", ["99", "x", "store-1", "9" * 40])
def test_a_delivery_that_is_not_there_is_an_error(refused: Path, number: str) -> None:
    done = command(refused, "show", number)
    assert done.exit_code == 1
    assert "andon quarantine list" in done.stderr


@pytest.mark.parametrize("act", ["feed", "expire"])
def test_acting_needs_a_choice_and_a_running_line(refused: Path, act: str) -> None:
    assert command(refused, act).exit_code == 2
    done = command(refused, act, "--all")
    assert done.exit_code == 1
    assert "not running" in done.stderr


def test_the_commands_act_over_the_socket(tmp_path: Path) -> None:
    site = written(tmp_path, BEFORE)
    on(site, lambda running: running.see("werk/oven", {"x": 99}))
    mended = written(tmp_path, MENDED)

    async def rest(running: Line) -> None:
        await running.see("plant/oven", b"{")
        await running.see("elsewhere", b"1")
        handlers = {"quarantine-feed": running.desk.feed, "quarantine-expire": running.desk.expire}
        async with serving(running.data, handlers):
            fed = await asyncio.to_thread(command, tmp_path, "feed", "--topic", "werk/*")
            assert (fed.exit_code, fed.stdout.splitlines()[-1]) == (0, "1 read")
            again = await asyncio.to_thread(command, tmp_path, "feed", "--all")
            assert again.exit_code == 1
            assert "0 read; refused again: 2 no-gateway" in again.stdout
            gone = await asyncio.to_thread(command, tmp_path, "expire", "--topic", "elsewhere")
            assert (gone.exit_code, gone.stdout) == (0, "1 deleted\n")
            old = await asyncio.to_thread(command, tmp_path, "expire", "--older-than", "1h")
            assert old.stdout == "0 deleted\n"
        assert [item.topic for item in running.kept()] == [b"plant/oven"]

    on(mended, rest)
