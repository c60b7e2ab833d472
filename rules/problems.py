"""What is wrong with a file: where, what, and how to mend it; and the suggestions that go into such messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Literal

import msgspec

LONGEST_NAME = 200
"""Names longer than this are cut in messages and get no suggestion (comparing is quadratic in the length)."""
MOST_CHOICES = 2_000
"""With more names than this to choose from, only the first ones are compared."""

MOST_LISTED = 30
"""More names than this are not listed in a hint."""


class InputError(ValueError):
    """A value that somebody wrote is refused: `message` says why, `hint` how to mend it (may be empty)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend; `line` counts from 1, 0 stands for the file as a whole. Warnings do not prevent loading."""

    file: str
    line: int
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        hint = f" (hint: {self.hint})" if self.hint else ""
        return f"{place}: {self.severity}: {self.message}{hint}"


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those problems that prevent loading."""
    return [problem for problem in problems if problem.severity == "error"]


def quoted(name: object) -> str:
    """A name for a message, cut to a readable length, control characters escaped."""
    text = str(name)
    text = text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."
    return "`" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in text) + "`"


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The one of the choices that the name was probably meant to be."""
    if len(name) > LONGEST_NAME:
        return None
    by_folded = {choice.casefold(): choice for choice in sorted(choices)[:MOST_CHOICES]}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def unknown(noun: str, name: str, choices: Iterable[str]) -> InputError:
    """The mistake of a name that is none of the choices: "unknown signal `x`, did you mean `y`?"."""
    known = sorted(choices)
    meant = closest(name, known)
    question = f", did you mean {quoted(meant)}?" if meant else ""
    listed = f"known: {', '.join(known)}" if len(known) <= MOST_LISTED else ""
    return InputError(f"unknown {noun} {quoted(name)}{question}", listed if known else "none is known")
