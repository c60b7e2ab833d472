"""The alarm table as retained MQTT topics, for lights and displays; and our own status, with a Will and a heartbeat.

What has to be published follows from the table alone (`revision` ahead of `published`), so no crash forgets a topic.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import aiomqtt
import msgspec
import structlog
from paho.mqtt import client as paho
from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from monitor import clock
from monitor.codecs.timestamps import format_iso
from monitor.database.access import Clerk
from monitor.database.queries import with_last_transition
from monitor.database.records import Because, Suppression, because
from monitor.database.schema import alarms
from monitor.settings import Broker
from rules.alarms import ACTIVE, Priority, State
from rules.events import Instant

ROOT: Final = "andon/v1"
STATUS: Final = f"{ROOT}/status"
QOS: Final = 1
AT_ONCE: Final = 10
"""Publishes under way together; aiomqtt warns above that."""
BATCH: Final = 500
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
LAST_WORDS: Final = 1.0
"""Seconds for saying goodbye to the broker."""
LONGEST_TOPIC: Final = 2_000
"""Bytes; brokers refuse topics of more than 65,535 or of too many levels by closing the connection."""
MOST_LEVELS: Final = 100

T = TypeVar("T")
_UNSAFE: Final = re.compile("[%+#\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_log = structlog.get_logger("andon.topics")


def escaped(name: str, *, levels: bool = False) -> str:
    """A name as part of a topic: what MQTT or brokers refuse there becomes %XX of its UTF-8; `levels` keeps `/`."""
    safe = _UNSAFE.sub(_percent, name)
    return safe if levels else safe.replace("/", "%2F")


def alarm_topic(asset: str, rule: str, part: str | None = None) -> str:
    """`andon/v1/alarms/{asset}/{rule}[/{part}]`."""
    tail = f"/{escaped(part)}" if part else ""
    return f"{ROOT}/alarms/{escaped(asset, levels=True)}/{escaped(rule)}{tail}"


def area_topic(area: str) -> str:
    """`andon/v1/areas/{area}`."""
    return f"{ROOT}/areas/{escaped(area, levels=True)}"


class AlarmTable(Clerk):
    """The topics' side of the alarm database. Synchronous, for one thread of its own."""

    def republish_all(self) -> None:
        """Forget what was published: a broker may have lost it."""
        with self._notes.begin() as connection:
            connection.execute(update(alarms).values(published=0))

    def unpublished(self, limit: int = BATCH) -> list[Row[Any]]:
        """Rows that changed since they were published."""
        return self._rows(with_last_transition().where(alarms.c.revision > alarms.c.published).limit(limit))

    def published(self, rows: Iterable[Row[Any]]) -> None:
        """These rows were published as they were read; what changed since stays to be done."""
        key = (alarms.c.asset == bindparam("a")) & (alarms.c.rule == bindparam("r")) & (alarms.c.part == bindparam("p"))
        done = [{"a": row.asset, "r": row.rule, "p": row.part, "revision_read": row.revision} for row in rows]
        with self._notes.begin() as connection:
            connection.execute(update(alarms).where(key).values(published=bindparam("revision_read")), done)

    def active(self) -> list[tuple[str, Priority]]:
        """Asset and priority of every alarm that lights an area."""
        wanted = select(alarms.c.asset, alarms.c.priority).where(
            alarms.c.state.in_([state.value for state in ACTIVE]), alarms.c.mode == "live"
        )
        return [(row.asset, Priority(row.priority)) for row in self._rows(wanted)]


