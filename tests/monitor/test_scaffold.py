"""`andon init` writes a site that is right, and never overwrites one."""

from pathlib import Path

import pytest

from monitor.packs import UnknownPackError
from monitor.scaffold import ScaffoldError, write_site
from monitor.scenarios import read_scenarios, scenario_files
from monitor.site import load_site
from rules.scenarios.comparing import judge


def test_what_is_written_is_accepted_without_a_word(tmp_path: Path) -> None:
    site = tmp_path / "new" / "my site"
    written = write_site(site)
    names = ["andon.yaml", "assets.yaml", "rules/example.yaml", "scenarios/example.yaml"]
    assert written == [site / name for name in names]
    loaded = load_site(site, {})
    assert loaded.problems == []
    assert loaded.site is not None
    assert len(loaded.site.ruleset.for_asset("line1/pump1")) == 3


def test_the_written_files_teach(tmp_path: Path) -> None:
    for path in write_site(tmp_path):
        assert path.read_text().startswith("# ")


def test_a_site_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "andon.yaml").write_text("mine")
    with pytest.raises(ScaffoldError, match="is there already"):
        write_site(tmp_path)
    assert (tmp_path / "andon.yaml").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["andon.yaml"]


def test_its_scenarios_pass(tmp_path: Path) -> None:
    write_site(tmp_path)
    site = load_site(tmp_path, {}).site
    assert site is not None
    scenarios, problems = read_scenarios(scenario_files(tmp_path), site.ruleset)
    assert problems == []
    assert [judge(scenario).complaints for scenario in scenarios] == [[], [], []]


def test_packs_bring_their_files_in_place_of_the_example(tmp_path: Path) -> None:
    written = write_site(tmp_path, ["pump", "guards"])
    names = [
        "andon.yaml",
        "assets.yaml",
        "rules/pump.yaml",
        "scenarios/pump.yaml",
        "rules/guards.yaml",
        "scenarios/guards.yaml",
    ]
    assert written == [tmp_path / name for name in names]
    site = load_site(tmp_path, {}).site
    assert site is not None
    assert list(site.ruleset.assets.assets) == ["line1/pump1", "line1/guard1"]


def test_an_unknown_pack_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownPackError):
        write_site(tmp_path / "site", ["pump", "pumps"])
    assert not (tmp_path / "site").exists()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write_site(tmp_path / "file" / "site")
