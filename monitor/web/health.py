"""Is every hop from the broker to the store alive? Silence is an answer too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor import clock
from monitor.errors import AndonError
from monitor.journal.reader import JournalReader, journal_end
from monitor.linesocket import ask
from monitor.settings import Settings
from monitor.stores.opening import stored_offset
from monitor.telemetry import READER_LAG
from rules.events import SECOND, Duration

LATE: Final[Duration] = 30 * SECOND
"""A store is ill when a journal entry has waited for it longer than this."""


class Hop(BaseModel):
    """One step on a reading's way; what is beside `ok` explains it, e.g. `lag_entries` or `error`."""

    model_config = ConfigDict(extra="allow")

    ok: bool


class Health(BaseModel):
    """All hops, and the names of those that are ill."""

    status: Literal["ok", "ill"]
    ill: list[str] = Field(description="Names of the hops that are not ok.")
    hops: dict[str, Hop]


async def examine(settings: Settings) -> Health:
    """The hops `broker:NAME`, `line` and `store`, looked at anew."""
    line, store = await asyncio.gather(_line(settings), asyncio.to_thread(_store, settings))
    hops = {**line, "store": store}
    ill = [name for name, hop in hops.items() if not hop.ok]
    return Health(status="ill" if ill else "ok", ill=ill, hops=hops)


async def _line(settings: Settings) -> dict[str, Hop]:
    try:
        answer = await ask(settings.data_dir, "health")
    except AndonError as error:
        return {"line": _hop(False, error=str(error))}
    links = answer.pop("links", None)
    up: Mapping[str, Any] = links if isinstance(links, dict) else {}
    why = answer.pop("problems", {})
    brokers = {f"broker:{name}": _broker(bool(up.get(name)), why.get(name)) for name in settings.brokers}
    return {**brokers, "line": _hop(True, **{str(key): value for key, value in answer.items() if key != "ok"})}


def _broker(up: bool, why: str | None) -> Hop:
    return _hop(True) if up else _hop(False, error=why or "not connected yet; the log of the line says why")


def _store(settings: Settings) -> Hop:
    try:
        lag, waiting = store_lag(settings)
    except AndonError as error:
        return _hop(False, error=str(error))
    if waiting <= LATE:
        return _hop(True, lag_entries=lag)
    late = f"readings have waited for {clock.seconds(waiting):.0f} s; the log of the store process says why"
    return _hop(False, lag_entries=lag, error=late)


def store_lag(settings: Settings) -> tuple[int, Duration]:
    """How many journal entries the store has yet to take, and how long the first of them has waited; sets the metric.

    Raises:
        AndonError: journal or store cannot be read.
    """
    journal = settings.data_dir / "journal"
    offset = stored_offset(settings)
    lag = max(0, journal_end(journal) - offset)
    READER_LAG.labels("store").set(lag)
    if not lag:
        return 0, 0
    with JournalReader(journal, offset) as reader:
        first = reader.read(1)
    return lag, max(0, clock.now() - first[0][1].received) if first else 0


def _hop(ok: bool, **details: Any) -> Hop:
    return Hop.model_validate({"ok": ok, **details})
