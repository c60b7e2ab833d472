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
from importlib.machinery import ModuleSpec
from itertools import zip_longest
from math import ceil
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
"""Seconds of processor time that the tests may take without any change."""
PATIENCE = 2
"""How many times as long as that, collected and uncollected, they may take with one; what takes longer was noticed."""
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


def run(session: pytest.Session) -> int:
    """Run the tests that are collected already; 1 as soon as one fails."""
    session.config.pluginmanager.unregister(name="terminalreporter")
    for item, following in zip_longest(session.items, session.items[1:]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            return 1
    return 0


class Trial:
    """The changes of one module, tried one by one where its tests are collected: each in a process of its own."""

    def __init__(self, name: str, sample: int | None) -> None:
        self.file, self.tests = TESTS[name]
        self.path = ROOT / self.file
        self.source = self.path.read_text(encoding="utf-8")
        self.count = len(list(mutants(ast.parse(self.source))))
        self.longest = LONGEST
        every = range(self.count)
        self.numbers = every if sample is None or sample >= self.count else sorted(Random(name).sample(every, sample))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Print how many changes were noticed, and those that were not."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        if any(self.noticed(session, ast.parse(self.source), inside) for inside in (True, False)):
            pytest.exit(f"{self.file}: its tests fail without any change: {' '.join(self.tests)}", 1)
        self.longest = 1 + PATIENCE * ceil(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
        left = 0
        for number in self.numbers:
            tree = ast.parse(self.source)
            mutant = list(mutants(tree))[number]
            mutant.apply()
            if not self.noticed(session, ast.fix_missing_locations(tree), mutant.inside):
                left += 1
                print(f"  {self.file}:{mutant.line}: {mutant.what}", flush=True)
        tried = len(self.numbers)
        print(f"{self.file}: {tried - left} of {tried} noticed ({self.count} changes possible)", flush=True)
        return True

    def noticed(self, session: pytest.Session, tree: ast.Module, inside: bool) -> bool:
        """Whether the tests fail, in a process of their own; they are collected again only where that is needed."""
        pid = os.fork()
        if pid:
            return os.waitpid(pid, 0)[1] != 0
        resource.setrlimit(resource.RLIMIT_CPU, (self.longest, self.longest))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1), os.dup2(nowhere, 2)
        try:
            (exchange if inside else import_again)(self.path, tree)
            status = run(session) if inside else int(pytest.main([*PYTEST, *self.tests]))
        except BaseException:  # noqa: BLE001 - a change may raise anything, and that is noticed
            status = 1
        os._exit(status)


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
        trial = Trial(name, given.sample)
        pytest.main([*PYTEST, "-qqq", "--disable-warnings", *trial.tests], plugins=[trial])


if __name__ == "__main__":
    main()
