"""AssetMonitor: everything the core knows of one asset. Events in, transitions out; one per key of any partitioning."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, Final, Self

from rules.alarms import JOURNALLED, Act, IllegalAct, Kind, State, Transition
from rules.builtin import BROKER_LOST, OWN_ASSET, Flag, InstrumentFault, broker_lost, clock_ahead, instrument_fault
from rules.clock import AssetClock, settled
from rules.detectors.base import Detector
from rules.events import Command, Event, Instant, Link, Observation, Quality, Reading, Revision, Tick, Value
from rules.gate import Gate
from rules.ruleset import Rule, RuleSet, detection_key
from rules.signals import Signal
from rules.watch import Watch

SNAPSHOT_VERSION: Final = 1
ACTS: Final = {"acknowledge": Act.ACKNOWLEDGE, "reset": Act.RESET}


class AssetMonitor:
    """Decides for one asset.

    `late` counts readings that came after a newer one of their signal and were not shown to any rule; `ahead` those
    whose stamp lay too far in the future.
    """

    def __init__(self, asset: str, rules: RuleSet) -> None:
        self.asset = asset
        self.late = 0
        self.ahead = 0
        self.clock = AssetClock()
        self._ordinals: dict[str, tuple[Instant, int]] = {}
        self._out: list[Transition] = []
        self._received: Instant = 0
        self._by = ""
        self._build(rules)

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

    def next_deadline(self) -> Instant | None:
        """When, in the asset's time, a Tick would matter."""
        heap = self._heap
        while heap:
            deadline, rank = heap[0]
            watch = self._watches[rank]
            if watch.queued == deadline == watch.deadline:
                return deadline
            heapq.heappop(heap)
            if watch.queued == deadline:
                watch.queued = None
                self._queue(watch)
        return None

    def next_due(self) -> Instant | None:
        """The same in time of receipt."""
        deadline = self.next_deadline()
        return None if deadline is None else self.clock.due(deadline)

    def snapshot(self) -> dict[str, Any]:
        """All state as JSON; `restore` under the same rules goes on as if nothing had happened."""
        return {
            "version": SNAPSHOT_VERSION,
            "asset": self.asset,
            "revision": self.rules.revision,
            "late": self.late,
            "ahead": self.ahead,
            "clock": self.clock.snapshot(),
            "ordinals": {rule: list(last) for rule, last in self._ordinals.items()},
            "signals": {name: signal.snapshot() for name, signal in self._signals.items()},
            "gates": {text: gate.snapshot() for text, gate in self._gates.items()},
            "watches": [[*_identity(watch), watch.snapshot()] for watch in self._watches],
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
        monitor._load(data)
        return monitor

    # -- building ---------------------------------------------------------------------------------------------------

    def _build(self, rules: RuleSet) -> None:
        self.rules = rules
        self.values: dict[str, Value] = {}
        self.last_values: dict[str, Value] = {}
        self._signals: dict[str, Signal] = {}
        self._gates: dict[str, Gate] = {}
        self._watches: list[Watch] = []
        self._clock_flag = Flag(None, "its stamps lie in the future", "its stamps are right again")
        self._links: dict[str, Watch] = {}
        self._heap: list[tuple[Instant, int]] = []
        written = () if self.asset == OWN_ASSET else rules.for_asset(self.asset)
        for rule in written:
            gate = self._gate(rule)
            for detector in rule.detect.build(_Bindings(self, rule)):
                self._add(rule, detector, gate)
        self._add_builtin(written)
        self._wire()

    def signal(self, name: str) -> Signal:
        """The asset's signal of that name, watched from now on."""
        signal = self._signals.get(name)
        if signal is None:
            signal = self._signals[name] = Signal(name, self.rules.assets.signal(self.asset, name))
            if name == "state" and (states := self.rules.assets.states(self.asset)) is not None:
                self.signal(states.signal).maps = (signal, states.table)
        return signal

    def _gate(self, rule: Rule) -> Gate | None:
        if rule.when is None:
            return None
        gate = self._gates.get(rule.when.text)
        if gate is None:
            inputs = tuple(self.signal(name) for name in sorted(rule.when.signals))
            gate = self._gates[rule.when.text] = Gate(rule.when, self.values, inputs)
        return gate

    def _add(self, rule: Rule, detector: Detector, gate: Gate | None = None) -> Watch:
        watch = Watch(rule, detector, gate, rank=len(self._watches))
        self._watches.append(watch)
        if gate is not None:
            gate.watches.append(watch)
        return watch

    def _add_builtin(self, written: Iterable[Rule]) -> None:
        after: dict[str, int] = {}
        for rule in written:
            for name in rule.detect.signals():
                after[name] = min(after.get(name, rule.fault_after), rule.fault_after)
        for name, patience in after.items():
            self._add(instrument_fault(patience), InstrumentFault(self.signal(name)))
        self._clock_watch = self._add(clock_ahead(), self._clock_flag)

    def _wire(self) -> None:
        lookers: list[Gate | Watch] = [*self._gates.values(), *self._watches]
        for signal in self._signals.values():
            signal.watches = ()
        for looker in lookers:
            for signal in looker.inputs:
                signal.watches = (*signal.watches, looker)
        for signal in self._signals.values():
            signal.refresh()
        self._vigil = [watch for watch in self._watches if watch.vigilant]
        self._curious = [watch for watch in self._watches if watch.detector.curious]

    def _begin(self, received: Instant) -> None:
        self.clock.begin(received)
        for watch in self._watches:
            if watch.gate is not None:
                watch.gated(received, self._emit)
            self._settle_down(watch)

    # -- observations -----------------------------------------------------------------------------------------------

    def _observe(self, event: Observation) -> None:
        clock = self.clock
        at, ahead = settled(event.at, event.received, self.rules.max_ahead)
        if ahead or self._clock_flag.raised:
            self._told(self._clock_watch, self._clock_flag, ahead)
        if ahead:
            self.ahead += len(event.readings)
            at = clock.reads(event.received)
        elif at < clock.latest or not clock.trusted:
            if not self._fits(event, at):
                self._late(event)
                return
        else:
            clock.older_since = None
            clock.advance(at, event.received)
        moment = max(clock.now, at)
        self._pass(moment)
        clock.now = clock.heard = moment
        self._apply(event.readings, at, moment, ahead)

    def _fits(self, event: Observation, at: Instant) -> bool:
        """Whether a stamp older than the latest is to be believed: as the first one, a straggler, or a new timeline."""
        clock = self.clock
        if clock.trusted:
            if any((s := self._signals.get(r.metric)) and (s.at is None or s.at <= at) for r in event.readings):
                return True
            if not clock.relents(event.received):
                return False
            clock.timeline += 1
        clock.trusted = True
        self._rebase(at, event.received)
        return True

    def _late(self, event: Observation) -> None:
        """Late readings are kept elsewhere and decide nothing, but they are a sign of life."""
        self.late += len(event.readings)
        moment = self.clock.reads(event.received)
        self.clock.heard = moment
        if self._vigil:
            self._pass(moment)
            self.clock.now = moment
            self._evaluate(self._vigil, moment)

    def _apply(self, readings: tuple[Reading, ...], at: Instant, moment: Instant, uncertain: bool) -> None:
        """All readings first, then every watch that may care, once."""
        signals, values, good = self._signals, self.values, Quality.GOOD
        dirty: list[Any] = []
        for reading in readings:
            metric = reading.metric
            signal = signals.get(metric)
            if signal is None:
                if not self._curious or not any(watch.detector.curious for watch in self._curious):
                    continue
                signal = self.signal(metric)
            before = signal.at
            if before is None:
                self._meet(signal)
            elif before > at:
                self.late += 1
                continue
            signal.at = at
            value = reading.value
            if (
                reading.quality is good
                and signal.quality is good
                and type(value) is float
                and signal.low <= value <= signal.high
                and not uncertain
            ):
                signal.value = signal.last = values[metric] = value
                continue
            self._take(signal, reading, uncertain, dirty)
        if self._vigil:
            dirty.extend(self._vigil)
        if dirty:
            self._evaluate(dirty, moment)

    def _meet(self, signal: Signal) -> None:
        """Its first reading: who watches every signal may want it."""
        for watch in self._curious:
            if watch.detector.curious and watch.detector.adopt(signal):
                signal.watches = (*signal.watches, watch)
                signal.refresh()

    def _take(self, signal: Signal, reading: Reading, uncertain: bool, dirty: list[Any]) -> None:
        """A reading that may matter: judge it, and note who has to look."""
        value, quality = signal.value, signal.quality
        signal.read(reading, uncertain)
        self._note(signal)
        same = quality is signal.quality and value == signal.value and type(value) is type(signal.value)
        dirty.extend(watch for watch in signal.watches if not same or watch.every_reading)
        if not same and signal.maps is not None:
            assert signal.at is not None
            if (state := signal.map_state(signal.at)) is not None:
                self._note(state)
                dirty.extend(state.watches)

    def _note(self, signal: Signal) -> None:
        self.values[signal.name] = signal.value
        self.last_values[signal.name] = signal.last

    def _evaluate(self, lookers: list[Any], moment: Instant) -> None:
        """Gates, then safety rules, then the others as their files have them; each once."""
        if len(lookers) > 1:
            lookers = sorted(dict.fromkeys(lookers), key=_rank)
        for looker in lookers:
            if type(looker) is Gate:
                if looker.evaluate(moment, self._emit):
                    for watch in looker.watches:
                        self._settle_down(watch)
            else:
                looker.evaluate(moment, "reading", self._emit)
                self._settle_down(looker)

    # -- time -------------------------------------------------------------------------------------------------------

    def _pass(self, moment: Instant) -> None:
        """Fire every deadline up to `moment`, in order, each at its own time."""
        heap = self._heap
        while heap and heap[0][0] <= moment:
            deadline, rank = heapq.heappop(heap)
            watch = self._watches[rank]
            if watch.queued != deadline:
                continue
            watch.queued = None
            now = watch.deadline
            if now is not None and now <= deadline:
                self.clock.now = max(self.clock.now, deadline)
                watch.expire(self.clock.now, self._emit)
            self._settle_down(watch)

    def _settle_down(self, watch: Watch) -> None:
        """After a watch has looked: its next deadline, the quiet bands of its signals, and whether it is vigilant."""
        self._queue(watch)
        if watch.inputs and (band := watch.band(watch.inputs[0])) != watch.last_band:
            watch.last_band = band
            for signal in watch.inputs:
                signal.refresh()
        if watch.vigilant is not (watch in self._vigil):
            self._vigil = [w for w in self._watches if w.vigilant]

    def _queue(self, watch: Watch) -> None:
        """Deadlines that were overtaken stay in the heap until they are too many."""
        deadline = watch.deadline
        if deadline == watch.queued:
            return
        watch.queued = deadline
        if deadline is not None:
            heapq.heappush(self._heap, (deadline, watch.rank))
            if len(self._heap) > 4 * len(self._watches) + 64:
                self._heap[:] = [entry for entry in self._heap if self._watches[entry[1]].queued == entry[0]]
                heapq.heapify(self._heap)

    def _rebase(self, at: Instant, received: Instant) -> None:
        delta = self.clock.rebase(at, received)
        for signal in self._signals.values():
            signal.shift(delta)
        for watch in self._watches:
            watch.shift(delta)
        self._requeue()

    def _requeue(self) -> None:
        self._heap.clear()
        for watch in self._watches:
            watch.queued = None
            self._settle_down(watch)

    # -- everything else --------------------------------------------------------------------------------------------

    def _other(self, event: Event) -> None:
        if isinstance(event, Revision):
            self._revise(event.rules)
            return
        moment = self.clock.reads(event.received)
        if isinstance(event, Link):
            self._link(event, moment)
        else:
            self._pass(moment)
            if isinstance(event, Command):
                self._command(event, moment)
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
        since = moment if event.up else max(self.clock.now, self.clock.reads(event.since))
        self._pass(since)
        for watch in self._watches:
            (watch.detector.resume if event.up else watch.detector.pause)(since)
            self._settle_down(watch)
        if self.asset == OWN_ASSET:
            watch = self._links.get(event.broker) or self._watch_link(event.broker)
            assert isinstance(watch.detector, Flag)
            self.clock.now = max(self.clock.now, since)
            watch.detector.raised = not event.up
            self._evaluate([watch], self.clock.now)
        self._pass(moment)

    def _watch_link(self, broker: str) -> Watch:
        flag = Flag(broker, f"the connection to broker {broker} is lost", f"the connection to broker {broker} is back")
        watch = self._links[broker] = self._add(broker_lost(), flag)
        return watch

    def _command(self, event: Command, moment: Instant) -> None:
        """A person's act; one that does not apply changes nothing."""
        watch = next((w for w in self._watches if w.alarm.occurrence == event.alarm), None)
        act = ACTS.get(event.action)
        if watch is None or act is None:
            return
        try:
            before, after = watch.alarm.act(act)
        except IllegalAct:
            return
        self.clock.now = moment
        self._by = event.by
        reason = {"text": event.comment or f"{event.action} by {event.by}", "why": "command"}
        for name in JOURNALLED[act]:
            self._emit(watch, name, before, after, moment, reason)
        self._by = ""

    def _revise(self, rules: RuleSet) -> None:
        """New rules: what decides as before keeps its state, the rest is withdrawn and begins anew."""
        moment = self.clock.reads(self._received)
        self._pass(moment)
        saved, before = self.snapshot(), self._watches
        self._build(rules)
        self._load(saved)
        kept = {_identity(watch) for watch in self._watches}
        gone = [watch for watch in before if _identity(watch) not in kept]
        self.clock.now = moment
        for watch in gone:
            watch.withdraw(moment, self._emit)
        self._look_again(moment)

    def _look_again(self, moment: Instant) -> None:
        for gate in self._gates.values():
            gate.evaluate(moment, self._emit)
        for watch in self._watches:
            if watch.gate is not None:
                watch.gated(moment, self._emit)
            watch.evaluate(moment, "rule_changed", self._emit)
            self._settle_down(watch)

    def _emit(self, watch: Watch, event: str, before: State, after: State, at: Instant, reason: dict[str, Any]) -> None:
        rule, alarm = watch.rule, watch.alarm
        last_at, last = self._ordinals.get(rule.id, (-1, -1))
        ordinal = last + 1 if last_at == at else 0
        self._ordinals[rule.id] = (at, ordinal)
        line = f"{self.clock.timeline}." if self.clock.timeline else ""
        name = f"{self.asset}:{rule.id}:{at}:{line}{ordinal}"
        if event == "raised" or alarm.occurrence is None:
            alarm.occurrence = name
        reason["revision"] = self.rules.revision
        self._out.append(
            Transition(
                id=name, alarm=alarm.occurrence, at=at, received=self._received, asset=self.asset, rule=rule.id,
                part=watch.detector.part, kind=rule.kind, priority=alarm.priority, event=event, from_=before, to=after,
                value=reason.get("value"), reason=reason, by=self._by or "andon", mode=rule.mode,
                title=rule.title or rule.id,
            )
        )  # fmt: skip

    def _load(self, data: dict[str, Any]) -> None:
        self.clock.restore(data["clock"])
        self.late, self.ahead = data["late"], data["ahead"]
        self._ordinals = {rule: (at, ordinal) for rule, (at, ordinal) in data["ordinals"].items()}
        for name, saved in data["signals"].items():
            if name in self._signals or self._curious:
                signal = self.signal(name)
                signal.restore(saved)
                self._note(signal)
        for text, saved in data["gates"].items():
            if (gate := self._gates.get(text)) is not None:
                gate.restore(saved)
        self._load_watches(data["watches"])
        self._wire()
        self._requeue()

    def _load_watches(self, saved: list[list[Any]]) -> None:
        for rule, part, _, _ in saved:
            if rule == BROKER_LOST:
                self._watch_link(part)
        watches = {_identity(watch): watch for watch in self._watches}
        for rule, part, key, state in saved:
            if (watch := watches.get((rule, part, key))) is not None:
                watch.restore(state)


class _Bindings:
    """An asset as one rule's detectors may take hold of it."""

    def __init__(self, monitor: AssetMonitor, rule: Rule) -> None:
        self.asset = monitor.asset
        self.clock = monitor.clock
        self.values = monitor.values
        self.last_values = monitor.last_values
        self.signal = monitor.signal
        self.ignore_quality = rule.on_bad_quality == "ignore"
        self._assets = monitor.rules.assets

    def number(self, name: str) -> float | None:
        """The asset's own value of that name."""
        return self._assets.value(self.asset, name)


def _rank(looker: Gate | Watch) -> int:
    return looker.rank


def _identity(watch: Watch) -> tuple[str, str | None, str]:
    """Rule, part, and what the rule detects by: equal identities may hand their state on."""
    rule = watch.rule
    return (*watch.key, "" if rule.kind is Kind.SYSTEM else detection_key(rule))
