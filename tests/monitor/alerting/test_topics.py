"""Lights and displays see the alarm table as it is, through a real broker, whatever happens to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.alerting.topics import AlarmTable, TopicPublisher, alarm_topic, area_topic
from monitor.database.ledger import Ledger, Step
from monitor.settings import Broker, Tls
from rules.alarms import Kind, Priority, State, Transition
from tests.monitor.alerting.making import transition
from tests.services.mosquitto import Mosquitto

AREAS = {"line1/mill3": "A", "line1/oven": "A", "line2/pump": "B"}


class Plant:
    """A ledger that alarms are written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(path)
        self.count = 0

    def write(self, *transitions: Transition) -> None:
        self.count += 1
        self.ledger.commit(Step(self.count, 0, transitions=transitions))


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    plant = Plant(tmp_path / "alarms.db")
    yield plant
    plant.ledger.close()


@asynccontextmanager
async def publishing(plant: Plant, broker: Broker, **options: object) -> AsyncIterator[TopicPublisher]:
    """A running publisher."""
    table = AlarmTable(plant.path)
    given = {"site": "acme/north", "area_of": AREAS.get, "random": lambda: 0.0, "heartbeat": 0.1, **options}
    publisher = TopicPublisher(broker, table, **given)
    running = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        table.close()


class Display:
    """What a display shows: every topic under `andon/v1` with its last payload, and how many came."""

    def __init__(self) -> None:
        self.shown: dict[str, dict[str, object]] = {}
        self.count = 0

    def take(self, message: aiomqtt.Message) -> None:
        self.count += 1
        topic = str(message.topic).removeprefix("andon/v1/")
        self.shown.pop(topic, None)
        if message.payload:
            self.shown[topic] = json.loads(message.payload)

    async def until(self, condition: Callable[[dict[str, dict[str, object]]], bool]) -> dict[str, dict[str, object]]:
        async with asyncio.timeout(20):
            while not condition(self.shown):  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.01)
        return self.shown


