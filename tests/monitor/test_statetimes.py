"""`andon states` over what a monitor left behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from monitor.cli import app
from monitor.database.gaps import Gap, Why
from monitor.database.ledger import Ledger, Step
from monitor.database.queries import AlarmReader
from monitor.journal.entries import TickEntry
from monitor.journal.writer import JournalWriter
from monitor.statetimes import periods
from rules.alarms import Transition
from rules.builtin import COMMS_LOST
from rules.calendar import Calendar
from rules.events import SECOND
from tests.monitor.test_explaining import Plant
from tests.rules.plant import T0, seen, tick

ASSETS = """\
types:
  oven:
    signals: {temperature: {}, mode: {range: [0, 9]}, parts: {sentinels: [65535]}, rejects: {range: [0, 1000]}}
    states: {signal: mode, map: {3: running, 4: fault, 0: off}}
    counts: {good: parts, scrap: rejects}
assets: {oven: {type: oven, bind: {mode: MODE_W}}}
"""
RULES = """\
version: 1
rules:
  - {id: too-hot, kind: equipment, title: Oven too hot, response: Cool it., detect: {type: limits, signal: temperature, high: 80}}
"""
BERLIN = ZoneInfo("Europe/Berlin")


def states(plant: Plant, *arguments: str) -> str:
    command = ["states", "--site", str(plant.directory), "--start", "2023-11-14T22:13:20Z", *arguments]
    done = CliRunner().invoke(app, command, env={"COLUMNS": "200"})
    assert done.exit_code in (0, 1), done.output
    return done.output


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    plant = Plant(tmp_path / "plant")
    (plant.directory / "assets.yaml").write_text(ASSETS)
    plant.write(RULES)
    plant.run(
        seen(0, asset="oven", MODE_W=3, temperature=70, parts=100, rejects=7),
        seen(30, asset="oven", temperature=90),
        seen(32, asset="oven", MODE_W=4, parts=110, rejects=9),
        seen(50, asset="oven", MODE_W=3, temperature=60),
        tick(60),
    )
    return plant


def test_time_in_states_counts_and_the_alarm_that_stopped_it(plant: Plant) -> None:
    told = states(plant, "--asset", "oven", "--end", "2023-11-14T22:14:20Z")
    assert "good 10, scrap 2" in told
    assert "running             42s  70.0 %" in told
    assert "fault               18s  30.0 %" in told
    assert "for 18s: Oven too hot (oven:too-hot:" in told


def test_readings_that_no_rule_would_believe_count_nothing(plant: Plant) -> None:
    plant.run(
        seen(61, asset="oven", parts=65535, rejects=2000, MODE_W=99),
        seen(62, asset="oven", parts=112, rejects=10, MODE_W=3),
        seen(63, asset="oven", parts=500, bad=("parts",)),
        seen(64, asset="oven", parts=113),
    )
    told = states(plant, "--asset", "oven", "--end", "2023-11-14T22:14:26Z")
    assert "good 13, scrap 3" in told
    assert "unknown              1s" in told


END = ("--end", "2023-11-14T22:15:00Z")
"""100 s after T0; the last reading, at second 50, says that it runs."""


def note(plant: Plant, transitions: Sequence[Transition] = (), gaps: tuple[Gap, ...] = ()) -> None:
    with closing(Ledger(plant.directory / "data" / "alarms.db")) as ledger:
        ledger.commit(Step(2, 1, list(transitions), gaps=gaps))


def gap(broker: str, since: int, until: int, start: int = 7) -> Gap:
    return Gap(Why.AWAY, broker, start, T0 + since * SECOND, T0 + until * SECOND, 0)


def test_time_in_which_nobody_listened_is_unknown(plant: Plant) -> None:
    assert "running           1m22s" in states(plant, "--asset", "oven", *END)
    note(plant, gaps=(gap("main", 55, 75), gap("other", 0, 99)))
    told = states(plant, "--asset", "oven", *END)
    assert "unknown             20s" in told
    assert "running            1m2s" in told


def test_what_the_broker_kept_and_delivered_was_seen(plant: Plant) -> None:
    note(plant, gaps=(gap("main", 55, 75),))
    plant.run(seen(60, asset="oven", temperature=60), seen(65, asset="oven", MODE_W=4))
    told = states(plant, "--asset", "oven", *END)
    assert "unknown             10s" in told
    assert "fault               43s" in told


def test_with_several_brokers_one_that_is_heard_is_enough(plant: Plant) -> None:
    site = (plant.directory / "andon.yaml").read_text()
    brokers = 'brokers: {main: {url: "mqtt://127.0.0.1:1"}, other: {url: "mqtt://127.0.0.1:2"}}'
    second = "  - {name: line2, broker: other, format: json, topic: 'b/{machine}', asset: '{machine}'}\nnotify:"
    site = site.replace('broker: {url: "mqtt://127.0.0.1:1"}', brokers).replace(
        "name: line1", "name: line1, broker: main"
    )
    (plant.directory / "andon.yaml").write_text(site.replace("notify:", second))
    note(plant, gaps=(gap("main", 55, 75), gap("other", 70, 90)))
    assert "unknown              5s" in states(plant, "--asset", "oven", *END)
    (plant.directory / "assets.yaml").write_text(ASSETS.replace("type: oven, bind", "type: oven, gateway: line2, bind"))
    assert "unknown             20s" in states(plant, "--asset", "oven", *END)


def test_while_its_gateway_is_lost_a_machine_is_in_no_state(plant: Plant) -> None:
    (plant.directory / "assets.yaml").write_text(ASSETS.replace("type: oven, bind", "type: oven, gateway: line1, bind"))
    with closing(AlarmReader(plant.directory / "data" / "alarms.db")) as reader:
        first, *_ = (transition for _, transition in reader.transitions_after(0))
    lost = msgspec.structs.replace(first, asset="line1", rule=COMMS_LOST, id="lost", alarm="lost", at=T0 + 55 * SECOND)
    note(plant, [lost])
    assert "unknown             45s" in states(plant, "--asset", "oven", *END)
    note(plant, [msgspec.structs.replace(lost, id="back", event="cleared", at=T0 + 58 * SECOND)])
    assert "unknown              3s" in states(plant, "--asset", "oven", *END)


@pytest.mark.parametrize(("signal", "unknown"), [("", True), (", signal: temperature", False)])
def test_while_a_machine_is_silent_as_a_whole_it_is_in_no_state(tmp_path: Path, signal: str, unknown: bool) -> None:
    plant = Plant(tmp_path / "other")
    (plant.directory / "assets.yaml").write_text(ASSETS)
    detect = f"{{type: silence, after: 20s{signal}}}"
    plant.write(f"version: 1\nrules:\n  - {{id: gone, kind: equipment, response: x, detect: {detect}}}\n")
    plant.run(
        seen(0, asset="oven", MODE_W=3, temperature=1), tick(30), seen(50, asset="oven", temperature=60), tick(60)
    )
    assert ("unknown             30s" in states(plant, "--asset", "oven", "--end", "2023-11-14T22:14:20Z")) is unknown


def test_behind_what_was_journalled_last_nobody_looked(plant: Plant) -> None:
    with closing(JournalWriter(plant.directory / "data" / "journal")) as journal:
        journal.append([TickEntry(T0 + 60 * SECOND)])
    assert "unknown             40s" in states(plant, "--asset", "oven", *END)


def test_programs_get_json(plant: Plant) -> None:
    (account,) = json.loads(states(plant, "--asset", "oven", "--end", "2023-11-14T22:14:20Z", "--json"))
    assert account["states"] == {"running": 42 * SECOND, "fault": 18 * SECOND}
    assert account["stops"][0]["alarm"]["rule"] == "too-hot"


def test_a_machine_without_states_is_an_error_with_a_hint(plant: Plant) -> None:
    assert "give its type `states` in assets.yaml" in states(plant, "--asset", "mill")


def shifts() -> Calendar:
    return Calendar.model_validate({"shifts": {"early": "06:00-14:00", "late": "14:00-22:00", "night": "22:00-06:00"}})


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp()) * SECOND


def test_a_night_is_longer_where_clocks_go_back() -> None:
    found = periods(shifts(), BERLIN, instant("2026-10-24T22:00+02:00"), instant("2026-10-25T14:00+01:00"))
    assert [(p.day, p.shift, (p.end - p.start) // SECOND // 3600) for p in found] == [
        ("2026-10-24", "night", 9),
        ("2026-10-25", "early", 8),
    ]


@given(st.integers(1_500_000_000, 1_900_000_000), st.integers(1, 400_000))
def test_shifts_round_the_clock_leave_no_time_out(start: int, length: int) -> None:
    found = periods(shifts(), BERLIN, start * SECOND, (start + length) * SECOND)
    assert found[0].start == start * SECOND
    assert found[-1].end == (start + length) * SECOND
    assert all(one.end == other.start for one, other in pairwise(found))
