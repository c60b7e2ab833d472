"""The second stage, over the transitions of all assets: inhibition, first-out, nuisance alarms.

It only lays `suppressed` over alarms, takes it away, and comments; what assets decide never depends on it. A cause acts
as soon as it is known; people are told of what it may hide only after a wait, in the order of the assets' time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from rules.alarms import ACTIVE, APPEARS, ENDED, Identity, State, Transition
from rules.builtin import COMMS_LOST
from rules.events import Instant
from rules.grouping import overlay
from rules.grouping.covering import Covering
from rules.grouping.firstout import FirstOut
from rules.grouping.nuisance import Nuisance, Nuisances
from rules.grouping.tree import WAIT, Cause, Tree, underneath
from rules.roster import alarm_name
from rules.ruleset import RuleSet


@dataclass
class Outcome:
    """What came of an event.

    `shown` are transitions as people see them, in order; `told` those of them, or of earlier ones, whose time has come
    to tell people of.
    """

    shown: list[Transition] = field(default_factory=list)
    told: list[Transition] = field(default_factory=list)
    nuisances: list[Nuisance] = field(default_factory=list)


class Standing(msgspec.Struct):
    """An alarm that is not normal, or hidden: its last transition as the asset has it, and what lies over it.

    `marks` counts the transitions of ours since that one. `until` is when, in time of receipt, it is shown again, its
    cause having ended; `stale` says that it stands though nothing is heard of its asset, `unseen` that it was raised
    meanwhile, from what was heard before.
    """

    last: Transition
    cause: Cause | None = None
    marks: int = 0
    until: Instant | None = None
    until_at: Instant = 0
    stale: bool = False
    unseen: bool = False


class Waiting(msgspec.Struct):
    """What is not yet told of an alarm, and until when it waits."""

    until: Instant
    items: list[Transition]


class Group:
    """See the module. `due` is when, in time of receipt, the passing of time changes something; None: never."""

    def __init__(self, rules: RuleSet) -> None:
        self._tree = Tree(rules)
        self._first_out = FirstOut(rules)
        self._nuisances = Nuisances()
        self._standing: dict[Identity, Standing] = {}
        self._waiting: dict[Identity, Waiting] = {}
        self._below: dict[str, dict[Identity, None]] = {}
        self._causes: dict[str, dict[tuple[str, str | None], Cause]] = {}
        self._covering = Covering()
        self._order: list[tuple[Instant, str, Identity]] = []
        self._ends: list[tuple[Instant, Instant, str, Identity]] = []

    # -- the contract -----------------------------------------------------------------------------------------------

    @property
    def due(self) -> Instant | None:
        """See the class."""
        while self._ends and not self._is_end(*self._ends[0]):
            heapq.heappop(self._ends)
        due = self._covering.due
        return due if not self._ends or (due is not None and due < self._ends[0][0]) else self._ends[0][0]

    def advance(self, received: Instant, out: Outcome) -> bool:
        """Let time pass up to `received`; returns whether anything changed."""
        changed = False
        while (due := self.due) is not None and due <= received:
            changed = True
            if due == self._covering.due:
                out.told += self._covering.take_due(due)
                continue
            _, _, name, identity = heapq.heappop(self._ends)
            if identity in self._waiting and self._waiting[identity].items[0].id == name:
                self._tell_up_to(identity, due, out)
            else:
                self._lift(identity, due, out)
        return changed

    def take(self, transitions: Iterable[Transition], received: Instant, out: Outcome) -> None:
        """What the assets decided at one event."""
        causes = [(cause, t) for t in transitions if (cause := self._note_cause(t)) is not None]
        for t in transitions:
            self._covering.follow(t, received, self._tree)
        covered = [told for t in transitions if (told := self._asset(t, received, out)) is not None]
        out.told += covered
        for cause, t in causes:
            if self._holds(cause):
                self._began(cause, t, received, out)
            else:
                self._ended(cause, t, received, out)

    def hiding(self, asset: str, alarm: str) -> Cause | None:
        """What hides an alarm, by the id of its occurrence or by its name; None if it is not hidden."""
        names = ((alarm_name(*identity), one) for identity, one in self._standing.items() if identity[0] == asset)
        return next((one.cause for name, one in names if alarm in (name, one.last.alarm)), None)

    def adopt(self, rules: RuleSet, received: Instant, out: Outcome) -> None:
        """From here on these rules hold; what they do not hide is shown at once."""
        self._tree = Tree(rules)
        self._first_out.rules = rules
        self._index()
        for identity, standing in list(self._standing.items()):
            if standing.cause is not None and not self._still(standing) and standing.until is None:
                standing.cause = self._cause_of(standing) or standing.cause
                if not self._still(standing):
                    standing.until_at = standing.last.at
                    self._lift(identity, received, out)

    def snapshot(self) -> dict[str, Any]:
        """All state as JSON."""
        return {
            "standing": msgspec.to_builtins(list(self._standing.values())),
            "waiting": msgspec.to_builtins(list(self._waiting.values())),
            "covering": self._covering.snapshot(),
            "first_out": self._first_out.snapshot(),
            "nuisances": self._nuisances.snapshot(),
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`, under the same rules."""
        standing = msgspec.convert(data["standing"], list[Standing])
        waiting = msgspec.convert(data["waiting"], list[Waiting])
        self._standing = {one.last.identity: one for one in standing}
        self._waiting = {one.items[0].identity: one for one in waiting}
        if "covering" in data:
            self._covering.restore(data["covering"])
        self._first_out.restore(data["first_out"])
        self._nuisances.restore(data["nuisances"])
        self._index()

    # -- what assets say --------------------------------------------------------------------------------------------

    def _asset(self, t: Transition, received: Instant, out: Outcome) -> Transition | None:
        """Show and tell it; returned is what is to be told last, for the loss of its gateway says it already."""
        identity = t.identity
        standing = self._standing.get(identity)
        view = t
        if standing is None:
            standing = self._stand(identity, t)
        else:
            if standing.cause is not None:
                view = overlay.seen(t, overlay.hidden(standing.last.to, standing.last), standing.cause)
            standing.last, standing.marks = t, 0
        if t.event == "raised":
            standing.unseen = self._lost(t) is not None
        out.shown.append(view)
        self._first_out.changed(t)
        view = self._noticed(view, t, out)
        covered = self._covering.covered(view, self._tree)
        if covered is None:
            self._tell(identity, view, received, out)
        if standing.cause is None and t.event in APPEARS and underneath(t) in ACTIVE:
            self._appeared(standing, t, received, out)
        elif standing.until is not None and t.to is State.NORMAL:
            self._lift(identity, received, out)
        self._forget(identity)
        return covered

    def _appeared(self, standing: Standing, t: Transition, received: Instant, out: Outcome) -> None:
        """It is in sight: hide it if something does; what was raised from old values and stays in sight says so."""
        if (cause := self._cause_of(standing)) is not None:
            self._hide(t.identity, cause, t.at, received, out)
        elif t.event == "raised" and (lost := self._lost(t)) is not None:
            self._mark(standing, f"stale, {lost.text} is active", True, t.at, received, out)

    def _noticed(self, view: Transition, t: Transition, out: Outcome) -> Transition:
        """Note chattering and fleeting alarms; who is told of a chattering one reads so."""
        ended = t.event in ENDED
        found = self._nuisances.raised(t) if t.event == "raised" else self._nuisances.ended(t) if ended else None
        if found is None:
            return view
        out.nuisances.append(found)
        return view if ended else _also(view, {"text": f"chattering: {found.text}"})

    def _stand(self, identity: Identity, t: Transition) -> Standing:
        standing = self._standing[identity] = Standing(t)
        for asset in self._tree.above(t.asset):
            self._below.setdefault(asset, {})[identity] = None
        return standing

    def _forget(self, identity: Identity) -> None:
        standing = self._standing[identity]
        if standing.cause is None and standing.last.to is State.NORMAL:
            del self._standing[identity]
            for asset in self._tree.above(identity[0]):
                below = self._below[asset]
                del below[identity]
                if not below:
                    del self._below[asset]

    # -- causes -----------------------------------------------------------------------------------------------------

    def _note_cause(self, t: Transition) -> Cause | None:
        """Whether the transition begins or ends what may hide others; a changed list says which."""
        if not self._tree.is_cause(t):
            return None
        cause = Cause(t.asset, t.rule, t.part, t.alarm)
        key, active = (t.rule, t.part), self._causes.setdefault(t.asset, {})
        before = key in active
        if hides(t):
            active[key] = cause
        else:
            active.pop(key, None)
        return cause if before is not (key in active) else None

    def _holds(self, cause: Cause) -> bool:
        return (cause.rule, cause.part) in self._causes.get(cause.asset, {})

    def _cause_of(self, standing: Standing) -> Cause | None:
        """The nearest active cause that hides an alarm."""
        return next((cause for cause in self._above(standing.last.asset) if self._inhibits(cause, standing)), None)

    def _lost(self, t: Transition) -> Cause | None:
        """The loss of its gateway during which an alarm is raised that does not say the same: from old values."""
        if self._tree.is_blind(t):
            return None
        return next((cause for cause in self._above(t.asset) if self._tree.loses(cause, t.asset)), None)

    def _above(self, asset: str) -> Iterator[Cause]:
        """The active causes of an asset and of all that it belongs to, nearest first."""
        return (cause for one in self._tree.above(asset) for cause in self._causes.get(one, {}).values())

    def _inhibits(self, cause: Cause, standing: Standing) -> bool:
        return self._tree.inhibits(cause, standing.last, unseen=standing.unseen)

    def _still(self, standing: Standing) -> bool:
        cause = standing.cause
        return cause is not None and self._holds(cause) and self._inhibits(cause, standing)

    def _began(self, cause: Cause, t: Transition, received: Instant, out: Outcome) -> None:
        only_new = self._tree.blinds(cause)
        for identity in list(self._below.get(cause.asset, ())):
            standing = self._standing[identity]
            if standing.cause is not None:
                if standing.until is not None and self._inhibits(cause, standing):
                    standing.cause, standing.until = cause, None
            elif underneath(standing.last) in ACTIVE:
                if self._inhibits(cause, standing) and (not only_new or identity in self._waiting):
                    self._hide(identity, cause, t.at, received, out)
                elif cause.rule == COMMS_LOST and not standing.stale and identity != cause.key:
                    self._mark(standing, f"stale, {cause.text} is active", True, t.at, received, out)

    def _ended(self, cause: Cause, t: Transition, received: Instant, out: Outcome) -> None:
        for identity in list(self._below.get(cause.asset, ())):
            standing = self._standing[identity]
            held = standing.cause
            if held is not None and held.key == cause.key:
                self._let_go(identity, standing, t.at, received, out)
            elif standing.stale and cause.rule == COMMS_LOST:
                self._mark(standing, "seen again", False, t.at, received, out)

    def _let_go(self, identity: Identity, standing: Standing, at: Instant, received: Instant, out: Outcome) -> None:
        """The cause has ended: another takes its place, or the alarm is shown again after a while."""
        other = self._cause_of(standing)
        if other is not None:
            standing.cause = other
            return
        linger = self._tree.lingers(standing.last)
        standing.until, standing.until_at = received + linger, at + linger
        if standing.last.to is State.NORMAL:
            standing.until_at = at
            self._lift(identity, received, out)
        else:
            heapq.heappush(self._ends, (standing.until, standing.until_at, _lying_over(identity), identity))

    def _hide(self, identity: Identity, cause: Cause, at: Instant, received: Instant, out: Outcome) -> None:
        standing = self._standing[identity]
        standing.cause, standing.marks = cause, standing.marks + 1
        begins = overlay.suppressed(standing.last, standing.marks, cause, at, received)
        out.shown.append(begins)
        self._tell_now(identity, received, out)
        out.told.append(begins)

    def _lift(self, identity: Identity, received: Instant, out: Outcome) -> None:
        standing = self._standing[identity]
        assert standing.cause is not None
        standing.marks += 1
        ends = overlay.unsuppressed(standing.last, standing.marks, standing.cause, standing.until_at, received)
        standing.cause, standing.until, standing.unseen = None, None, False
        out.shown.append(ends)
        out.told.append(ends)
        self._forget(identity)

    def _mark(self, standing: Standing, text: str, stale: bool, at: Instant, received: Instant, out: Outcome) -> None:
        """Say of an alarm that stands whether its asset is seen."""
        standing.stale, standing.marks = stale, standing.marks + 1
        last, cause = standing.last, standing.cause
        about = last if cause is None else overlay.seen(last, last.from_, cause)
        told = overlay.commented(about, str(standing.marks), "stale", at, received, text=text, stale=stale)
        out.shown.append(told)
        out.told.append(told)

    # -- telling people ---------------------------------------------------------------------------------------------

    def _tell(self, identity: Identity, view: Transition, received: Instant, out: Outcome) -> None:
        waiting = self._waiting.get(identity)
        waits = self._tree.waits(view, unseen=self._standing[identity].unseen)
        if waiting is not None and waits:
            waiting.items.append(view)
        elif waits and view.event == "raised" and view.to is State.UNACKNOWLEDGED:
            self._waiting[identity] = Waiting(received + WAIT, [view])
            self._queue(identity)
        else:
            self._tell_now(identity, received, out)
            self._announce(view, received, out)

    def _queue(self, identity: Identity) -> None:
        waiting = self._waiting[identity]
        first = waiting.items[0]
        heapq.heappush(self._order, (first.at, first.id, identity))
        heapq.heappush(self._ends, (waiting.until, first.at, first.id, identity))

    def _tell_up_to(self, identity: Identity, received: Instant, out: Outcome) -> None:
        """The wait of an alarm is over: it is told of, and before it all that happened before."""
        first = self._waiting[identity].items[0]
        while self._order and self._order[0][:2] <= (first.at, first.id):
            _, name, other = heapq.heappop(self._order)
            if other in self._waiting and self._waiting[other].items[0].id == name:
                self._tell_now(other, received, out)

    def _tell_now(self, identity: Identity, received: Instant, out: Outcome) -> None:
        """What waits is told. Its group hears of it only now, also if it is over by now."""
        waiting = self._waiting.pop(identity, None)
        if waiting is None:
            return
        standing = self._standing.get(identity)
        cause = None if standing is None else standing.cause
        for view in waiting.items:
            now = view if cause is None else overlay.seen(view, view.from_, cause)
            self._announce(now, received, out)
        self._first_out.changed(waiting.items[-1] if standing is None else standing.last)

    def _announce(self, view: Transition, received: Instant, out: Outcome) -> None:
        """People may be told; a raise says its place in its group."""
        if view.event == "raised" and view.to is State.UNACKNOWLEDGED and (more := self._first_out.raised(view)):
            now = self._standing.get(view.identity)
            if now is None or now.last.alarm == view.alarm:
                state = State.NORMAL if now is None else now.last.to
                told = overlay.commented(view, "first_out", "first_out", view.at, received, state=state, **more)
                out.shown.append(told)
                out.told.append(told)
            view = _also(view, more)
        out.told.append(view)

    # -- what follows from the rest ---------------------------------------------------------------------------------

    def _is_end(self, until: Instant, _at: Instant, name: str, identity: Identity) -> bool:
        """Whether an entry of the heap still counts."""
        waiting, standing = self._waiting.get(identity), self._standing.get(identity)
        if waiting is not None and waiting.items[0].id == name:
            return waiting.until == until
        return standing is not None and standing.cause is not None and standing.until == until

    def _index(self) -> None:
        """Build anew what can be computed."""
        self._below.clear()
        self._causes.clear()
        self._order.clear()
        self._ends.clear()
        for identity, standing in self._standing.items():
            for asset in self._tree.above(identity[0]):
                self._below.setdefault(asset, {})[identity] = None
            self._note_cause(standing.last)
            if standing.until is not None:
                heapq.heappush(self._ends, (standing.until, standing.until_at, _lying_over(identity), identity))
        for identity in self._waiting:
            self._queue(identity)


def hides(t: Transition) -> bool:
    """Whether the alarm as it is now may hide others: active or latched, shelved or not, but not out of service."""
    return underneath(t) in ACTIVE and t.to is not State.OUT_OF_SERVICE


def _lying_over(identity: Identity) -> str:
    """What lies over an alarm, named so that the order of those that end together does not depend on what they did."""
    return "\0".join(map(str, identity))


def _also(t: Transition, more: dict[str, Any]) -> Transition:
    """The transition with something said in front of its reason."""
    text = f"{more['text']}: {t.reason.get('text', '')}"
    return msgspec.structs.replace(t, reason={**t.reason, **more, "text": text})
