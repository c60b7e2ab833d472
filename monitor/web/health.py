"""Is every hop from the broker to the person alive? Silence is an answer too. Figures and names only, for anybody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import structlog
from pydantic import BaseModel, Field

from monitor import clock, telemetry
from monitor.codecs.timestamps import format_iso
from monitor.database.queries import Undelivered
from monitor.settings import Settings
from monitor.sizes import format_size
from monitor.web import vitals as measuring
from monitor.web.vitals import Backlog, Vitals
from rules.events import SECOND, Duration, Instant

Status: TypeAlias = Literal["ok", "degraded", "ill"]

ORDER: Final[tuple[Status, ...]] = ("ok", "degraded", "ill")
LEVELS: Final[Mapping[Status, int]] = {"ok": logging.INFO, "degraded": logging.WARNING, "ill": logging.ERROR}
FRESH: Final[Duration] = SECOND
"""An examination answers all who ask within this time."""
LOOK_EVERY: Final = 5.0
"""Seconds between examinations while nobody asks, so that `since` is known."""

DECIDE: Final = (5 * SECOND, 30 * SECOND)
STORE: Final = (30 * SECOND, 300 * SECOND)
ALERT: Final = (30 * SECOND, 300 * SECOND)
"""How long something may wait there before the hop is degraded, and before it is ill."""
LITTLE: Final = 1_000_000_000
"""Below so many free bytes the journal is degraded; it is ill once its reserve is touched."""
SILENT: Final = "the line process does not answer"

log = structlog.get_logger()


class Hop(BaseModel):
    """One step on a reading's way: how it is, since when (as far as this process has seen), in words and in figures."""

    status: Status
    since: str
    text: str
    figures: dict[str, float | int | str | None] = {}


class Health(BaseModel):
    """All hops; the status is the worst of theirs."""

    status: Status
    ill: list[str] = Field(description="Names of the hops that are ill.")
    degraded: list[str] = Field(description="Names of the hops that are degraded.")
    hops: dict[str, Hop]


WHEN_FULL: Final = {"decide": "they are decided on and not kept", "hold": "the brokers have to keep what comes"}
"""What becomes of readings for which there is no room."""


class Verdict(NamedTuple):
    """What is said of a hop."""

    status: Status
    text: str
    figures: dict[str, float | int | str | None] = {}


class Examiner:
    """Looks at the hops when asked, not more often than once a second; remembers since when each is as it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looking = asyncio.Lock()
        self._since: dict[str, tuple[Status, Instant]] = {}
        self._last: tuple[Duration, Health] | None = None

    async def examine(self) -> Health:
        """The hops `collect:BROKER`, `journal`, `decide`, `store`, `alerting` and `web`; sets their metrics too."""
        async with self._looking:
            if self._last is None or clock.elapsed() - self._last[0] >= FRESH:
                found = await measuring.measured(self._settings)
                await asyncio.to_thread(measuring.publish, found)
                self._last = (clock.elapsed(), self._health(found))
            return self._last[1]

    async def run(self) -> None:
        """Keep looking, for ever."""
        while True:
            await self.examine()
            await asyncio.sleep(LOOK_EVERY)

    def _health(self, found: Vitals) -> Health:
        verdicts = dict(judged(found, self._settings.brokers))
        hops = {name: self._hop(name, verdict, found.at) for name, verdict in verdicts.items()}
        named = {status: [name for name, hop in hops.items() if hop.status == status] for status in ORDER}
        worst = _worst(*(hop.status for hop in hops.values()))
        return Health(status=worst, ill=named["ill"], degraded=named["degraded"], hops=hops)

    def _hop(self, name: str, verdict: Verdict, now: Instant) -> Hop:
        before, since = self._since.get(name, (None, now))
        if before != verdict.status:
            since = now
            if before is not None:
                log.log(LEVELS[verdict.status], "hop_changed", hop=name, status=verdict.status, text=verdict.text)
        self._since[name] = (verdict.status, since)
        telemetry.HOP_STATUS.labels(name).set(ORDER.index(verdict.status))
        return Hop(status=verdict.status, since=format_iso(since), text=verdict.text, figures=verdict.figures)


def judged(found: Vitals, brokers: Mapping[str, object]) -> Iterator[tuple[str, Verdict]]:
    """Each hop and what is to be said of it; `brokers` are those of the files, the line knows which it has."""
    for broker in _of(found.line or {}, "waiting") or brokers:
        yield f"collect:{broker}", _collect(found, broker)
    yield "journal", _journal(found)
    yield "decide", _decide(found)
    yield "store", _store(found)
    yield "alerting", _alerting(found)
    yield "web", Verdict("ok", "answers")


def _collect(found: Vitals, broker: str) -> Verdict:
    if found.line is None:
        return Verdict("ill", SILENT)
    figures = {"dropped": _of(found.line, "dropped").get(broker)}
    why = _of(found.line, "problems").get(broker)
    if _of(found.line, "links").get(broker) and not why:
        return Verdict("ok", "connected", figures)
    return Verdict("ill", str(why or "not connected to the broker yet; the log of the line says why"), figures)


def _of(line: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What the line says by name."""
    told = line.get(key)
    return told if isinstance(told, dict) else {}


