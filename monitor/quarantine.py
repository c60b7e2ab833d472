"""Everything that waits for a person because it could not be read or stored: found, fed again and expired alike.

Messages that no gateway could read stand in the alarm database; readings that the store refused in a file of the
store's. The first go through the running line, the others straight to the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby, islice
from typing import Any, Final

import msgspec

from monitor import linesocket
from monitor.database.quarantined import Group, QuarantineReader, Wanted
from monitor.errors import AndonError
from monitor.settings import Settings
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_rejects import Reject, Rejects
from monitor.stores.opening import open_store
from rules.events import SECOND, Duration, Instant
from rules.patterns import matcher

STORE: Final = "store:"
"""The gateway that refused readings are shown under; no gateway can have the name."""
REFUSED: Final = "refused-by-store"
STORE_ID: Final = "store-"
CUT: Final = "cut (neither quarantine nor journal has the whole payload)"
PORTION: Final = 500
ANSWER_WITHIN: Final[Duration] = 30 * SECOND


class Selection(msgspec.Struct, frozen=True):
    """What is meant: everything that is set must fit. `before` and `since` are about receipt."""

    ids: tuple[str, ...] = ()
    gateway: str | None = None
    reason: str | None = None
    topic: str | None = None
    since: Instant | None = None
    before: Instant | None = None

    def concerns(self, group: Group) -> bool:
        """Whether the group may hold something of it."""
        return self.gateway in (None, group.gateway) and self.reason in (None, group.reason)


class Item(msgspec.Struct, frozen=True):
    """One delivery (or refused reading, whose `topic` is asset and metric and whose `at` is its own time)."""

    id: str
    received: Instant
    gateway: str
    topic: bytes
    reason: str
    detail: str
    asset: str
    metric: str
    size: int
    broker: str = ""
    entry: int | None = None
    at: Instant | None = None


SHARED: Final = tuple(name for name in Item.__struct_fields__ if name not in ("id", "at"))
"""What an item has from a quarantined message as it is."""


def groups(settings: Settings) -> list[Group]:
    """By gateway and reason what stands there, and what became of the rest."""
    with closing(QuarantineReader(settings.alarm_database)) as reader:
        found = reader.groups()
    c = Rejects(settings.data_dir).counts()
    if c["refused"] or c["kept"]:
        store = Group(STORE, REFUSED, c["kept"], c["bytes"], c["refused"], c["read"], c["expired"], c["dropped"])
        found.append(store)
    return found


def find(settings: Settings, selection: Selection) -> Iterator[Item]:
    """What fits: messages first, then refused readings, each oldest first."""
    numbers = tuple(int(name) for name in selection.ids if name.isdecimal() and len(name) < 19)
    fields = {name: getattr(selection, name) for name in ("gateway", "reason", "topic", "since", "before")}
    if numbers or not selection.ids:
        with closing(QuarantineReader(settings.alarm_database)) as reader:
            for row in reader.find(Wanted(ids=numbers, **fields)):
                yield Item(str(row.id), **{name: getattr(row, name) for name in SHARED})
    fits = _fitting(selection)
    yield from (_item(reject) for reject in Rejects(settings.data_dir).all() if fits(reject))


def payload_of(settings: Settings, item: Item) -> bytes | None:
    """What was delivered, as far as it is kept; of a refused reading its line."""
    if item.gateway == STORE:
        return next((r.line.encode() for r in Rejects(settings.data_dir).all() if _id(r) == item.id), None)
    with closing(QuarantineReader(settings.alarm_database)) as reader:
        return reader.payload(int(item.id))


def in_portions(items: Iterable[Item]) -> Generator[list[Item]]:
    """The items as lists that can be acted on at once: of one kind, not too many."""
    for _, together in groupby(list(items), lambda item: item.gateway == STORE):
        while portion := list(islice(together, PORTION)):
            yield portion


def feed(settings: Settings, items: Sequence[Item]) -> dict[str, int]:
    """Give a portion another try: how many are `read` (or kept by the store), and how many not, by reason.

    Raises:
        AndonError: the line does not run or is behind, or the store does not answer.
    """
    if items[0].gateway == STORE:
        return _offer(settings, _rejects(settings, items))
    told = _ask(settings, "quarantine-feed", items)
    outcome: dict[str, int] = {"read": told["read"], **told["again"]}
    return outcome | ({CUT: told["cut"]} if told["cut"] else {})


def expire(settings: Settings, items: Sequence[Item]) -> dict[str, int]:
    """Delete a portion: how many are `expired`.

    Raises:
        AndonError: the line does not run, or a file cannot be written.
    """
    if items[0].gateway == STORE:
        Rejects(settings.data_dir).forget(_rejects(settings, items), "expired")
        return {"expired": len(items)}
    return _ask(settings, "quarantine-expire", items)


def _ask(settings: Settings, request: str, items: Sequence[Item]) -> dict[str, Any]:
    ids = {"ids": [int(item.id) for item in items]}
    return asyncio.run(linesocket.ask(settings.data_dir, request, ids, timeout=ANSWER_WITHIN))


def _offer(settings: Settings, rejects: list[Reject]) -> dict[str, int]:
    if settings.store.type != "influxdb":
        raise AndonError("refused readings belong to an InfluxDB, and this site's store is another now")
    with closing(open_store(settings)) as store:
        assert isinstance(store, InfluxStore)
        taken = store.write_again(rejects)
    refused = len(rejects) - taken
    return {"read": taken} | ({REFUSED: refused} if refused else {})


def _rejects(settings: Settings, items: Sequence[Item]) -> list[Reject]:
    wanted = {item.id for item in items}
    return [reject for reject in Rejects(settings.data_dir).all() if _id(reject) in wanted]


def _id(reject: Reject) -> str:
    return f"{STORE_ID}{reject.number}"


def _item(reject: Reject) -> Item:
    return Item(
        id=_id(reject),
        received=reject.rejected_at,
        gateway=STORE,
        topic=f"{reject.asset}/{reject.metric}".encode(),
        reason=REFUSED,
        detail=reject.reason,
        asset=reject.asset,
        metric=reject.metric,
        size=len(reject.line.encode()),
        at=reject.at,
    )


def _fitting(selection: Selection) -> Callable[[Reject], bool]:
    names = matcher("*" if selection.topic is None else selection.topic)

    def fits(reject: Reject) -> bool:
        return (
            (not selection.ids or _id(reject) in selection.ids)
            and selection.gateway in (None, STORE)
            and selection.reason in (None, REFUSED)
            and names(f"{reject.asset}/{reject.metric}")
            and (selection.since is None or reject.rejected_at >= selection.since)
            and (selection.before is None or reject.rejected_at < selection.before)
        )

    return fits
