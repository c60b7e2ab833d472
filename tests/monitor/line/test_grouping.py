"""The line with a group stage: who is told, what is listed, and the same after a crash at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sqlalchemy import select

from monitor import clock
from monitor.alerting.policy import Why
from monitor.database.migrate import open_for_reading
from monitor.database.queries import AlarmReader
from monitor.database.schema import transitions
from monitor.journal.entries import Entry, Message, TickEntry
from monitor.site import Site, load_site
from rules.alarms import State
from rules.events import SECOND, Instant
from tests.monitor.line.deciding import deciding, message, site_of, told, verdicts

RULES = """\
  - {id: trip, kind: equipment, assets: line, notice: true, detect: {type: limits, signal: x, high: 5}}
  - {id: low, kind: equipment, notice: true, inhibited_by: [trip], detect: {type: limits, signal: y, low: 5}}
  - {id: sum, kind: equipment, notice: true, detect: {type: condition, scope: plant, expression: 'asset("a").y + asset("b").y > 90'}}
  - {id: quiet, kind: equipment, assets: "m*", notice: true, detect: {type: silence, after: 20s}}
"""
NAMES = [f"m{n}" for n in range(20)]
ASSETS = "assets:\n  a: {parent: line}\n  b: {parent: line}\n" + "".join(
    f"  {name}: {{gateway: line1}}\n" for name in NAMES
)


def site_with(directory: Path, assets: str = ASSETS) -> Site:
    (directory / "assets.yaml").write_text(assets)
    return site_of(directory, RULES)


def rows(site: Site) -> list[tuple[str, ...]]:
    engine = open_for_reading(site.settings.data_dir / "alarms.db")
    columns = (
        transitions.c.id,
        transitions.c.event,
        transitions.c.from_state,
        transitions.c.to_state,
        transitions.c.told,
    )
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(select(*columns).order_by(transitions.c.seq))]
    engine.dispose()
    return found


def states(site: Site) -> dict[str, State]:
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        return {f"{alarm.asset}:{alarm.rule}": alarm.state for alarm in reader.alarms()}


def tripping(start: Instant) -> Iterator[Entry]:
    """A trip that pulls others after it, one of them before it was known; then all is normal again."""
    moves = [
        (0.0, "a", {"y": 1}), (0.5, "line", {"x": 9}), (0.6, "b", {"y": 1}), (2, None, {}), (4, "b", {"y": 60}),
        (5, "line", {"x": 1}), (7, None, {}), (8, "a", {"y": 40}), (10, None, {}),
    ]  # fmt: skip
    for second, asset, values in moves:
        at = start + round(second * SECOND)
        yield TickEntry(at) if asset is None else message(at, asset, **values)


def silence(start: Instant) -> Iterator[Entry]:
    """Twenty machines speak and then their gateway says nothing more."""
    for second in range(0, 30, 10):
        yield from (message(start + second * SECOND + n * SECOND // 100, name, z=1) for n, name in enumerate(NAMES))
    yield from (TickEntry(start + second * SECOND) for second in range(21, 60))


def decided(site: Site, entries: list[Entry], *, chunks: int = 1) -> None:
    """Through a line that ends, as if it crashed, after each chunk."""

    async def run(chunk: list[Entry]) -> None:
        async with deciding(site) as line:
            await line.feed(*chunk)

    size = -(-len(entries) // chunks)
    for begin in range(0, len(entries), size):
        asyncio.run(run(entries[begin : begin + size]))


def test_only_the_cause_is_told_and_all_is_listed(tmp_path: Path) -> None:
    site = site_with(tmp_path)

    async def script() -> list[tuple[str, str, str]]:
        async with deciding(site) as line:
            await line.feed(*list(tripping(line.intake.stamp()))[:4])
            return told(site)

    assert asyncio.run(script()) == [("alert", "line", "trip")]
    assert states(site) == {"line:trip": "B", "a:low": "H", "b:low": "H"}
    assert [verdict for rule, event, verdict in verdicts(site) if (rule, event) == ("low", "raised")] == [
        Why.SUPPRESSED
    ] * 2


def test_the_same_is_decided_over_any_number_of_restarts(tmp_path: Path) -> None:
    start, seen = clock.now() + 3_600 * SECOND, {}
    for chunks in (1, 3, 9):
        directory = tmp_path / str(chunks)
        directory.mkdir()
        site = site_with(directory)
        decided(site, list(tripping(start)), chunks=chunks)
        seen[chunks] = (rows(site), states(site), sorted(told(site)))
    assert seen[1] == seen[3] == seen[9]
    assert seen[1][1] == {"line:trip": "D", "a:low": "D", "b:low": "D", "plant:sum": "B"}


def test_twenty_machines_that_lose_their_gateway_are_one_notification(tmp_path: Path) -> None:
    site = site_with(tmp_path)

    async def script() -> None:
        async with deciding(site) as line:
            await line.feed(*silence(line.intake.stamp()))

    asyncio.run(script())
    assert told(site) == [("alert", "line1", "system.comms-lost")]
    found = states(site)
    assert [found[f"{name}:quiet"] for name in NAMES] == ["H"] * 20


def test_twenty_guards_that_lose_their_gateway_are_one_notification_that_names_them_all(tmp_path: Path) -> None:
    (tmp_path / "assets.yaml").write_text(ASSETS)
    site = site_of(
        tmp_path,
        '  - {id: guard-lost, kind: safety, title: Guard, assets: "m*", notice: true, detect: {type: silence, after: 20s}}\n',
    )

    async def script() -> None:
        async with deciding(site) as line:
            await line.feed(*silence(line.intake.stamp()))

    asyncio.run(script())
    assert told(site) == [("alert", "line1", "system.comms-lost")]
    assert [states(site)[f"{name}:guard-lost"] for name in NAMES] == ["B"] * 20, "each stays in sight"
    covered = [verdict for rule, event, verdict in verdicts(site) if (rule, event) == ("guard-lost", "raised")]
    assert covered == [Why.COVERED] * 20
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        (text,) = [alarm.text for alarm in reader.active() if alarm.rule == "system.comms-lost"]
    assert all(f"{name}: Guard" in text for name in NAMES)


def test_the_will_of_a_gateway_is_told_at_once_and_after_a_crash_not_again(tmp_path: Path) -> None:
    (tmp_path / "assets.yaml").write_text("assets: {m1: {gateway: line1}, m2: {gateway: line1}}\n")
    site_of(
        tmp_path,
        '  - {id: door, kind: safety, title: Door, assets: "m*", notice: true, detect: {type: limits, signal: x, high: 5}}\n',
    )
    rewritten = (
        (tmp_path / "andon.yaml").read_text().replace("{name: line1,", "{name: line1, status: {topic: line1/state},")
    )
    (tmp_path / "andon.yaml").write_text(rewritten)
    site = load_site(tmp_path, {}).site
    assert site is not None
    assert site.filters("main") == ["plant/+", "line1/state"]

    async def script(*payloads: bytes) -> None:
        async with deciding(site) as line:
            now = line.intake.stamp()
            await line.feed(message(now, "m1", x=1), message(now, "m2", x=1))
            await line.feed(*(Message(now, "main", b"line1/state", payload, 1, True, False, 2) for payload in payloads))

    asyncio.run(script(b"online", b"offline"))
    assert told(site) == [("alert", "line1", "system.comms-lost")]
    with closing(AlarmReader(site.settings.data_dir / "alarms.db")) as reader:
        (alarm,) = reader.active()
    assert "2 safety functions blind: m1: Door, m2: Door" in alarm.text
    asyncio.run(script())
    assert states(site)["line1:system.comms-lost"] == State.RETURNED_UNACKNOWLEDGED


def test_a_storm_is_all_in_the_list_and_bundled_in_what_people_get(tmp_path: Path) -> None:
    site = site_with(tmp_path, "assets: {}\n")

    async def script() -> None:
        async with deciding(site) as line:
            start = line.intake.stamp()
            await line.feed(*(message(start + n, f"s{n}", y=1) for n in range(1_000)))
            await line.feed(TickEntry(start + 2 * SECOND), TickEntry(start + 100 * SECOND))

    asyncio.run(script())
    assert sum(event == "raised" for _, event, _, _, _ in rows(site)) == 1_000
    assert [purpose for purpose, _, _ in told(site)] == ["alert"] * 10 + ["summary"]
