"""The demo plant: four machines in a line under a script of faults, moved by `step`. Pure: same seed, same readings."""

from __future__ import annotations

import random
from typing import Final

from monitor.demo.faults import Fault, Script, Stress
from monitor.demo.machines import Filler, Machine, Mill, Oven, Pump, Signals

RESOLUTION: Final = 0.1
"""Seconds of one step of the physics: readings do not depend on how the caller cuts the time."""


class Plant:
    """The line: `demo/mill`, `demo/oven`, `demo/filler`, `demo/pump`, with 40 signals in all."""

    def __init__(self, rng: random.Random, script: Script) -> None:
        machines: tuple[Machine, ...] = (Mill(rng), Oven(rng), Filler(rng), Pump(rng))
        self.machines: Final = {machine.asset: machine for machine in machines}
        self._script = script
        self._steps = 0
        self._owed = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds the plant has run."""
        return self._steps * RESOLUTION

    @property
    def stress(self) -> Stress:
        """The faults that hold now."""
        return self._script.stress(self.elapsed)

    def holds(self, fault: Fault) -> bool:
        """Whether a fault holds now."""
        return fault in self.stress

    def step(self, dt: float) -> None:
        """Let `dt` seconds pass; what is less than a step of the physics is kept for the next call."""
        self._owed += dt
        while self._owed >= RESOLUTION * (1 - 1e-9):
            self._owed -= RESOLUTION
            self._steps += 1
            stress = self.stress
            for machine in self.machines.values():
                machine.step(RESOLUTION, stress)

    def signals(self, asset: str) -> Signals:
        """What a machine's gateway reads now, by signal."""
        return self.machines[asset].signals()


def demo_plant(seed: int) -> Plant:
    """The plant as the demonstration runs it."""
    return Plant(random.Random(seed), Script(seed))
