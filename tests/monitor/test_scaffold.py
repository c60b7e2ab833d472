"""`andon init` writes a site that is right, and never overwrites one."""

from pathlib import Path

import pytest

from monitor.scaffold import ScaffoldError, write_site
from monitor.site import load_site


def test_what_is_written_is_accepted_without_a_word(tmp_path: Path) -> None:
    site = tmp_path / "new" / "my site"
    written = write_site(site)
    assert written == [site / "andon.yaml", site / "assets.yaml", site / "rules" / "example.yaml"]
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


def test_packs_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ScaffoldError, match="pack 'pump' cannot be used: packs are not built yet"):
        write_site(tmp_path / "site", "pump")
    assert not (tmp_path / "site").exists()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write_site(tmp_path / "file" / "site")
