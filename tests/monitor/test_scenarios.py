"""Scenario files of a site are found and read; a stretch out of the store becomes one that passes at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.scenarios import MOST_READINGS, ScenarioError, read_scenarios, record, scenario_files
from monitor.stores.base import Point
from monitor.stores.embedded import EmbeddedStore
from rules.events import SECOND
from rules.scenarios.comparing import judge
from tests.rules.plant import rules_of

START = 1_772_344_800 * SECOND
RULES = rules_of("""
  - {id: hot, kind: equipment, detect: {type: limits, each: [t, "odd name: #1"], high: 80, on_delay: 10s}}
  - {id: silent, kind: system, assets: [oven, elsewhere], detect: {type: silence, after: 30s}}
""")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore(tmp_path / "store.db")
    yield opened
    opened.close()


def points(values: dict[float, float | None], metric: str = "t", quality: int = 0) -> list[Point]:
    return [Point("oven", metric, START + round(at * SECOND), value, None, quality) for at, value in values.items()]


def recorded(store: EmbeddedStore, end: float, name: str = "door") -> str:
    return record(store, RULES, "oven", START, START + round(end * SECOND), name)


def passes(path: Path, text: str) -> int:
    """How many transitions the scenario of this text has; it passes."""
    path.write_text(text, encoding="utf-8")
    scenarios, problems = read_scenarios([path], RULES)
    assert problems == []
    verdict = judge(scenarios[0])
    assert verdict.complaints == []
    return verdict.transitions


def test_a_recorded_stretch_passes_at_once_and_can_be_read(store: EmbeddedStore, tmp_path: Path) -> None:
    store.write(points({0: 70.0, 5.25: 90.0, 20: 95.5, 30: None, 31: 60.0}), 1)
    text = recorded(store, 90)
    assert "name: door" in text
    assert "start: 2026-03-01T06:00:00Z" in text
    assert "        5.25s: 90.0\n" in text
    assert "        30s: bad\n" in text
    assert "- {at: 15.25s, rule: hot, part: t, event: raised, priority: medium, to: B}" in text
    assert passes(tmp_path / "x.yaml", text) == 3


def test_a_recording_that_is_edited_fails_until_the_rules_do_what_it_says(store: EmbeddedStore, tmp_path: Path) -> None:
    store.write(points({0: 70.0, 5: 90.0, 20: 95.5, 31: 60.0}), 1)
    path = tmp_path / "x.yaml"
    path.write_text(recorded(store, 40).replace("at: 15s", "at: 10s"))
    (scenario,), _ = read_scenarios([path], RULES)
    assert judge(scenario).complaints[1] == "    the nearest came at 15s: t 90 above high limit 80"


def test_the_end_is_not_part_of_it_and_nothing_can_be_expected(store: EmbeddedStore, tmp_path: Path) -> None:
    store.write(points({0: 70.0, 20: 95.5, 25: 95.0}), 1)
    text = recorded(store, 25)
    assert "expect: nothing" in text
    assert passes(tmp_path / "x.yaml", text) == 0


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.integers(0, 30 * SECOND), st.tuples(st.floats(-1e6, 1e6) | st.none(), st.sampled_from([0, 1, 2])), min_size=1, max_size=8),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12),
)  # fmt: skip
def test_whatever_was_stored_passes(tmp_path: Path, readings: dict[int, tuple[float | None, int]], text: str) -> None:
    store = EmbeddedStore(tmp_path / "property.db")
    at = [Point("oven", "t", START + at, value, None, 2 if value is None else q) for at, (value, q) in readings.items()]
    store.write([*at, Point("oven", "odd name: #1", START, None, text, 0), Point("oven", text, START, 5.0, None, 0)], 1)
    passes(tmp_path / "x.yaml", recorded(store, 31, text))
    store.close()
    (tmp_path / "property.db").unlink()


def test_too_much_and_nothing_are_told(store: EmbeddedStore) -> None:
    with pytest.raises(ScenarioError, match="nothing is stored of oven between 2026-03-01T06:00:00Z"):
        recorded(store, 5)
    store.write(points({number / 1000: 1.0 for number in range(MOST_READINGS + 1)}), 1)
    with pytest.raises(ScenarioError, match="holds more than 20,000 readings; choose an earlier --end"):
        recorded(store, 100)


def test_files_are_found_by_name_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "scenarios"
    with pytest.raises(ScenarioError, match="scenarios: cannot be read"):
        scenario_files(tmp_path)
    folder.mkdir()
    (folder / "notes.txt").write_text("x")
    with pytest.raises(ScenarioError, match="there are no scenarios; andon record writes one"):
        scenario_files(tmp_path)
    for name in ("b.yaml", "a.json", ".hidden.yaml"):
        (folder / name).write_bytes(b"\xff")
    files = scenario_files(tmp_path)
    assert [path.name for path in files] == ["a.json", "b.yaml"]
    scenarios, problems = read_scenarios([*files, folder], RULES)
    assert scenarios == []
    assert [problem.message for problem in problems] == ["is not UTF-8 text", "is not UTF-8 text", "is not a file"]
