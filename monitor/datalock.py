"""One monitor per data directory: a lock that the kernel releases when the last process that holds it is gone."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Final, Self

from monitor import clock
from monitor.errors import AlreadyRunningError, AndonError
from rules.events import SECOND, Duration

PATIENCE: Final[Duration] = 3 * SECOND
"""How long the processes of a killed monitor may take to go."""


class DataLock:
    """Holds `<data_dir>/lock`, whose content is the holder's pid.

    Children that are given `fileno()` keep the directory locked for as long as one of them lives, so that a killed
    supervisor's last child and a new monitor never write side by side.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._descriptor = -1

    def fileno(self) -> int:
        """The descriptor to pass on to children; -1 when not held."""
        return self._descriptor

    def acquire(self, patience: Duration = PATIENCE) -> None:
        """Take the lock, creating the data directory if need be.

        Raises:
            AlreadyRunningError: another process still holds it after `patience`; the message names its pid.
            AndonError: the directory cannot be written or its file system has no locks.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._wait_for_lock(patience)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except AlreadyRunningError:
            self.release()
            raise
        except OSError as error:
            self.release()
            raise AndonError(
                f"{self._path}: the data directory cannot be locked ({error.strerror}); "
                "give data_dir a local directory that this user may write"
            ) from error

    def _wait_for_lock(self, patience: Duration) -> None:
        deadline = clock.elapsed() + patience
        pause = threading.Event()
        while not self._try():
            if clock.elapsed() >= deadline:
                raise AlreadyRunningError(
                    f"{self._path}: another monitor (pid {self._holder()}) is running on this data directory; "
                    "stop it first, or give this site a data_dir of its own"
                )
            pause.wait(0.05)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> str:
        content = os.pread(self._descriptor, 32, 0).strip()
        return content.decode() if content.isdigit() else "unknown"

    def release(self) -> None:
        """Let go; the file stays, for removing it would let two monitors lock two files of the same name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
