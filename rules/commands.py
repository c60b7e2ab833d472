"""What people may do to an alarm: every command with the checks it has to pass, and what it does.

`refusal` is pure: whoever passes a command on asks it first, and the core asks it again when the command takes effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from rules import overriding, suppression
from rules.alarms import JOURNALLED, A, Act, B, C, D, E, F, G, I, Kind, Reason, State
from rules.durations import format_duration
from rules.escalation import LONGEST_OUT_OF_SERVICE, LONGEST_OVERRIDE, SHIFT
from rules.events import SECOND, Command, Duration, Instant
from rules.life import Hold, Override, Request
from rules.problems import quoted, unknown

if TYPE_CHECKING:
    from rules.watch import Emit, Watch

GRANT_WITHIN: Final[Duration] = 15 * 60 * SECOND
"""How long a second person has to grant what was asked for a safety alarm."""
LONGEST_NAME: Final = 100
LONGEST_COMMENT: Final = 2_000
LONGEST: Final[dict[str, Duration]] = {"out-of-service": LONGEST_OUT_OF_SERVICE, "override": LONGEST_OVERRIDE}
"""How long what a command begins may last, where that is not the rule's affair; for safety a shift at most."""
OURSELVES: Final = "andon"
"""Who acts where no person does; nobody else may go by that name."""

NEVER_HIDDEN: Final = "safety functions are blind while it lasts: it cannot be hidden, acknowledge it"
NOTHING_TO_DO: Final[dict[Act, dict[State, str]]] = {
    Act.ACKNOWLEDGE: {
        A: "it is normal: there is nothing to acknowledge",
        C: "it is acknowledged already",
        F: "it is acknowledged already: reset it",
    },
    Act.RESET: {
        A: "it is normal: there is nothing to reset",
        B: "the condition still holds: acknowledge it, and reset it once it is gone",
        C: "the condition still holds: reset it once it is gone",
        D: "it is not latched: acknowledging it is enough",
        E: "acknowledge it first",
    },
}
"""Why an act is refused in a state, one text for each cell that the table of the life cycle leaves empty."""

Check: TypeAlias = Callable[[Command, "Watch"], str | None]
Do: TypeAlias = Callable[[Command, "Watch", Instant, "Emit"], None]


class Action(NamedTuple):
    """A command: the checks, of which the first that objects refuses it, and what it does."""

    checks: tuple[Check, ...]
    do: Do


def refusal(command: Command, watch: Watch) -> str | None:
    """Why the command is refused as things stand; None if it is not."""
    action = ACTIONS.get(command.action)
    if action is None:
        mistake = unknown("command", command.action[:LONGEST_NAME], ACTIONS)
        return f"{mistake.message}; there are {', '.join(ACTIONS)}"
    objections = (check(command, watch) for check in (_by_somebody, _limits_belong, *action.checks))
    return next((why for why in objections if why is not None), None)


