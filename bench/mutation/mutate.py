"""Mutation testing of the core: changes one thing in a module, runs its tests, lists what nobody noticed.

`python bench/mutation/mutate.py [limits ...] [--sample 60]`: names as in `plan.TESTS`; none means all of them.
"""

from __future__ import annotations

import argparse
import ast
import gc
import importlib.util
import os
import resource
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from random import Random
from types import CodeType, FunctionType, ModuleType

import hypothesis
import numpy as np
import pydantic
import pytest
from changes import mutants
from plan import TESTS

PRELOADED = (np, pydantic)
"""Imported before the forks, so that no child has to."""
ROOT = Path(__file__).parent.parent.parent
LONGEST = 60
"""Seconds of processor time; what takes longer was noticed."""
FORGOTTEN = ("rules", "tests.rules", "tests.scenarios", "tests.properties")
PYTEST = ("-x", "-q", "-p", "no:cacheprovider", "--no-header", "-n0")


class Instead:
    """Imports one module from a tree instead of from its file."""

    def __init__(self, module: str, path: Path, tree: ast.Module) -> None:
        self._module, self._path, self._code = module, path, compile(tree, str(path), "exec")

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """The module's own spec with this loader."""
        del path, target
        return importlib.util.spec_from_file_location(name, self._path, loader=self) if name == self._module else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the tree."""
        exec(self._code, vars(module))


def exchange(path: Path, tree: ast.Module) -> None:
    """Give the functions that were imported from a module the code that they have in the tree."""
    codes, ahead = {}, [compile(tree, str(path), "exec")]
    while ahead:
        code = ahead.pop()
        codes[code.co_qualname, code.co_firstlineno] = code
        ahead += [const for const in code.co_consts if isinstance(const, CodeType)]
    for function in (thing for thing in gc.get_objects() if isinstance(thing, FunctionType)):
        old = function.__code__
        if old.co_filename == str(path) and (new := codes.get((old.co_qualname, old.co_firstlineno))) is not None:
            function.__code__ = new


def import_again(path: Path, tree: ast.Module) -> None:
    """Forget what was imported, and import the module from the tree when it is wanted."""
    for name in [name for name in sys.modules if name.startswith(FORGOTTEN)]:
        del sys.modules[name]
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    sys.meta_path.insert(0, Instead(module, path, tree))  # type: ignore[arg-type]


def noticed(path: Path, tree: ast.Module, tests: Sequence[str], inside: bool) -> bool:
    """Whether the tests fail, in a process of their own."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST, LONGEST))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1), os.dup2(nowhere, 2)
    try:
        (exchange if inside else import_again)(path, tree)
        status = int(pytest.main([*PYTEST, *tests]))
    except BaseException:  # noqa: BLE001 - a change may raise anything, and that is noticed
        status = 1
    os._exit(status)


def try_module(name: str, sample: int | None) -> None:
    """Print how many changes of a module were noticed, and those that were not."""
    file, tests = TESTS[name]
    path = ROOT / file
    source = path.read_text(encoding="utf-8")
    pytest.main([*PYTEST, "-qqq", "--collect-only", "--disable-warnings", *tests])
    if any(noticed(path, ast.parse(source), tests, inside) for inside in (True, False)):
        sys.exit(f"{file}: its tests fail without any change: {' '.join(tests)}")
    count = len(list(mutants(ast.parse(source))))
    numbers = range(count) if sample is None or sample >= count else sorted(Random(name).sample(range(count), sample))
    left = []
    for number in numbers:
        tree = ast.parse(source)
        mutant = list(mutants(tree))[number]
        mutant.apply()
        if not noticed(path, ast.fix_missing_locations(tree), tests, mutant.inside):
            left.append(f"  {file}:{mutant.line}: {mutant.what}")
            print(left[-1], flush=True)
    print(f"{file}: {len(numbers) - len(left)} of {len(numbers)} noticed ({count} changes possible)", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TESTS, []], metavar="NAME", help=", ".join(TESTS))
    parser.add_argument("--sample", type=int, metavar="N", help="at most so many changes of a module, always the same")
    given = parser.parse_args()
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    hypothesis.settings.register_profile(
        "mutation", phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate], database=None, derandomize=True
    )
    hypothesis.settings.load_profile("mutation")
    for name in given.names or TESTS:
        try_module(name, given.sample)


if __name__ == "__main__":
    main()
