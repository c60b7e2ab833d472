"""The MQTT collector: keeps a link to one broker, hands over batches, acknowledges what is committed."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple

import structlog

from monitor import clock, telemetry
from monitor.collectors.acks import Batch, Intake, Redelivery
from monitor.collectors.connection import Address, Connection
from monitor.collectors.packets import ACKNOWLEDGEMENT, Publish, most_bytes
from monitor.collectors.problems import LinkError, Problem, same_cause
from monitor.collectors.reconnect import CONNECTED, STEADY_AFTER, LinkEvent, Reconnect
from monitor.journal.entries import Message
from monitor.settings import Broker

HELD: Final = Problem("there is no room for what it sends", "free space on the disk of data_dir")
STATISTICS: Final = b"$SYS/"
DROPPED: Final = "$SYS/broker/publish/messages/dropped"
"""mosquitto's counter of messages that it could not queue, said again only when it changes; a retained one expires."""
UPTIME: Final = "$SYS/broker/uptime"
"""For how long mosquitto has run, said every `sys_interval`: who hears this and no counter knows of no drop."""
NUMBER: Final = re.compile(rb"([0-9]{1,18})(?: seconds)?")
READABLE: Final = "give this user the right to read these topics, in the broker's access control"
FORGOTTEN: Final = "the broker has forgotten our session: what it held while we were away is lost"

log = structlog.get_logger()


class Statistic(NamedTuple):
    """A figure that a broker tells of itself; `kept` if it had said so before we asked, else it says so now."""

    topic: str
    figure: int
    kept: bool