def apply(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
    """Let a command that is not refused take effect."""
    ACTIONS[command.action].do(command, watch, at, emit)


# -- checks ---------------------------------------------------------------------------------------------------------


def _by_somebody(command: Command, _: Watch) -> str | None:
    name = command.by.strip()
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        return f"say who you are, in at most {LONGEST_NAME} characters"
    if name.casefold() == OURSELVES:
        return f"{quoted(OURSELVES)} is the monitor itself: say who you are"
    if len(command.comment) > LONGEST_COMMENT:
        return f"a comment has at most {LONGEST_COMMENT:,} characters"
    return None


def _limits_belong(command: Command, _: Watch) -> str | None:
    return "limits are given with `override` alone" if command.limits and command.action != "override" else None


def _with_comment(command: Command, watch: Watch) -> str | None:
    what = "the permit" if watch.rule.kind is Kind.SAFETY else "the reason, or the work order"
    return None if command.comment.strip() else f"{command.action} needs a comment: {what}"


def _with_end(command: Command, _: Watch) -> str | None:
    return f"{command.action} needs an end: say for how long" if command.until is None else None


def _within_limit(command: Command, watch: Watch) -> str | None:
    limit = _limit(command, watch)
    length = _length(command, watch)
    if length <= 0:
        return "the end lies in the past"
    if length > limit:
        return f"{format_duration(length)} is too long: for this alarm {command.action} ends within {_words(limit)}"
    return None


def _in_service(_: Command, watch: Watch) -> str | None:
    return "it is out of service: there is nothing to shelve" if I in watch.alarm.holds else None


def _may_be_hidden(_: Command, watch: Watch) -> str | None:
    return NEVER_HIDDEN if watch.detector.never_hidden else None


def _shelved(_: Command, watch: Watch) -> str | None:
    return None if G in watch.alarm.holds else "it is not shelved"


def _out_of_service(_: Command, watch: Watch) -> str | None:
    return None if I in watch.alarm.holds else "it is not out of service"


def _applies(act: Act) -> Check:
    def check(_: Command, watch: Watch) -> str | None:
        alarm = watch.alarm
        if alarm.holds:
            return f"it is {alarm.shown.words}: that has to end first"
        return NOTHING_TO_DO[act].get(alarm.state)

    return check


def _adjustable(command: Command, watch: Watch) -> str | None:
    levels = watch.detector.adjustable
    if levels is None:
        return "its rule has no high and low limits that could be overridden; change the rule's file"
    if not command.limits:
        return f"name a limit and its new value, for example {levels.names[0]}=90"
    return levels.objection(command.limits)


def _overridden(_: Command, watch: Watch) -> str | None:
    return (
        None if watch.alarm.override is not None else "its limits are those of the files: there is nothing to restore"
    )


def _ordered(command: Command, watch: Watch) -> str | None:
    return watch.detector.objection(command.action)


# -- what they do ---------------------------------------------------------------------------------------------------


def _acting(act: Act) -> Do:
    def do(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
        before, end = watch.alarm.act(act, at)
        for event in JOURNALLED[act]:
            emit(watch, event, before, end, at, _reason(command))
            before = end

    return do


def _comment(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
    emit(watch, "commented", watch.alarm.shown, watch.alarm.shown, at, _reason(command))


def _order(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
    """The detector does it, and it is written down; what it found may be over by that."""
    told = watch.detector.order(command.action, command.by.strip(), command.comment)
    emit(watch, "commented", watch.alarm.shown, watch.alarm.shown, at, _reason(command) | told)
    if command.action == "dispose":
        watch.close(at, "command", emit)


def _suppressing(state: State) -> Do:
    def do(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
        granted = _agreed(command, watch, at, emit)
        if granted is not None:
            suppression.begin(watch, state, granted, at, emit, _granted(command, granted, at))

    return do


def _override(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
    granted, limits = _agreed(command, watch, at, emit), dict(command.limits)
    if granted is not None:
        assert granted.end is not None
        reason = _granted(command, granted, at, overriding.instead(watch, limits))
        override = Override(limits, _rows(command, watch), at, granted.end, granted.by, granted.comment)
        overriding.begin(watch, override, at, emit, reason)


def _restore(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
    overriding.end(watch, at, emit, _text(command), "command")


def _ending(state: State) -> Do:
    def do(command: Command, watch: Watch, at: Instant, emit: Emit) -> None:
        suppression.end(watch, state, at, emit, _text(command), "command")

    return do


def _agreed(command: Command, watch: Watch, at: Instant, emit: Emit) -> Hold | None:
    """The terms on which it takes effect now; None: a second person has to agree to it, and that was written down."""
    wanted = Hold(at + _length(command, watch), command.by.strip(), command.comment, once=command.until is None)
    if watch.rule.kind is not Kind.SAFETY:
        return wanted
    asked, this = watch.alarm.request, (command.action, command.limits, _rows(command, watch))
    if asked is None or (asked.action, asked.limits, asked.rows) != this or _same_person(asked.hold.by, wanted.by):
        _ask(command, watch, wanted, at, emit)
        return None
    watch.alarm.request = None
    return _stricter(asked.hold, wanted)


def _rows(command: Command, watch: Watch) -> dict[str, str]:
    levels = watch.detector.adjustable
    return {} if levels is None else levels.rows(command.limits)


def _ask(command: Command, watch: Watch, wanted: Hold, at: Instant, emit: Emit) -> None:
    limits = dict(command.limits)
    watch.alarm.request = Request(command.action, wanted, at + GRANT_WITHIN, limits, _rows(command, watch))
    what = f"{overriding.instead(watch, limits)}, " if limits else ""
    text = (
        f"{wanted.by} asks for {command.action} ({what}{_terms(wanted, at)}): {wanted.comment}; it takes effect if a "
        f"second person does the same within {_words(GRANT_WITHIN)}"
    )
    asked: Reason = {"action": command.action, "by": wanted.by, "until": wanted.end, "expires": at + GRANT_WITHIN}
    asked |= {"limits": limits} if limits else {}
    reason = _reason(command) | {"text": text, "request": asked}
    emit(watch, "commented", watch.alarm.shown, watch.alarm.shown, at, reason)


def _granted(command: Command, hold: Hold, at: Instant, what: str = "") -> Reason:
    text = f"{command.action} by {hold.by} ({what}{', ' if what else ''}{_terms(hold, at)}): {hold.comment}"
    return _reason(command) | {"text": text, "until": hold.end, "once": hold.once}


def _stricter(asked: Hold, wanted: Hold) -> Hold:
    """What both agree to: the earlier end, and one-shot if either said so."""
    assert asked.end is not None
    assert wanted.end is not None
    both = dict.fromkeys((asked.comment, wanted.comment))
    return Hold(min(asked.end, wanted.end), f"{asked.by} and {wanted.by}", "; ".join(both), asked.once or wanted.once)


def _same_person(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _limit(command: Command, watch: Watch) -> Duration:
    longest = LONGEST.get(command.action, watch.rule.max_shelve)
    return min(SHIFT, longest) if watch.rule.kind is Kind.SAFETY else longest


def _length(command: Command, watch: Watch) -> Duration:
    """How long; without an end it is one-shot, and ends at the limit at the latest."""
    return _limit(command, watch) if command.until is None else command.until - command.received


def _terms(hold: Hold, at: Instant) -> str:
    assert hold.end is not None
    once = "until it returns to normal, at most " if hold.once else ""
    return once + _words(hold.end - at)


def _words(duration: Duration) -> str:
    return format_duration(duration if duration < SECOND else duration // SECOND * SECOND)


def _text(command: Command) -> str:
    said = f": {command.comment}" if command.comment.strip() else ""
    return f"{command.action} by {command.by}{said}"


def _reason(command: Command) -> Reason:
    reason: Reason = {"text": _text(command), "why": "command"}
    return reason | {"comment": command.comment} if command.comment else reason


ACTIONS: Final[dict[str, Action]] = {
    "acknowledge": Action((_applies(Act.ACKNOWLEDGE),), _acting(Act.ACKNOWLEDGE)),
    "reset": Action((_applies(Act.RESET),), _acting(Act.RESET)),
    "comment": Action((_with_comment,), _comment),
    "freeze": Action((_with_comment, _ordered), _order),
    "relearn": Action((_with_comment, _ordered), _order),
    "dispose": Action((_with_comment, _ordered), _order),
    "shelve": Action((_with_comment, _may_be_hidden, _within_limit, _in_service), _suppressing(G)),
    "unshelve": Action((_shelved,), _ending(G)),
    "override": Action((_with_comment, _with_end, _within_limit, _adjustable), _override),
    "restore": Action((_overridden,), _restore),
    "out-of-service": Action((_with_comment, _may_be_hidden, _with_end, _within_limit), _suppressing(I)),
    "return": Action((_out_of_service,), _ending(I)),
}
"""By the name that people type."""
