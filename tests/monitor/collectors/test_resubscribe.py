"""Topics change while a collector runs, or while it is away; what the session holds follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import pytest
from structlog.testing import capture_logs

from monitor import clock
from monitor.collectors.mqtt import Collector
from monitor.settings import Broker
from tests.monitor.collectors.collecting import Journal, publish, site_broker, until
from tests.services.mosquitto import Mosquitto

CONNECT: Final = 1
SUBSCRIBE: Final = 8
UNSUBSCRIBE: Final = 10
"""Kinds of packets."""


def collector_of(broker: Broker, journal: Journal) -> Collector:
    return Collector(
        broker,
        "main",
        ["plant/#"],
        stamper=clock.Stamper(),
        commit=journal.commit,
        on_link=journal.on_link,
    )


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_topics_come_and_go_while_connected(mosquitto: Mosquitto, protocol: str) -> None:
    async def scenario() -> list[bytes]:
        journal = Journal()
        await publish(mosquitto, [b"retained"], topic="plant/a", retain=True)
        collector = collector_of(site_broker(mosquitto, protocol=protocol), journal)
        task = asyncio.create_task(collector.run())
        await until(lambda: True in journal.links and len(journal.messages) == 1)
        await collector.resubscribe(["plant/#", "hall/#"])
        await publish(mosquitto, [b"1"], topic="hall/a")
        await publish(mosquitto, [b"2"], topic="plant/a")
        await until(lambda: len(journal.messages) == 3)
        await collector.resubscribe(["hall/#"])
        await publish(mosquitto, [b"3"], topic="plant/a")
        await publish(mosquitto, [b"4"], topic="hall/a")
        await until(lambda: b"4" in journal.payloads)
        await ended(task)
        return journal.payloads

    assert asyncio.run(scenario()) == [b"retained", b"1", b"2", b"4"]


def test_topics_that_change_while_the_broker_is_away_are_put_right_on_return(
    start_mosquitto: Callable[..., Mosquitto],
) -> None:
    mosquitto = start_mosquitto(persistence=True)

    async def scenario() -> list[bytes]:
        journal = Journal()
        collector = collector_of(site_broker(mosquitto), journal)
        task = asyncio.create_task(collector.run())
        await until(lambda: journal.links == [True])
        await asyncio.to_thread(mosquitto.stop)
        await until(lambda: journal.links == [True, False])
        await collector.resubscribe(["hall/#"])
        await asyncio.to_thread(mosquitto.start)
        await until(lambda: journal.links == [True, False, True])
        await publish(mosquitto, [b"1"], topic="plant/a")
        await publish(mosquitto, [b"2"], topic="hall/a")
        await until(lambda: b"2" in journal.payloads)
        await ended(task)
        return journal.payloads

    assert asyncio.run(scenario()) == [b"2"]


def test_a_topic_that_the_broker_refuses_is_a_problem_until_it_is_granted_or_dropped() -> None:
    forbidden = {b"plant/#"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A broker of MQTT 3.1.1 that takes every subscription but the forbidden ones."""
        with suppress(asyncio.IncompleteReadError):
            while True:
                head, size = await reader.readexactly(2)
                body = await reader.readexactly(size)
                if head >> 4 == CONNECT:
                    writer.write(b"\x20\x02\x00\x00")
                elif head >> 4 == SUBSCRIBE:
                    length = int.from_bytes(body[2:4], "big")
                    writer.write(b"\x90\x03" + body[:2] + (b"\x80" if body[4 : 4 + length] in forbidden else b"\x01"))
                elif head >> 4 == UNSUBSCRIBE:
                    writer.write(b"\xb0\x02" + body[:2])

    async def scenario() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        journal = Journal()
        collector = collector_of(Broker(url=url, client_id="andon-test", protocol="3.1.1"), journal)
        async with server:
            task = asyncio.create_task(collector.run())
            await until(lambda: journal.links == [True])
            assert "does not let us read plant/#; give this user the right" in str(collector.problem)
            await collector.resubscribe(["hall/#"])
            assert collector.problem is None
            await collector.resubscribe(["plant/#"])
            assert collector.problem is not None
            forbidden.clear()
            await collector.resubscribe(["plant/#"])
            assert collector.problem is None
            await ended(task)

    with capture_logs() as lines:
        asyncio.run(scenario())
    events = [line["event"] for line in lines]
    assert "mqtt_subscription_refused" in events
    assert "mqtt_subscribed" not in events
