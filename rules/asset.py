"""AssetMonitor: everything the core knows of one asset. Events in, transitions out; one per key of any partitioning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, Self

from rules import commands, overriding, timers
from rules.alarms import State, Transition
from rules.builtin import FAULTS, OWN_ASSET, Flag
from rules.clock import AssetClock, Place, settled
from rules.deadlines import Deadlines
from rules.events import (
    EVERY_BROKER,
    SECOND,
    Command,
    Duration,
    Event,
    Fault,
    Instant,
    Link,
    Observation,
    Quality,
    Reading,
    Refed,
    Revision,
    Tick,
    Value,
)  # fmt: skip
from rules.gate import Gate
from rules.problems import quoted
from rules.roster import Roster, identity
from rules.ruleset import RuleSet
from rules.signals import Signal
from rules.watch import Watch

SNAPSHOT_VERSION: Final = 1
SLOW: Final[Duration] = 2 * SECOND
"""Stamps that are older than the asset's time by more are those of a slow clock; by less, the way took longer."""


class AssetMonitor:
    """Decides for one asset.

    `late` counts readings that came after a newer one of their signal and were not shown to any rule; `ahead` those
    whose stamp lay too far in the future. `refused` says why the last command changed nothing. `broker` is the one
    through which the asset was heard last, `lost` those that are away as far as it matters to the asset.
    """

    def __init__(self, asset: str, rules: RuleSet) -> None:
        self.asset = asset
        self.late = 0
        self.ahead = 0
        self.refused: str | None = None
        self.broker: str | None = None
        self.lost: list[str] = []
        self.clock = AssetClock()
        self._ordinals: dict[str, tuple[Instant, int]] = {}
        self._out: list[Transition] = []
        self._received: Instant = 0
        self._by = "andon"
        self._watch_over(rules)

    # -- the contract -----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> list[Transition]:
        """Take an event in; returns what changed, in order. Never raises for bad data."""
        self._received = event.received
        if self.clock.start is None:
            self._begin(event.received)
        if type(event) is Observation:
            self._observe(event)
        else:
            self._other(event)
        if not self._out:
            return []
        out, self._out = self._out, []
        return out

    def refusal(self, command: Command) -> str | None:
        """Why a command would be refused now; None if it would not. Changes nothing."""
        watch = self._roster.find(command.alarm)
        if watch is None:
            return f"there is no alarm {quoted(command.alarm)}: it was raised anew since, or never"
        return commands.refusal(command, watch)

    def heard_through(self, broker: str) -> None:
        """What was handled last came through this broker: others do not matter to the asset."""
        self.broker = broker
        if self.lost:
            self.lost = []
            self._listen(self.clock.now)

    @property
    def watches(self) -> list[Watch]:
        """All that watches this asset, in the order in which it is asked."""
        return self._roster.watches

    def watching(self, rule: str) -> list[Watch]:
        """The watches of a rule over this asset, one per part."""
        return [watch for watch in self._roster.watches if watch.rule.id == rule]

    def next_deadline(self) -> Instant | None:
        """When, in the asset's time, a Tick would matter."""
        return self._deadlines.next()

    def next_due(self) -> Instant | None:
        """The same in time of receipt."""
        deadline = self._deadlines.next()
        return None if deadline is None else self.clock.due(deadline)

    def earliest(self) -> Instant | None:
        """A time of receipt before which no Tick matters: `next_due` or somewhat sooner, but cheap to ask for."""
        heap = self._heap
        return self.clock.due(heap[0][0]) if heap else None

    def snapshot(self) -> dict[str, Any]:
        """All state as JSON; `restore` under the same rules goes on as if nothing had happened."""
        return {
            "version": SNAPSHOT_VERSION,
            "asset": self.asset,
            "revision": self.rules.revision,
            "late": self.late,
            "ahead": self.ahead,
            "broker": self.broker,
            "lost": self.lost,
            "clock": self.clock.snapshot(),
            "ordinals": {rule: list(last) for rule, last in self._ordinals.items()},
            **self._roster.snapshot(),
        }

    @classmethod
    def restore(cls, rules: RuleSet, data: dict[str, Any]) -> Self:
        """The monitor that a snapshot was taken of; rules that decide differently than then begin anew.

        Raises:
            ValueError: the snapshot's version is not ours.
        """
        if data.get("version") != SNAPSHOT_VERSION:
            raise ValueError(f"snapshot of version {data.get('version')}, this is version {SNAPSHOT_VERSION}")
        monitor = cls(data["asset"], rules)
        monitor.clock.restore(data["clock"])
        monitor.late, monitor.ahead = data["late"], data["ahead"]
        monitor.broker, monitor.lost = data.get("broker"), data.get("lost", [])
        monitor._ordinals = {rule: (at, ordinal) for rule, (at, ordinal) in data["ordinals"].items()}
        monitor._roster.restore(data)
        monitor._deadlines.restart()
        return monitor

    # -- observations -----------------------------------------------------------------------------------------------

    def _observe(self, event: Observation) -> None:
        clock, at, received, uncertain = self.clock, event.at, event.received, False
        if clock.trusted and clock.latest <= at <= received + self._max_ahead and not self._clock_flag.raised:
            clock.advance(at, received)
        elif (found := self._settled(event)) is None:
            self._hear_late(event)
            return
        else:
            at, uncertain = found
            if clock.latest - at > SLOW:
                self._pass(max(at, clock.now))
                self._hear(event.readings, max(at, clock.now))
        moment = max(at, clock.now)
        if (heap := self._heap) and heap[0][0] <= moment:
            self._pass(moment)
        clock.now = moment
        clock.hear(moment)
        self._apply(event.readings, at, moment, uncertain)

    def _settled(self, event: Observation) -> tuple[Instant, bool] | None:
        """The time that an unusual stamp stands for, and whether it is uncertain; None for one that comes too late."""
        clock = self.clock
        at, ahead = settled(event.at, event.received, self._max_ahead)
        if ahead or self._clock_flag.raised:
            self._told(self._roster.clock_watch, self._clock_flag, ahead)
        if ahead:
            self.ahead += len(event.readings)
            return clock.reads(event.received), True
        placed = self._placed(event, at)
        return None if placed is None else (placed, False)

    def _observe_again(self, event: Refed) -> None:
        """What is fed again takes its place in time as any straggler; it is no sign of life and begins no timeline."""
        observation, clock = event.observation, self.clock
        at, ahead = settled(observation.at, observation.received, self.rules.max_ahead)
        if self._placed(observation, at, again=True) is None:
            self.late += len(observation.readings)
            return
        moment = max(at, clock.now)
        self._pass(moment)
        clock.now = moment
        clock.hear(at)
        self._apply(observation.readings, at, moment, ahead)

    def _placed(self, event: Observation, at: Instant, *, again: bool = False) -> Instant | None:
        """The asset's time that a stamp stands for, if need be in a new timeline; None if it comes too late."""
        marks = partial(self._marks, event)
        place, at = self.clock.place(at, event.received, marks, self._max_ahead, again=again)
        if place is Place.ANEW:
            self._rebase(at, event.received)
        return None if place is Place.LATE else at

    def _marks(self, event: Observation) -> dict[str, Instant | None]:
        signals = self._roster.metrics
        return {r.metric: s.at for r in event.readings if (s := signals.get(r.metric)) is not None}

    def _hear(self, readings: tuple[Reading, ...], moment: Instant) -> None:
        """They came in at `moment`, whatever their stamps say."""
        for reading in readings:
            if (signal := self._roster.metrics.get(reading.metric)) is not None:
                signal.hear(moment)

    def _hear_late(self, event: Observation) -> None:
        """Late readings are kept elsewhere and decide nothing, but they are a sign of life."""
        self.late += len(event.readings)
        moment = self.clock.reads(event.received)
        self.clock.hear(moment)
        self._hear(event.readings, moment)
        if self._roster.vigil:
            self._pass(moment)
            self.clock.now = moment
            self._evaluate(self._roster.vigil, moment)

    def _apply(self, readings: tuple[Reading, ...], at: Instant, moment: Instant, uncertain: bool) -> None:
        """All readings first, then every watch that may care, once."""
        roster = self._roster
        signals, usual = roster.metrics, None if uncertain else Quality.GOOD
        lookers: list[Gate | Watch] = [*roster.vigil]
        for reading in readings:
            metric = reading.metric
            signal = signals.get(metric)
            if signal is None and (not roster.curious or (signal := roster.unnamed(metric)) is None):
                continue
            before = signal.at
            if before is None:
                roster.meet(signal)
            elif before > at:
                self.late += 1
                continue
            signal.at = at
            if reading.quality is usual and signal.quality is usual:
                value = reading.value
                if type(value) is float and signal.low <= value <= signal.high:
                    signal.value = signal.last = value
                    if signal.named:
                        roster.note(signal)
                    continue
                if signal.plain and value == signal.value and type(value) is type(signal.value):
                    signal.samples += 1
                    continue
            self._take(signal, reading, uncertain, lookers)
        if lookers:
            self._evaluate(lookers, moment)

    def _take(self, signal: Signal, reading: Reading, uncertain: bool, lookers: list[Gate | Watch]) -> None:
        """A reading that may matter: judge it, and note who has to look."""
        last, quality = signal.last, signal.quality
        signal.read(reading, uncertain)
        self._spread(signal, last, quality, lookers)

    def _spread(self, signal: Signal, last: Value, quality: Quality | None, lookers: list[Gate | Watch]) -> None:
        """A signal was read that had `last` and `quality`: whom it concerns, and the signals that are made of it."""
        assert signal.at is not None
        roster = self._roster
        if signal.named:
            roster.note(signal)
        lookers += signal.concerned(last, quality)
        if signal.maps is not None and (signal.last != last or signal.quality is not quality or signal.counts_states):
            state, _ = signal.maps
            last, quality = state.last, state.quality
            signal.map_state(signal.at)
            self._spread(state, last, quality, lookers)
        for derived in signal.feeds:
            target = derived.target
            last, quality = target.last, target.quality
            derived.compute(signal.at, roster.values)
            if target.at is not None:
                self._spread(target, last, quality, lookers)

    def _evaluate(self, lookers: Sequence[Gate | Watch], moment: Instant) -> None:
        """Gates, then safety rules, then the others as their files have them; each once."""
        if len(lookers) > 1:
            lookers = sorted(dict.fromkeys(lookers), key=_rank)
        if isinstance(lookers[0], Gate):
            self._ask([looker for looker in lookers if isinstance(looker, Gate)], moment)
        for looker in lookers:
            if isinstance(looker, Watch):
                looker.evaluate(moment, "reading", self._emit)
                self._looked(looker)

    # -- time -------------------------------------------------------------------------------------------------------

    def _begin(self, received: Instant) -> None:
        self.clock.begin(received)
        for watch in self._roster.watches:
            if watch.gate is not None:
                watch.gated(received, self._emit)
                self._roster.looked(watch)
            self._deadlines.put(watch)

    def _pass(self, moment: Instant) -> None:
        """Fire every deadline up to `moment`, in order, each at its own time."""
        for deadline, looker in self._deadlines.due(moment):
            self.clock.now = max(self.clock.now, deadline)
            if isinstance(looker, Watch):
                looker.expire(self.clock.now, self._emit)
                self._looked(looker)
            else:
                self._ask((looker,), self.clock.now)

    def _ask(self, gates: Iterable[Gate], moment: Instant) -> None:
        """Let gates look again, all of them before anybody is told; whom it concerns has new deadlines."""
        turned = [gate for gate in gates if gate.turns(moment)]
        for watch in dict.fromkeys(watch for gate in turned for watch in gate.watches):
            watch.gated(moment, self._emit)
            self._looked(watch)
        for gate in gates:
            if gate.timed:
                self._deadlines.put(gate)

    def _looked(self, watch: Watch) -> None:
        self._deadlines.put(watch)
        self._roster.looked(watch)

    def _rebase(self, at: Instant, received: Instant) -> None:
        delta = self.clock.rebase(at, received)
        if delta:
            self._roster.shift(delta)
            self._deadlines.restart()

    # -- everything else --------------------------------------------------------------------------------------------

    def _other(self, event: Event) -> None:
        if isinstance(event, Refed):
            self._observe_again(event)
            return
        moment = self.clock.reads(event.received)
        if isinstance(event, Link):
            self._link(event, moment)
            return
        self._pass(moment)
        if isinstance(event, Command):
            self._command(event, moment)
        elif isinstance(event, Revision):
            self._revise(event.rules, moment)
        elif isinstance(event, Fault):
            self._fault(event)
        else:
            assert isinstance(event, Tick)

    def _told(self, watch: Watch, flag: Flag, raised: bool) -> None:
        if flag.raised is raised:
            return
        moment = self.clock.reads(self._received)
        self._pass(moment)
        self.clock.now = moment
        flag.raised = raised
        self._evaluate([watch], moment)

    def _link(self, event: Link, moment: Instant) -> None:
        """While a link that matters is down, silence means nothing."""
        if self.asset == OWN_ASSET or self.broker is None or event.broker in (self.broker, EVERY_BROKER):
            self._hear_of(event, moment)
        if self.asset == OWN_ASSET and event.broker != EVERY_BROKER:
            self._told(*self._roster.link(event.broker), not event.up)
        self._pass(moment)

    def _hear_of(self, event: Link, moment: Instant) -> None:
        others = [broker for broker in self.lost if broker != event.broker]
        if not event.up:
            since = max(self.clock.now, self.clock.reads(event.since))
            self._pass(since)
            if not self.lost:
                self._stop_listening(since)
            self.lost = [*others, event.broker]
            return
        if self.asset != OWN_ASSET:
            self.clock.catch_up(event.since, event.received)
        self._pass(moment)
        self.lost = others
        if not others:
            self._listen(moment)

    def _stop_listening(self, since: Instant) -> None:
        for gate in self._roster.gates.values():
            gate.sight.pause(since)
        for watch in self._roster.watches:
            watch.pause(since)
            self._looked(watch)

    def _listen(self, at: Instant) -> None:
        for gate in self._roster.gates.values():
            gate.sight.resume(at)
            self._deadlines.put(gate)
        for watch in self._roster.watches:
            watch.resume(at)
            self._looked(watch)

    def _fault(self, event: Fault) -> None:
        if self.asset == OWN_ASSET and event.rule in FAULTS:
            watch, noticed = self._roster.fault(event.rule, event.part)
            noticed.text = event.text
            self._told(watch, noticed, event.active)

    def _command(self, event: Command, moment: Instant) -> None:
        """A person's act; one that is refused changes nothing."""
        self.refused = self.refusal(event)
        watch = self._roster.find(event.alarm)
        if self.refused is not None or watch is None:
            return
        self.clock.now = moment
        self._by = event.by
        commands.apply(event, watch, moment, self._emit)
        self._by = "andon"
        timers.expire(watch, moment, self._emit)
        self._looked(watch)

    def _watch_over(self, rules: RuleSet) -> None:
        self.rules = rules
        self._max_ahead = rules.max_ahead
        self._roster = Roster(self.asset, rules, self.clock)
        self._clock_flag = self._roster.clock_flag
        self._deadlines = Deadlines(self._roster.watches, tuple(self._roster.gates.values()))
        self._heap = self._deadlines.heap

    def _revise(self, rules: RuleSet, moment: Instant) -> None:
        """New rules: what decides as before keeps its state, the rest is withdrawn and begins anew."""
        before = self._roster
        self.clock.now = moment
        self._watch_over(rules)
        self._roster.restore(before.snapshot())
        kept = {identity(watch) for watch in self._roster.watches}
        heirs = {watch.key: watch for watch in self._roster.watches}
        for watch in before.watches:
            heir = heirs.get(watch.key)
            if heir is not None and identity(watch) in kept:
                watch.hand_on(heir, moment, self._emit)
            else:
                overriding.hand_over(watch, heir, moment, self._emit)
                watch.withdraw(moment, self._emit)
        self._ask(self._roster.gates.values(), moment)
        for watch in self._roster.watches:
            watch.tell(moment, "rule_changed", self._emit)
            watch.gated(moment, self._emit)
            if not watch.settled:
                watch.detector.rest(moment)
                watch.announce(moment, "rule_changed", self._emit)
            watch.evaluate(moment, "rule_changed", self._emit)
            self._looked(watch)

    def _emit(self, watch: Watch, event: str, before: State, after: State, at: Instant, reason: dict[str, Any]) -> None:
        rule, alarm = watch.rule, watch.alarm
        name = self._name(rule.id, at)
        if event == "raised" or alarm.occurrence is None:
            alarm.occurrence = name
        reason["revision"] = self.rules.revision
        if alarm.holds:
            reason |= alarm.hidden()
        if context := self._roster.context():
            reason["context"] = context
        if at < self.clock.late_before:
            reason["late"] = True
        transition = Transition(
            id=name,
            alarm=alarm.occurrence,
            at=at,
            received=self._received,
            asset=self.asset,
            rule=rule.id,
            part=watch.detector.part,
            kind=rule.kind,
            priority=alarm.priority,
            event=event,
            from_=before,
            to=after,
            value=reason.get("value"),
            reason=reason,
            by=self._by,
            mode=rule.mode,
            title=rule.title or rule.id,
        )
        self._out.append(transition)

    def _name(self, rule: str, at: Instant) -> str:
        """The next transition's id. A timeline that began again after a clock was set back has its number in it."""
        last_at, last = self._ordinals.get(rule, (-1, -1))
        ordinal = last + 1 if last_at == at else 0
        self._ordinals[rule] = (at, ordinal)
        line = f"{self.clock.timeline}." if self.clock.timeline else ""
        return f"{self.asset}:{rule}:{at}:{line}{ordinal}"


def _rank(looker: Gate | Watch) -> int:
    return looker.rank
