"""Laying a suppression over an alarm and taking it away: shelved, suppressed by design, out of service.

What the condition does meanwhile is decided and journalled all the same; whoever takes a suppression away says which
state follows, and what the condition says now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.alarms import JOURNALLED, SUPPRESSIONS, State
from rules.events import Instant
from rules.life import Hold

if TYPE_CHECKING:
    from rules.watch import Emit, Watch


def begin(watch: Watch, state: State, hold: Hold, at: Instant, emit: Emit, reason: dict[str, Any]) -> None:
    """Lay `state` over the watch's alarm."""
    (event,) = JOURNALLED[SUPPRESSIONS[state][0]]
    before, after = watch.alarm.hold(state, hold)
    emit(watch, event, before, after, at, reason)


def end(watch: Watch, state: State, at: Instant, emit: Emit, cause: str, why: str) -> None:
    """Take `state` away; `cause` are the words, `why` the word for programs."""
    (event,) = JOURNALLED[SUPPRESSIONS[state][1]]
    before, after = watch.alarm.release(state, at)
    reason = watch.present(why)
    text = f"{cause}: {after.words} ({after}) follows"
    reason |= {"text": f"{text}; {reason['text']}" if reason["text"] else text, "follows": after}
    emit(watch, event, before, after, at, reason)


def is_over(watch: Watch) -> bool:
    """Whether it is suppressed by design though its `suppress_when` does not certainly hold any more."""
    gate = watch.suppressor
    return State.SUPPRESSED_BY_DESIGN in watch.alarm.holds and (gate is None or gate.open is not True)


def by_design(watch: Watch, at: Instant, emit: Emit) -> None:
    """Follow the rule's `suppress_when`: only what certainly holds suppresses."""
    gate, held = watch.suppressor, watch.alarm.holds.get(State.SUPPRESSED_BY_DESIGN)
    if gate is not None and gate.open is True and held is None:
        reason = {"text": f"suppressed by design: {gate.text}", "why": "suppress_when"}
        begin(watch, State.SUPPRESSED_BY_DESIGN, Hold(None, "andon", gate.text), at, emit, reason)
    elif held is not None and is_over(watch):
        over = gate is not None and gate.open is False
        cause = f"{held.comment} does not hold any more" if over else f"it is not certain any more that {held.comment}"
        end(watch, State.SUPPRESSED_BY_DESIGN, at, emit, cause, "suppress_when")


def returned(watch: Watch, at: Instant, emit: Emit) -> None:
    """The condition is gone: a one-shot shelf has done its work."""
    shelf = watch.alarm.holds.get(State.SHELVED)
    if shelf is not None and shelf.once:
        end(watch, State.SHELVED, at, emit, "the condition for which it was shelved is gone", "returned_to_normal")


def lift(watch: Watch, at: Instant, emit: Emit) -> None:
    """Take away all that lies over an alarm whose rule goes."""
    for state in [state for state in SUPPRESSIONS if state in watch.alarm.holds]:
        end(watch, state, at, emit, "the rule was changed or removed", "rule_changed")
