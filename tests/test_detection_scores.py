"""The rule files of bench/detection on public data: a floor under the scores that its README reports."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rules.alarms import Transition
from rules.events import SECOND, Instant, Observation, Reading
from rules.replay import replay
from rules.ruleset import RuleSet, load_rules
from tests.public_data import public_data

ROOT = Path(__file__).parent.parent
START = 1_577_836_800 * SECOND


def rules(name: str) -> RuleSet:
    loaded = load_rules({name: (ROOT / "bench" / "detection" / name).read_text(encoding="utf-8")})
    assert loaded.ruleset is not None, loaded.problems
    return loaded.ruleset


def table(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def observed(asset: str, rows: list[dict[str, float]], step: int) -> Iterator[Observation]:
    for i, row in enumerate(rows):
        at = START + i * step
        yield Observation(asset, at, at, tuple(Reading(name, value) for name, value in row.items()))


def rows_of(transitions: list[Transition], step: int, event: str = "raised") -> list[int]:
    return [(t.at - START) // step for t in transitions if t.event == event]


def flagged(transitions: list[Transition], count: int, step: int) -> list[bool]:
    """For each row: is the alarm active?"""
    on, out = False, []
    changes = {(t.at - START) // step: t.event == "raised" for t in transitions if t.event in {"raised", "cleared"}}
    for row in range(count):
        on = changes.get(row, on)
        out.append(on)
    return out


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("artificialWithAnomaly", 4, 6), ("artificialNoAnomaly", 0, 8)], ids=["odd", "usual"]
)
def test_anomalies_of_made_up_series_are_found_and_hardly_any_else(kind: str, least: int, most: int) -> None:
    step, found = 300 * SECOND, 0
    for path in sorted((public_data("nab") / "data" / kind).glob("*.csv.gz")):
        values = [{"value": float(row["value"])} for row in table(path)]
        alarms = rows_of(list(replay(rules("nab.yaml"), observed(f"nab/{kind}", values, step))), step)
        found += bool(alarms) if least else len(alarms)
    assert least <= found <= most


def test_a_pump_without_faults_raises_nothing_and_one_with_a_fault_does() -> None:
    names = {"normal": "anomaly-free/anomaly-free.csv.gz", "fault": "other/9.csv.gz"}
    told = {}
    for label, name in names.items():
        found = table(public_data("skab") / "data" / name, ";")
        rows = [{k: float(v) for k, v in r.items() if k not in {"datetime", "anomaly", "changepoint"}} for r in found]
        told[label] = rows_of(list(replay(rules("skab.yaml"), observed("skab/pump", rows, SECOND))), SECOND)
    assert told["normal"] == []
    assert told["fault"] != []


def test_a_reactor_fault_is_seen_through_the_controllers_and_normal_rows_are_let_be() -> None:
    path, step = public_data("tep"), 180 * SECOND
    learning = list(zip(*numbers(path / "d00.dat.gz"), strict=True))
    missed = {}
    for fault in ("d00", "d04", "d14"):
        rows = [{f"v{i}": v for i, v in enumerate(row)} for row in [*learning, *numbers(path / f"{fault}_te.dat.gz")]]
        flags = flagged(list(replay(rules("tep.yaml"), observed("tep/x", rows, step))), len(rows), step)[-960:]
        assert sum(flags[:160]) <= 2
        missed[fault] = 1 - sum(flags[160:]) / 800
    assert missed["d00"] >= 0.99
    assert missed["d04"] < 0.02
    assert missed["d14"] < 0.02


def numbers(path: Path) -> list[list[float]]:
    with gzip.open(path, "rt") as file:
        return [[float(x) for x in line.split()] for line in file if line.strip()]


def test_the_failing_bearing_is_first_by_three_days() -> None:
    (path,) = list((public_data("ims_bearing")).glob("*_2.csv.gz"))
    rows = table(path)
    first: dict[int, Instant] = {}
    times = [int(datetime.fromisoformat(row[""]).replace(tzinfo=UTC).timestamp()) * SECOND for row in rows]
    for bearing in range(1, 5):
        (column,) = [name for name in rows[0] if name.startswith(f"Bearing {bearing}")]
        stream = (
            Observation("ims/bearing", at, at, (Reading("vibration", float(row[column])),))
            for at, row in zip(times, rows, strict=True)
        )
        raised = [t.at for t in replay(rules("ims.yaml"), stream) if t.event == "raised"]
        first[bearing] = raised[0] if raised else times[-1]
    assert times[-1] - first[1] >= 72 * 3600 * SECOND
    assert first[1] == min(first.values())
