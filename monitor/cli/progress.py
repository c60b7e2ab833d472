"""How far a long command has come: a line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Final

from monitor import clock
from rules.events import SECOND, Duration, Observation

LOOK_EVERY: Final = 4096
"""Observations between two looks at the clock."""
REWRITE: Final[Duration] = SECOND // 5
REPEAT: Final[Duration] = 10 * SECOND


class Progress:
    """Counts what passes through `watch` and shows it on standard error."""

    def __init__(self) -> None:
        self.observations = 0
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = clock.elapsed()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return clock.seconds(clock.elapsed() - self._started)

    def watch(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        """The same observations."""
        for observation in observations:
            self.observations += 1
            if not self.observations % LOOK_EVERY:
                self._look(observation)
            yield observation

    def done(self) -> None:
        """Wipe the line, if there is one."""
        if self._terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def _look(self, observation: Observation) -> None:
        from monitor.codecs.timestamps import format_iso

        now = clock.elapsed()
        if now - self._shown < (REWRITE if self._terminal else REPEAT):
            return
        self._shown = now
        text = f"{self.observations:,} observations, at {format_iso(observation.at)}, {self.seconds:.0f} s"
        sys.stderr.write(f"\r\033[K{text}" if self._terminal else f"{text}\n")
        sys.stderr.flush()
