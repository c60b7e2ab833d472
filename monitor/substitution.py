"""`${NAME}` from the environment and `${file:PATH}` from a file, in the values of andon.yaml, never shown again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from rules.problems import InputError, Problem, quoted
from rules.yamltext import Document
from rules.yamltext import Path as DataPath

MAX_FILE: Final = 65_536
"""Bytes of a file that a value comes from."""
HIDDEN: Final = "***"
SHORTEST_SECRET: Final = 4
"""Shorter values are hidden only where they stand alone: a 1 or a true is everywhere."""

REFERENCE: Final = re.compile(r"\$\{([^{}]*)\}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Substitution:
    """Fills in references and remembers what it filled in, so as to hide it in messages."""

    def __init__(self, document: Document, directory: Path, environ: Mapping[str, str]) -> None:
        self.problems: list[Problem] = []
        self._document = document
        self._directory = directory
        self._environ = environ
        self._values: set[str] = set()

    def fill(self, data: Any, path: DataPath = ()) -> Any:
        """The data with every reference in its texts replaced; one that leads nowhere is a problem."""
        if isinstance(data, dict):
            return {key: self.fill(value, (*path, key)) for key, value in data.items()}
        if isinstance(data, list):
            return [self.fill(value, (*path, number)) for number, value in enumerate(data)]
        return self._text(data, path) if isinstance(data, str) and "${" in data else data

    def hide(self, problem: Problem) -> Problem:
        """The problem without any value that was filled in."""
        return msgspec.structs.replace(problem, message=self._hidden(problem.message), hint=self._hidden(problem.hint))

    def _hidden(self, text: str) -> str:
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(quoted(value), f"`{HIDDEN}`")
            text = text.replace(value, HIDDEN) if len(value) >= SHORTEST_SECRET else text
        return text

    def _text(self, text: str, path: DataPath) -> str:
        def value(found: re.Match[str]) -> str:
            try:
                looked_up = self._look_up(found[1])
            except InputError as error:
                self.problems.append(self._document.problem(path, error.message, error.hint))
                return "missing"
            self._values.add(looked_up)
            return looked_up

        filled = REFERENCE.sub(value, text)
        self._values.add(filled)
        return filled

    def _look_up(self, reference: str) -> str:
        if reference.startswith("file:"):
            return _first_lines(self._directory / reference.removeprefix("file:"), reference)
        if not _VARIABLE.fullmatch(reference):
            raise InputError(f"{quoted('${' + reference + '}')} is no reference", "write ${NAME} or ${file:PATH}")
        value = self._environ.get(reference)
        if not value:
            raise InputError(f"the environment has no {quoted(reference)}", f"set {reference}, or use ${{file:PATH}}")
        if not value.isprintable():
            raise InputError(
                f"{quoted(reference)} of the environment holds more than printable text", "use ${file:PATH}"
            )
        return value


def _first_lines(path: Path, reference: str) -> str:
    try:
        content = read_limited(path, MAX_FILE).decode().rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a small text file"
        raise InputError(
            f"{quoted(reference)} cannot be read: {reason}", "the path begins at the site directory"
        ) from None
    if not content:
        raise InputError(f"{quoted(reference)} is empty", "write the value into the file")
    return content


def read_limited(path: Path, limit: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, holds more than `limit` bytes, or its name is none.
    """
    if path.exists() and not path.is_file():
        raise ValueError("is not a file")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"is larger than {limit} bytes")
    return content
