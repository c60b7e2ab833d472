"""What came late is not told alarm by alarm: it is held back until the backlog is worked off.

Then people hear of what is still active, marked late, and each team of what came and went in one summary. What is held
stands in the alarm database as such, so a restart goes on holding it. Pure: no I/O, no clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

import msgspec

from monitor.alerting import messages
from monitor.alerting.messages import AssetFacts, RuleFacts, moment
from monitor.alerting.policy import Decision, Notifier, Why, decide, purpose_of
from monitor.database.records import Notification, Purpose, Recipient, began
from rules.alarms import SUPPRESSIONS, Identity, Kind, Priority, State, Transition
from rules.clock import GRACE, MISSED
from rules.events import SECOND, Duration, Instant

LONGEST_HOLD: Final[Duration] = 60 * SECOND
"""A backlog that takes longer is told of in parts: nothing that is active is kept from people for longer."""
MOST_HELD: Final = 10_000
"""The same for one of more transitions."""

Facts: TypeAlias = Callable[[Transition], tuple[RuleFacts | None, AssetFacts]]
"""What a message says of a transition's rule and machine."""

OVER: Final = frozenset({State.NORMAL, State.RETURNED_UNACKNOWLEDGED})


class Released(NamedTuple):
    """What follows from what was held: whom to tell, and by transition id what became of it."""

    notifications: list[Notification]
    verdicts: dict[str, str]


@dataclass
class _Story:
    """What is held of one alarm, and the state that it has come to. `overtaken` are ids."""

    state: State
    waiting: list[Transition] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)


class Backlog:
    """Stands between the transitions and the Notifier. `held` and `states` (of all that is not normal) are from before.

    What is safety or critical is never held: it goes out at once, marked late.
    """

    def __init__(
        self,
        notifier: Notifier,
        facts: Facts,
        held: Iterable[Transition] = (),
        states: Mapping[Identity, State] | None = None,
    ) -> None:
        self._notifier = notifier
        self._facts = facts
        self._stories: dict[Identity, _Story] = {}
        self._count = 0
        self._first: Instant | None = None
        self._last: Instant = 0
        for transition in held:
            self._keep(transition).state = (states or {}).get(transition.identity, State.NORMAL)

    @property
    def holding(self) -> bool:
        """Whether somebody has yet to be told of something."""
        return bool(self._stories)

    def decide(self, transition: Transition, now: Instant, elapsed: Instant) -> Decision:
        """Who is told at once; `now` is the time of day, `elapsed` the steady clock's. Once for each, in order."""
        late = is_late(transition, now)
        story = self._stories.get(transition.identity)
        if _may_wait(transition) and (late or story is not None):
            return self.hold(transition, elapsed)
        if story is not None:
            story.state = transition.to
            if urgent(transition):
                story.overtaken += [waiting.id for waiting in story.waiting]
                story.waiting.clear()
        return self._tell(transition, late=late)

    def hold(self, transition: Transition, elapsed: Instant) -> Decision:
        """Tell nobody of it until `release`."""
        self._first = elapsed if self._first is None else self._first
        self._last = elapsed
        self._keep(transition)
        return Decision(transition.id, Why.HELD)

    def due(self, elapsed: Instant, *, caught_up: bool) -> bool:
        """Whether to release: all that arrived is decided and nothing was held for a while, or it takes too long."""
        if not self._stories:
            return False
        if self._first is None:
            self._first = self._last = elapsed
        too_long = elapsed - self._first >= LONGEST_HOLD or self._count >= MOST_HELD
        return too_long or (caught_up and elapsed - self._last >= GRACE)

    def release(self) -> Released:
        """What is still active, and one summary to each channel of a team; nothing is held afterwards."""
        out = Released([], {})
        past: dict[Recipient, list[_Past]] = {}
        for story in self._stories.values():
            out.verdicts.update(dict.fromkeys([*story.overtaken, *(t.id for t in story.waiting)], Why.OVERTAKEN))
            for decision in self._present(story):
                out.notifications.extend(decision.notifications)
                out.verdicts[decision.transition] = decision.why
            for one in self._past(story):
                past.setdefault(Recipient(one.call.team, one.call.channel), []).append(one)
        for told in past.values():
            summary = _summary(told)
            out.notifications.append(summary)
            out.verdicts.update((id_, f"{Why.SUMMARISED} ({summary.key})") for one in told for id_ in one.ids)
        self._stories, self._count, self._first = {}, 0, None
        return out

    def _present(self, story: _Story) -> Iterator[Decision]:
        """Of what is active the last call, and that it is to be reset; of what is over, that it is over."""
        purposes = (Purpose.RECOVERY,) if story.state in OVER else (Purpose.ALERT, Purpose.LATCHED)
        for purpose in purposes if story.state not in SUPPRESSIONS else ():
            found = [transition for transition in story.waiting if purpose_of(transition) is purpose]
            if found:
                yield self._tell(found[-1], late=True)

    def _past(self, story: _Story) -> Iterator[_Past]:
        """If it came and went: whom its last call would have reached."""
        calls = [transition for transition in story.waiting if purpose_of(transition) is Purpose.ALERT]
        if story.state in OVER and calls:
            ends = [moment(at, self._notifier.zone) for at in (began(calls[0]), story.waiting[-1].at)]
            times = f", {len(calls)} times" if len(calls) > 1 else ""
            ids = [transition.id for transition in story.waiting]
            for call in self._decided(calls[-1]).notifications:
                yield _Past(call, f"{call.title}: {ends[0]} to {ends[1]}{times}", ids)

    def _decided(self, call: Transition) -> Decision:
        rule, asset = self._facts(call)
        return decide(call, rule, self._notifier.notify, asset, zone=self._notifier.zone)

    def _tell(self, transition: Transition, *, late: bool) -> Decision:
        if late and not transition.reason.get("late"):
            transition = msgspec.structs.replace(transition, reason=transition.reason | {"late": True})
        return self._notifier.decide(transition, *self._facts(transition))

    def _keep(self, transition: Transition) -> _Story:
        story = self._stories.setdefault(transition.identity, _Story(transition.to))
        story.state = transition.to
        story.waiting.append(transition)
        self._count += 1
        return story


def is_late(transition: Transition, now: Instant) -> bool:
    """The one criterion: its asset did it before a lost link was back, or its journal entry waited for too long."""
    return bool(transition.reason.get("late")) or now - transition.received > MISSED


def urgent(transition: Transition) -> bool:
    """Whether it may never wait."""
    return transition.kind is Kind.SAFETY or transition.priority is Priority.CRITICAL


def _may_wait(transition: Transition) -> bool:
    """Whether somebody would be told of it, but not at all costs at once."""
    loud = purpose_of(transition) is not None and transition.to not in SUPPRESSIONS and transition.mode == "live"
    return loud and not urgent(transition)


class _Past(NamedTuple):
    """An alarm that came and went: the notification there would have been, its line, the ids of its transitions."""

    call: Notification
    line: str
    ids: list[str]


def _summary(past: list[_Past]) -> Notification:
    """One notification that stands for all of them, as urgent as the most urgent."""
    past = sorted(past, key=lambda one: one.call.rank)
    worst = past[0].call
    return msgspec.structs.replace(
        worst,
        key=f"summary:{worst.key}",
        purpose=Purpose.SUMMARY,
        event="summary",
        title=messages.summary_title(len(past)),
        body=messages.summary_body([one.line for one in past]),
    )
