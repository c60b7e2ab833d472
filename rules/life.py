"""The life of one alarm: its state, what lies over it, and since when, so that time can act on it."""

from __future__ import annotations

from typing import Any

import msgspec

from rules.alarms import SUPPRESSIONS, Act, Priority, State, after, shown
from rules.events import Duration, Instant


class Hold(msgspec.Struct, frozen=True):
    """A suppression in force. Only one by design has no end of its own: it ends as soon as its logic does not hold."""

    end: Instant | None
    by: str
    comment: str
    once: bool = False

    def shifted(self, delta: Duration) -> Hold:
        """The same on a timeline that has moved."""
        return self if self.end is None else msgspec.structs.replace(self, end=self.end + delta)


class Override(msgspec.Struct, frozen=True):
    """Limits by level that hold for a while in place of those of the files.

    `rows` says of a limit that goes by context for what it holds: what was being made; anything else keeps its own.
    """

    limits: dict[str, float]
    rows: dict[str, str]
    since: Instant
    end: Instant
    by: str
    comment: str

    def shifted(self, delta: Duration) -> Override:
        """The same on a timeline that has moved."""
        return msgspec.structs.replace(self, since=self.since + delta, end=self.end + delta)


class Request(msgspec.Struct, frozen=True):
    """What one person asked for about a safety alarm and a second one may grant until it expires.

    A suppression; or an override, then with its `limits`, and `rows` as there.
    """

    action: str
    hold: Hold
    expires: Instant
    limits: dict[str, float] = {}
    rows: dict[str, str] = {}

    def shifted(self, delta: Duration) -> Request:
        """The same on a timeline that has moved."""
        return msgspec.structs.replace(self, hold=self.hold.shifted(delta), expires=self.expires + delta)


class Alarm:
    """The life of one alarm: (asset, rule, part).

    `state` is what holds underneath any suppression; `holds` are the suppressions. `occurrence` is the id of the
    transition at which the condition became active, `since` its time; both stay until the next occurrence.
    `annunciated` is when people were last called (raised, re-alarmed, shown again), `acknowledged` when one answered.
    `override` are limits that hold for a while in place of those of the files.
    """

    __slots__ = (
        "acknowledged", "annunciated", "holds", "level", "occurrence", "override", "priority", "request", "since",
        "state",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state = State.NORMAL
        self.holds: dict[State, Hold] = {}
        self.request: Request | None = None
        self.override: Override | None = None
        self.occurrence: str | None = None
        self.since: Instant = 0
        self.annunciated: Instant = 0
        self.acknowledged: Instant = 0
        self.level: str | None = None
        self.priority = Priority.MEDIUM

    @property
    def shown(self) -> State:
        """The state a person sees."""
        return shown(self.state, self.holds)

    def act(self, act: Act, at: Instant) -> tuple[State, State]:
        """Let an act of the life cycle happen; the states shown before and after.

        Raises:
            IllegalAct: it does not apply now.
        """
        before = self.shown
        self.state = after(self.state, act)
        if self.state is State.UNACKNOWLEDGED:
            self.annunciated = at
        elif act is Act.ACKNOWLEDGE:
            self.acknowledged = at
        return before, self.shown

    def end(self, at: Instant) -> tuple[State, State]:
        """Its rule is not what it was: it is normal, whatever its condition; the states shown before and after."""
        self.level = None
        return (self.shown, self.shown) if self.state is State.NORMAL else self.act(Act.RULE_CHANGE, at)

    def hold(self, suppression: State, hold: Hold) -> tuple[State, State]:
        """Lay a suppression over it, in place of an earlier one of its sort; the states shown before and after."""
        before = self.shown
        self.holds[suppression] = hold
        return before, self.shown

    def release(self, suppression: State, at: Instant) -> tuple[State, State]:
        """Take a suppression away; the states shown before and after. Whom it hid is called from now on."""
        before = self.shown
        del self.holds[suppression]
        if self.shown is State.UNACKNOWLEDGED:
            self.annunciated = at
        return before, self.shown

    def hidden(self) -> dict[str, Any]:
        """What a transition says while it is suppressed: the state underneath and every suppression, foremost first."""
        holds = [(state, self.holds[state]) for state in SUPPRESSIONS if state in self.holds]
        told = [
            {"state": state, "until": h.end, "by": h.by, "comment": h.comment, "once": h.once} for state, h in holds
        ]
        return {"underneath": self.state, "suppression": told}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self.annunciated += delta
        self.acknowledged += delta
        self.holds = {state: hold.shifted(delta) for state, hold in self.holds.items()}
        self.request = None if self.request is None else self.request.shifted(delta)
        self.override = None if self.override is None else self.override.shifted(delta)

    def snapshot(self) -> dict[str, Any]:
        """All fields, as JSON."""
        return {name: msgspec.to_builtins(getattr(self, name)) for name in self.__slots__}

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        for name in ("acknowledged", "annunciated", "level", "occurrence", "since"):
            setattr(self, name, data[name])
        self.state, self.priority = State(data["state"]), Priority(data["priority"])
        holds, request = data["holds"], data["request"]
        self.holds = msgspec.convert(holds, dict[State, Hold]) if holds else {}
        self.request = None if request is None else msgspec.convert(request, Request)
        override = data.get("override")
        self.override = None if override is None else msgspec.convert(override, Override)
