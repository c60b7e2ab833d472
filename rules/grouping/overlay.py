"""What the group stage writes: an asset's transitions as they are seen under an overlay, and transitions of its own.

Ids of its own are those of the transition that they follow with a word behind: no counter that a restart could lose.
"""

from __future__ import annotations

from typing import Any

import msgspec

from rules.alarms import State, Transition, shown
from rules.events import Instant
from rules.grouping.tree import Cause, underneath

H = State.SUPPRESSED_BY_DESIGN


def hidden(state: State, transition: Transition) -> State:
    """What people see where `transition` leaves the alarm in `state` and the group hides it."""
    holds = {State(hold["state"]) for hold in transition.reason.get("suppression", ())}
    return shown(state, {*holds, H})


def seen(transition: Transition, before: State, cause: Cause) -> Transition:
    """An asset's transition under the overlay; `before` is what people saw until then."""
    reason = transition.reason | _held(transition, cause)
    return msgspec.structs.replace(transition, from_=before, to=hidden(transition.to, transition), reason=reason)


def suppressed(last: Transition, number: int, cause: Cause, at: Instant, received: Instant) -> Transition:
    """The overlay begins over an alarm whose last transition is `last`."""
    text = f"suppressed by design: {cause.text} is active"
    reason = {**last.reason, **_held(last, cause), "text": text, "why": "inhibited", "cause": cause.alarm}
    return _own(last, number, "suppressed", last.to, hidden(last.to, last), at, received, reason)


def unsuppressed(last: Transition, number: int, cause: Cause, at: Instant, received: Instant) -> Transition:
    """The overlay ends; what follows is as the asset has it."""
    follows = f"{cause.text} is not active any more: {last.to.words} ({last.to}) follows"
    text = last.reason.get("text")
    reason = {**last.reason, "text": f"{follows}; {text}" if text else follows, "why": "inhibited", "follows": last.to}
    return _own(last, number, "unsuppressed", hidden(last.to, last), last.to, at, received, reason)


def commented(
    about: Transition, mark: str, why: str, at: Instant, received: Instant, state: State | None = None, **more: Any
) -> Transition:
    """Something to know of an alarm that changes no state; `more` goes into its reason, `text` in front of what was.

    `state` is what people see, where that is not the state to which `about` led.
    """
    shown_now = about.to if state is None else state
    reason = {**about.reason, **more, "text": f"{more['text']}: {about.reason.get('text', '')}", "why": why}
    return _own(about, mark, "commented", shown_now, shown_now, at, received, reason)


def _held(transition: Transition, cause: Cause) -> dict[str, Any]:
    hold = {"state": H, "until": None, "by": "andon", "comment": f"inhibited by {cause.text}", "once": False}
    others = transition.reason.get("suppression", [])
    return {"underneath": underneath(transition), "suppression": [*others, hold]}


def _own(
    last: Transition, mark: object, event: str, before: State, after: State, at: Instant, received: Instant,
    reason: dict[str, Any],
) -> Transition:  # fmt: skip
    return msgspec.structs.replace(
        last,
        id=f"{last.id}.{mark}",
        at=max(at, last.at),
        received=received,
        event=event,
        from_=before,
        to=after,
        reason=reason,
        by="andon",
    )
