"""Errors that reach a person, one small tree: the message says what, where and how to mend it; no traceback follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

EXIT_MISCONFIGURED: Final = 78
"""How a child process tells its supervisor that a restart would not help (EX_CONFIG of sysexits.h)."""
EXIT_CRASHED: Final = 70
"""An error that is ours (EX_SOFTWARE of sysexits.h)."""


class AndonError(Exception):
    """Something a person can mend; `exit_code` is what the command ends with."""

    exit_code: ClassVar[int] = 1


class UsageError(AndonError):
    """The command line does not say what to do."""

    exit_code = 2


class ConfigurationError(AndonError):
    """Problems of a site's files, all at once; each prints as one line with its place and a hint."""

    def __init__(self, problems: Sequence[object]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class AlreadyRunningError(AndonError):
    """Another monitor holds the data directory."""


class AddressInUseError(AndonError):
    """Another program listens where we should."""


class UnreachableError(AndonError):
    """A process of the monitor did not answer on its socket."""


class RefusedError(AndonError):
    """A process of the monitor answered that it will not do what was asked."""