class Collector:
    """One broker's messages: each of QoS 1 is handed to `commit`, a redelivered one not again (see `Redelivery`).

    `commit` gets at most `BATCH_MESSAGES` messages in order of arrival, one call at a time; what it returned for must
    be durable, for it is acknowledged then. `on_link` is called when the link is up and when it is lost (at the start:
    when it cannot be made), never twice with the same value. `known` are the last `REDELIVERY_WINDOW` messages
    of this broker with QoS 1 or 2 in the journal, oldest first. `former_filters` are unsubscribed if not in `filters`.
    Of a payload larger than `largest_payload` (at least `TAKEN_WHOLE`) only the beginning is handed over.
    `on_statistic` gets how long the broker has run and how many messages it says it has dropped since, of whomever.
    """

    def __init__(
        self,
        broker: Broker,
        name: str,
        filters: Sequence[str],
        *,
        stamper: clock.Stamper,
        commit: Callable[[list[Message]], Awaitable[object]],
        on_link: Callable[[bool], Awaitable[object] | None],
        on_statistic: Callable[[Statistic], None] | None = None,
        former_filters: Iterable[str] = (),
        known: Iterable[Message] = (),
        largest_payload: int = 0,
    ) -> None:
        self._broker = broker
        self._name = name
        self._filters = tuple(dict.fromkeys(filters))
        self._most = most_bytes(largest_payload)
        self._former = _without(former_filters, self._filters)
        self._held: tuple[str, ...] = ()
        self._refused: tuple[str, ...] = ()
        self._subscribing = asyncio.Lock()
        self._stamp = stamper
        self._commit = commit
        self._on_link = on_link
        self._on_statistic = on_statistic
        self._statistics = () if on_statistic is None or broker.embedded else (UPTIME, DROPPED)
        self._intake = Intake(Redelivery(known))
        self._reconnect = Reconnect(random.random)
        self._log = log.bind(broker=name, address=str(Address(broker)))
        self._arrived = asyncio.Event()
        self._connection: Connection | None = None
        self._generation = 0
        self._stopping = False
        self._free = asyncio.Event()
        self._free.set()
        self._up: bool | None = None
        self._reported: Problem | None = None

    @property
    def waiting(self) -> int:
        """Messages that were received and not yet handed to `commit`."""
        return self._intake.waiting

    @property
    def problem(self) -> str | None:
        """Why nothing comes and how to mend it, as the log said it last: the link is down, or topics are refused."""
        found = self._reported or self._refusal()
        return None if found is None else f"{found.what}; {found.mend}"

    async def run(self) -> None:
        """Collect until cancelled; then commit and acknowledge what has arrived and take leave of the broker.

        Never ends because of the broker. An exception of `commit` or `on_link` ends it; what was not committed is then
        not acknowledged, and the broker sends it again.
        """
        committing = asyncio.create_task(self._commit_batches())
        linking = asyncio.create_task(self._keep_linked())
        try:
            await asyncio.wait({committing, linking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await self._finish(committing, linking)

    async def resubscribe(self, filters: Sequence[str], largest_payload: int = 0) -> None:
        """Take these topics from now on, on the same session; those no longer named are unsubscribed.

        Returns when the broker has answered, or at once when it is away: then it hears of it on the next connection.
        """
        self._former = _without((*self._former, *self._filters), filters)
        self._filters = tuple(dict.fromkeys(filters))
        self._most = most_bytes(largest_payload)
        if self._connection is not None:
            self._connection.take_whole(self._most)
        if self._connection is not None and self._reconnect.state in CONNECTED:
            try:
                await self._subscribe(self._connection)
            except LinkError as error:
                self._log.warning("mqtt_subscription_unanswered", problem=error.problem.what, mend=error.problem.mend)

    def hold(self, held: bool) -> None:
        """Leave the broker, so that it keeps what comes, and stay away until told that it is over."""
        if held:
            self._free.clear()
            if self._connection is not None:
                self._connection.leave(HELD)
        else:
            self._free.set()

    async def _finish(self, committing: asyncio.Task[None], linking: asyncio.Task[None]) -> None:
        self._stopping = True
        self._arrived.set()
        if self._connection is not None:
            self._connection.pause()
        try:
            await asyncio.wait({committing})
        finally:
            committing.cancel()
            linking.cancel()
        for outcome in await asyncio.gather(committing, linking, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _commit_batches(self) -> None:
        while (batch := await self._next_batch()) is not None:
            telemetry.RECEIVED.inc(len(batch.messages) + batch.repeated)
            telemetry.DUPLICATES.inc(batch.repeated)
            if batch.messages:
                await self._welcome(batch)
                await self._commit(batch.messages)
            self._acknowledge(batch)

    async def _welcome(self, batch: Batch) -> None:
        """A session that is resumed brings what the broker kept even before we subscribe: the link is up before it."""
        if self._connection is not None and batch.generation == self._generation:
            await self._tell(up=True)

    async def _next_batch(self) -> Batch | None:
        """The oldest batch as soon as there is one; None when stopping and all are done."""
        while (batch := self._intake.take()) is None:
            if self._stopping:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return batch

    def _acknowledge(self, batch: Batch) -> None:
        """Send the batch's acknowledgements, unless they belong to a connection that is gone."""
        if self._connection is None:
            return
        if batch.acks and batch.generation == self._generation and self._connection.send(batch.acks):
            self._intake.acknowledged(batch)
            telemetry.ACKNOWLEDGED.inc(len(batch.acks) // ACKNOWLEDGEMENT.size)
        if not self._stopping and not self._intake.full:
            self._connection.resume()

    async def _keep_linked(self) -> None:
        while True:
            await asyncio.sleep(self._reconnect.delay())
            await self._free.wait()
            self._reconnect.on(LinkEvent.DUE)
            problem = await self._link_once()
            was_up = self._reconnect.state in CONNECTED
            self._reconnect.on(LinkEvent.FAILED)
            self._report(problem, was_up=was_up)
            await self._tell(up=False)

    async def _link_once(self) -> Problem:
        """One connection from start to end; returns why it ended or could not be made."""
        connection = Connection(
            self._broker,
            most=self._most,
            on_publish=self._publish,
            on_accepted=self._accept,
            on_read=self._wake,
            on_refused=self._report_refused,
        )
        self._generation += 1
        self._connection = connection
        try:
            await connection.open()
            self._reconnect.on(LinkEvent.OPENED)
            await connection.accepted()
            return await self._stay(connection)
        except LinkError as error:
            return error.problem
        finally:
            self._connection = None
            await connection.close() if self._stopping else connection.abandon()

    async def _stay(self, connection: Connection) -> Problem:
        self._reconnect.on(LinkEvent.ACCEPTED)
        self._reported = None
        self._held = ()
        await self._subscribe(connection)
        if not self._refused:
            self._log.info("mqtt_subscribed", topics=len(self._filters))
        await self._tell(up=True)
        if await connection.lasts(STEADY_AFTER):
            self._reconnect.on(LinkEvent.PROVEN)
        return await connection.ended()

    async def _subscribe(self, connection: Connection) -> None:
        """Subscribe what this connection has not yet: a repeat would bring retained messages again (MQTT 3.1.1)."""
        async with self._subscribing:
            wanted = self._filters
            await connection.subscribe(_without(wanted, self._held), self._former, self._statistics)
            self._held = _without(wanted, self._refused)

    def _accept(self, session_present: bool) -> None:
        if self._intake.generation and not session_present:
            self._log.warning("mqtt_session_lost", problem=FORGOTTEN, mend="turn on the broker's persistence")
        self._intake.begin(self._generation, session_present=session_present)
        self._log.info("mqtt_connected", session="resumed" if session_present else "new")

    def _publish(self, publish: Publish) -> None:
        if publish.topic.startswith(STATISTICS):
            self._hear_statistics(publish)
            return
        self._intake.receive(Message(self._stamp(), self._name, *publish))

    def _hear_statistics(self, publish: Publish) -> None:
        """What the broker says of itself is no telemetry."""
        topic = publish.topic.decode(errors="replace")
        if self._on_statistic is not None and topic in self._statistics and (n := NUMBER.fullmatch(publish.payload)):
            self._on_statistic(Statistic(topic, int(n[1]), publish.retain))

    def _wake(self) -> None:
        self._arrived.set()
        if self._intake.full and self._connection is not None:
            self._connection.pause()

    async def _tell(self, *, up: bool) -> None:
        if self._up is not up:
            self._up = up
            if (answer := self._on_link(up)) is not None:
                await answer

    def _report(self, problem: Problem, *, was_up: bool) -> None:
        """One line for each new problem, not for each attempt."""
        if not same_cause(problem, self._reported):
            self._reported = problem
            about = {"problem": problem.what, "mend": problem.mend}
            self._log.warning("mqtt_connection_lost" if was_up else "mqtt_connection_failed", **about)

    def _report_refused(self, filters: list[str]) -> None:
        self._refused = _without(filters, self._statistics)
        if self._refused:
            self._log.error("mqtt_subscription_refused", filters=list(self._refused), mend=READABLE)

    def _refusal(self) -> Problem | None:
        """The topics that the broker does not let us read."""
        refused = [name for name in self._refused if name in self._filters]
        return Problem(f"the broker does not let us read {', '.join(refused)}", READABLE) if refused else None


def _without(filters: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    known = frozenset(others)
    return tuple(each for each in dict.fromkeys(filters) if each not in known)
