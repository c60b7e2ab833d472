"""The collector and a real broker: everything once, across absences, restarts and crashes on either side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor import clock
from monitor.collectors import packets
from monitor.collectors.acks import BATCH_MESSAGES, WAITING_BATCHES
from monitor.collectors.mqtt import DROPPED, UPTIME, Collector, Statistic
from monitor.journal.entries import Message
from tests.monitor.collectors.collecting import Journal, collecting, numbers, publish, site_broker, until
from tests.services.mosquitto import Mosquitto

both_protocols = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@both_protocols
def test_what_is_published_while_away_comes_on_return(mosquitto: Mosquitto, protocol: str) -> None:
    async def scenario() -> list[bytes]:
        journal, broker = Journal(), site_broker(mosquitto, protocol=protocol)
        async with collecting(broker, journal):
            await publish(mosquitto, numbers(50))
            await until(lambda: len(journal.messages) == 50)
        await publish(mosquitto, numbers(50, 50))
        async with collecting(broker, journal):
            await until(lambda: len(journal.messages) >= 100)
            await publish(mosquitto, [b"end"])
            await until(lambda: b"end" in journal.payloads)
        return journal.payloads

    assert asyncio.run(scenario()) == [*numbers(100), b"end"]


def test_a_message_carries_all_that_the_broker_said(mosquitto: Mosquitto) -> None:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = "application/json"
    properties.UserProperty = [("line", "1"), ("line", "ü")]

    async def scenario() -> Journal:
        journal = Journal()
        await publish(mosquitto, [b"old"], topic="plant/ü", retain=True)
        async with collecting(site_broker(mosquitto), journal):
            await publish(mosquitto, [b"{}"], properties=properties)
            await publish(mosquitto, [b"0"], qos=0)
            await publish(mosquitto, [b"2"], qos=2)
            await publish(mosquitto, [b""])
            await until(lambda: len(journal.messages) == 5)
        return journal

    retained, rich, at_most_once, exactly_once, empty = asyncio.run(scenario()).messages
    assert (retained.topic, retained.payload, retained.retain) == ("plant/ü".encode(), b"old", True)
    assert (rich.content_type, rich.user_properties) == ("application/json", (("line", "1"), ("line", "ü")))
    assert (rich.broker, rich.topic, rich.qos, rich.retain, rich.dup) == ("main", b"plant/value", 1, False, False)
    assert (at_most_once.qos, at_most_once.mid, exactly_once.qos, empty.payload) == (0, 0, 1, b"")
    assert retained.received < rich.received < at_most_once.received < exactly_once.received < empty.received


def test_retained_messages_come_once_however_often_we_return(mosquitto: Mosquitto) -> None:
    async def scenario() -> list[bytes]:
        journal = Journal()
        await publish(mosquitto, [b"old"], retain=True)
        for number in range(3):
            async with collecting(site_broker(mosquitto), journal):
                await publish(mosquitto, numbers(1, number))
                await until(lambda: numbers(1, number)[0] in journal.payloads)  # noqa: B023 - awaited at once
        return journal.payloads

    assert asyncio.run(scenario()) == [b"old", b"0", b"1", b"2"]


@both_protocols
def test_acknowledgements_of_an_earlier_connection_are_dropped_and_redeliveries_known(
    start_mosquitto: Callable[..., Mosquitto], protocol: str
) -> None:
    mosquitto = start_mosquitto(persistence=True)

    async def scenario() -> Journal:
        journal, broker = Journal(), site_broker(mosquitto, protocol=protocol)
        async with collecting(broker, journal):
            journal.gate.clear()
            await publish(mosquitto, [b"same"] * 30)
            await until(lambda: journal.waiting == 1)
            await asyncio.to_thread(mosquitto.restart)
            await until(lambda: journal.links == [True, False, True])
            await publish(mosquitto, numbers(30))
            journal.gate.set()
            await until(lambda: len(journal.messages) >= 60)
        journal.messages.append(journal.messages[0])
        async with collecting(broker, journal):
            await publish(mosquitto, [b"end"])
            await until(lambda: b"end" in journal.payloads)
        return journal

    journal = asyncio.run(scenario())
    assert journal.payloads == [*[b"same"] * 30, *numbers(30), b"same", b"end"]


@both_protocols
def test_a_crash_between_commit_and_acknowledgement_repeats_nothing(mosquitto: Mosquitto, protocol: str) -> None:
    async def scenario() -> list[bytes]:
        journal, broker = Journal(), site_broker(mosquitto, protocol=protocol)
        journal.fail = "after keeping"
        with pytest.raises(ConnectionAbortedError):  # noqa: PT012 - the block is the crash
            async with collecting(broker, journal) as task:
                await publish(mosquitto, [b"same"] * 20)
                await task
        journal.fail = ""
        async with collecting(broker, journal):
            await publish(mosquitto, [b"same"] * 5)
            await publish(mosquitto, [b"end"])
            await until(lambda: b"end" in journal.payloads)
        return journal.payloads

    assert asyncio.run(scenario()) == [*[b"same"] * 25, b"end"]


def test_nothing_is_acknowledged_before_it_is_committed(mosquitto: Mosquitto) -> None:
    async def scenario() -> Journal:
        broken, journal = Journal(), Journal()
        broken.fail = "before keeping"
        with pytest.raises(ConnectionAbortedError):  # noqa: PT012 - the block is the crash
            async with collecting(site_broker(mosquitto), broken) as task:
                await publish(mosquitto, numbers(10))
                await task
        async with collecting(site_broker(mosquitto), journal):
            await publish(mosquitto, [b"end"])
            await until(lambda: b"end" in journal.payloads)
        return journal

    journal = asyncio.run(scenario())
    assert journal.payloads == [*numbers(10), b"end"]
    assert journal.messages[0].dup


@both_protocols
def test_a_slow_commit_stops_reading_and_loses_nothing(mosquitto: Mosquitto, protocol: str) -> None:
    count = BATCH_MESSAGES * (WAITING_BATCHES + 4)

    async def scenario() -> Journal:
        journal = Journal()
        journal.gate.clear()
        async with collecting(site_broker(mosquitto, protocol=protocol), journal):
            await publish(mosquitto, numbers(count))
            await until(lambda: journal.waiting == 1)
            journal.gate.set()
            await until(lambda: len(journal.messages) >= count)
        return journal

    journal = asyncio.run(scenario())
    assert journal.payloads == numbers(count)
    assert max(journal.batches) <= BATCH_MESSAGES


def test_a_broker_that_is_killed_and_comes_back_is_found_again(start_mosquitto: Callable[..., Mosquitto]) -> None:
    mosquitto = start_mosquitto()

    async def scenario() -> Journal:
        journal = Journal()
        async with collecting(site_broker(mosquitto), journal):
            await publish(mosquitto, numbers(5))
            await until(lambda: len(journal.messages) == 5)
            await asyncio.to_thread(mosquitto.kill)
            await until(lambda: journal.links == [True, False])
            await asyncio.to_thread(mosquitto.start)
            await until(lambda: journal.links == [True, False, True])
            await publish(mosquitto, numbers(5))
            await until(lambda: len(journal.messages) == 10)
        return journal

    assert asyncio.run(scenario()).payloads == numbers(5) * 2


def test_what_the_site_no_longer_names_is_unsubscribed(mosquitto: Mosquitto) -> None:
    async def scenario() -> list[bytes]:
        journal, broker = Journal(), site_broker(mosquitto)
        async with collecting(broker, journal, filters=["plant/#", "old/#"]):
            await publish(mosquitto, [b"1"], topic="old/value")
            await until(lambda: len(journal.messages) == 1)
        async with collecting(broker, journal, former_filters=["old/#", "plant/#"]):
            await publish(mosquitto, [b"2"], topic="plant/value")
            await until(lambda: len(journal.messages) == 2)
            await publish(mosquitto, [b"3"], topic="old/value")
            await publish(mosquitto, [b"4"], topic="plant/value")
            await until(lambda: b"4" in journal.payloads)
        return journal.payloads

    assert asyncio.run(scenario()) == [b"1", b"2", b"4"]


def test_a_clean_stop_commits_and_acknowledges_what_has_arrived(mosquitto: Mosquitto) -> None:
    async def scenario() -> tuple[Journal, Journal]:
        journal, after = Journal(), Journal()
        async with collecting(site_broker(mosquitto), journal):
            journal.gate.clear()
            await publish(mosquitto, numbers(500))
            await until(lambda: journal.waiting == 1)
            await publish(mosquitto, numbers(5, 500))
            asyncio.get_running_loop().call_later(0.05, journal.gate.set)
        async with collecting(site_broker(mosquitto), after):
            await publish(mosquitto, [b"end"])
            await until(lambda: b"end" in after.payloads)
        return journal, after

    journal, after = asyncio.run(scenario())
    assert [*journal.payloads, *after.payloads] == [*numbers(505), b"end"]


def test_the_link_is_up_before_anything_that_the_broker_kept(mosquitto: Mosquitto) -> None:
    class Ordered(Journal):
        async def commit(self, messages: list[Message]) -> None:
            assert self.links[-1] is True, "messages came before the link was up"
            await super().commit(messages)

    async def scenario() -> list[bytes]:
        journal = Ordered()
        async with collecting(site_broker(mosquitto), journal):
            pass
        journal.on_link(False)
        await publish(mosquitto, numbers(500))
        async with collecting(site_broker(mosquitto), journal):
            await until(lambda: len(journal.messages) == 500)
        return journal.payloads

    assert asyncio.run(scenario()) == numbers(500)


def test_what_the_broker_tells_of_itself_is_heard_and_is_no_message(start_mosquitto: Callable[..., Mosquitto]) -> None:
    mosquitto = start_mosquitto(options=("sys_interval 1",))
    said: list[Statistic] = []

    def of(topic: str, *, kept: bool) -> list[int]:
        return [each.figure for each in said if (each.topic, each.kept) == (topic, kept)]

    async def scenario() -> Journal:
        journal = Journal()
        async with collecting(site_broker(mosquitto), journal, filters=["$SYS/#"], on_statistic=said.append):
            await until(lambda: len(of(UPTIME, kept=False)) >= 2)
        async with collecting(site_broker(mosquitto), journal, on_statistic=said.append):
            await until(lambda: bool(of(DROPPED, kept=True)))
        return journal

    assert asyncio.run(scenario()).messages == []
    assert of(UPTIME, kept=False) == sorted(of(UPTIME, kept=False))
    assert set(of(DROPPED, kept=True)) == {0}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_of_too_large_a_message_the_beginning_is_kept_and_it_is_acknowledged(
    mosquitto: Mosquitto, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "TAKEN_WHOLE", 10_000)
    monkeypatch.setattr(packets, "AROUND", 1_000)
    monkeypatch.setattr(packets, "BEGINNING", 2_000)
    broker = site_broker(mosquitto, protocol=protocol)

    async def scenario() -> Journal:
        journal = Journal()
        async with collecting(broker, journal):
            await publish(mosquitto, [b"1", b"x" * 3_000_000, b"2"] * 3)
            await until(lambda: len(journal.messages) == 9)
        again = Journal()
        async with collecting(broker, again):
            await publish(mosquitto, [b"3"])
            await until(lambda: len(again.messages) == 1)
        assert again.payloads == [b"3"]
        return journal

    journal = asyncio.run(scenario())
    assert [len(m.payload) + m.cut for m in journal.messages] == [1, 3_000_000, 1] * 3
    assert max(len(m.payload) for m in journal.messages) <= 2_000


def test_how_much_is_taken_whole_follows_the_gateways(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "TAKEN_WHOLE", 100)
    monkeypatch.setattr(packets, "AROUND", 100)
    monkeypatch.setattr(packets, "BEGINNING", 50)

    async def scenario() -> Journal:
        journal = Journal()
        collector = Collector(
            site_broker(mosquitto), "main", ["plant/#"], stamper=clock.Stamper(), commit=journal.commit,
            on_link=journal.on_link, largest_payload=500,
        )  # fmt: skip
        task = asyncio.create_task(collector.run())
        await until(lambda: True in journal.links)
        await publish(mosquitto, [b"x" * 400, b"x" * 900])
        await until(lambda: len(journal.messages) == 2)
        await collector.resubscribe(["plant/#"], 1_000)
        await publish(mosquitto, [b"x" * 900])
        await until(lambda: len(journal.messages) == 3)
        task.cancel()
        await asyncio.wait([task])
        return journal

    assert [m.cut > 0 for m in asyncio.run(scenario()).messages] == [False, True, False]
