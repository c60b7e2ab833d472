"""The demo's gateways through a real broker: each machine in its own wording, one falls silent, garbage comes."""

import asyncio
import json
import random
from itertools import pairwise

import aiomqtt
import pytest

from monitor.codecs.decoder import Decoder
from monitor.collectors.embedded import EmbeddedBrokerError, embedded_broker
from monitor.demo.faults import Episode, Fault, Script
from monitor.demo.payloads import GARBAGE
from monitor.demo.plant import Plant
from monitor.demo.publisher import GATEWAYS, publish_plant
from rules.events import SECOND
from tests.monitor.demo.claims import claims

DEADLINE = 20


def plant_with(*episodes):
    return Plant(random.Random(1), Script(1, episodes, period=1e9))


def published(directory, broker_kind, plant, enough):
    """What is published until `enough(messages)` holds, as (topic, payload)."""

    async def run():
        messages = []
        async with (
            asyncio.timeout(DEADLINE),
            embedded_broker(directory, kind=broker_kind) as broker,
            aiomqtt.Client(broker.host, broker.port, protocol=aiomqtt.ProtocolVersion.V311) as listener,
        ):
            await listener.subscribe("plant/#", qos=1)
            stop = asyncio.Event()
            gateways = asyncio.create_task(publish_plant(plant, broker, stop))
            async for message in listener.messages:
                messages.append((message.topic.value, bytes(message.payload)))
                if enough(messages):
                    break
            stop.set()
            await gateways
        return messages

    return asyncio.run(run())


def decoded(messages):
    decoder = Decoder(claims(), lambda _: dict.fromkeys(("fill_weight", "vibration"), "number"))
    return [decoder.decode("main", topic.encode(), payload, 10 * SECOND) for topic, payload in messages]


def readings(messages):
    return {
        (observation.asset, reading.metric)
        for outcome in decoded(messages)
        for observation in outcome.observations
        for reading in observation.readings
    }


def test_every_signal_of_every_machine_arrives_and_can_be_decoded(tmp_path, broker_kind):
    plant = plant_with()
    wanted = {(asset, signal) for asset in plant.machines for signal in plant.signals(asset)}

    messages = published(
        tmp_path, broker_kind, plant, lambda messages: len(messages) % 10 == 0 and readings(messages) == wanted
    )

    assert not any(outcome.rejects for outcome in decoded(messages))
    topics = {topic for topic, _ in messages}
    assert {
        "plant/demo/mill",
        "plant/demo/oven",
        "plant/demo/filler/fill_weight",
        "plant/demo/pump/vibration",
    } <= topics


def test_each_gateway_words_its_messages_its_own_way():
    plant = plant_with()
    at = 1_750_000_000_123_456_789
    first = {gateway.asset: gateway.wording(gateway.asset, plant.signals(gateway.asset), at)[0] for gateway in GATEWAYS}

    assert json.loads(first["demo/mill"][1])["timestamp"] == "2025-06-15T15:06:40.123456789Z"
    assert json.loads(first["demo/oven"][1])["ts"] == 1_750_000_000_123
    assert first["demo/filler"] == ("plant/demo/filler/mode", b"2")
    assert json.loads(first["demo/pump"][1])["quality"] == "good"


def test_a_silent_gateway_stops_while_the_others_go_on(tmp_path):
    plant = plant_with(Episode(Fault.GATEWAY_SILENT, start=0.25, ramp=0, hold=1.5))

    def back(messages):
        assets = [topic.split("/")[2] for topic, _ in messages]
        pumps = [index for index, asset in enumerate(assets) if asset == "pump"]
        gaps = [assets[a:b].count("mill") for a, b in pairwise(pumps)]
        return any(gap >= 4 for gap in gaps)

    assert published(tmp_path, None, plant, back)


def test_a_burst_of_garbage_comes_once_and_nearly_all_of_it_is_refused(tmp_path):
    plant = plant_with(Episode(Fault.GARBAGE, start=0.2, ramp=0, hold=0.6))
    junk = [payload for _, payload in GARBAGE]

    def over(messages):
        return plant.elapsed > 1.2 and all(payload in [sent for _, sent in messages] for payload in junk)

    messages = published(tmp_path, None, plant, over)
    reasons = {reject.reason for outcome in decoded(messages) for reject in outcome.rejects}

    assert [payload for _, payload in messages].count(GARBAGE[0][1]) == 1
    assert reasons >= {"not-json", "too-deep", "empty", "text-for-number", "not-utf-8", "bad-timestamp", "empty-name"}


def test_a_lost_broker_is_a_clear_error(tmp_path):
    async def run():
        async with asyncio.timeout(DEADLINE):
            async with embedded_broker(tmp_path) as broker:
                stop = asyncio.Event()
                plant = plant_with()
                gateways = asyncio.create_task(publish_plant(plant, broker, stop))
                while plant.elapsed < 0.3:
                    await asyncio.wait({gateways}, timeout=0.05)
            await gateways

    with pytest.raises(EmbeddedBrokerError, match=r"lost the broker at mqtt://127\.0\.0\.1"):
        asyncio.run(run())
