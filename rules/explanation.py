"""Why a rule said nothing about an asset: every step from reading to alarm, and at which of them it ended."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from rules.alarms import Kind
from rules.detectors.base import listed
from rules.durations import format_duration
from rules.events import SECOND, Duration, Instant, Quality
from rules.problems import quoted

if TYPE_CHECKING:
    from rules.asset import AssetMonitor
    from rules.delay import Delay
    from rules.signals import Signal
    from rules.watch import Watch


class Answer(enum.StrEnum):
    """What a step did with what came: let it through, ended it here, or cannot be told."""

    PASSES = "passes"
    STOPS = "stops"
    UNKNOWN = "unknown"


class Step(msgspec.Struct, frozen=True):
    """One step on the way to an alarm."""

    name: str
    answer: Answer
    text: str


class Way(msgspec.Struct, frozen=True):
    """The steps of one alarm: `part` as in its transitions; `raised` whether its condition counts as active."""

    part: str | None
    raised: bool
    steps: tuple[Step, ...]

    @property
    def ended(self) -> Step | None:
        """The first step that let nothing through."""
        return next((step for step in self.steps if step.answer is not Answer.PASSES), None)


def ways(monitor: AssetMonitor, rule: str, received: Instant) -> list[Way]:
    """How far each alarm of a rule had got at `received`, which is not before what the monitor was told last.

    Empty if the rule does not watch the asset.
    """
    now = max(monitor.clock.now, monitor.clock.reads(received))
    return [
        Way(watch.detector.part, watch.alarm.level is not None, tuple(_steps(watch, now)))
        for watch in monitor.watching(rule)
    ]


def _steps(watch: Watch, now: Instant) -> Iterator[Step]:
    yield from (_signal(watch, signal, now) for signal in watch.inputs)
    if watch.gate is not None:
        yield _gate(watch)
        yield _settled(watch, now)
    for level, delay in zip(watch.levels, watch.delays, strict=True):
        if not watch.settled:
            yield Step(
                f"condition {level}", Answer.UNKNOWN, f"not looked at{_kept(on=delay.on)}: the rule is not armed"
            )
            continue
        yield Step(f"condition {level}", Answer.PASSES if delay.raw else Answer.STOPS, watch.says(level, on=delay.raw))
        if delay.raw and (delay.on_delay or not delay.on):
            yield _delay(level, delay, now)
    if watch.suppressor is not None and watch.suppressor.open is True:
        yield Step("suppress_when", Answer.STOPS, f"suppressed by design: {watch.suppressor.text}")
    if watch.rule.mode != "live":
        yield Step("mode", Answer.STOPS, f"the rule is in {watch.rule.mode} mode: it decides and notifies nobody")


def _signal(watch: Watch, signal: Signal, now: Instant) -> Step:
    name = f"signal {signal.name}"
    if signal.at is None:
        return Step(name, Answer.UNKNOWN, f"no reading of {quoted(signal.name)} came")
    age = _words(max(0, now - signal.at))
    value = _value(signal)
    if signal.quality in (None, Quality.GOOD) or (
        signal.quality is Quality.UNCERTAIN and watch.rule.kind is not Kind.SAFETY
    ):
        return Step(name, Answer.PASSES, f"{value}, {(signal.quality or Quality.GOOD).name.lower()}, {age} old")
    answer = Answer.PASSES if watch.rule.on_bad_quality == "ignore" else Answer.UNKNOWN
    policy = {
        "hold": "the alarm stays as it was",
        "alarm": "bad quality itself is an alarm of this rule",
        "ignore": "the rule takes the value all the same",
    }[watch.rule.on_bad_quality]
    quality = Quality.BAD if signal.quality is None else signal.quality
    return Step(name, answer, f"{value}, {quality.name.lower()}, {age} old: {policy}")


def _value(signal: Signal) -> str:
    """The last value, so that the text 'True' and the boolean true look different."""
    if signal.last is None:
        return "no value"
    value = str(signal.last).lower() if isinstance(signal.last, bool) else f"{signal.last!r}"
    return f"{value}{signal.unit}"


def _gate(watch: Watch) -> Step:
    gate = watch.gate
    assert gate is not None
    read, _ = listed(gate.inputs, (gate.sight,))
    if gate.open is None:
        kept = "armed, as safety rules stay" if watch.rule.kind is Kind.SAFETY else "it stays as it was"
        return Step(
            "when",
            Answer.PASSES if watch.armed_since is not None else Answer.STOPS,
            f"{gate.text} is unknown ({read}): {kept}",
        )
    holds = "holds" if gate.open else "does not hold: the rule is not armed"
    return Step("when", Answer.PASSES if gate.open else Answer.STOPS, f"{gate.text} {holds} ({read})")


def _settled(watch: Watch, now: Instant) -> Step:
    since, settle = watch.armed_since, watch.rule.settle
    if watch.settled:
        return Step("settle", Answer.PASSES, f"armed for {_words(now - since)}" if since is not None else "armed")
    if since is None:
        return Step("settle", Answer.STOPS, "not armed")
    left = _words(since + settle - now)
    return Step("settle", Answer.STOPS, f"armed for {_words(now - since)} of {_words(settle)}: {left} are left")


def _kept(*, on: bool) -> str:
    return ", it stays as it was when the rule was armed last" if on else ""


def _delay(level: str, delay: Delay, now: Instant) -> Step:
    until = now if delay.held is None else delay.held
    waits = "" if delay.held is None else "; it waits while nothing can be told"
    text = f"has held for {_words(until - delay.since)} of {_words(delay.on_delay)}{waits}"
    return Step(f"on_delay {level}", Answer.PASSES if delay.on else Answer.STOPS, text)


def _words(duration: Duration) -> str:
    return format_duration(duration if duration < SECOND else duration // SECOND * SECOND)
