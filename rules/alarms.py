"""The ISA-18.2 alarm states, their transition table as data, and the Transition that the core emits.

The condition, latch and acknowledgement live in the states A-F; shelving (G), suppression by design (H) and
out of service (I) lie over them, so that leaving a suppression shows what the condition kept underneath calls for.
"""

from __future__ import annotations

import enum
from collections.abc import Container
from typing import Any, Final, TypeAlias

import msgspec

from rules.events import Instant, Value


class State(enum.StrEnum):
    """ISA-18.2-2016 / IEC 62682 alarm states."""

    NORMAL = "A"
    UNACKNOWLEDGED = "B"
    ACKNOWLEDGED = "C"
    RETURNED_UNACKNOWLEDGED = "D"
    LATCHED_UNACKNOWLEDGED = "E"
    LATCHED_ACKNOWLEDGED = "F"
    SHELVED = "G"
    SUPPRESSED_BY_DESIGN = "H"
    OUT_OF_SERVICE = "I"

    @property
    def words(self) -> str:
        """Its name as people write it."""
        return self.name.lower().replace("_", " ")


class Act(enum.StrEnum):
    """What can happen to an alarm."""

    OCCUR = "occur"
    RETURN = "return"
    RETURN_LATCHING = "return (latching)"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    RE_ALARM = "re-alarm"
    RULE_CHANGE = "rule change"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    REMOVE_FROM_SERVICE = "remove from service"
    RETURN_TO_SERVICE = "return to service"


A, B, C, D, E, F, G, H, I = State

LIFE_CYCLE: Final[dict[tuple[State, Act], State]] = {
    (A, Act.OCCUR): B,
    (B, Act.ACKNOWLEDGE): C,
    (B, Act.RETURN): D,
    (B, Act.RETURN_LATCHING): E,
    (C, Act.RETURN): A,
    (C, Act.RETURN_LATCHING): F,
    (C, Act.RE_ALARM): B,
    (D, Act.ACKNOWLEDGE): A,
    (D, Act.OCCUR): B,
    (E, Act.ACKNOWLEDGE): F,
    (E, Act.OCCUR): B,
    (F, Act.RESET): A,
    (F, Act.OCCUR): B,
    **{(state, Act.RULE_CHANGE): A for state in (B, C, D, E, F)},
}
"""What the condition and people do, underneath any suppression.

A reset before acknowledgement is refused (OPC UA Part 9)."""

SUPPRESSIONS: Final[dict[State, tuple[Act, Act]]] = {
    I: (Act.REMOVE_FROM_SERVICE, Act.RETURN_TO_SERVICE),
    G: (Act.SHELVE, Act.UNSHELVE),
    H: (Act.SUPPRESS, Act.UNSUPPRESS),
}
"""Each suppression with the acts that begin and end it; where several hold, the first in this order is shown."""

JOURNALLED: Final[dict[Act, tuple[str, ...]]] = {
    Act.OCCUR: ("raised",),
    Act.RETURN: ("cleared",),
    Act.RETURN_LATCHING: ("latched",),
    Act.ACKNOWLEDGE: ("acknowledged",),
    Act.RESET: ("reset", "cleared"),
    Act.RE_ALARM: ("re_alarmed",),
    Act.RULE_CHANGE: ("cleared",),
    Act.SHELVE: ("shelved",),
    Act.UNSHELVE: ("unshelved",),
    Act.SUPPRESS: ("suppressed",),
    Act.UNSUPPRESS: ("unsuppressed",),
    Act.REMOVE_FROM_SERVICE: ("out_of_service",),
    Act.RETURN_TO_SERVICE: ("returned_to_service",),
}
"""The events that an act leaves behind as transitions, in order."""


class IllegalAct(Exception):
    """The act does not apply in this state; the message says why."""


def after(state: State, act: Act) -> State:
    """The state that follows underneath any suppression.

    Raises:
        IllegalAct: the table has no such cell.
    """
    try:
        return LIFE_CYCLE[state, act]
    except KeyError:
        raise IllegalAct(f"{act} does not apply in state {state} ({state.words})") from None


def shown(state: State, suppressions: Container[State]) -> State:
    """The state a person sees: the foremost suppression, else the state underneath."""
    return next((s for s in SUPPRESSIONS if s in suppressions), state)


class Priority(enum.StrEnum):
    """Alarm priorities, least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The place in the order, from 0 for the least."""
        return tuple(Priority).index(self)


class Kind(enum.StrEnum):
    """What a rule watches over; safety rules are evaluated and sent first."""

    EQUIPMENT = "equipment"
    QUALITY = "quality"
    SAFETY = "safety"
    SYSTEM = "system"


Reason: TypeAlias = dict[str, Any]
"""JSON only; `text` is always there."""

Identity: TypeAlias = tuple[str, str, str | None]
"""Asset, rule, part: what makes an alarm the same one."""

ACTIVE: Final = frozenset(
    {State.UNACKNOWLEDGED, State.ACKNOWLEDGED, State.LATCHED_UNACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED}
)
"""The condition holds, or is latched."""
LEAVING: Final = frozenset({"unshelved", "unsuppressed", "returned_to_service"})
"""Events that end a suppression."""
APPEARS: Final = LEAVING | {"raised"}
"""Events after which an alarm may be in sight that was not before."""
ENDED: Final = frozenset({"cleared", "latched"})
"""Events by which the condition is gone."""
BY_CONDITION: Final = ENDED | {"raised", "re_alarmed", "raised_priority", "lowered_priority"}
"""Events whose reason says how it stands with the condition."""


class Transition(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}, omit_defaults=False):
    """One change of one alarm: a fact that is stored once and read by everybody else.

    `id` is `asset:rule:at:ordinal`; the ordinal counts this rule's transitions at that `at`. `alarm` is the id of the
    transition at which the condition became active. `at` is in the asset's time, `received` in ours.
    """

    id: str
    alarm: str
    at: Instant
    received: Instant
    asset: str
    rule: str
    part: str | None
    kind: Kind
    priority: Priority
    event: str
    from_: State
    to: State
    value: Value
    reason: Reason
    by: str
    mode: str
    title: str

    @property
    def identity(self) -> Identity:
        """Which alarm it is of."""
        return self.asset, self.rule, self.part
