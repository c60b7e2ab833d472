"""A damaged store.db is found by `andon check`, and every error of it says which file it is and how to mend it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import app
from monitor.stores import embedded_check
from monitor.stores.base import Point, StoreError
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.embedded_check import check_embedded

PAGE = 8_192
DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "no database": lambda content: b"\x07" * len(content),
    "pages spoiled": lambda content: content[:PAGE] + b"\xff" * (len(content) - PAGE),
}
damages = pytest.mark.parametrize("spoil", DAMAGE.values(), ids=DAMAGE.keys())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "data" / "store.db"
    found.parent.mkdir()
    store = EmbeddedStore(found)
    store.write([Point(f"a{n % 50}", "x", n, float(n) / 7, None, 0) for n in range(5_000)], 1)
    store.close()
    return found


def test_a_sound_file_and_none_at_all_are_no_problem(path: Path) -> None:
    assert list(check_embedded(path)) == []
    assert list(check_embedded(path.with_name("other.db"))) == []


@damages
def test_a_damaged_file_is_an_error_with_its_name_and_a_way_out(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path.write_bytes(spoil(path.read_bytes()))
    ((message, hint, severity),) = check_embedded(path)
    assert message.startswith(f"{path}: is damaged (")
    assert "restore a backup" in hint
    assert severity == "error"


@damages
def test_who_reads_it_is_told_the_same(path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(StoreError, match=r"store\.db: .*; the file is damaged: stop Andon, then restore a backup"):
        list(EmbeddedStore(path, read_only=True).read())


def test_a_large_file_is_not_looked_through_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_check, "STEPS", 1)
    monkeypatch.setattr(embedded_check, "PATIENCE", -1)
    assert list(check_embedded(path)) == []


def test_check_names_it_and_ends_with_status_1(path: Path) -> None:
    site = path.parent.parent
    (site / "rules").mkdir()
    (site / "andon.yaml").write_text('site: s\nbroker: {url: "mqtt://127.0.0.1:1"}\n')
    result = CliRunner().invoke(app, ["check", "--site", str(site)])
    assert result.exit_code == 0
    path.write_bytes(DAMAGE["cut"](path.read_bytes()))
    result = CliRunner().invoke(app, ["check", "--site", str(site)])
    assert result.exit_code == 1
    assert f"{path}: is damaged" in result.output
