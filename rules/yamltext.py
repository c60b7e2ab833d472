"""YAML 1.2 (and so JSON) from text to plain data with the line of everything, within limits and without surprises.

Plain data is dict (keys are text), list, str, float, int, bool, None. Anchors, aliases, tags, second documents,
repeated keys and keys that are no scalars are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from rules.problems import Problem, quoted

MAX_SIZE: Final = 1_048_576
"""Characters of a file."""
MAX_DEPTH: Final = 32
MAX_NODES: Final = 200_000
MAX_PROBLEMS: Final = 100
"""After so many, reading a file ends: they will have one cause."""

Path: TypeAlias = tuple[str | int, ...]
"""Where in the data: keys and positions."""

_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMBERS: Final = (
    (re.compile(r"[-+]?[0-9]{1,100}"), int),
    (re.compile(r"0o[0-7]{1,100}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,100}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]{1,100}|[0-9]{1,100}(\.[0-9]{0,100})?)([eE][-+]?[0-9]{1,9})?"), float),
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def scalar(text: str) -> Any:
    """What a plain (unquoted) scalar means in YAML 1.2's core schema: `off` and `yes` are texts."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-.0123456789":
        for pattern, convert in _NUMBERS:
            if pattern.fullmatch(text):
                return convert(text)
    return text


class Document:
    """A file that was read: its name, its data, and the line of every path in it."""

    def __init__(self, file: str, text: str, data: Any, lines: dict[Path, int] | None) -> None:
        self.file = file
        self.data = data
        self._text = text
        self._given = lines

    @cached_property
    def lines(self) -> dict[Path, int]:
        """The line, from 1, of every key and item."""
        return _Reader(self.file, self._text).read().lines if self._given is None else self._given

    def place(self, path: Path) -> Path:
        """The part of a path that is there: steps that the data does not have are left out."""
        found: Path = ()
        for step in path:
            if (*found, step) in self.lines:
                found = (*found, step)
        return found

    def at(self, path: Path) -> Any:
        """What stands at a path that is there."""
        found = self.data
        for step in path:
            found = found[step]
        return found

    def part(self, keys: Iterable[str]) -> Document:
        """The same file with only these of its keys, each still in its line."""
        data = {key: self.data[key] for key in keys if key in self.data}
        return Document(self.file, self._text, data, self._given)

    def problem(
        self, path: Path, message: str, hint: str = "", severity: Literal["error", "warning"] = "error"
    ) -> Problem:
        """A problem at a path, or at what of the path there is."""
        return Problem(self.file, self.lines.get(self.place(path), 1), message, hint, severity)


def read_yaml(file: str, text: str | Document) -> tuple[Document, list[Problem]]:
    """The document of a text; with problems, its data is what could be read (None where nothing could).

    A document is taken as it is.
    """
    if isinstance(text, Document):
        return text, []
    if len(text) > MAX_SIZE:
        problem = Problem(file, 0, f"the file is longer than {MAX_SIZE} characters", "split it into several files")
        return Document(file, "", None, {(): 1}), [problem]
    data = _fast(text)
    if data is not None:
        return Document(file, text, data, None), []
    reader = _Reader(file, text).read()
    return Document(file, text, reader.data, reader.lines), reader.problems


