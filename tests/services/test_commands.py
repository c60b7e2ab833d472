"""People act on a running monitor, it is killed, and what they did still holds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until

RULES = """version: 1
rules:
  - {id: hot, kind: equipment, notice: true, detect: {type: limits, signal: level, high: 50}}
"""
GATEWAY = '  - {name: g, format: json, topic: "plant/{line}/{machine}/{metric}", asset: "{line}/{machine}"}'
ALARM = "l/m:hot"


@pytest.fixture
def site(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> Iterator[RunningSite]:
    broker = start_mosquitto()
    running = RunningSite(tmp_path / "site", f'{{url: "mqtt://127.0.0.1:{broker.port}"}}', RULES, GATEWAY)
    running.start()
    publisher = paho.Client(CallbackAPIVersion.VERSION2, "machine")
    publisher.connect("127.0.0.1", broker.port)
    publisher.loop_start()
    publisher.publish("plant/l/m/level", "80", qos=1, retain=True)
    yield running
    publisher.loop_stop()
    running.stop()


def andon(site: RunningSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", *arguments, "--site", str(site.directory)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def states(site: RunningSite) -> dict[str, str]:
    done = andon(site, "alarms", "--json")
    return {row["rule"]: row["state"] for row in json.loads(done.stdout)} if done.returncode == 0 else {}


def test_a_shelf_survives_kill_and_ends_by_itself(site: RunningSite) -> None:
    until(lambda: states(site).get("hot") == "B", 60, "the alarm")
    shelved = andon(site, "alarm", "shelve", ALARM, "--by", "kim", "--comment", "drift", "--for", "20s")
    assert (shelved.returncode, shelved.stderr) == (0, "")
    assert "its state is G" in shelved.stdout
    site.kill()
    down = andon(site, "alarm", "unshelve", ALARM, "--by", "kim")
    assert (down.returncode, down.stdout) == (1, "")
    assert "not running" in down.stderr
    assert states(site) == {"hot": "G"}
    site.start()
    until(lambda: states(site).get("hot") == "B", 60, "the end of the shelf")
    done = andon(site, "alarm", "acknowledge", ALARM, "--by", "kim")
    assert done.returncode == 0
    again = andon(site, "alarm", "acknowledge", ALARM, "--by", "kim")
    assert (again.returncode, again.stderr) == (1, "andon: it is acknowledged already\n")
    told = [(t.event, t.from_ + t.to, t.by) for t in site.transitions() if t.rule == "hot"]
    assert told == [
        ("raised", "AB", "andon"),
        ("shelved", "BG", "kim"),
        ("unshelved", "GB", "andon"),
        ("acknowledged", "BC", "kim"),
    ]


def test_other_limits_survive_kill_and_new_files_until_somebody_restores_those(site: RunningSite) -> None:
    until(lambda: states(site).get("hot") == "B", 60, "the alarm")
    done = andon(site, "alarm", "override", ALARM, "high=90", "--by", "kim", "--comment", "trial", "--for", "8h")
    assert (done.returncode, done.stderr) == (0, "")
    assert "override by kim (high 90 instead of 50, 8h): trial; its state is D" in done.stdout
    site.kill()
    assert "l/m:hot: high is 90 until" in andon(site, "check").stdout
    site.start()
    file = site.directory / "rules" / "rules.yaml"
    file.write_text(file.read_text().replace("high: 50", "high: 60"))
    until(lambda: andon(site, "reload").returncode == 0, 60, "the reload")
    assert "the files say 60" in andon(site, "check").stdout
    assert states(site) in ({}, {"hot": "D"}), "a rule that changed begins anew, by the limit in force"
    assert andon(site, "alarm", "restore", ALARM, "--by", "lee").returncode == 0
    until(lambda: states(site).get("hot") == "B", 60, "the alarm by the limit of the new files")
    assert "l/m:hot" not in andon(site, "check").stdout
    told = [(t.event, t.by) for t in site.transitions() if t.rule == "hot"]
    assert told[:3] == [("raised", "andon"), ("limits_overridden", "kim"), ("cleared", "kim")]
    assert told[-2:] == [("limits_restored", "lee"), ("raised", "lee")]
