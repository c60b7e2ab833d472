"""Alarms of a class that nobody has to acknowledge: they acknowledge themselves, and say so (ISA-18.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rules.alarms import Act, State
from rules.events import Instant

if TYPE_CHECKING:
    from rules.watch import Emit, Watch

AUTOMATIC: Final = "automatic"
ANSWERED: Final[dict[str, frozenset[State]]] = {
    "person": frozenset(),
    "on_return": frozenset({State.RETURNED_UNACKNOWLEDGED, State.LATCHED_UNACKNOWLEDGED}),
    AUTOMATIC: frozenset(
        {State.UNACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED, State.LATCHED_UNACKNOWLEDGED},
    ),
}
"""The states, as people see them, in which no person's acknowledgement is waited for, by a rule's `acknowledge`."""


def answer(watch: Watch, at: Instant, emit: Emit) -> None:
    """Acknowledge if that is not left to people. What is suppressed waits: it is shown, and told, first."""
    if watch.alarm.shown not in ANSWERED[watch.rule.acknowledge]:
        return
    reason = watch.present(AUTOMATIC)
    before, after = watch.alarm.act(Act.ACKNOWLEDGE, at)
    text = f"acknowledged by the rule ({watch.rule.acknowledge}): nobody has to"
    reason |= {"text": f"{text}; {reason['text']}".removesuffix("; "), "automatic": True}
    emit(watch, "acknowledged", before, after, at, reason)
