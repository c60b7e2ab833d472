"""One signal's evidence that something unusual goes on, and the bar that it has to pass.

Statistics of the readings, and of means of four, each judged by its own tail; their improbabilities are added, for
agreement is what tells an event from noise. Alarms raise the bar for a while: what comes often is no news. A lively
signal that stands still is told of whatever the rest says, and raises no bar.
"""

from __future__ import annotations

from math import exp, inf
from typing import Any, Final, NamedTuple

from rules.events import Instant
from rules.learning.movement import Novelty, Shift
from rules.learning.profile import Profile
from rules.learning.stillness import Still, Stillness
from rules.learning.tail import Tail
from rules.learning.wild import tamed, within_reach

LEARNING: Final = 150
"""Readings in which no alarm is shown; the tails take their first limits from them, or from half as many blocks."""
BLOCK: Final = 4
COARSE_WEIGHT: Final = 0.5
QUIET: Final = 24
MEMORY: Final = 3000
BAR: Final = 2.5
HABIT: Final = 0.05
HOLD_OFF: Final = 30
"""Readings after an alarm in which there is no other."""
CEASED: Final = 0.5
"""An alarm ends when the evidence is below this part of the bar."""
PARTS: Final = ("level", "shift", "movement", "slow level", "slow shift")
LARGEST: Final = 1e150
"""Values beyond are taken as this, so that no sum overflows."""


class Found(NamedTuple):
    """What a reading showed: what was expected, the evidence with its bar, and its parts by name."""

    value: float
    expected: float
    evidence: float
    bar: float
    parts: dict[str, float]


