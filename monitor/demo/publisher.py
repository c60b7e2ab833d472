"""The demo's gateways: each reads one machine and publishes it over its own connection, so that one can fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiomqtt

from monitor import clock
from monitor.collectors.embedded import BrokerAddress, EmbeddedBrokerError
from monitor.demo.faults import Fault
from monitor.demo.payloads import (
    GARBAGE,
    Wording,
    one_object,
    one_object_in_milliseconds,
    plain_values,
    stamped_values,
)
from monitor.demo.plant import RESOLUTION, Plant
from rules.events import SECOND, Duration


@dataclass(frozen=True)
class Gateway:
    """What a gateway reads, how it words it and how often it publishes; `silent_under` is the fault that stops it."""

    asset: str
    wording: Wording
    period: Duration
    silent_under: Fault | None = None


GATEWAYS: Final = (
    Gateway("demo/mill", one_object, SECOND // 4),
    Gateway("demo/oven", one_object_in_milliseconds, SECOND),
    Gateway("demo/filler", plain_values, SECOND // 2),
    Gateway("demo/pump", stamped_values, SECOND // 2, silent_under=Fault.GATEWAY_SILENT),
)

TICK: Final[Duration] = round(RESOLUTION * SECOND)


async def publish_plant(
    plant: Plant, broker: BrokerAddress, stop: asyncio.Event, gateways: Sequence[Gateway] = GATEWAYS
) -> None:
    """Run the plant in real time and publish it at QoS 1 until `stop` is set.

    End it by the event: a cancellation may drown in a publish that is just being confirmed.

    Raises:
        EmbeddedBrokerError: the broker is gone.
    """
    parts = [_run(plant, stop), _misbehave(plant, broker, stop)]
    parts += [_publish(plant, broker, stop, gateway) for gateway in gateways]
    try:
        await together(stop, *parts)
    except aiomqtt.MqttError as error:
        raise EmbeddedBrokerError(f"the demo's gateways lost the broker at {broker.url}: {error}") from None


async def together(stop: asyncio.Event, *parts: Coroutine[None, None, None]) -> None:
    """Run them all to their end; whichever ends sets `stop`, for the others. The first error of any is raised."""
    outcomes = await asyncio.gather(*(_stopping(part, stop) for part in parts), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


async def _stopping(part: Coroutine[None, None, None], stop: asyncio.Event) -> None:
    try:
        await part
    finally:
        stop.set()


async def _run(plant: Plant, stop: asyncio.Event) -> None:
    before = clock.elapsed()
    async for now in _beats(TICK, stop):
        plant.step(clock.seconds(now - before))
        before = now


async def _publish(plant: Plant, broker: BrokerAddress, stop: asyncio.Event, gateway: Gateway) -> None:
    async with _client(broker, gateway.asset) as client:
        async for _ in _beats(gateway.period, stop):
            if gateway.silent_under is None or not plant.holds(gateway.silent_under):
                for topic, payload in gateway.wording(gateway.asset, plant.signals(gateway.asset), clock.now()):
                    await client.publish(topic, payload, qos=1)


async def _misbehave(plant: Plant, broker: BrokerAddress, stop: asyncio.Event) -> None:
    """Publish every kind of garbage once as often as the fault comes."""
    before = False
    async with _client(broker, "garbage") as client:
        async for _ in _beats(TICK, stop):
            now = plant.holds(Fault.GARBAGE)
            for topic, payload in GARBAGE if now and not before else ():
                await client.publish(topic, payload, qos=1)
            before = now


async def _beats(period: Duration, stop: asyncio.Event) -> AsyncIterator[Duration]:
    """The time elapsed, at once and then every `period` without drift until `stop`; late beats fall out."""
    due = clock.elapsed()
    while not stop.is_set():
        yield clock.elapsed()
        due = max(due + period, clock.elapsed())
        with suppress(TimeoutError):
            async with asyncio.timeout(clock.seconds(due - clock.elapsed())):
                await stop.wait()


def _client(broker: BrokerAddress, name: str) -> aiomqtt.Client:
    protocol = aiomqtt.ProtocolVersion.V5 if broker.protocol == "5" else aiomqtt.ProtocolVersion.V311
    return aiomqtt.Client(
        broker.host, broker.port, identifier=f"gateway-{name.replace('/', '-')}", protocol=protocol, timeout=5
    )
