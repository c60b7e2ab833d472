"""The generated pages say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from rules.alarms import JOURNALLED, LIFE_CYCLE, SUPPRESSIONS
from rules.detectors import CONFIGS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    committed = (DOCS / name).read_text(encoding="utf-8")
    assert committed == generate.PAGES[name](), f"docs/{name} is out of date: run `make docs`"


def test_the_diagram_shows_every_cell_of_the_table() -> None:
    page = generate.alarm_states()
    for (before, act), then in LIFE_CYCLE.items():
        assert re.search(rf"^ +{before} --> {then}: .*{re.escape(act)}", page, re.MULTILINE)


def test_the_page_names_every_act_and_every_suppression() -> None:
    page = generate.alarm_states()
    for act, events in JOURNALLED.items():
        assert f"| {act} | {', '.join(f'`{event}`' for event in events)} |" in page
    for state, (begin, end) in SUPPRESSIONS.items():
        assert f"underneath --> {state}: {begin}" in page
        assert f"{state} --> underneath: {end}" in page


PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


def test_every_page_is_reached_from_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.name != "README.md"]
    unreached = [page for page in pages if f"({page})" not in index]
    assert not unreached


def test_a_decision_is_ten_lines_or_fewer() -> None:
    long = [p.name for p in (DOCS / "decisions").glob("*.md") if len(p.read_text(encoding="utf-8").splitlines()) > 10]
    assert not long


@pytest.mark.parametrize("name", CONFIGS)
def test_the_rule_reference_names_every_key_of_every_detector(name: str) -> None:
    section = generate.rule_reference().partition(f"### {name}\n")[2].partition("\n### ")[0]
    keys = [field.alias or key for key, field in CONFIGS[name].model_fields.items() if key != "type"]
    assert [key for key in keys if f"| `{key}` |" not in section] == []
