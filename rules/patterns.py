"""Which assets a rule means: names, and patterns in which `*` stands for any text, slashes included."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

Matcher: TypeAlias = Callable[[str], bool]


def is_literal(pattern: str) -> bool:
    """Whether the pattern is the name of one asset."""
    return "*" not in pattern


def matcher(pattern: str) -> Matcher:
    """A test of names against a pattern; takes time linear in the name."""
    if is_literal(pattern):
        return pattern.__eq__
    first, *middle, last = pattern.split("*")

    def matches(name: str) -> bool:
        end = len(name) - len(last)
        position = len(first)
        if position > end or not name.startswith(first) or not name.endswith(last):
            return False
        for part in middle:
            found = name.find(part, position, end)
            if found < 0:
                return False
            position = found + len(part)
        return True

    return matches


class PatternIndex:
    """The numbers filed under the patterns that a name matches; looks only at patterns that begin as the name does."""

    def __init__(self, filed: Iterable[tuple[str, int]]) -> None:
        self._names: dict[str, list[int]] = {}
        numbers: dict[str, list[int]] = {}
        for pattern, number in filed:
            (self._names if is_literal(pattern) else numbers).setdefault(pattern, []).append(number)
        self._beginnings: dict[str, list[tuple[Matcher, list[int]]]] = {}
        for pattern, found in numbers.items():
            self._beginnings.setdefault(pattern.partition("*")[0], []).append((matcher(pattern), found))
        self._lengths = sorted({len(beginning) for beginning in self._beginnings})

    def find(self, name: str) -> list[int]:
        """The numbers, ascending, each once."""
        found = set(self._names.get(name, ()))
        for length in self._lengths:
            for matches, numbers in self._beginnings.get(name[:length], ()):
                if matches(name):
                    found.update(numbers)
        return sorted(found)