class TopicPublisher:
    """Keeps the topics as the table is, through every loss of connection; holds up nobody.

    Args:
        broker: with a `url`; for the embedded one, the address where it listens.
        table: opened for the publisher alone.
        area_of: an asset's area, if it has one.
        areas: all areas there are; each gets a topic, lit or not.
        state: one word for `andon/v1/status`.
        random: a number from 0 to 1, to spread reconnects.
    """

    def __init__(
        self,
        broker: Broker,
        table: AlarmTable,
        *,
        site: str,
        area_of: Callable[[str], str | None],
        random: Callable[[], float],
        areas: Callable[[], Iterable[str]] = tuple,
        state: Callable[[], str] = lambda: "online",
        now: Callable[[], Instant] = clock.now,
        heartbeat: float = 5.0,
    ) -> None:
        self._broker = broker
        self._table = table
        self._site = site
        self._area_of = area_of
        self._areas = areas
        self._state = state
        self._random = random
        self._now = now
        self._heartbeat = heartbeat
        self._woken = asyncio.Event()
        self._shown: dict[str, bytes] = {}
        self._seen: set[str] = set()
        self._database = ThreadPoolExecutor(1, thread_name_prefix="topics")

    def wake(self) -> None:
        """Alarms changed. Call it in the event loop's thread."""
        self._woken.set()

    async def run(self) -> None:
        """Publish for ever; cancel it to stop, which leaves `offline` behind."""
        failures = 0
        try:
            while True:
                began = clock.elapsed()
                try:
                    await _first_to_end(self._session(), patience=LAST_WORDS)
                except (aiomqtt.MqttError, OSError, ValueError, SQLAlchemyError) as error:
                    failures = 0 if clock.seconds(clock.elapsed() - began) > LONGEST_WAIT else failures + 1
                    why = f"{type(error).__name__}: {error}"[:200]
                    _log.warning("alarm_topics_not_published", why=why)
                await asyncio.sleep(self._wait(failures))
        finally:
            self._database.shutdown(wait=False)

    def _wait(self, failures: int) -> float:
        return min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures, 10)) * (0.5 + 0.5 * self._random())

    async def _session(self) -> None:
        async with _client(self._broker, self._status("offline")) as client:
            self._shown.clear()
            await self._db(self._table.republish_all)
            await self._publish(client, STATUS, self._status(self._state()))
            _log.info("alarm_topics_published")
            try:
                await _first_to_end(self._beat(client), self._follow(client))
            finally:
                await self._farewell(client)

    async def _farewell(self, client: aiomqtt.Client) -> None:
        with contextlib.suppress(aiomqtt.MqttError, OSError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS / 2):
                await self._publish(client, STATUS, self._status("offline"))

    async def _beat(self, client: aiomqtt.Client) -> None:
        while True:
            await asyncio.sleep(self._heartbeat)
            await self._publish(client, STATUS, self._status(self._state()))

    async def _follow(self, client: aiomqtt.Client) -> None:
        while True:
            self._woken.clear()
            rows = await self._db(self._table.unpublished)
            await self._publish_all(client, [(_topic(row), _payload(row)) for row in rows])
            if rows:
                await self._db(self._table.published, rows)
            if len(rows) < BATCH:
                await self._publish_areas(client)
                await self._woken.wait()

    async def _publish_areas(self, client: aiomqtt.Client) -> None:
        payloads = self._area_payloads(await self._db(self._table.active))
        changed = [(topic, payload) for topic, payload in payloads.items() if self._shown.get(topic) != payload]
        await self._publish_all(client, changed)
        self._shown.update(changed)

    def _area_payloads(self, active: Iterable[tuple[str, Priority]]) -> dict[str, bytes]:
        lit: dict[str, list[Priority]] = {area: [] for area in self._seen.union(self._areas())}
        for asset, priority in active:
            if area := self._area_of(asset):
                lit.setdefault(area, []).append(priority)
        self._seen.update(lit)
        return {area_topic(area): _area_payload(area, priorities) for area, priorities in lit.items()}

    async def _publish_all(self, client: aiomqtt.Client, messages: list[tuple[str, bytes]]) -> None:
        sound = [(topic, payload) for topic, payload in messages if _fits(topic)]
        for start in range(0, len(sound), AT_ONCE):
            some = sound[start : start + AT_ONCE]
            await asyncio.gather(*(self._publish(client, topic, payload) for topic, payload in some))

    async def _publish(self, client: aiomqtt.Client, topic: str, payload: bytes) -> None:
        await client.publish(topic, payload, qos=QOS, retain=True)

    def _status(self, state: str) -> bytes:
        body: dict[str, str] = {"state": state, "site": self._site}
        if state != "offline":
            body["at"] = format_iso(self._now())
        return msgspec.json.encode(body)

    async def _db(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, function, *arguments)


