"""Topics change while a collector runs, or while it is away; what the session holds follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from monitor import clock
from monitor.collectors.mqtt import Collector
from tests.monitor.collectors.collecting import Journal, publish, site_broker, until
from tests.services.mosquitto import Mosquitto


def collector_of(mosquitto: Mosquitto, journal: Journal, protocol: str) -> Collector:
    return Collector(
        site_broker(mosquitto, protocol=protocol),
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
        collector = collector_of(mosquitto, journal, protocol)
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
        collector = collector_of(mosquitto, journal, "5")
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
