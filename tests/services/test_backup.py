"""A backup made under load becomes a site elsewhere that has everything up to the backup, once, and the same alarms."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from monitor.database.queries import AlarmReader
from tests.services.loading import Load
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until
from tests.services.test_crash import RATE, STAMPED_GATEWAY, STAMPED_RULES, STEP, T0, points_of, stamped


def seqs(site: RunningSite) -> list[int]:
    """The numbers that are stored, in order."""
    return sorted(int(point.value or 0) for point in points_of(site))


def andon(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "monitor.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def decided(site: RunningSite) -> list[str]:
    """What its readings brought about; what comes due after the last of them only the live clock sees."""
    end = T0 + seqs(site)[-1] * STEP
    return [t.id for t in site.transitions() if not t.rule.startswith("system.") and t.at <= end]


def states(site: RunningSite) -> dict[tuple[str, str], tuple[str, str]]:
    with closing(AlarmReader(site.data / "alarms.db")) as alarms:
        return {(alarm.asset, alarm.rule): (alarm.alarm, alarm.state.value) for alarm in alarms.alarms()}


def test_a_backup_under_load(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> None:
    broker, silent = start_mosquitto(inflight=2000), start_mosquitto()
    archive = tmp_path / "backup.tar.gz"
    with RunningSite(tmp_path / "site", f'{{url: "{broker.url}"}}', STAMPED_RULES, STAMPED_GATEWAY) as site:
        site.start()
        until(lambda: "mqtt_subscribed" in site.log, 60, "the connection")
        load = Load(broker.port, stamped, RATE)
        until(lambda: site.stored() > 4_000, 60, "readings to be stored")
        before = site.stored() // 2
        made = andon("backup", "--site", str(site.directory), "--out", str(archive))
        assert made.returncode == 0, made.stderr
        load.stop()
        until(site.settled, 60, "everything to be decided and stored")
        site.stop()
        known, all_seqs = decided(site), seqs(site)
    assert archive.stat().st_mode & 0o777 == 0o600

    done = andon("restore", str(archive), "--site", str(tmp_path / "again"))
    assert done.returncode == 0, done.stderr
    again = object.__new__(RunningSite)
    again.directory, again.data, again._process = tmp_path / "again", tmp_path / "again" / "data", None
    text = (again.directory / "andon.yaml").read_text()
    (again.directory / "andon.yaml").write_text(text.replace(broker.url, silent.url))
    with again:
        again.start()
        until(
            lambda: "mqtt_subscribed" in again.log and again.settled(), 60, "the rest of the journal to be worked off"
        )
        again.stop()
    kept = seqs(again)
    assert kept == all_seqs[: len(kept)] == list(range(len(kept)))
    assert len(kept) >= before
    told = decided(again)
    assert told == known[: len(told)]
    expected = {(t.asset, t.rule): (t.alarm, t.to.value) for t in again.transitions()}
    assert {key: state for key, state in states(again).items() if key in expected} == expected
    print(f"{len(kept)} of {len(all_seqs)} readings, {len(told)} of {len(known)} transitions")