class _Client(aiomqtt.Client):
    """Leaves a socket alone that was closed before the loop comes to it: its number may be another's by then.

    A connection that a thread still made when its task was cancelled may close after the loop.
    """

    def _on_socket_close(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        if not self._loop.is_closed():
            super()._on_socket_close(client, userdata, sock)

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:
        del userdata

        def register() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), client.loop_write)

        self._loop.call_soon_threadsafe(register)


def _client(broker: Broker, will: bytes) -> aiomqtt.Client:
    url = urlsplit(broker.url or "")
    secure = url.scheme == "mqtts"
    tls = broker.tls
    version = aiomqtt.ProtocolVersion.V5 if broker.protocol == "5" else aiomqtt.ProtocolVersion.V311
    password = broker.password.get_secret_value() if broker.password else url.password and unquote(url.password)
    return _Client(
        hostname=url.hostname or "127.0.0.1",
        port=url.port or (8883 if secure else 1883),
        username=broker.username or (url.username and unquote(url.username)) or None,
        password=password or None,
        identifier=f"{broker.client_id}-topics",
        protocol=version,
        will=aiomqtt.Will(STATUS, will, qos=QOS, retain=True),
        keepalive=broker.keepalive,
        tls_params=aiomqtt.TLSParameters(_file(tls.ca), _file(tls.cert), _file(tls.key)) if secure else None,
    )


def _file(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _topic(row: Row[Any]) -> str:
    return alarm_topic(row.asset, row.rule, row.part or None)


def _payload(row: Row[Any]) -> bytes:
    if row.state == State.NORMAL.value or row.mode != "live":
        return b""
    reason = because(row.body)
    return msgspec.json.encode(
        {
            "alarm": row.alarm,
            "asset": row.asset,
            "rule": row.rule,
            "part": row.part or None,
            "kind": row.kind,
            "priority": row.priority,
            "state": row.state,
            "since": format_iso(row.since),
            "at": format_iso(row.at),
            "title": row.title,
            **_hidden(reason),
        }
    )


def _hidden(reason: Because) -> dict[str, Any]:
    if not reason.suppression:
        return {}
    return {"underneath": reason.underneath, "suppression": [_suppression(one) for one in reason.suppression]}


def _suppression(one: Suppression) -> dict[str, Any]:
    until = None if one.until is None else format_iso(one.until)
    return {**msgspec.structs.asdict(one), "until": until}


def _area_payload(area: str, active: list[Priority]) -> bytes:
    order = list(Priority)
    highest = max(active, key=order.index) if active else None
    return msgspec.json.encode({"area": area, "priority": highest, "active": len(active)})


def _fits(topic: str) -> bool:
    fits = len(topic.encode()) <= LONGEST_TOPIC and topic.count("/") < MOST_LEVELS
    if not fits:
        _log.error("alarm_topic_too_long", topic=topic[:100])
    return fits


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match.group().encode("utf-8", "surrogatepass"))


async def _first_to_end(*work: Coroutine[Any, Any, None], patience: float = 0.1) -> None:
    """Run all until one ends or this is cancelled; the others have ended on return.

    Cancelling is repeated after `patience` seconds: `asyncio.wait_for` of Python 3.11, on which aiomqtt rests, loses a
    cancellation that meets an answer.
    """
    tasks = {asyncio.create_task(one) for one in work}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        while running := {task for task in tasks if not task.done()}:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=patience)
        failed = [task.exception() for task in tasks if not task.cancelled()]
    for error in filter(None, failed):
        raise error