def _fast(text: str) -> Any:
    """The data of a JSON text with nothing to complain about, else None: the usual way then finds what it is."""
    if not text.startswith("{") or "\\u" in text or _SURROGATE.search(text):
        return None
    try:
        data = json.loads(text, object_pairs_hook=_distinct, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return data if _within_limits(data) else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is repeated")
    return found


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _within_limits(data: Any) -> bool:
    level, count = [data], 1
    for _ in range(MAX_DEPTH):
        level = [c for v in level if isinstance(v, (dict, list)) for c in (v.values() if isinstance(v, dict) else v)]
        count += len(level)
        if not level:
            return count <= MAX_NODES
    return False


class _Stop(Exception):  # noqa: N818 - not an error: the problem is already noted
    """Reading ends here."""


class _Frame:
    """A mapping or sequence that is being filled; `key` waits for its value, None where one is refused."""

    def __init__(self, container: dict[str, Any] | list[Any], path: Path) -> None:
        self.container = container
        self.path = path
        self.awaits_key = isinstance(container, dict)
        self.key: str | None = None


class _Reader:
    def __init__(self, file: str, text: str) -> None:
        self.data: Any = None
        self.lines: dict[Path, int] = {(): 1}
        self.problems: list[Problem] = []
        self._file = file
        self._text = text
        self._stack: list[_Frame] = []
        self._nodes = 0
        self._documents = 0

    def read(self) -> _Reader:
        """Go through the text; every failure of whatever kind ends as a problem."""
        try:
            for event in self._events():
                self._take(event)
        except _Stop:
            pass
        except MarkedYAMLError as error:
            self._broken(*_marked(error))
        except ReaderError as error:
            line = self._text.count("\n", 0, error.position) + 1
            self._broken(line, f"the character U+{_code(error.character):04X} is not allowed")
        except (
            YAMLError,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            AssertionError,
        ) as error:
            self._broken(0, f"cannot be read ({type(error).__name__})")
        return self

    def _events(self) -> Iterator[Event]:
        yaml = YAML(typ="safe", pure=True)
        yield from yaml.parse(self._text)

    def _broken(self, line: int, message: str) -> None:
        self.data = None
        self.problems.append(
            Problem(self._file, line, f"not YAML: {message}", "check indentation, quotes and brackets")
        )

    def _refuse(self, event: Event, message: str, hint: str) -> None:
        self.problems.append(Problem(self._file, event.start_mark.line + 1, message, hint))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop

    def _take(self, event: Event) -> None:
        if isinstance(event, (ScalarEvent, MappingStartEvent, SequenceStartEvent, AliasEvent)):
            self._node(event)
        elif isinstance(event, CollectionEndEvent):
            self._stack.pop()
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse(event, "the file holds a second document", "one file, one document: remove the ---")
                raise _Stop

    def _node(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(self._stack) >= MAX_DEPTH:
            self._refuse(event, "the file is nested too deeply or holds too much", "split it into several files")
            raise _Stop
        if isinstance(event, AliasEvent) or event.anchor is not None:
            self._refuse(
                event, "anchors (&) and aliases (*) are not allowed", "write the value out, or put it in quotes"
            )
        elif event.ctag is not None:
            self._refuse(event, "tags (!) are not allowed", "remove the tag, or put the value in quotes")
        if self._stack and self._stack[-1].awaits_key:
            self._key(event)
        else:
            self._place(event)

    def _key(self, event: Any) -> None:
        frame = self._stack[-1]
        frame.awaits_key = False
        frame.key = None
        if not isinstance(event, ScalarEvent):
            self._refuse(event, "a key must be a plain text or number", "put the key in quotes")
            if not isinstance(event, AliasEvent):
                raise _Stop
        elif event.value in frame.container:
            self._refuse(event, f"the key {quoted(event.value)} is there twice", "keep one of them")
        else:
            frame.key = self._clean(event)
            self.lines[(*frame.path, frame.key)] = event.start_mark.line + 1

    def _place(self, event: Any) -> None:
        value = self._value(event)
        path = self._attach(event, value)
        if isinstance(value, (dict, list)):
            self._stack.append(_Frame(value, path))

    def _value(self, event: Any) -> Any:
        if isinstance(event, MappingStartEvent):
            return {}
        if isinstance(event, SequenceStartEvent):
            return []
        if isinstance(event, AliasEvent):
            return None
        text = self._clean(event)
        return scalar(text) if event.style is None and event.implicit[0] else text

    def _attach(self, event: Any, value: Any) -> Path:
        if not self._stack:
            self.data = value
            return ()
        frame = self._stack[-1]
        container = frame.container
        if isinstance(container, list):
            path: Path = (*frame.path, len(container))
            container.append(value)
            self.lines[path] = event.start_mark.line + 1
            return path
        frame.awaits_key = True
        if frame.key is None:
            return (*frame.path, "")
        container[frame.key] = value
        return (*frame.path, frame.key)

    def _clean(self, event: Any) -> str:
        text: str = event.value
        if _SURROGATE.search(text):
            self._refuse(event, "the text holds half a character (a surrogate)", "write the character itself")
            return _SURROGATE.sub("?", text)
        return text


def _marked(error: MarkedYAMLError) -> tuple[int, str]:
    """The line and the words of a syntax error."""
    mark, begin = error.problem_mark or error.context_mark, error.context_mark
    began = f" ({error.context}, begun in line {begin.line + 1})" if begin and error.context else ""
    return (mark.line + 1 if mark else 1), f"{error.problem or 'cannot be read'}{began}"


def _code(character: int | str | bytes) -> int:
    return character if isinstance(character, int) else ord(character[:1])
