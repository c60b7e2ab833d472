"""What goes wrong at the demo plant, and when: a table over the plant's own time, in seconds since its start.

The first round follows the table to the second. Each later round moves, stretches and leaves out episodes, differently
for every seed but always alike for the same one.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias


class Fault(enum.StrEnum):
    """What can happen to the plant, its people or its gateways."""

    GUARD_OPEN = "guard open while running"
    BEARING_WEAR = "bearing wear"
    FILL_DRIFT = "fill weight drift"
    GARBAGE = "burst of garbage"
    COOLANT_LOSS = "coolant loss"
    GATEWAY_SILENT = "gateway silent"
    EMERGENCY_STOP = "emergency stop"


Stress: TypeAlias = Mapping[Fault, float]
"""How badly each fault holds now, from above 0 to 1; absent means not at all."""


@dataclass(frozen=True)
class Episode:
    """One fault from its `start`: it grows for `ramp` seconds, holds for `hold` seconds and is mended at once."""

    fault: Fault
    start: float
    ramp: float
    hold: float

    @property
    def end(self) -> float:
        """When the fault is mended."""
        return self.start + self.ramp + self.hold

    def severity(self, elapsed: float) -> float:
        """From 0 (not there) to 1 (at its worst)."""
        if not self.start < elapsed < self.end:
            return 0.0
        return min(1.0, (elapsed - self.start) / self.ramp) if self.ramp else 1.0


ROUND: Final = 60.0
"""Seconds until the table begins again."""

TABLE: Final = (
    Episode(Fault.GUARD_OPEN, start=3.5, ramp=0, hold=7),
    Episode(Fault.BEARING_WEAR, start=6, ramp=9, hold=3),
    Episode(Fault.FILL_DRIFT, start=13, ramp=5, hold=6),
    Episode(Fault.GARBAGE, start=19, ramp=0, hold=1),
    Episode(Fault.COOLANT_LOSS, start=22, ramp=1, hold=10),
    Episode(Fault.GATEWAY_SILENT, start=29, ramp=0, hold=9),
    Episode(Fault.EMERGENCY_STOP, start=38.5, ramp=0, hold=3.5),
)

SHIFT: Final = 4.0
"""Seconds by which an episode of a later round may come later."""
STRETCH: Final = (0.85, 1.25)
"""How much shorter or longer it may last."""
OMITTED: Final = 0.2
"""How likely it is to be left out."""


class Script:
    """Which faults hold at which time of the plant. The same seed gives the same faults in any order of asking."""

    def __init__(self, seed: int, table: tuple[Episode, ...] = TABLE, period: float = ROUND) -> None:
        self._seed = seed
        self._table = table
        self._period = period

    def stress(self, elapsed: float) -> Stress:
        """The faults that hold `elapsed` seconds after the start."""
        number, within = divmod(elapsed, self._period)
        severities = {episode.fault: episode.severity(within) for episode in self.episodes(int(number))}
        return {fault: severity for fault, severity in severities.items() if severity > 0}

    def episodes(self, number: int) -> tuple[Episode, ...]:
        """The episodes of a round (from 0), in seconds since the round began; none crosses into the next."""
        if number == 0:
            return self._table
        rng = random.Random(f"{self._seed}:{number}")
        varied = [(rng.random(), _varied(episode, rng)) for episode in self._table]
        return tuple(episode for chance, episode in varied if chance >= OMITTED)


def _varied(episode: Episode, rng: random.Random) -> Episode:
    start = episode.start + rng.uniform(0, SHIFT)
    stretch = rng.uniform(*STRETCH)
    return replace(episode, start=start, ramp=episode.ramp * stretch, hold=episode.hold * stretch)
