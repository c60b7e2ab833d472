"""What other processes may know: a read-only view of the alarm database for the web, command line and displays."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, case, exists, func, select

from monitor.database.access import Reader
from monitor.database.gaps import Gap, Why
from monitor.database.records import Acknowledgement, Suppression, acknowledgement, because
from monitor.database.schema import (
    alarms,
    attempts,
    gaps,
    outbox,
    positions,
    quarantine,
    quarantine_counts,
    revisions,
    snapshots,
    stages,
    transitions,
)
from monitor.journal.entries import Offset
from rules.alarms import BY_CONDITION, ENDED, Kind, Priority, State, Transition
from rules.events import Instant
from rules.statetime import Raised, Span

MOST_REVISIONS: Final = 100
"""So many sets of rules are looked through for the one that an alarm was decided by."""
ACKNOWLEDGED: Final = frozenset({State.ACKNOWLEDGED, State.LATCHED_ACKNOWLEDGED})


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """The present of one alarm; `since` is when its condition became active, `at` when it last changed.

    `state` is what is shown; `underneath` is what condition, latch and acknowledgement call for while `suppression`
    lies over it, else the same. `text` is the reason of the last transition, `about` that of the last one by the
    condition. `acknowledged` is there while the acknowledgement holds.
    """

    asset: str
    rule: str
    part: str | None
    alarm: str
    state: State
    priority: Priority
    kind: Kind
    mode: str
    since: Instant
    at: Instant
    title: str
    underneath: State
    suppression: tuple[Suppression, ...] = ()
    text: str = ""
    about: str = ""
    acknowledged: Acknowledgement | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One notification and how it fared; `answers` are its attempts as (at, outcome, answer), oldest first."""

    key: str
    transition: str
    team: str
    channel: str
    state: str
    attempts: int
    answers: tuple[tuple[Instant, str, str], ...] = ()


class Undelivered(msgspec.Struct, frozen=True):
    """How many notifications wait, since when the oldest of them does, and how many channels failed lately.

    `given_up` counts by team what some channel was not told and will not be; `untold` are the teams of which something
    reached nobody over any channel.
    """

    count: int
    oldest: Instant | None
    failing_channels: int
    given_up: dict[str, int]
    untold: frozenset[str]


