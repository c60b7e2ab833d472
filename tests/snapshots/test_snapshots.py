"""What a released version saved, this one restores, and decides on as that one would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.alarms import State
from rules.asset import SNAPSHOT_VERSION
from tests.snapshots.make import STORIES, matters, version
from tests.snapshots.saved import FORMAT, HERE, Saved, go_on, read

FILES = sorted(HERE.glob("*/*.json"))
RELEASES = sorted({path.parent.name for path in FILES})


def _named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.fixture(params=FILES, ids=_named)
def saved(request: pytest.FixtureRequest) -> Saved:
    return read(request.param)


def test_a_file_says_its_format_its_release_and_the_version_of_its_snapshots(saved: Saved) -> None:
    assert saved.format == FORMAT
    assert saved.release in RELEASES
    assert {state["version"] for state in (*saved.monitors, *saved.above.values())} <= set(
        range(1, SNAPSHOT_VERSION + 1)
    )


def test_this_version_goes_on_as_the_one_that_saved_would_have(saved: Saved) -> None:
    assert go_on(saved.restored(), saved.following(), saved.offset) == saved.transitions


def test_what_is_restored_is_saved_again_and_goes_on_once_more(saved: Saved) -> None:
    """An update between two restarts: the snapshots that this version makes of it are as good."""
    stages = saved.restored()
    above = saved.above | stages.snapshot()
    saved.monitors, saved.above = [monitor.snapshot() for monitor in stages.fleet.monitors.values()], above
    assert go_on(saved.restored(), saved.following(), saved.offset) == saved.transitions


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "state-A"], ids=_named)
def test_without_the_state_other_things_would_come(path: Path) -> None:
    """Of every file but that of a machine on which nothing has happened."""
    assert matters(read(path))


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_left_every_state_of_an_alarm(release: str) -> None:
    found = {name: read(HERE / release / f"{name}.json") for name in STORIES}
    states = {(name, _shown(watch)) for name, file in found.items() for m in file.monitors for watch in m["watches"]}
    assert [state for state in State if (f"state-{state}", state) not in states] == []


def _shown(watch: list[object]) -> State:
    alarm = watch[3]["alarm"]  # type: ignore[index]
    holds = (State(letter) for letter in "IGH" if letter in alarm["holds"])
    return next(holds, State(alarm["state"]))


def test_the_version_of_the_project_has_its_files() -> None:
    assert version() in RELEASES, "at a release, run python -m tests.snapshots.make"