@asynccontextmanager
async def watching(mosquitto: Mosquitto, **options: object) -> AsyncIterator[Display]:
    """A display connected to the broker."""
    display = Display()

    async def follow(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            display.take(message)

    async with aiomqtt.Client(mosquitto.host, mosquitto.port, **options) as client:
        await client.subscribe("andon/v1/#", qos=1)
        following = asyncio.create_task(follow(client))
        yield display
        following.cancel()
        await asyncio.wait([following])


def at(mosquitto: Mosquitto, **changes: object) -> Broker:
    return Broker.model_validate({"url": mosquitto.url, **changes})


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_alarm_is_shown_while_it_is_not_normal(plant: Plant, mosquitto: Mosquitto, protocol: str) -> None:
    async def scene() -> None:
        async with watching(mosquitto) as display, publishing(plant, at(mosquitto, protocol=protocol)) as publisher:
            await display.until(lambda shown: "status" in shown)
            plant.write(transition(), transition(part="a/b", asset="line1/oven"))
            publisher.wake()
            shown = await display.until(lambda shown: len(shown) == 4)
            assert shown["alarms/line1/mill3/too-hot"] == {
                "alarm": transition().alarm,
                "asset": "line1/mill3",
                "rule": "too-hot",
                "part": None,
                "kind": "equipment",
                "priority": "high",
                "state": "B",
                "since": "2023-11-14T22:13:20Z",
                "at": "2023-11-14T22:13:20Z",
                "title": "Spindle too hot",
            }
            assert "alarms/line1/oven/too-hot/a%2Fb" in shown
            plant.write(transition("cleared", State.RETURNED_UNACKNOWLEDGED, second=3))
            publisher.wake()
            await display.until(lambda shown: shown["alarms/line1/mill3/too-hot"]["state"] == "D")
            plant.write(transition("acknowledged", State.NORMAL, second=4))
            publisher.wake()
            await display.until(lambda shown: "alarms/line1/mill3/too-hot" not in shown)

    asyncio.run(scene())


def test_an_area_shows_its_highest_active_priority(plant: Plant, mosquitto: Mosquitto) -> None:
    def area(name: str, priority: str | None, active: int) -> Callable[[dict[str, dict[str, object]]], bool]:
        wanted = {"area": name, "priority": priority, "active": active}
        return lambda shown: shown.get(f"areas/{name}") == wanted

    async def scene() -> None:
        async with (
            watching(mosquitto) as display,
            publishing(plant, at(mosquitto), areas=lambda: ["A", "B"]) as publisher,
        ):
            await display.until(area("A", None, 0))
            plant.write(
                transition(),
                transition(asset="line1/oven", priority=Priority.CRITICAL),
                transition(asset="line1/oven", rule="x", to=State.SHELVED, priority=Priority.CRITICAL),
                transition(asset="line2/pump", mode="shadow"),
                transition(asset="nowhere"),
            )
            publisher.wake()
            await display.until(area("A", "critical", 2))
            await display.until(area("B", None, 0))
            assert "alarms/line2/pump/too-hot" not in display.shown
            plant.write(transition("cleared", State.RETURNED_UNACKNOWLEDGED, asset="line1/oven", second=1))
            publisher.wake()
            await display.until(area("A", "high", 1))

    asyncio.run(scene())


def test_what_happened_while_nothing_was_published_is_caught_up(plant: Plant, mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        async with watching(mosquitto) as display:
            plant.write(*(transition(rule=f"rule-{n}") for n in range(30)))
            async with publishing(plant, at(mosquitto)):
                await display.until(lambda shown: sum(t.startswith("alarms/") for t in shown) == 30)
            plant.write(*(transition("cleared", State.NORMAL, rule=f"rule-{n}", second=1) for n in range(30)))
            async with publishing(plant, at(mosquitto)):
                await display.until(lambda shown: not any(t.startswith("alarms/") for t in shown))

    asyncio.run(scene())


def test_a_broker_that_lost_everything_is_told_again(plant: Plant, mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        plant.write(transition())
        async with publishing(plant, at(mosquitto)):
            async with watching(mosquitto) as display:
                await display.until(lambda shown: {"alarms/line1/mill3/too-hot", "areas/A"} <= set(shown))
            await asyncio.to_thread(mosquitto.kill)
            await asyncio.to_thread(mosquitto.start)
            async with watching(mosquitto) as display:
                wanted = {"alarms/line1/mill3/too-hot", "areas/A", "status"}
                await display.until(lambda shown: wanted <= set(shown))

    asyncio.run(scene())


def test_the_status_beats_and_says_offline_on_leaving(plant: Plant, mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        async with watching(mosquitto) as display:
            async with publishing(plant, at(mosquitto)):
                shown = await display.until(lambda shown: "status" in shown)
                first = shown["status"]
                assert (first["state"], first["site"]) == ("online", "acme/north")
                await display.until(lambda shown: shown["status"]["at"] > first["at"])
            await display.until(lambda shown: shown["status"] == {"state": "offline", "site": "acme/north"})

    asyncio.run(scene())


def test_the_will_speaks_when_we_cannot(plant: Plant, mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        async with watching(mosquitto) as display, publishing(plant, at(mosquitto), heartbeat=60.0) as publisher:
            await display.until(lambda shown: "status" in shown)
            # another client of the same name makes the broker drop us without a farewell
            usurper = aiomqtt.Client(mosquitto.host, mosquitto.port, identifier="andon-topics")
            publisher._random = lambda: 100.0
            async with usurper:
                await display.until(lambda shown: shown["status"]["state"] == "offline")

    asyncio.run(scene())


def test_an_unreachable_broker_or_a_wrong_password_only_leads_to_trying_again(
    plant: Plant, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    mosquitto = start_mosquitto(users={"andon": "right"})
    mosquitto.kill()

    async def scene(password: str) -> None:
        broker = at(mosquitto, username="andon", password=SecretStr(password))
        async with publishing(plant, broker):
            mosquitto.start()
            async with watching(mosquitto, username="andon", password="right") as display:
                if password == "right":
                    await display.until(lambda shown: "status" in shown)
                else:
                    await asyncio.sleep(0.5)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scene("tops3cret"))
    assert logs
    assert {log["log_level"] for log in logs} == {"warning"}
    assert "tops3cret" not in str(logs)
    mosquitto.kill()
    asyncio.run(scene("right"))


def test_tls_proves_the_broker(plant: Plant, start_mosquitto: Callable[..., Mosquitto]) -> None:
    mosquitto = start_mosquitto(tls=True)
    assert mosquitto.certificates is not None
    ca = mosquitto.certificates.ca

    async def scene() -> None:
        parameters = aiomqtt.TLSParameters(ca_certs=str(ca))
        async with (
            watching(mosquitto, tls_params=parameters) as display,
            publishing(plant, at(mosquitto, tls=Tls(ca=ca))),
        ):
            await display.until(lambda shown: "status" in shown)

    asyncio.run(scene())


def test_names_that_no_broker_takes_do_not_stop_the_others(plant: Plant, mosquitto: Mosquitto) -> None:
    hostile = ["a+b#c", "nul\x00", "bell\x07", "\ufffe", "%41", "x" * 70_000, "/" * 300, "\U0001f6a8 größe"]

    async def scene() -> None:
        async with watching(mosquitto) as display, publishing(plant, at(mosquitto)):
            plant.write(*(transition(part=name, rule="a") for name in hostile))
            plant.write(*(transition(asset=name, rule="b") for name in hostile), transition(kind=Kind.SAFETY))
            await display.until(lambda shown: "alarms/line1/mill3/too-hot" in shown)
            assert "alarms/a%2Bb%23c/b" in display.shown
            assert display.shown["status"]["state"] == "online"

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scene())
    assert {log["log_level"] for log in logs if log["event"] != "alarm_topic_too_long"} == {"info"}


@given(st.text(min_size=1), st.text(min_size=1), st.none() | st.text(min_size=1))
def test_topics_are_sound_and_different_for_different_alarms(asset: str, rule: str, part: str | None) -> None:
    topic = alarm_topic(asset, rule, part)
    assert not set(topic) & set("+#\x00")
    assert topic.count("/") == 4 + asset.count("/") + (part is not None)
    assert alarm_topic(asset, rule + "x", part) != topic
    assert area_topic(asset).startswith("andon/v1/areas/")


def test_a_thousand_alarms_are_published_within_seconds(plant: Plant, mosquitto: Mosquitto) -> None:
    plant.write(*(transition(rule=f"rule-{n}") for n in range(1_000)))

    async def scene() -> None:
        async with watching(mosquitto) as display, publishing(plant, at(mosquitto)):
            await display.until(lambda shown: len(shown) >= 1_002)

    asyncio.run(scene())


def test_it_ends_when_it_is_told_to_whatever_it_is_doing(plant: Plant, mosquitto: Mosquitto) -> None:
    async def scene() -> None:
        for moment in range(25):
            async with asyncio.timeout(10), publishing(plant, at(mosquitto), heartbeat=0.0):
                await asyncio.sleep(moment / 1_000)

    asyncio.run(scene())
