"""`anomaly`: a signal that does what it has hardly ever done. Learns by itself; only its sensitivity may be set."""

from __future__ import annotations

from math import ceil
from typing import Any, Final, Literal

from rules.detectors.base import Bindings, Detector, DetectorConfig, shown
from rules.events import Duration, Instant
from rules.learning.evidence import Evidence, Found
from rules.learning.stillness import Still
from rules.signals import Signal

DEMANDS: Final = {"low": 1.4, "normal": 1.0, "high": 0.7}
"""How much evidence each sensitivity asks for, as a factor."""
WORDS: Final = {
    "level": "unusual for this time of the day",
    "shift": "a shift of its level",
    "movement": "a movement hardly ever seen",
    "slow level": "unusual for a while now",
    "slow shift": "a slow shift of its level",
}


class AnomalyConfig(DetectorConfig):
    """One signal. `sensitivity` low: only what is very unusual; high: sooner, and wrong more often.

    Found are values unusual for the time of the day or week, shifts, movements hardly ever seen (another frequency,
    more noise), and a lively signal that freezes or hardly moves any more: calm for 30 readings, and for six times as
    long as it was of late. Nothing is told in the first 150 readings, of a standstill in the first 300.
    """

    type: Literal["anomaly"]
    signal: str
    sensitivity: Literal["low", "normal", "high"] = "normal"

    def signals(self) -> tuple[str, ...]:
        """The signal watched."""
        return (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Anomaly(bindings.signal(self.signal), DEMANDS[self.sensitivity], bindings.ignore_quality)]


class Anomaly(Detector):
    """Every reading is weighed, also one that repeats the last value; a second one of the same time is not."""

    every_reading = True

    def __init__(self, signal: Signal, demand: float, ignore_quality: bool) -> None:
        self.inputs = (signal,)
        self._signal = signal
        self._ignore = ignore_quality
        self._evidence = Evidence(demand)
        self._seen: Instant | None = None

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Unusual, from the reading that shows it until the signal is usual again or the new state has lasted."""
        del at
        signal = self._signal
        value = signal.last if self._ignore else signal.value
        if type(value) is not float:
            return None
        if signal.at is None or signal.at == self._seen:
            return (self._evidence.on,)
        self._seen = signal.at
        return (self._evidence.read(signal.at, value),)

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was read before the rule was armed is not weighed."""
        if self._signal.at is not None and self._signal.at < at:
            self._seen = self._signal.at
        self._evidence.on = held[0]

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Seen, expected, how unusual, and in what respect."""
        del level
        signal, found = self._signal, self._evidence.found
        value = signal.last if signal.value is None else signal.value
        if found is None or not on:
            return {"text": f"{signal.name} {shown(value)}{signal.unit} is usual again", "value": value}
        told = _stands_still(signal, found) if isinstance(found, Still) else _stands_out(signal, found)
        return {**told, "value": found.value, "values": {signal.name: found.value}}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        if self._seen is not None:
            self._seen += delta

    def snapshot(self) -> dict[str, Any]:
        """What was learned, and the time of the last reading."""
        return {"seen": self._seen, "evidence": self._evidence.snapshot()}

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._seen = data["seen"]
        self._evidence.restore(data["evidence"])


def _stands_out(signal: Signal, found: Found) -> dict[str, Any]:
    parts = {name: round(part, 2) for name, part in found.parts.items() if part > 0.0}
    why = ", ".join(WORDS[name] for name in sorted(parts, key=lambda name: -found.parts[name]))
    seen, expected = shown(found.value), shown(found.expected)
    return {
        "text": f"{signal.name} {seen}{signal.unit} where {expected}{signal.unit} was expected: {why}"
        f" (evidence {found.evidence:.1f}, alarm from {found.bar:.1f})",
        "expected": found.expected,
        "evidence": round(found.evidence, 2),
        "limit": round(found.bar, 2),
        "parts": parts,
    }


def _stands_still(signal: Signal, found: Still) -> dict[str, Any]:
    unit = signal.unit
    still = (
        f"has stood still for {found.repeats} readings"
        if found.repeats >= found.calm
        else f"has hardly moved for {found.calm} readings, by about {found.movement:.3g}{unit} from one to the next"
    )
    habit = (
        f"it moves by about {found.usual:.3g}{unit} a reading and is calm for {ceil(found.longest)} readings at most"
    )
    return {
        "text": f"{signal.name} {shown(found.value)}{unit} {still}: usually {habit}",
        "movement": found.movement,
        "expected": found.usual,
        "evidence": found.calm,
        "limit": round(found.bar, 2),
        "parts": {"stillness": found.calm},
    }