def _journal(found: Vitals) -> Verdict:
    figures: dict[str, Any] = {"bytes": found.journal_bytes, "disk_free_bytes": found.disk_free}
    if found.line is None:
        return Verdict("ill", SILENT, figures)
    if found.journal_bytes is None or found.disk_free is None:
        return Verdict("ill", "the journal cannot be read", figures)
    status: Status = "ok" if found.disk_free >= LITTLE else "degraded"
    told = found.line.get("journal")
    if isinstance(told, dict):
        figures |= {key: value for key, value in told.items() if isinstance(value, (bool, int))}
        if told.get("full"):
            return Verdict("ill", f"no room for readings: {WHEN_FULL.get(str(told.get('when_full')), '')}", figures)
        if told.get("aside"):
            return Verdict("degraded", "damaged files were set aside; the log of the line names them", figures)
        if told.get("found_lost"):
            return Verdict("degraded", "entries are lost; the log of the line names them", figures)
    room = f"{format_size(found.disk_free)} free on the disk"
    return Verdict(status, f"takes what comes, {room}" if status == "ok" else f"only {room}", figures)


def _decide(found: Vitals) -> Verdict:
    if found.line is None:
        return Verdict("ill", SILENT, _lag(found.undecided))
    verdict = _behind(found.undecided, DECIDE, "decided")
    unsure = sum(0 in qos for qos in _of(found.line, "qos").values())
    verdict = verdict._replace(figures={**verdict.figures, "gateways_at_qos_0": unsure})
    unwatched = found.line.get("unwatched")
    if not isinstance(unwatched, int) or not unwatched:
        return verdict
    text = f"there are more assets than can be watched; {unwatched:,} observations were not decided on"
    status = _worst("degraded", verdict.status)
    return Verdict(status, text, {**verdict.figures, "unwatched": unwatched})


def _store(found: Vitals) -> Verdict:
    if found.store is None:
        return Verdict("ill", "the store process does not answer", _lag(found.unstored))
    verdict = _refusing(found.store, _behind(found.unstored, STORE, "stored"))
    if (failing := found.store.get("failing_s")) is None:
        return verdict
    figures = {**verdict.figures, "failing_s": round(failing, 1), "last_error": str(found.store.get("last_error"))}
    text = f"writing has failed for {failing:.0f} s; the log of the store process says why"
    return Verdict(_worst("degraded", verdict.status), text, figures)


def _refusing(store: Mapping[str, Any], verdict: Verdict) -> Verdict:
    """Readings that the store refuses for good are kept aside; it is ill once they do not all find room there."""
    if store.get("refusing_s") is None:
        return verdict
    refused, dropped = int(store.get("refused", 0)), int(store.get("rejects_dropped", 0))
    figures = {**verdict.figures, "refused": refused, "rejects_dropped": dropped}
    lost = f", {dropped:,} are lost for want of room there" if dropped else ""
    text = f"{refused:,} readings were refused and kept aside{lost}; `andon quarantine` shows the reason"
    return Verdict(_worst("ill" if dropped else "degraded", verdict.status), text, figures)


def _behind(waiting: Backlog | None, limits: tuple[int, int], done: str) -> Verdict:
    if waiting is None:
        return Verdict("ill", "cannot tell how far it is")
    status = _grade(waiting.age, limits)
    if status == "ok":
        return Verdict("ok", "keeps up", _lag(waiting))
    age = clock.seconds(waiting.age)
    return Verdict(status, f"{waiting.entries:,} entries wait to be {done}, the first for {age:.0f} s", _lag(waiting))


def _alerting(found: Vitals) -> Verdict:
    if found.line is None:
        return Verdict("ill", SILENT)
    if found.outbox is None:
        return Verdict("ill", "the outbox cannot be read")
    verdicts = [_waiting(found, found.outbox), *_given_up(found.outbox)]
    told = [verdict.text for verdict in verdicts if verdict.status != "ok"] or ["tells people"]
    figures = {**verdicts[0].figures, "given_up": sum(found.outbox.given_up.values())}
    return Verdict(_worst(*(verdict.status for verdict in verdicts)), "; ".join(told), figures)


def _waiting(found: Vitals, outbox: Undelivered) -> Verdict:
    waited, failing = measuring.waited(found), outbox.failing_channels
    status = _worst(_grade(int(waited * SECOND), ALERT), "degraded" if failing else "ok")
    text = f"{outbox.count:,} notifications wait, the oldest for {waited:.0f} s; {failing} channels fail"
    return Verdict(status, text, {"pending": outbox.count, "oldest_s": round(waited, 1), "channels_failing": failing})


def _given_up(outbox: Undelivered) -> Iterator[Verdict]:
    """What people will not be told over a channel; ill is a team that some message never reached."""
    for team, count in sorted(outbox.given_up.items()):
        untold = team in outbox.untold
        what = "told over no channel" if untold else "not told over each of its channels"
        why = "the log of the line says why (`notification_given_up`)"
        yield Verdict("ill" if untold else "degraded", f"{count:,} messages given up, team {team} was {what}; {why}")


def _worst(*statuses: Status) -> Status:
    return max(statuses, key=ORDER.index)


def _lag(waiting: Backlog | None) -> dict[str, float | int | str | None]:
    if waiting is None:
        return {}
    return {"lag_entries": waiting.entries, "lag_s": round(clock.seconds(waiting.age), 1)}


def _grade(figure: int, limits: tuple[int, ...]) -> Status:
    """How many of the limits the figure exceeds, as a status."""
    return ORDER[sum(figure > limit for limit in limits)]
