"""`anomaly`: a signal that does what it has hardly ever done. Learns by itself; only its sensitivity may be set."""

from __future__ import annotations

from typing import Any, Final, Literal

from rules.detectors.base import Bindings, Detector, DetectorConfig, shown
from rules.events import Duration, Instant
from rules.learning.evidence import Evidence, Found
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
    """One signal. `sensitivity` low: only what is very unusual; high: sooner, and wrong more often."""

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
        return {
            "text": _sentence(signal, found),
            "value": found.value,
            "expected": found.expected,
            "evidence": round(found.evidence, 2),
            "limit": round(found.bar, 2),
            "parts": {name: round(part, 2) for name, part in found.parts.items() if part > 0.0},
            "values": {signal.name: found.value},
        }

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


def _sentence(signal: Signal, found: Found) -> str:
    foremost = sorted((name for name, part in found.parts.items() if part > 0.0), key=lambda n: -found.parts[n])
    why = ", ".join(WORDS[name] for name in foremost)
    seen, expected = shown(found.value), shown(found.expected)
    return (
        f"{signal.name} {seen}{signal.unit} where {expected}{signal.unit} was expected: {why}"
        f" (evidence {found.evidence:.1f}, alarm from {found.bar:.1f})"
    )
