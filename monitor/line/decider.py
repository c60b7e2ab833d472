"""The detecting reader: from journal entries to transitions and notifications, committed together with the offset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import msgspec
import structlog

from monitor import clock, telemetry
from monitor.alerting.backlog import Backlog
from monitor.alerting.floods import FloodControl
from monitor.alerting.messages import AssetFacts, RuleFacts
from monitor.alerting.policy import Why
from monitor.database.gaps import Gap
from monitor.database.gaps import Why as LostBy
from monitor.database.ledger import Ledger, Step
from monitor.database.migrate import AlarmDatabaseFullError
from monitor.database.quarantine import Fed, rows_of
from monitor.decoding import Meaning, Revisions
from monitor.journal.entries import (
    CommandEntry,
    Entry,
    FaultEntry,
    FedEntry,
    LinkEntry,
    Message,
    Offset,
    RevisionEntry,
    TickEntry,
    UnkeptEntry,
)
from monitor.journal.reader import JournalReader
from monitor.journal.segments import JournalDamagedError, JournalError, JournalGap
from monitor.line.intake import Intake
from monitor.line.recovery import FLOODS, recovered
from monitor.line.tally import Tally
from monitor.line.undone import Outcome, Undone
from monitor.line.unkept import Shortfall, Unkept
from rules.alarms import Identity, State, Transition
from rules.builtin import BUILTIN
from rules.events import SECOND, Command, Duration, Event, Fault, Instant, Link, Refed, Revision, Tick
from rules.fleet import MOST_ASSETS, Fleet
from rules.group import Outcome as Decided

MOST_ENTRIES: Final = 200
"""Entries decided before the event loop gets its turn."""
RETRY_SECONDS: Final = 1.0
"""Before what the disk refused is tried again."""
COMMIT_EVERY: Final[Duration] = SECOND
"""How often the offset is committed while nothing is decided."""
SNAPSHOT_CYCLE: Final = 10
"""Commits in which every asset that changed gets a new snapshot."""

KEPT_AT_ONCE: Final = frozenset({"override", "restore"})
"""Commands whose asset is saved with the answer: what they leave behind stands in snapshots alone."""
LOOK_EVERY: Final = 0.1
"""Seconds between looks at whether a backlog is worked off."""
log = structlog.get_logger()


class Decider:
    """Owns the fleet. What it commits can be decided again from the journal, with the same result, at any time.

    `otherwise` stands in for a revision that this program does not accept any more. `begun_anew` are the assets whose
    snapshots could not be read.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: Callable[[Offset], JournalReader],
        notifier: FloodControl,
        otherwise: Callable[[], Meaning],
    ) -> None:
        self._ledger = ledger
        self._floods = notifier
        self._backlog = Backlog(notifier, self._facts, ledger.held(Why.HELD), _states(ledger))
        self._now = clock.now
        self.tally = Tally()
        self._revisions = Revisions(otherwise)
        self._committed = ledger.position()
        self.floor = ledger.floor()
        self._undone = Undone()
        self._readings = self._observations = self._unwatched = 0
        self._waiting: dict[Instant, asyncio.Future[Outcome]] = {}
        self._saved_at = clock.elapsed()
        self._shortfall = Shortfall()
        self._unkept: dict[Offset, Unkept] = {}
        found = recovered(ledger, self._revisions, notifier, self.tally)
        self.next, self.stages, self._decoder, self.begun_anew = found
        self._reader = reader(self.next)

    @property
    def fleet(self) -> Fleet:
        """The assets, each by itself."""
        return self.stages.fleet

    def next_due(self) -> Instant | None:
        """When, in time of receipt, a Tick would matter to somebody."""
        dues = (self.stages.next_due(), self._floods.due())
        return min((due for due in dues if due is not None), default=None)

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def run(self, intake: Intake, committed: Callable[[Step], None]) -> None:
        """Work off the journal for ever; `committed` is told of every step that is durable."""
        self._unkept = intake.unkept
        self._now = intake.now
        while True:
            entries = await self._read(intake) if self.lag(intake) else []
            for offset, entry in entries:
                self._take(offset, entry)
            self._count()
            self.next = max(self.next, self._reader.position)
            if self._backlog.due(clock.elapsed(), caught_up=not self.lag(intake)):
                self._release()
            if self._must_commit():
                await self._commit(committed)
            telemetry.READER_LAG.labels("decide").set(self.lag(intake))
            await (asyncio.sleep(0) if entries else self._wait(intake))

    async def _read(self, intake: Intake) -> list[tuple[Offset, Entry]]:
        try:
            return self._reader.read(MOST_ENTRIES)
        except JournalGap as gap:
            log.warning("journal_gap", start=gap.start, end=gap.end, hint="the journal was pruned or lost a segment")
        except JournalDamagedError as damage:
            await self._set_aside(intake, damage)
        return []

    async def _set_aside(self, intake: Intake, damage: JournalDamagedError) -> None:
        """Go on behind what cannot be read; if even that cannot be done now, try again."""
        log.error("journal_damaged", error=str(damage))
        try:
            aside = await intake.set_aside(self._reader.directory, self._reader.segment)
        except JournalError as error:
            aside = None
            log.warning("journal_not_set_aside", error=str(error))
        if aside is None:
            await asyncio.sleep(RETRY_SECONDS)

    def lost(self, gaps: Sequence[Gap]) -> None:
        """What was found missing from the journal: kept with the next commit."""
        self._undone.gaps |= {(gap.why, gap.gateway, gap.start): gap for gap in gaps}

    def prepare(self, revision: str, meaning: Meaning) -> None:
        """What a revision means that is about to be journalled: it need not be read from its texts."""
        self._revisions.know(revision, meaning)

    def close(self) -> None:
        """Let go of the journal."""
        self._reader.close()

    def outcome(self, received: Instant) -> asyncio.Future[Outcome]:
        """What becomes of the command that is about to be journalled with this `received`; known once it is durable."""
        waiting = self._waiting[received] = asyncio.get_running_loop().create_future()
        waiting.add_done_callback(lambda _: self._waiting.pop(received, None))
        return waiting

    @property
    def committed(self) -> Offset:
        """The first journal entry that no commit covers."""
        return self._committed

    def lag(self, intake: Intake) -> int:
        """Entries that stand in the journal and were not decided yet."""
        return intake.head - self.next

    async def _wait(self, intake: Intake) -> None:
        patience = clock.seconds(max(0, self._saved_at + COMMIT_EVERY - clock.elapsed())) if self._unsaved else None
        if self._backlog.holding:
            patience = min(patience or LOOK_EVERY, LOOK_EVERY)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await intake.wait_beyond(self.next)

    @property
    def _unsaved(self) -> bool:
        return self.next > self._committed or bool(self.fleet.touched) or self.stages.touched is not None

    def _must_commit(self) -> bool:
        return self._undone.urgent or (self._unsaved and clock.elapsed() - self._saved_at >= COMMIT_EVERY)

    async def _commit(self, committed: Callable[[Step], None]) -> None:
        undone, self._undone = self._undone, Undone()
        snapshots, stages = [], []
        if undone.unkept or undone.commanded or clock.elapsed() - self._saved_at >= COMMIT_EVERY:
            snapshots = self._snapshots(undone.commanded, everything=bool(undone.unkept))
            stages = self._stages()
            self.tally.publish()
            self._saved_at = clock.elapsed()
        if self._floods.changed:
            stages.append((FLOODS, self.next - 1, msgspec.json.encode(self._floods.snapshot())))
        end = max(self.next, self._committed)
        step = Step(
            next_offset=end,
            floor=min(self._unsaved_since()),
            transitions=undone.transitions,
            notifications=undone.notifications,
            verdicts=undone.verdicts,
            released=undone.released,
            holding=self._backlog.holding,
            snapshots=snapshots,
            stages=stages,
            revision=undone.revision,
            rejects=undone.rejects,
            fed=undone.fed,
            gaps=tuple(undone.gaps.values()),
        )
        await self._write(step)
        self._committed, self.floor = end, step.floor
        committed(step)
        undone.tell()

    async def _write(self, step: Step) -> None:
        while True:
            try:
                dropped = await asyncio.to_thread(self._ledger.commit, step)
            except AlarmDatabaseFullError as error:
                log.warning("decisions_wait_for_room", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                telemetry.QUARANTINE_DROPPED.inc(dropped)
                return

    def _unsaved_since(self) -> Iterator[Offset]:
        """The first entries of which something is not in any snapshot."""
        yield next(iter(self.fleet.touched.values()), self.next)
        yield self.next if self.stages.touched is None else self.stages.touched

    def _stages(self) -> list[tuple[str, Offset, bytes]]:
        """What stands above the assets, as of the last entry, if it changed."""
        if self.stages.touched is None:
            return []
        return [(name, self.next - 1, msgspec.json.encode(state)) for name, state in self.stages.snapshot().items()]

    def _snapshots(self, first: Iterable[str], *, everything: bool) -> list[tuple[str, Offset, bytes]]:
        """Of the assets whose changes are longest unsaved, a share, and of those in `first`.

        What was decided up to now is in them. Of all where the journal could not repeat what changed them.
        """
        touched = self.fleet.touched
        share = list(touched)[: len(touched) if everything else max(100, len(touched) // SNAPSHOT_CYCLE)]
        taken = []
        for asset in dict.fromkeys((*share, *(asset for asset in first if asset in touched))):
            monitor = self.fleet.monitors[asset]
            self.tally.look(monitor)
            taken.append((asset, self.fleet.offsets[asset], msgspec.json.encode(monitor.snapshot())))
            del touched[asset]
        return taken

    # -- one entry --------------------------------------------------------------------------------------------------

    def _take(self, offset: Offset, entry: Entry) -> None:
        if isinstance(entry, Message):
            if self._shortfall.gaps:
                self._shortfall.end()
            self._message(offset, entry)
            return
        if isinstance(entry, FedEntry):
            self._fed(offset, entry)
            return
        if isinstance(entry, UnkeptEntry):
            self._not_kept(offset)
            return
        if isinstance(entry, RevisionEntry):
            self._decoder = self._revisions.of(entry.hash, entry.texts).decoder()
            self._undone.revision = (offset, entry.hash, entry.texts)
        if isinstance(entry, LinkEntry) and entry.up and entry.received > entry.since:
            self.lost([Gap(LostBy.AWAY, entry.broker, offset, entry.since, entry.received, 0)])
        event = self._event(entry)
        decided = self.stages.handle(event, offset)
        self._emit(offset, decided)
        self._send_bundles(offset, entry.received)
        if isinstance(event, Command):
            self._note_outcome(event, decided.shown)
            if event.action in KEPT_AT_ONCE:
                self._undone.commanded[event.asset] = None

    def _note_outcome(self, command: Command, transitions: list[Transition]) -> None:
        waiting = self._waiting.pop(command.received, None)
        if waiting is not None:
            refused = self.stages.refused(command)
            caused = [transition for transition in transitions if transition.by == command.by]
            self._undone.outcomes.append((waiting, caused if refused is None else refused))

    def _event(self, entry: TickEntry | LinkEntry | FaultEntry | CommandEntry | RevisionEntry) -> Event:
        if isinstance(entry, TickEntry):
            return Tick(entry.received)
        if isinstance(entry, LinkEntry):
            return Link(entry.received, entry.broker, entry.up, entry.since)
        if isinstance(entry, FaultEntry):
            return Fault(entry.received, entry.rule, entry.part, entry.active, entry.text)
        if isinstance(entry, RevisionEntry):
            return Revision(entry.received, self._revisions.of(entry.hash, entry.texts).rules)
        return msgspec.structs.replace(msgspec.json.decode(entry.body, type=Command), received=entry.received)

    def _message(self, offset: Offset, message: Message) -> None:
        decoded = self._decoder.decode(message.broker, message.topic, message.payload, message.received, message.cut)
        if decoded is None:
            return
        if decoded.link is not None:
            link = msgspec.structs.replace(decoded.link, kept=message.retain)
            self._emit(offset, self.stages.handle(link, offset))
        gateway = self._decoder.gateway(message.broker, message.topic)
        if gateway is not None and offset >= self._committed:
            self.tally.messages[gateway, message.qos] += 1
        for observation in decoded.observations:
            self._emit(offset, self.stages.handle(observation, offset))
            monitor = self.fleet.monitors.get(observation.asset)
            if monitor and monitor.broker != message.broker and self.fleet.offsets[observation.asset] == offset:
                monitor.heard_through(message.broker)
            self._readings += len(observation.readings)
        self._observations += len(decoded.observations)
        if decoded.rejects and offset >= self._committed:
            self._undone.rejects += rows_of(offset, message, decoded)
            for reject in decoded.rejects:
                telemetry.QUARANTINED.labels(reject.gateway or "", reject.reason).inc()

    def _count(self) -> None:
        """Once for many entries: a counter that other processes can read costs as much as deciding on a message."""
        telemetry.DECODED_READINGS.inc(self._readings)
        telemetry.EVALUATED.inc(self._observations)
        self._readings = self._observations = 0
        if (unwatched := self.fleet.refused) > self._unwatched:
            if not self._unwatched:
                log.error(
                    "assets_not_watched", most=MOST_ASSETS, hint="mend the gateway's `asset`: it makes many names"
                )
            telemetry.UNWATCHED.inc(unwatched - self._unwatched)
            self._unwatched = unwatched

    def _fed(self, offset: Offset, entry: FedEntry) -> None:
        """A message from quarantine: whether it is read this time is committed with the offset."""
        decoded = self._decoder.decode_again(entry.broker, entry.topic, entry.payload, entry.first, entry.metrics)
        for observation in decoded.observations:
            self._emit(offset, self.stages.handle(Refed(entry.received, observation), offset))
        if offset >= self._committed:
            self._undone.fed.append(Fed(entry.entry, entry.first, rows_of(offset, entry, decoded)))
            telemetry.QUARANTINE_FED.labels("refused" if decoded.rejects else "read").inc()

    def _not_kept(self, offset: Offset) -> None:
        """Messages that have no place in the journal; after a restart they are known already, or come again."""
        unkept = self._unkept.pop(offset, None)
        if unkept is None:
            return
        before = len(self._undone.rejects)
        for message in unkept.messages:
            self._message(offset, message)
            gateway = self._decoder.gateway(message.broker, message.topic) or ""
            self.lost([self._shortfall.add(gateway, offset, message.received)])
            telemetry.UNKEPT.labels(gateway).inc()
        rejects = self._undone.rejects
        rejects[before:] = [replace(row, ordinal=number) for number, row in enumerate(rejects[before:])]
        self._undone.unkept.append(unkept.decided)

    def _emit(self, offset: Offset, decided: Decided) -> None:
        """What lies before the committed offset was told before the restart."""
        if not (decided.shown or decided.told) or offset < self._committed:
            return
        undone = self._undone
        undone.transitions += decided.shown
        undone.verdicts.update((transition.id, Why.WAITS) for transition in decided.shown)
        for transition in decided.shown:
            telemetry.TRANSITIONS.labels(transition.event, transition.kind.value).inc()
        for nuisance in decided.nuisances:
            telemetry.NUISANCES.labels(nuisance.sort, nuisance.rule).inc()
            log.info("nuisance_alarm", sort=nuisance.sort, alarm=nuisance.transition, text=nuisance.text)
        now, elapsed = self._now(), clock.elapsed()
        for transition in decided.told:
            decision = self._backlog.decide(transition, now, elapsed)
            undone.notifications += decision.notifications
            (undone.verdicts if transition.id in undone.verdicts else undone.released)[decision.transition] = (
                decision.why
            )

    def _send_bundles(self, offset: Offset, received: Instant) -> None:
        """Time may have come to say more of an alarm flood."""
        due = self._floods.due()
        if due is not None and due <= received and offset >= self._committed:
            self._undone.notifications += self._floods.advance(received)

    def _release(self) -> None:
        """The backlog is worked off: people are told of what was held."""
        released = self._backlog.release()
        self._undone.notifications += released.notifications
        self._undone.released |= released.verdicts

    def _facts(self, transition: Transition) -> tuple[RuleFacts | None, AssetFacts]:
        rules, asset = self.fleet.rules, transition.asset
        facts = AssetFacts(rules.assets.display_name(asset), rules.assets.area(asset))
        return rules.rule(transition.rule) or BUILTIN.get(transition.rule), facts


def _states(ledger: Ledger) -> dict[Identity, State]:
    return {identity: state for identity, (_, state) in ledger.active().items()}