class AlarmReader(Reader):
    """Alarms, their history and what became of their notifications."""

    def transitions_after(self, seq: int, limit: int = 1_000) -> list[tuple[int, Transition]]:
        """Transitions in the order of their commit, each with the number to ask from next; start at 0."""
        wanted = (
            select(transitions.c.seq, transitions.c.body)
            .where(transitions.c.seq > seq)
            .order_by(transitions.c.seq)
            .limit(limit)
        )
        return [(row.seq, msgspec.json.decode(row.body, type=Transition)) for row in self._rows(wanted)]

    def last_seq(self) -> int:
        """The number of the newest transition; 0 if there is none."""
        return int(self._rows(select(func.coalesce(func.max(transitions.c.seq), 0)))[0][0])

    def active(self) -> list[Alarm]:
        """Every alarm that is not normal, shelved and suppressed ones too; newest first."""
        return self._alarms(with_last_transition().where(alarms.c.state != State.NORMAL.value))

    def alarms(self) -> list[Alarm]:
        """Every alarm there ever was, as it is now; newest first."""
        return self._alarms(with_last_transition())

    def _alarms(self, wanted: Select[Any]) -> list[Alarm]:
        told = wanted.add_columns(_last(BY_CONDITION, "about"), _last({"acknowledged"}, "acknowledged"))
        return [_alarm(row) for row in self._rows(told.order_by(alarms.c.since.desc(), alarms.c.alarm))]

    def history(self, alarm: str) -> list[tuple[Transition, str]]:
        """All transitions of one alarm, oldest first, each with why somebody was told or nobody was."""
        wanted = (
            select(transitions.c.body, transitions.c.told)
            .where(transitions.c.alarm == alarm)
            .order_by(transitions.c.seq)
        )
        return [(msgspec.json.decode(row.body, type=Transition), row.told) for row in self._rows(wanted)]

    def occurrence(self, alarm: str) -> str | None:
        """The occurrence that is meant by its id, a transition's id, `asset:rule` or `asset:rule:part`."""
        asked = select(transitions.c.alarm).where((transitions.c.alarm == alarm) | (transitions.c.id == alarm)).limit(1)
        for row in self._rows(asked):
            return str(row.alarm)
        name = alarms.c.asset + ":" + alarms.c.rule
        parted = name + case((alarms.c.part == "", ""), else_=":" + alarms.c.part)
        wanted = select(alarms.c.alarm).where((parted == alarm) | (name == alarm)).order_by(alarms.c.at.desc()).limit(1)
        return next((str(row.alarm) for row in self._rows(wanted)), None)

    def between(self, asset: str, rule: str, start: Instant, end: Instant) -> list[tuple[Transition, str]]:
        """The transitions of a rule on an asset with start <= at <= end, each with why somebody was told or nobody."""
        wanted = (
            select(transitions.c.body, transitions.c.told)
            .where(transitions.c.asset == asset, transitions.c.rule == rule, transitions.c.at.between(start, end))
            .order_by(transitions.c.seq)
        )
        return [(msgspec.json.decode(row.body, type=Transition), row.told) for row in self._rows(wanted)]

    def raised(self, asset: str, start: Instant, end: Instant) -> list[Raised]:
        """The alarms of an asset raised with start <= at < end, each with when its condition was gone."""
        wanted = (
            select(transitions.c.body, _gone())
            .where(transitions.c.asset == asset, transitions.c.event == "raised")
            .where(transitions.c.at >= start, transitions.c.at < end)
            .order_by(transitions.c.seq)
        )
        found = [(msgspec.json.decode(row.body, type=Transition), row.over) for row in self._rows(wanted)]
        return [Raised(t.alarm, t.rule, t.title, t.at, over) for t, over in found]

    def spans(self, asset: str, rule: str, start: Instant, end: Instant, part: str = "") -> list[Span]:
        """When the alarm of a part of a rule was up, as far as that meets the time from start to end."""
        of = (transitions.c.asset == asset, transitions.c.rule == rule, transitions.c.part == part)
        raised = select(transitions.c.at, _gone()).where(*of, transitions.c.event == "raised")
        rows = self._rows(raised.where(transitions.c.at < end).order_by(transitions.c.at))
        return [(row.at, end if row.over is None else row.over) for row in rows if row.over is None or row.over > start]

    def last_before(self, asset: str, rule: str, at: Instant) -> list[Transition]:
        """The last transition of each part of a rule on an asset up to `at`."""
        newest = (
            select(func.max(transitions.c.seq))
            .where(transitions.c.asset == asset, transitions.c.rule == rule, transitions.c.at <= at)
            .group_by(transitions.c.part)
        )
        wanted = select(transitions.c.body).where(transitions.c.seq.in_(newest)).order_by(transitions.c.seq)
        return [msgspec.json.decode(row.body, type=Transition) for row in self._rows(wanted)]

    def snapshots(self) -> Iterator[tuple[str, bytes]]:
        """The latest state of each asset, as JSON; at most some seconds old while the line runs."""
        for row in self._rows(select(snapshots.c.asset, snapshots.c.body).order_by(snapshots.c.asset)):
            yield row.asset, row.body

    def stage(self, name: str) -> bytes | None:
        """The latest state of what is decided above the assets, likewise; None before the first."""
        rows = self._rows(select(stages.c.body).where(stages.c.name == name))
        return rows[0].body if rows else None

    def revision_texts(self) -> Iterator[dict[str, str]]:
        """The texts of every set of rules that was decided by, newest first."""
        for row in self._rows(select(revisions.c.texts).order_by(revisions.c.offset.desc()).limit(MOST_REVISIONS)):
            yield msgspec.json.decode(row.texts, type=dict[str, str])

    def deliveries(self, alarm: str) -> list[Delivery]:
        """Every notification of one alarm with all its attempts, oldest first."""
        rows = self._rows(select(outbox).where(outbox.c.alarm == alarm).order_by(outbox.c.seq))
        made = select(attempts).join(outbox, outbox.c.key == attempts.c.key).where(outbox.c.alarm == alarm)
        answers: dict[str, list[tuple[Instant, str, str]]] = {}
        for row in self._rows(made.order_by(attempts.c.seq)):
            answers.setdefault(row.key, []).append((row.at, row.outcome, row.answer))
        return [
            Delivery(
                key=row.key,
                transition=row.transition,
                team=row.team,
                channel=row.channel,
                state=row.state,
                attempts=row.attempts,
                answers=tuple(answers.get(row.key, ())),
            )
            for row in rows
        ]

    def quarantine_counts(self) -> dict[tuple[str, str], int]:
        """How many deliveries were refused since the beginning, by gateway and reason."""
        return {(row.gateway, row.reason): row.count for row in self._rows(select(quarantine_counts))}

    def quarantined(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest refused deliveries, newest first, as the columns of their table."""
        rows = self._rows(select(quarantine).order_by(quarantine.c.seq.desc()).limit(limit))
        return [dict(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented name

    def undelivered(self, since: Instant) -> Undelivered:
        """What waits in the outbox, and what was given up since then."""
        waiting = outbox.c.state == "pending"
        failing = case((outbox.c.attempts > 0, outbox.c.channel))
        wanted = (func.count(), func.min(outbox.c.created), func.count(failing.distinct()))
        figures: list[ColumnElement[Any]] = list(wanted)
        count, oldest, channels = self._rows(select(*figures).where(waiting))[0]
        lost = self._rows(_given_up(since))
        given_up = {row.team: row.count for row in lost}
        return Undelivered(count, oldest, channels, given_up, frozenset(row.team for row in lost if row.untold))

    def gaps(self, limit: int = 100) -> list[Gap]:
        """What is missing from the stored readings, newest first."""
        wanted = select(gaps).where(gaps.c.why != Why.AWAY.value)
        rows = self._rows(wanted.order_by(gaps.c.until.desc(), gaps.c.gateway).limit(limit))
        return [Gap(Why(r.why), r.gateway, r.start, r.since, r.until, r.messages) for r in rows]

    def absences(self, start: Instant, end: Instant) -> list[tuple[str, Span]]:
        """When nobody listened to a broker, by its name, as far as that meets the time from start to end."""
        wanted = select(gaps.c.gateway, gaps.c.since, gaps.c.until).where(gaps.c.why == Why.AWAY.value)
        rows = self._rows(wanted.where(gaps.c.since < end, gaps.c.until > start).order_by(gaps.c.since))
        return [(row.gateway, (row.since, row.until)) for row in rows]

    def outbox_counts(self) -> dict[tuple[str, str], int]:
        """How many notifications there are, by channel and state (pending, sent, given_up)."""
        wanted = select(outbox.c.channel, outbox.c.state, func.count()).group_by(outbox.c.channel, outbox.c.state)
        return {(row[0], row[1]): row[2] for row in self._rows(wanted)}

    def holding(self) -> bool:
        """Whether people have yet to be told of what came late."""
        return bool(self._rows(select(positions.c.offset).where(positions.c.name == "held")))

    def verdicts(self) -> dict[str, str]:
        """By transition id, why somebody was told or nobody was."""
        return {row.id: row.told for row in self._rows(select(transitions.c.id, transitions.c.told))}

    def position(self) -> Offset:
        """The first journal entry that is not yet decided on."""
        return self._offset("next")

    def floor(self) -> Offset:
        """The journal entry that recovery starts from."""
        return self._offset("floor")

    def _offset(self, name: str) -> Offset:
        rows = self._rows(select(positions.c.offset).where(positions.c.name == name))
        return int(rows[0][0]) if rows else 0


def _gone() -> ColumnElement[Any]:
    """When the condition of the alarm of a row was gone, as `over`; null if it is not."""
    over = transitions.alias()
    ended = select(func.min(over.c.at)).where(over.c.alarm == transitions.c.alarm, over.c.event.in_(ENDED))
    return ended.scalar_subquery().label("over")


def _given_up(since: Instant) -> Select[Any]:
    """By team the `count` of what was given up since then; `untold` is how much of it no channel took or still may."""
    others = outbox.alias()
    told = exists().where(
        others.c.transition == outbox.c.transition,
        others.c.purpose == outbox.c.purpose,
        others.c.team == outbox.c.team,
        others.c.state.in_(["sent", "pending"]),
    )
    untold = func.sum(case((told, 0), else_=1)).label("untold")
    wanted = select(outbox.c.team, func.count().label("count"), untold).group_by(outbox.c.team)
    return wanted.where(outbox.c.state == "given_up", outbox.c.next_attempt >= since)


def with_last_transition() -> Select[Any]:
    """Rows of the alarms, each with the `body` of its last transition."""
    return select(alarms, transitions.c.body).outerjoin(transitions, transitions.c.id == alarms.c.transition)


def _last(events: Collection[str], name: str) -> ColumnElement[Any]:
    """The body of the last of such transitions of the alarm of a row; null if there is none."""
    of = transitions.alias()
    wanted = select(of.c.body).where(of.c.alarm == alarms.c.alarm, of.c.event.in_(events))
    return wanted.order_by(of.c.seq.desc()).limit(1).scalar_subquery().label(name)


def _alarm(row: Any) -> Alarm:
    reason = because(row.body)
    underneath = reason.underneath or State(row.state)
    return Alarm(
        asset=row.asset,
        rule=row.rule,
        part=row.part or None,
        alarm=row.alarm,
        state=State(row.state),
        priority=Priority(row.priority),
        kind=Kind(row.kind),
        mode=row.mode,
        since=row.since,
        at=row.at,
        title=row.title,
        underneath=underneath,
        suppression=reason.suppression,
        text=reason.text,
        about=because(row.about).text or reason.text,
        acknowledged=acknowledgement(row.acknowledged) if underneath in ACKNOWLEDGED else None,
    )
