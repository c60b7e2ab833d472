"""The command line as its user meets it: what it writes, what it says, and its exit status."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor import clock
from monitor.cli import app
from monitor.datalock import DataLock
from monitor.stores.base import Point
from monitor.stores.embedded import EmbeddedStore
from rules.events import SECOND

SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways:
  - {name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}
notify: {teams: {default: {channels: ["console://"]}}, routes: [{match: {}, to: default}]}
web: {port: 0}
"""
RULES = """\
version: 1
rules:
  - id: too-hot
    kind: equipment
    response: Cool it.
    detect: {type: limits, signal: temperature, high: 80, on_delay: 1s}
"""
RECORDING = """\
timestamp,asset,metric,value
2026-03-01T06:00:00Z,oven,temperature,70
2026-03-01T06:00:10Z,oven,temperature,90
2026-03-01T06:00:20Z,oven,temperature,91
2026-03-01T06:00:30Z,oven,temperature,60
"""


def andon(*arguments: object, **environment: str) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "100", **environment})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = tmp_path / "plant"
    (directory / "rules").mkdir(parents=True)
    (directory / "andon.yaml").write_text(SITE)
    (directory / "rules" / "oven.yaml").write_text(RULES)
    return directory


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A recording, a rule file, and where the transitions go."""
    (tmp_path / "in.csv").write_text(RECORDING)
    (tmp_path / "rules.yaml").write_text(RULES)
    return tmp_path / "in.csv", tmp_path / "rules.yaml", tmp_path / "out.jsonl"


@pytest.mark.parametrize("command", ["demo", "init", "run", "check", "test", "record", "replay", "export"])
def test_every_command_teaches_by_example(command: str) -> None:
    done = andon(command, "--help")
    assert done.exit_code == 0
    assert f"andon {command}" in done.output.replace("Usage: ", "", 1)


def test_help_lists_the_commands_and_what_the_files_are() -> None:
    output = andon("--help").output
    assert all(word in output for word in ("demo", "andon.yaml", "assets.yaml", "rules/*.yaml", "Exit status"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["check"],
        ["check", "--site", "/no/such/directory"],
        ["run"],
        ["replay", "/no/such/file", "--rules", "x", "--out", "y"],
        ["demo", "--for", "60x"],
        ["demo", "--port", "70000"],
        ["export", "--site", ".", "--out", "x.csv", "--start", "yesterday"],
    ],
    ids=" ".join,
)
def test_wrong_command_line_is_status_2_without_a_traceback(arguments: list[str]) -> None:
    done = andon(*arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_help_comes_at_once() -> None:
    started = clock.elapsed()
    subprocess.run([sys.executable, "-c", "from monitor.cli import app"], check=True)
    heavy = (
        "import sys, monitor.cli; print({'sqlalchemy', 'fastapi', 'pydantic', 'paho', 'structlog'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", heavy], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"
    assert clock.elapsed() - started < 20 * SECOND


def test_replay_writes_every_transition_as_a_line_of_json(files: tuple[Path, Path, Path]) -> None:
    recording, rules, out = files
    done = andon("replay", recording, "--rules", rules, "--out", out)
    assert done.exit_code == 0, done.output
    transitions = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(t["event"], t["at"]) for t in transitions] == [
        ("raised", "2026-03-01T06:00:11Z"),
        ("cleared", "2026-03-01T06:00:30Z"),
    ]
    assert done.stdout == ""
    assert "4 rows" in done.stderr
    assert "2 transitions" in done.stderr


def test_replay_reads_compressed_recordings_alike(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    recording, rules, out = files
    andon("replay", recording, "--rules", rules, "--out", out)
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(recording.read_bytes()))
    andon("replay", tmp_path / "in.csv.gz", "--rules", rules, "--out", tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == out.read_bytes()


def test_replay_counts_and_shows_bad_rows_and_goes_on(files: tuple[Path, Path, Path]) -> None:
    recording, rules, out = files
    recording.write_text(RECORDING.replace("2026-03-01T06:00:20Z", "yesterday") + "only,three,columns\n")
    done = andon("replay", recording, "--rules", rules, "--out", out)
    assert done.exit_code == 0
    assert "2 bad rows" in done.stderr
    assert "in.csv:4" in done.stderr
    assert len(out.read_text().splitlines()) == 2


def test_replay_reports_every_problem_of_its_inputs_at_once_and_writes_nothing(files: tuple[Path, Path, Path]) -> None:
    recording, rules, out = files
    recording.write_text("when,what\n1,2\n")
    rules.write_text("rules:\n  - {id: a, kind: nonsense}\n  - {id: b, kind: safety, detect: {type: limit}}\n")
    out.write_text("from before")
    done = andon("replay", recording, "--rules", rules, "--out", out)
    assert done.exit_code == 1
    assert {"rules.yaml:2", "rules.yaml:3", "in.csv:1"} <= {
        line.split(": ")[0].rpartition("/")[2] for line in done.stderr.splitlines()
    }
    assert out.read_text() == "from before"


def test_replay_takes_what_is_known_of_the_machines(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    recording, rules, out = files
    assets = tmp_path / "assets.yaml"
    rules.write_text(RULES.replace("    detect", "    assets: oven\n    detect"))
    assets.write_text("types: {oven: {signals: {temp: {}}}}\nassets: {oven: {type: oven}}\n")
    done = andon("replay", recording, "--rules", rules, "--assets", assets, "--out", out)
    assert done.exit_code == 1
    assert "temperature" in done.stderr


def test_replay_goes_by_the_calendar_of_a_time_zone(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, rules, out = files
    recording = tmp_path / "weekend.csv"
    recording.write_text("timestamp,asset,metric,value\n2026-03-06T21:30:00Z,m,x,1\n2026-03-10T00:00:00Z,m,x,1\n")
    rules.write_text(
        "rules: [{id: quiet, kind: equipment, assets: m, detect: {type: silence, after: 2h, calendar: mon-fri}}]"
    )
    raised = {}
    for zone in ("UTC", "Europe/Berlin"):
        assert andon("replay", recording, "--rules", rules, "--timezone", zone, "--out", out).exit_code == 0
        raised[zone] = json.loads(out.read_text().splitlines()[0])["at"]
    assert raised == {"UTC": "2026-03-06T23:30:00Z", "Europe/Berlin": "2026-03-08T23:30:00Z"}
    done = andon("replay", recording, "--rules", rules, "--timezone", "Mars/North", "--out", out)
    assert done.exit_code == 1
    assert "unknown time zone `Mars/North`" in done.stderr


def test_replay_into_a_place_that_cannot_be_written_says_so(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    recording, rules, _ = files
    done = andon("replay", recording, "--rules", rules, "--out", tmp_path / "no" / "out.jsonl")
    assert done.exit_code == 1
    assert "out.jsonl: cannot be written" in done.stderr


def test_check_accepts_a_sound_site(site: Path) -> None:
    done = andon("check", "--site", site)
    assert done.exit_code == 0, done.output
    assert "0 errors" in done.stderr


def test_check_names_the_queue_of_a_broker_that_it_did_not_ask(site: Path) -> None:
    done = andon("check", "--site", site)
    last = done.stderr.splitlines()[-1]
    assert ("max_queued_messages" in last, "--connect" in last) == (True, True)
    assert "max_queued_messages" not in done.stdout
    file = site / "andon.yaml"
    file.write_text(re.sub(r"^broker: .*$", "broker: {embedded: true}", file.read_text(), flags=re.MULTILINE))
    assert "max_queued_messages" not in andon("check", "--site", site).stderr


def test_check_shows_warnings_and_is_still_content(site: Path) -> None:
    (site / "rules" / "oven.yaml").write_text(RULES.replace("    response: Cool it.\n", ""))
    done = andon("check", "--site", site)
    assert done.exit_code == 0
    assert "warning" in done.stdout


def test_check_shows_every_error_with_its_place(site: Path) -> None:
    (site / "andon.yaml").write_text(SITE + "wibble: 1\n")
    (site / "rules" / "oven.yaml").write_text(RULES.replace("equipment", "equipmnt").replace("high:", "hihg:"))
    done = andon("check", "--site", site)
    assert done.exit_code == 1
    assert "andon.yaml:7: error" in done.stdout
    assert "rules/oven.yaml:4: error" in done.stdout
    assert "rules/oven.yaml:6: error" in done.stdout


def test_run_refuses_a_site_with_errors_and_shows_them(site: Path) -> None:
    (site / "andon.yaml").write_text(SITE + "wibble: 1\n")
    done = andon("run", "--site", site)
    assert done.exit_code == 1
    assert "andon.yaml:7: error" in done.stderr
    assert not (site / "data").exists()


def test_run_refuses_a_second_monitor(site: Path) -> None:
    with DataLock(site / "data"):
        done = subprocess.run(
            [sys.executable, "-c", "from monitor.cli import main; main()", "run", "--site", str(site)],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert f"pid {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_starts_three_processes_and_ends_on_sigterm(site: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from monitor.cli import main; main()", "run", "--site", str(site)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        started = {json.loads(next(process.stderr)).get("child") for _ in range(3)}
        assert started == {"line", "store", "web"}
        sent = clock.elapsed()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 0
        assert clock.elapsed() - sent < 5 * SECOND
    finally:
        process.kill()
        process.wait()


def test_export_writes_what_the_store_holds(site: Path, tmp_path: Path) -> None:
    (site / "data").mkdir()
    at = 1_772_344_800 * SECOND
    with closing(EmbeddedStore(site / "data" / "store.db")) as store:
        store.write([Point("oven", name, at + n * SECOND, float(n), None, 0) for name in "ab" for n in range(3)], 6)
    out = tmp_path / "out.csv"
    done = andon("export", "--site", site, "--out", out, "--metric", "b", "--start", "2026-03-01T06:00:01Z")
    assert done.exit_code == 0, done.output
    assert out.read_text().splitlines() == [
        "timestamp,asset,metric,value,quality",
        "2026-03-01T06:00:01Z,oven,b,1.0,good",
        "2026-03-01T06:00:02Z,oven,b,2.0,good",
    ]
    assert "2 readings" in done.stderr


def test_export_of_a_day_takes_plain_dates(site: Path, tmp_path: Path) -> None:
    (site / "data").mkdir()
    with closing(EmbeddedStore(site / "data" / "store.db")) as store:
        store.write([Point("oven", "a", day * 86_400 * SECOND, 1.0, None, 0) for day in (20512, 20513, 20514)], 3)
    done = andon("export", "--site", site, "--out", tmp_path / "o.csv", "--start", "2026-02-28", "--end", "2026-03-01")
    assert "1 readings" in done.stderr


def test_export_before_the_first_run_says_what_is_missing(site: Path, tmp_path: Path) -> None:
    done = andon("export", "--site", site, "--out", tmp_path / "out.csv")
    assert done.exit_code == 1
    assert "no store yet" in done.stderr


def test_export_to_an_unknown_ending_is_refused(site: Path, tmp_path: Path) -> None:
    (site / "data").mkdir()
    EmbeddedStore(site / "data" / "store.db").close()
    done = andon("export", "--site", site, "--out", tmp_path / "out.xls")
    assert done.exit_code == 1
    assert ".csv" in done.stderr


def test_init_writes_a_site_that_check_accepts(tmp_path: Path) -> None:
    assert andon("init", tmp_path / "new").exit_code == 0
    done = andon("check", "--site", tmp_path / "new")
    assert done.exit_code == 0, done.output


def test_init_overwrites_nothing(site: Path) -> None:
    done = andon("init", site)
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert (site / "andon.yaml").read_text() == SITE


def test_debugging_shows_where_an_error_came_from(site: Path, tmp_path: Path) -> None:
    done = andon("export", "--site", site, "--out", tmp_path / "out.csv", ANDON_DEBUG="1")
    assert done.exit_code == 1
    assert "Traceback" in done.stderr


def test_version_is_told() -> None:
    assert andon("--version").output.startswith("andon ")


def test_replay_finds_a_table_of_fault_codes_beside_the_rules(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    recording, rules, out = files
    rules.write_text(
        "rules: [{id: faults, kind: equipment, detect: {type: alarm_table, signal: temperature, table: faults.csv}}]"
    )
    (tmp_path / "faults.csv").write_text("code,text\n60,Sixty\n")
    done = andon("replay", recording, "--rules", rules, "--out", out)
    assert done.exit_code == 0, done.stderr
    assert "Sixty" in out.read_text()


SCENARIO = """\
scenarios:
  - name: the door stays open
    asset: oven
    series: {temperature: [70 for 10s, 90 for 10s]}
    expect:
      - {at: 11s, rule: too-hot, event: raised}