class Front:
    """Seasonal residual and level shift at one resolution, and transition novelty where it is wanted."""

    __slots__ = (
        "_novelty", "_novelty_tail", "_profile", "_residual_tail", "_shift", "_shift_tail", "_size",
        "expected",
    )  # fmt: skip

    def __init__(self, warm: int, quiet: int, memory: int, *, novelty: bool) -> None:
        self._profile, self._residual_tail = Profile(), Tail(warm, quiet, memory)
        self._shift, self._shift_tail = Shift(), Tail(warm, quiet, memory)
        self._novelty = Novelty() if novelty else None
        self._novelty_tail = Tail(warm, quiet, memory)
        self.expected = self._size = 0.0

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value met, where novelty is wanted."""
        return (-inf, inf) if self._novelty is None else self._novelty.range

    def weigh(self, at: Instant, value: float) -> tuple[float, float, float]:
        """The improbabilities of residual, shift and transition."""
        size = abs(value)
        if size > self._size:
            self._size = size
        else:
            size = self._size
        self.expected = expected = self._profile.meet(at, value)
        residual = self._residual_tail.weigh(abs(value - expected), size)
        moved = self._shift.of(value)
        shift = 0.0 if moved is None else self._shift_tail.weigh(moved, size)
        novel = 0.0 if self._novelty is None else self._novelty_tail.weigh(self._novelty.of(value), 1.0)
        return residual, shift, novel

    def snapshot(self) -> list[Any]:
        """All state as JSON."""
        tails = [tail.snapshot() for tail in (self._residual_tail, self._shift_tail, self._novelty_tail)]
        novelty = None if self._novelty is None else self._novelty.snapshot()
        return [self.expected, self._size, self._profile.snapshot(), self._shift.snapshot(), novelty, *tails]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self.expected, self._size, profile, shift, novelty, *tails = data
        self._profile.restore(profile)
        self._shift.restore(shift)
        if self._novelty is not None:
            self._novelty.restore(novelty)
        for tail, saved in zip((self._residual_tail, self._shift_tail, self._novelty_tail), tails, strict=True):
            tail.restore(saved)


class Evidence:
    """Readings in, `on` out; `found` is what the last alarm was raised by.

    `demand` scales the bar: above 1 asks for more evidence.
    """

    def __init__(self, demand: float = 1.0) -> None:
        self._demand = demand
        self._raw = Front(LEARNING, QUIET, MEMORY, novelty=True)
        self._coarse = Front(LEARNING // 2, QUIET // BLOCK, MEMORY // BLOCK, novelty=False)
        self._stillness = Stillness(demand)
        self._waiting: list[tuple[Instant, float]] = []
        self._block: list[float] = []
        self._held = (0.0, 0.0)
        self._count = 0
        self._last = -HOLD_OFF - 1
        self._habit = 0.0
        self.on = False
        self.found: Found | Still | None = None

    @property
    def learning(self) -> bool:
        """Whether alarms are not shown yet."""
        return self._count <= LEARNING

    def read(self, at: Instant, value: float) -> bool:
        """Take a reading in; returns whether it is, or still is, unusual."""
        self._count = count = self._count + 1
        if not -LARGEST <= value <= LARGEST:
            value = min(max(value, -LARGEST), LARGEST)
        if count <= LEARNING:
            self._waiting.append((at, value))
            if count == LEARNING:
                self._learn()
            return False
        near = within_reach(value, *self._raw.range)
        since = count - self._last
        if self._stillness.read(near):
            return self._stand_still(since)
        parts = self._weigh(at, near)
        evidence = sum(parts[:3]) + COARSE_WEIGHT * sum(parts[3:])
        if self.on and evidence > 0.0 and evidence >= CEASED * self._bar():
            return True
        if not self.on and (since <= HOLD_OFF or evidence < BAR * self._demand):
            return False
        bar = self._bar()
        if self.on or evidence < bar:
            self.on = False
            return False
        self._note(Found(value, self._raw.expected, evidence, bar, dict(zip(PARTS, parts, strict=True))), evidence)
        return self.on

    def _learn(self) -> None:
        """The first readings are weighed when all are there, so that the wild ones among them can be told."""
        times, values = zip(*self._waiting, strict=True)
        self._waiting = []
        for at, value in zip(times, tamed(values), strict=True):
            self._stillness.read(value)
            self._weigh(at, value)

    def _weigh(self, at: Instant, value: float) -> tuple[float, float, float, float, float]:
        """The improbabilities of PARTS; those of blocks are held until the next is complete."""
        parts = self._raw.weigh(at, value)
        block = self._block
        block.append(value)
        if len(block) == BLOCK:
            self._coarsen(at)
        return (*parts, *self._held)

    def _stand_still(self, since: int) -> bool:
        """What a signal says that stands still, and should not, is not learned."""
        if not self.on and since > HOLD_OFF:
            self._note(self._stillness.found, 0.0)
        return self.on

    def _coarsen(self, at: Instant) -> None:
        """A block is complete."""
        residual, shift, _ = self._coarse.weigh(at, sum(self._block) / BLOCK)
        self._held = residual, shift
        self._block.clear()

    def _bar(self) -> float:
        return self._demand * (BAR + HABIT * self._habit * exp((self._last - self._count) / MEMORY))

    def _note(self, found: Found | Still, evidence: float) -> None:
        self.found = found
        self._habit = self._habit * exp((self._last - self._count) / MEMORY) + evidence
        self._last = self._count
        self.on = not self.learning

    def snapshot(self) -> dict[str, Any]:
        """All state as JSON."""
        return {
            "raw": self._raw.snapshot(),
            "coarse": self._coarse.snapshot(),
            "stillness": self._stillness.snapshot(),
            "waiting": [list(reading) for reading in self._waiting],
            "block": list(self._block),
            "held": list(self._held),
            "own": [self._count, self._last, self._habit, self.on],
            "found": None if self.found is None else list(self.found),
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._raw.restore(data["raw"])
        self._coarse.restore(data["coarse"])
        self._stillness.restore(data["stillness"])
        self._waiting = [(at, value) for at, value in data.get("waiting", ())]
        self._block, self._held = list(data["block"]), tuple(data["held"])
        self._count, self._last, self._habit, self.on = data["own"]
        found = data["found"]
        self.found = None if found is None else (Found if len(found) == len(Found._fields) else Still)(*found)
