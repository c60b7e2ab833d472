"""What time alone does to an alarm: suppressions, requests and overrides end, people are called again, it steps up.

Whatever is suppressed calls nobody; what came due meanwhile happens when it is shown again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from rules import overriding, suppression
from rules.alarms import Act, Priority, State
from rules.answering import answer
from rules.durations import format_duration
from rules.escalation import Step
from rules.events import Instant

if TYPE_CHECKING:
    from rules.watch import Emit, Watch

Timer: TypeAlias = Callable[["Watch", Instant, "Emit"], None]


def deadline(watch: Watch) -> Instant | None:
    """When time will next change something about the alarm if nothing else does."""
    alarm = watch.alarm
    if alarm.state not in _CALLING and not alarm.holds and alarm.request is None and alarm.override is None:
        return None
    return min((end for end, _ in _running(watch)), default=None)


def expire(watch: Watch, at: Instant, emit: Emit) -> None:
    """Time has come to `at`: whatever is due happens, in order. What is shown again may need no answer."""
    while (end := deadline(watch)) is not None and end <= at:
        _, happen = min(_running(watch), key=itemgetter(0))
        happen(watch, at, emit)
    answer(watch, at, emit)


def stepped_up(watch: Watch, at: Instant) -> Priority:
    """The priority to which having waited for an answer up to `at` has stepped the alarm up; the least if to none."""
    if watch.alarm.state is not State.UNACKNOWLEDGED:
        return Priority.LOW
    reached = [step.priority for step in watch.rule.escalate if watch.alarm.annunciated + step.after <= at]
    return max(reached, key=_rank, default=Priority.LOW)


def _rank(priority: Priority) -> int:
    return priority.rank


def _running(watch: Watch) -> Iterator[tuple[Instant, Timer]]:
    alarm = watch.alarm
    for state, timer in _ENDS.items():
        hold = alarm.holds.get(state)
        if hold is not None and hold.end is not None:
            yield hold.end, timer
    if alarm.request is not None:
        yield alarm.request.expires, _forget_request
    if alarm.override is not None:
        yield alarm.override.end, _restore_limits
    if alarm.shown is State.ACKNOWLEDGED:
        yield from _call_again(watch)
    if alarm.shown is State.UNACKNOWLEDGED:
        yield from ((alarm.annunciated + step.after, _escalate) for step in watch.rule.escalate if _above(watch, step))


def _call_again(watch: Watch) -> Iterator[tuple[Instant, Timer]]:
    """The first whole period since people were called that ends after they answered; the end of their answer."""
    alarm, period, validity = watch.alarm, watch.rule.re_alarm_after, watch.rule.ack_expires
    if period is not None:
        periods = (alarm.acknowledged - alarm.annunciated) // period + 1
        yield alarm.annunciated + period * periods, _re_alarm
    if validity is not None:
        yield alarm.acknowledged + validity, _expire_acknowledgement


def _above(watch: Watch, step: Step) -> bool:
    return step.priority.rank > watch.alarm.priority.rank


def _unshelve(watch: Watch, at: Instant, emit: Emit) -> None:
    suppression.end(watch, State.SHELVED, at, emit, "the time on the shelf is up", "time_up")


def _return_to_service(watch: Watch, at: Instant, emit: Emit) -> None:
    suppression.end(watch, State.OUT_OF_SERVICE, at, emit, "the time out of service is up", "time_up")


_CALLING: Final = frozenset({State.UNACKNOWLEDGED, State.ACKNOWLEDGED})
"""Only what still holds calls people again as time goes by."""
_ENDS: dict[State, Timer] = {State.OUT_OF_SERVICE: _return_to_service, State.SHELVED: _unshelve}


def _restore_limits(watch: Watch, at: Instant, emit: Emit) -> None:
    overriding.end(watch, at, emit, "the time of the override is up", "time_up")


def _forget_request(watch: Watch, at: Instant, emit: Emit) -> None:
    alarm = watch.alarm
    assert alarm.request is not None
    text = f"nobody granted in time what {alarm.request.hold.by} asked for: {alarm.request.action}"
    alarm.request = None
    emit(watch, "commented", alarm.shown, alarm.shown, at, {"text": text, "why": "time_up"})


def _re_alarm(watch: Watch, at: Instant, emit: Emit) -> None:
    since = format_duration(at - watch.alarm.annunciated)
    _back_to_unacknowledged(watch, at, emit, f"still not normal {since} after the last call", "re_alarm_after")


def _expire_acknowledgement(watch: Watch, at: Instant, emit: Emit) -> None:
    since = format_duration(at - watch.alarm.acknowledged)
    _back_to_unacknowledged(watch, at, emit, f"acknowledged {since} ago and still not normal", "ack_expires")


def _back_to_unacknowledged(watch: Watch, at: Instant, emit: Emit, text: str, why: str) -> None:
    reason = watch.present(why)
    before, after = watch.alarm.act(Act.RE_ALARM, at)
    emit(watch, "re_alarmed", before, after, at, reason | {"text": f"{text}: {reason['text']}"})


def _escalate(watch: Watch, at: Instant, emit: Emit) -> None:
    alarm = watch.alarm
    step = next(step for step in watch.rule.escalate if _above(watch, step))
    alarm.priority = step.priority
    reason = watch.present("escalate")
    text = f"not acknowledged within {format_duration(step.after)}: {reason['text']}"
    emit(watch, "raised_priority", alarm.shown, alarm.shown, at, reason | {"text": text})
