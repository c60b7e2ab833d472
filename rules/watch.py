"""One rule watching one part of one asset: gate, detector, quality policy, delays, the alarm's life, in that order."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from rules import overriding, suppression, timers
from rules.alarms import Act, Kind, Priority, State
from rules.answering import answer
from rules.delay import Delay, sooner
from rules.detectors.base import ALWAYS_QUIET, Detector
from rules.events import Duration, Instant, Quality
from rules.life import Alarm
from rules.signals import Signal

if TYPE_CHECKING:
    from rules.gate import Gate
    from rules.ruleset import Rule

BAD_QUALITY: Final = "bad_quality"
"""The level at which a rule with `on_bad_quality: alarm` is raised when it cannot see."""
SEVERE: Final = frozenset({"high_high", "low_low", "zone_d"})

Emit: TypeAlias = Callable[["Watch", str, State, State, Instant, dict[str, Any]], None]
"""Records a transition: watch, event, state before and after, time, reason."""


class Watch:
    """See the module. `rank` orders the watches of an asset: safety first, then as the rules stand in their files."""

    __slots__ = (
        "_armed_since", "_bad_is_alarm", "_doubted", "_doubts", "_fed", "_looked_through", "_settled", "_sights",
        "_slow", "_strict", "_timed", "alarm", "delays", "detector", "every_reading", "gate", "last_band", "levels",
        "may_be_vigilant", "queued", "rank", "rule", "suppressor",
    )  # fmt: skip

    def __init__(
        self, rule: Rule, detector: Detector, gate: Gate | None, rank: int, suppressor: Gate | None = None
    ) -> None:
        self.rule = rule
        self.detector = detector
        self.gate = gate
        self.suppressor = suppressor
        self.rank = rank
        self._sights = tuple(sight for sight in detector.sights if sight.windows)
        self.every_reading = detector.every_reading or bool(self._sights)
        self._strict = rule.kind is Kind.SAFETY
        self._looked_through = frozenset(signal.name for sight in detector.sights for signal in sight.inputs)
        self._bad_is_alarm = rule.on_bad_quality == "alarm"
        self._doubts = self._strict and self._bad_is_alarm
        self.levels = (*detector.levels, BAD_QUALITY) if self._bad_is_alarm else detector.levels
        delays = rule.detect.delays
        self.delays = tuple([Delay(*delays) for _ in self.levels])
        self._slow = self.delays if any(delays) else ()
        self._fed: tuple[bool | None, ...] | None = None
        self._doubted: frozenset[str] = frozenset()
        self._timed = type(detector).deadline is not Detector.deadline or bool(self._sights)
        self.may_be_vigilant = type(detector).vigilant is not Detector.vigilant
        self.alarm = Alarm()
        self._armed_since: Instant | None = None
        self._settled = gate is None
        self.last_band: tuple[float, float] | None = None
        self.queued: Instant | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Rule and part: which alarm of the asset this is."""
        return self.rule.id, self.detector.part

    @property
    def inputs(self) -> tuple[Signal, ...]:
        """The signals whose readings it must see."""
        return self.detector.inputs

    @property
    def vigilant(self) -> bool:
        """Whether it must look at every observation of the asset."""
        return self._settled and self.detector.vigilant

    @property
    def armed_since(self) -> Instant | None:
        """When its gate opened; None while it is closed, or if it has none."""
        return self._armed_since

    @property
    def settled(self) -> bool:
        """Whether it looks at what comes."""
        return self._settled

    @property
    def out_of_control(self) -> bool:
        """Whether it is a chart that shows a special cause: one that looks at what comes, or whose alarm is held."""
        return self.detector.out_of_control and (self._settled or self.delays[0].on)

    def says(self, level: str, *, on: bool) -> str:
        """What the condition of a level says now, in words."""
        if level == BAD_QUALITY:
            return self._bad_quality_text(on=on)
        return str(self.detector.describe(level, on=on)["text"]) + overriding.sentence(self, level)

    def band(self, signal: Signal) -> tuple[float, float]:
        """The values of `signal` at which nothing changes."""
        if not self._settled and not self.detector.attentive:
            return ALWAYS_QUIET
        return self.detector.band(signal)

    def restless(self, signal: Signal) -> bool:
        """Whether, once armed, no value of `signal` lets it rest: so it is for whoever looks through an expression."""
        low, high = self.detector.band(signal)
        return low > high

    @property
    def deadline(self) -> Instant | None:
        """When time alone will change something, as far as is known now."""
        end = timers.deadline(self)
        if not self._settled:
            return end if self._armed_since is None else sooner(end, self._armed_since + self.rule.settle)
        for delay in self._slow:
            if delay.raw is not delay.on:
                end = sooner(end, delay.deadline)
        return sooner(end, self._due) if self._timed else end

    @property
    def _due(self) -> Instant | None:
        """When time alone may change what the detector says."""
        end = self.detector.deadline
        for sight in self._sights:
            end = sooner(end, sight.deadline)
        return end

    def evaluate(self, at: Instant, why: str, emit: Emit) -> None:
        """Something it looks at has changed."""
        if not self._settled:
            if self.detector.attentive and self.detector.over(at):
                self.close(at, why, emit)
            return
        flags = self._flags(at)
        if flags != self._fed or self.detector.renewed or (self._doubts and flags[-1]):
            self._weigh(flags, at, why, emit)
        if self.detector.notice is not None:
            self.tell(at, why, emit)

    def tell(self, at: Instant, why: str, emit: Emit) -> None:
        """Comment on what people should be told though no alarm follows from it."""
        notice, self.detector.notice = self.detector.notice, None
        if notice is not None:
            emit(self, "commented", self.alarm.shown, self.alarm.shown, at, {"why": why, **notice})

    def close(self, at: Instant, why: str, emit: Emit) -> None:
        """What was detected is over, whatever the detector and the delays say."""
        self._fed = None
        for delay in self.delays:
            delay.on = False
            delay.drop()
        self.announce(at, why, emit)

    def _weigh(self, flags: tuple[bool | None, ...], at: Instant, why: str, emit: Emit) -> None:
        """What the detector says is news: to the delays, and from them to the alarm."""
        if self.detector.renewed and None not in flags:
            self._feed((False,) * len(flags), at)
            self.announce(at, why, emit)
        self._feed(flags, at)
        self.announce(at, why, emit)

    def _feed(self, flags: tuple[bool | None, ...], at: Instant) -> None:
        self._fed = flags
        for delay, flag in zip(self.delays, flags, strict=True):
            delay.feed(flag, at)

    def expire(self, at: Instant, emit: Emit) -> None:
        """Its deadline has come."""
        timers.expire(self, at, emit)
        if not self._settled:
            if self._armed_since is not None and self._armed_since + self.rule.settle <= at:
                self._settle(at, emit)
            return
        for delay in self._slow:
            delay.expire(at)
        self._fed = None
        own = self._due
        if own is not None and own <= at:
            self.evaluate(at, "deadline", emit)
        else:
            self.announce(at, "deadline", emit)

    def _flags(self, at: Instant) -> tuple[bool | None, ...]:
        """What holds, level by level; None where it cannot be told: there it stays as it was."""
        seen: tuple[bool | None, ...] | None = self.detector.update(at)
        if self._strict and self._uncertain:
            seen = None
        known = seen is not None
        if seen is None:
            seen = (None,) * len(self.detector.levels)
        if not self._bad_is_alarm:
            return seen
        return (*seen, False if known else self._blind)

    @property
    def _blind(self) -> bool | None:
        """Whether it cannot tell for a reason that people should know; None while a signal was not read yet.

        That looking back has not gone on for long enough yet is no such reason.
        """
        if self._untrusted:
            return True
        if None in [signal.quality for signal in self.detector.inputs]:
            return None
        return not any(sight.waits for sight in self._sights)

    @property
    def _uncertain(self) -> bool:
        """Whether an input is that is not looked at through an expression: those leave open what is not certain."""
        inputs = self.detector.inputs
        return any(s.quality is Quality.UNCERTAIN and s.name not in self._looked_through for s in inputs)

    @property
    def _untrusted(self) -> frozenset[str]:
        """The inputs whose last reading cannot be trusted, as strictly as the rule takes it."""
        worst = Quality.GOOD if self._strict else Quality.UNCERTAIN
        return frozenset(s.name for s in self.detector.inputs if s.quality is not None and s.quality > worst)

    # -- the gate ---------------------------------------------------------------------------------------------------

    def gated(self, at: Instant, emit: Emit) -> None:
        """A gate opened, closed, or is unknown: the one that arms it, or the one that suppresses it by design.

        What is active while its suppression ends is judged before it is shown: it may be over.
        """
        judged_first = self.alarm.level is not None and suppression.is_over(self)
        if not judged_first:
            suppression.by_design(self, at, emit)
        self._follow_gate(at, emit)
        if judged_first:
            self.evaluate(at, "reading", emit)
            suppression.by_design(self, at, emit)
        timers.expire(self, at, emit)

    def _follow_gate(self, at: Instant, emit: Emit) -> None:
        if self.gate is None:
            return
        armed = self._armed()
        if armed is (self._armed_since is not None):
            return
        if armed:
            self._armed_since = at
            if not self.rule.settle:
                self._settle(at, emit)
        else:
            self._disarm(at, emit)

    def _armed(self) -> bool:
        assert self.gate is not None
        return self.gate.open is not False if self._strict else self.gate.known is True

    def _settle(self, at: Instant, emit: Emit) -> None:
        self._settled = True
        for sight in self._sights:
            sight.clear()
        self.detector.settle(tuple(d.on for d in self.delays[: len(self.detector.levels)]), at)
        self.evaluate(at, "gate", emit)

    def _disarm(self, at: Instant, emit: Emit) -> None:
        self._armed_since, self._settled, self._fed = None, False, None
        self.detector.rest(at)
        for delay in self.delays:
            delay.drop()
        if self.rule.when_false == "clear":
            self.close(at, "gate", emit)

    # -- the alarm --------------------------------------------------------------------------------------------------

    def announce(self, at: Instant, why: str, emit: Emit) -> None:
        """Bring the alarm to the level that has lasted long enough."""
        level = self._foremost()
        was = self.alarm.level
        if self._doubts:
            self._doubt(at, was == level, emit)
        if level == was:
            return
        if was is None:
            self._raise(level, at, why, emit)
        elif level is None:
            self._return(was, at, why, emit)
        else:
            self._change(was, level, at, why, emit)
        answer(self, at, emit)

    def _doubt(self, at: Instant, unchanged: bool, emit: Emit) -> None:
        """Each signal that is lost calls people anew, though they answered for one that was lost before."""
        doubted = self._untrusted if self.delays[-1].on else frozenset()
        lost, self._doubted = doubted - self._doubted, doubted
        if unchanged and lost and self.alarm.state is State.ACKNOWLEDGED:
            reason = self.present("bad_quality")
            before, after = self.alarm.act(Act.RE_ALARM, at)
            emit(self, "re_alarmed", before, after, at, reason | {"text": self._bad_quality_text(on=True)})

    def _foremost(self) -> str | None:
        on = [level for level, delay in zip(self.levels, self.delays, strict=True) if delay.on]
        return max(on, key=self._severity) if len(on) > 1 else on[0] if on else None

    def priority_at(self, level: str) -> Priority:
        """The priority of a level; one that a table leaves out has the table's highest."""
        priority = self.detector.priority or self.rule.priority
        if isinstance(priority, Priority):
            return priority
        return priority.get(level) or max(priority.values(), key=attrgetter("rank"))

    def _severity(self, level: str) -> tuple[int, bool]:
        return self.priority_at(level).rank, level in SEVERE

    def _raise(self, level: str | None, at: Instant, why: str, emit: Emit) -> None:
        assert level is not None
        alarm = self.alarm
        before, after = alarm.act(Act.OCCUR, at)
        alarm.level, alarm.since, alarm.occurrence, alarm.priority = level, at, None, self.priority_at(level)
        emit(self, "raised", before, after, at, self._reason(level, why, on=True))

    def _return(self, level: str, at: Instant, why: str, emit: Emit) -> None:
        reason = self._reason(level, why, on=False)
        if self.delays[self.levels.index(level)].on:
            reason["text"] = f"{self._reason(level, why, on=True)['text']}: told as another level from here on"
        latching = self.rule.latch
        before, after = self.alarm.act(Act.RETURN_LATCHING if latching else Act.RETURN, at)
        self.alarm.level = None
        emit(self, "latched" if latching else "cleared", before, after, at, reason)
        suppression.returned(self, at, emit)

    def _change(self, was: str, level: str, at: Instant, why: str, emit: Emit) -> None:
        old, new = self._severity(was), self._severity(level)
        if old == new:
            self._return(was, at, why, emit)
            self._raise(level, at, why, emit)
            return
        alarm = self.alarm
        before = alarm.shown
        floor = alarm.priority if new > old else timers.stepped_up(self, at)
        if new > old and alarm.state is State.ACKNOWLEDGED:
            alarm.act(Act.RE_ALARM, at)
        alarm.level = level
        alarm.priority = max(self.priority_at(level), floor, key=attrgetter("rank"))
        event = "raised_priority" if new > old else "lowered_priority"
        emit(self, event, before, alarm.shown, at, self._reason(level, why, on=True))

    def _reason(self, level: str, why: str, *, on: bool) -> dict[str, Any]:
        reason: dict[str, Any] = {"level": level, "why": why}
        delay = self.delays[self.levels.index(level)]
        if on and delay.on_delay:
            reason["began"] = delay.since
        if why == "gate" and not on and not self._settled:
            reason["text"] = f"no longer watched: {self.gate.text if self.gate else ''} does not hold"
        elif level == BAD_QUALITY:
            reason["text"] = self._bad_quality_text(on=on)
        else:
            reason |= self.detector.describe(level, on=on)
            if self.alarm.override is not None:
                reason |= overriding.named(self, level) | {"text": reason["text"] + overriding.sentence(self, level)}
        reason["quality"] = {s.name: s.quality.name.lower() for s in self.inputs if s.quality}
        return reason

    def present(self, why: str) -> dict[str, Any]:
        """The reason of a transition that the condition did not cause, with what the condition says now."""
        level = self.alarm.level
        return {"text": "", "why": why} if level is None else self._reason(level, why, on=True)

    def _bad_quality_text(self, *, on: bool) -> str:
        if not on:
            return "the signals can be trusted again"
        bad = [f"{s.name} is {s.quality.name.lower()}" for s in self.inputs if s.quality]
        return "cannot tell: " + (", ".join(bad) or "the values do not fit the rule")

    def withdraw(self, at: Instant, emit: Emit) -> None:
        """The rule is gone or decides differently now: what is still shown is cleared."""
        self._end("the rule was changed or removed", at, emit)
        suppression.lift(self, at, emit)

    def hand_on(self, heir: Watch, at: Instant, emit: Emit) -> None:
        """`heir` decides as this one did, and for other people: the alarm ends for these, and may be raised for those.

        Whoever is told of it by its `mode`, and whatever it hides, follows from the mode of its transitions.
        """
        if heir.rule.mode == self.rule.mode:
            return
        heir.alarm.end(at)
        self._end(f"its rule was {self.rule.mode} and is {heir.rule.mode} from here on", at, emit)

    def _end(self, text: str, at: Instant, emit: Emit) -> None:
        if self.alarm.state is not State.NORMAL:
            before, after = self.alarm.end(at)
            emit(self, "cleared", before, after, at, {"text": text, "why": "rule_changed"})

    # -- state ------------------------------------------------------------------------------------------------------

    def pause(self, at: Instant) -> None:
        """Our own link is down: that nothing comes means nothing from here."""
        self.detector.pause(at)
        for sight in self._sights:
            sight.pause(at)

    def resume(self, at: Instant) -> None:
        """Our own link is back."""
        self.detector.resume(at)
        for sight in self._sights:
            sight.resume(at)

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        for delay in self.delays:
            delay.shift(delta)
        if self._armed_since is not None:
            self._armed_since += delta
        self.alarm.shift(delta)
        self.detector.shift(delta)
        for sight in self._sights:
            sight.shift(delta)

    def snapshot(self) -> dict[str, Any]:
        """All of it, as JSON."""
        return {
            "alarm": self.alarm.snapshot(),
            "armed_since": self._armed_since,
            "settled": self._settled,
            "delays": [delay.snapshot() for delay in self.delays],
            "detector": self.detector.snapshot(),
            **({"sights": [sight.snapshot() for sight in self._sights]} if self._sights else {}),
            **({"doubted": sorted(self._doubted)} if self._doubted else {}),
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._fed = None
        self.alarm.restore(data["alarm"])
        if self.alarm.override is not None:
            overriding.impose(self, self.alarm.override)
        self._armed_since, self._settled = data["armed_since"], data["settled"]
        self._doubted = frozenset(data.get("doubted", ()))
        for delay, saved in zip(self.delays, data["delays"], strict=True):
            delay.restore(saved)
        self.detector.restore(data["detector"])
        for sight, past in zip(self._sights, data.get("sights", ()), strict=True):
            sight.restore(past)
