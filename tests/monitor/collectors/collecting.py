"""A running collector for tests, its commits in memory and under a test's control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from monitor import clock
from monitor.collectors.mqtt import Collector
from monitor.journal.entries import Message
from monitor.settings import Broker
from rules.events import SECOND
from tests.services.mosquitto import Mosquitto

PATIENCE = 20 * SECOND


class Journal:
    """What was committed, as a journal would have it; `gate` holds commits back while it is closed."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.batches: list[int] = []
        self.links: list[bool] = []
        self.waiting = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail = ""

    @property
    def payloads(self) -> list[bytes]:
        """All payloads in order of their commit."""
        return [message.payload for message in self.messages]

    async def commit(self, messages: list[Message]) -> None:
        """Keep a batch; with `fail` "before keeping" or "after keeping" break there, as a crash would."""
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1
        if self.fail == "before keeping":
            raise ConnectionAbortedError
        self.messages += messages
        self.batches.append(len(messages))
        if self.fail == "after keeping":
            raise ConnectionAbortedError

    def on_link(self, up: bool) -> None:
        """Note a change of the link."""
        self.links.append(up)


def site_broker(broker: Mosquitto, **wishes: Any) -> Broker:
    """The broker section of a site."""
    return Broker.model_validate({"url": broker.url, "client_id": "andon-test", **wishes})


@asynccontextmanager
async def collecting(
    broker: Broker, journal: Journal, *, filters: Iterable[str] = ("plant/#",), up: bool = True, **wishes: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """A collector that runs until the end of the block; begins when its link is up, unless told otherwise."""
    collector = Collector(
        broker,
        "main",
        tuple(filters),
        stamper=clock.Stamper(),
        commit=journal.commit,
        on_link=journal.on_link,
        known=list(journal.messages),
        **wishes,
    )
    links = len(journal.links)
    task = asyncio.create_task(collector.run())
    try:
        if up:
            await until(lambda: True in journal.links[links:] or task.done())
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become true; fails after `PATIENCE`."""
    deadline = clock.elapsed() + PATIENCE
    while not condition():
        assert clock.elapsed() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


async def publish(
    broker: Mosquitto, payloads: Iterable[bytes], topic: str = "plant/value", qos: int = 1, **wishes: Any
) -> None:
    """Publish and wait until the broker has it all."""
    await asyncio.to_thread(publish_blocking, broker, list(payloads), topic, qos, **wishes)


def publish_blocking(
    broker: Mosquitto,
    payloads: list[bytes],
    topic: str,
    qos: int,
    *,
    retain: bool = False,
    properties: Properties | None = None,
) -> None:
    """The same from a thread."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.max_inflight_messages_set(0)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for sent in [client.publish(topic, payload, qos, retain, properties) for payload in payloads]:
        sent.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def numbers(count: int, first: int = 0) -> list[bytes]:
    """Payloads that tell their place."""
    return [b"%d" % number for number in range(first, first + count)]
