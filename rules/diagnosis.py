"""What keeps a rule from deciding though nothing is wrong with its file: signals that never came, gates unknown."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

from rules.alarms import Kind
from rules.events import SECOND, Duration, Instant
from rules.problems import quoted

if TYPE_CHECKING:
    from rules.asset import AssetMonitor
    from rules.watch import Watch

UNSEEN_AFTER: Final[Duration] = 3_600 * SECOND
"""How long an asset is heard without a signal before a rule that needs it is said to lack it."""


class Lack(enum.StrEnum):
    """What a rule lacks."""

    UNSEEN = "unseen"
    GATE = "gate_unknown"


class Diagnosis(msgspec.Struct, frozen=True):
    """One rule on one asset, and what it lacks there, in words."""

    asset: str
    rule: str
    lack: Lack
    text: str


def diagnoses(monitor: AssetMonitor, now: Instant) -> Iterator[Diagnosis]:
    """What the rules of an asset lack at `now`, in its time, each once; nothing of an asset that was never heard."""
    clock, found = monitor.clock, set()
    if clock.start is None or clock.heard is None:
        return
    long = now - clock.start >= UNSEEN_AFTER
    for watch in monitor.watches:
        if watch.rule.kind is Kind.SYSTEM:
            continue
        for lack, text in _lacks(watch, long):
            if (watch.rule.id, text) not in found:
                found.add((watch.rule.id, text))
                yield Diagnosis(monitor.asset, watch.rule.id, lack, text)


def _lacks(watch: Watch, long: bool) -> Iterator[tuple[Lack, str]]:
    gate = watch.gate
    inputs = (*watch.inputs, *(() if gate is None else gate.inputs))
    unseen = [signal.name for signal in inputs if signal.at is None]
    if long:
        yield from ((Lack.UNSEEN, f"the signal {quoted(name)} was never seen") for name in dict.fromkeys(unseen))
    if gate is not None and gate.open is None and not any(signal.at is None for signal in gate.inputs):
        kept = "armed" if watch.armed_since is not None else "unarmed"
        why = ", ".join(f"{signal.name} is {signal.quality.name.lower()}" for signal in gate.inputs if signal.quality)
        text = f"whether {quoted(gate.text)} holds cannot be told{f' ({why})' if why else ''}: it stays {kept}"
        yield Lack.GATE, text
