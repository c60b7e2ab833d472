"""What keeps the code readable is checked, not remembered."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("rules", "monitor")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
PYTHON = sorted([*SOURCES, *(path for folder in ("tests", "docs", "bench") for path in (ROOT / folder).rglob("*.py"))])
SKIPPED = {"__pycache__", "build", "dist"}

LONGEST = 500
REGISTRIES = re.compile(
    r"files\.pythonhosted|\bpypi\.org|registry\.npmjs|deb\.debian\.org|(--index-url|--find-links)[ =]"
)
OUTSIDE_WORLD = {"open", "input", "print", "exec", "eval", "compile", "breakpoint", "__import__", "hash", "id"}
"""Builtins that reach outside the core, or whose result differs from process to process."""


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _texts() -> Iterator[tuple[str, str]]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name == ".ci" or not (name in SKIPPED or name.startswith("."))]
        for path in (Path(folder) / name for name in names):
            if path != Path(__file__) and path.stat().st_size < 1_000_000:
                yield _relative(path), path.read_text(encoding="utf-8", errors="replace")


def _lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports_command as lint; lint()",
        "--no-cache",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_every_import_contract_is_kept() -> None:
    result = _lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("line", "kept"), [("import math", True), ("import socket", False), ("import widget.outer", False)]
)
def test_the_contract_of_pure_parts_refuses_what_it_does_not_name(tmp_path: Path, line: str, kept: bool) -> None:
    for package in ("inner", "outer"):
        (tmp_path / "widget" / package).mkdir(parents=True)
        (tmp_path / "widget" / package / "__init__.py").write_text("")
    (tmp_path / "widget" / "__init__.py").write_text("")
    (tmp_path / "widget" / "inner" / "part.py").write_text(line + "\n")
    (tmp_path / ".importlinter").write_text(
        "[importlinter]\nroot_package = widget\ninclude_external_packages = True\n"
        "contract_types =\n    allowed: tests.import_contracts.AllowedContract\n"
        "[importlinter:contract:1]\nname = pure\ntype = allowed\nmodules =\n    widget.inner\nmay_import =\n    math\n"
    )
    result = _lint_imports(tmp_path)
    assert (result.returncode == 0) is kept, result.stdout + result.stderr
    assert kept or "widget.inner.part imports" in result.stdout


@pytest.mark.parametrize("path", [p for p in SOURCES if p.is_relative_to(ROOT / "rules")], ids=_relative)
def test_the_core_calls_no_builtin_that_reaches_outside(path: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    found = {call.func.id for call in calls if isinstance(call.func, ast.Name)} & OUTSIDE_WORLD
    assert not found


def test_no_file_is_longer_than_can_be_read_at_once() -> None:
    lengths = {_relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PYTHON}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_module_opens_with_what_it_is_for() -> None:
    texts = {_relative(path): path.read_text(encoding="utf-8") for path in PYTHON}
    assert [name for name, text in texts.items() if text and not ast.get_docstring(ast.parse(text))] == []


def test_no_file_names_where_packages_are_downloaded() -> None:
    assert [name for name, text in _texts() if REGISTRIES.search(text)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_installed_with_it(package: str) -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"][package]
    packaged = {path for pattern in ("**/*.py", *patterns) for path in (ROOT / package).glob(pattern)}
    files = {path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert sorted(_relative(path) for path in files - packaged) == []


def _direct_dependencies() -> list[str]:
    return [re.split(r"[<>=!~\[ ;]", requirement)[0] for requirement in PROJECT["project"]["dependencies"]]


def test_every_direct_dependency_is_pinned_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = set(re.findall(r"^([a-z0-9-]+)==\S+ \\\n +--hash=sha256:", lock, re.MULTILINE))
    assert {name.lower().replace(".", "-") for name in _direct_dependencies()} - pinned == set()


def test_every_direct_dependency_has_a_decision_that_says_why() -> None:
    decisions = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "decisions").glob("*.md")
    ).lower()
    assert [name for name in _direct_dependencies() if name not in decisions] == []