"""


@pytest.fixture
def tried(site: Path) -> Path:
    """A site with one scenario that passes."""
    (site / "scenarios").mkdir()
    (site / "scenarios" / "door.yaml").write_text(SCENARIO)
    return site


def test_a_scenario_that_passes_is_a_line(tried: Path) -> None:
    done = andon("test", "--site", tried)
    assert done.exit_code == 0
    assert done.stdout == f"{tried}/scenarios/door.yaml:2: passed: the door stays open (1 transition)\n"
    assert done.stderr.endswith("1 passed, 0 failed\n")


def test_a_scenario_that_fails_says_what_came_instead_and_is_status_1(tried: Path) -> None:
    (tried / "scenarios" / "late.yaml").write_text(SCENARIO.replace("at: 11s", "at: 15s"))
    done = andon("test", "--site", tried)
    assert done.exit_code == 1
    assert "late.yaml:2: FAILED: the door stays open" in done.stdout
    assert "    line 6: expected 15s oven:too-hot raised" in done.stdout
    assert "        the nearest came at 11s: temperature 90 above high limit 80" in done.stdout
    assert done.stderr.endswith("1 passed, 1 failed\n")
    assert andon("test", "--site", tried, tried / "scenarios" / "door.yaml").exit_code == 0


def test_mistakes_in_scenarios_are_told_with_their_lines(tried: Path) -> None:
    (tried / "scenarios" / "wrong.yaml").write_text(SCENARIO.replace("90 for 10s", "90 fr 10s"))
    done = andon("test", "--site", tried)
    assert done.exit_code == 1
    assert "wrong.yaml:4: error: `90 fr 10s` is no piece of a course" in done.output
    assert "1 passed, 0 failed, 1 error in files" in done.output


def test_a_site_without_scenarios_is_told_and_not_passed_over(site: Path) -> None:
    done = andon("test", "--site", site)
    assert done.exit_code == 1
    assert "scenarios: cannot be read" in done.output


def test_a_stored_stretch_becomes_a_scenario_that_passes(site: Path) -> None:
    (site / "data").mkdir()
    with closing(EmbeddedStore(site / "data" / "store.db")) as store:
        start = 1_772_344_800 * SECOND
        store.write([Point("oven", "temperature", start + n * SECOND, 70.0 + 5 * n, None, 0) for n in range(5)], 1)
    out = site / "scenarios" / "door.yaml"
    wanted = ["--asset", "oven", "--start", "2026-03-01T06:00:00Z", "--end", "2026-03-01T06:00:10Z", "--out", out]
    done = andon("record", "--site", site, *wanted)
    assert (done.exit_code, done.output) == (0, f"{out}: 1 expected transition\n")
    assert andon("test", "--site", site).exit_code == 0
    again = andon("record", "--site", site, *wanted)
    assert (again.exit_code, "cannot be written (File exists); name a new file" in again.output) == (1, True)


def test_a_stretch_that_ends_before_it_begins_is_a_wrong_command_line(site: Path) -> None:
    wanted = ["--asset", "oven", "--start", "2026-03-02", "--end", "2026-03-01", "--out", site / "x.yaml"]
    assert andon("record", "--site", site, *wanted).exit_code == 2


def test_packs_are_listed_and_copied(tmp_path: Path) -> None:
    listed = andon("init", "--list-packs")
    assert listed.exit_code == 0
    assert "pump               equipment  Centrifugal pump" in listed.stdout
    assert andon("init", tmp_path / "p", "--pack", "pump", "--pack", "gas").exit_code == 0
    assert andon("check", "--site", tmp_path / "p").exit_code == 0
    assert andon("test", "--site", tmp_path / "p").exit_code == 0
    unknown = andon("init", tmp_path / "q", "--pack", "pmup")
    assert unknown.exit_code == 1
    assert "did you mean `pump`?" in unknown.output
