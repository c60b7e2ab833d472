"""Notifications reach their channels at least once, whatever the channels do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from monitor import clock
from monitor.alerting.channels import Answer, Channel, ChannelError, Message, Unusable, open_channel
from monitor.alerting.dispatcher import Dispatcher
from monitor.alerting.outbox import Outbox
from monitor.alerting.policy import Directory, fingerprint
from monitor.database.ledger import Ledger, Step
from monitor.database.queries import AlarmReader, Delivery
from monitor.settings import Notify
from rules.alarms import Kind, Priority
from rules.events import SECOND
from tests.monitor.alerting.hook import webhook
from tests.monitor.alerting.making import notification, notify, transition

A, B = "test://a", "test://b"


class Recorder:
    """A channel that fails as often as it is told, then takes everything over."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.got: list[Message] = []

    def send(self, message: Message) -> Answer:
        self.got.append(message)
        if self.failures:
            raise self.failures.pop(0)
        return Answer("thanks")


class Stuck(Recorder):
    """A channel whose sends come back only when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def send(self, message: Message) -> Answer:
        self.got.append(message)
        self.released.wait(30)
        return Answer("at last")


class Held(Recorder):
    """A channel in which the first sends hang until each is let go."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.held = [threading.Event() for _ in range(count)]
        self._waiting = iter(self.held)

    def send(self, message: Message) -> Answer:
        self.got.append(message)
        if held := next(self._waiting, None):
            held.wait(30)
        return Answer("thanks")

    def let_go(self) -> None:
        for held in self.held:
            held.set()


class House:
    """A ledger with everything that is told, and a look at what became of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = Ledger(path)
        self.reader = AlarmReader(path)
        self.count = 0

    def tell(self, *addresses: str, **changes: object) -> str:
        """Commit a transition that notifies these channels; its alarm's id."""
        self.count += 1
        what = transition(second=self.count, alarm=f"line1/mill3:too-hot:{self.count}:0", **changes)
        told = [notification(what, address) for address in addresses]
        self.ledger.commit(Step(self.count, 0, transitions=[what], notifications=told))
        return what.alarm

    def delivery(self, alarm: str) -> Delivery:
        return self.reader.deliveries(alarm)[0]

    def close(self) -> None:
        self.reader.close()
        self.ledger.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "alarms.db")
    yield house
    house.close()


@asynccontextmanager
async def dispatching(
    house: House, channels: Mapping[str, Channel], teams: dict[str, list[str]] | None = None, **options: object
) -> AsyncIterator[Dispatcher]:
    """A running dispatcher over these channels, by address; the teams' channels matter to what is handed on."""
    outbox = Outbox(house.path)
    named = {fingerprint(address): channel for address, channel in channels.items()}
    given = {"random": lambda: 0.0, "first_wait": SECOND // 50, **options}
    dispatcher = Dispatcher(outbox, named, Directory(notify(**teams or {}), named), **given)
    running = asyncio.create_task(dispatcher.run())
    try:
        yield dispatcher
    finally:
        running.cancel()
        await asyncio.wait([running])
        outbox.close()


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for a condition, not for a time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.005)


def test_what_was_committed_before_the_start_is_sent(house: House) -> None:
    alarm, channel = house.tell(A), Recorder()

    async def scene() -> None:
        async with dispatching(house, {A: channel}):
            await until(lambda: house.delivery(alarm).state == "sent")

    asyncio.run(scene())
    assert [m.alarm for m in channel.got] == [alarm]
    assert [(outcome, answer) for _, outcome, answer in house.delivery(alarm).answers] == [("sent", "thanks")]


def test_a_wake_sends_at_once(house: House) -> None:
    channel = Recorder()

    async def scene() -> int:
        async with dispatching(house, {A: channel}) as dispatcher:
            await asyncio.sleep(0.1)
            began = clock.elapsed()
            house.tell(A)
            dispatcher.wake()
            await until(lambda: bool(channel.got))
            return clock.elapsed() - began

    assert asyncio.run(scene()) < 2 * SECOND


def test_safety_goes_first_then_priority_then_age(house: House) -> None:
    channel = Recorder()
    wanted = {
        3: house.tell(A, priority=Priority.LOW),
        1: house.tell(A, priority=Priority.CRITICAL),
        2: house.tell(A, priority=Priority.CRITICAL),
        0: house.tell(A, priority=Priority.LOW, kind=Kind.SAFETY),
    }

    async def scene() -> None:
        async with dispatching(house, {A: channel}):
            await until(lambda: len(channel.got) == 4)

    asyncio.run(scene())
    assert [m.alarm for m in channel.got] == [wanted[place] for place in range(4)]


def test_a_failure_is_tried_again_with_the_same_key_and_every_answer_is_kept(house: House) -> None:
    channel = Recorder(ChannelError("answered with error 500"), ZeroDivisionError("secret"))
    alarm = house.tell(A)

    async def scene() -> None:
        async with dispatching(house, {A: channel}):
            await until(lambda: house.delivery(alarm).state == "sent")

    asyncio.run(scene())
    assert len({m.key for m in channel.got}) == 1
    assert [(outcome, answer) for _, outcome, answer in house.delivery(alarm).answers] == [
        ("failed", "answered with error 500"),
        ("failed", "the channel failed with ZeroDivisionError"),
        ("sent", "thanks"),
    ]


def test_waits_grow_and_are_spread_by_the_given_randomness(house: House) -> None:
    outbox = Outbox(house.path)

    async def waits(random: float) -> list[float]:
        dispatcher = Dispatcher(outbox, {}, Directory(Notify()), random=lambda: random)
        return [dispatcher._wait(failures, 300 * SECOND) / SECOND for failures in (0, 1, 2, 8, 9, 10_000)]

    assert asyncio.run(waits(0.0)) == [0.5, 1, 2, 128, 150, 150]
    assert asyncio.run(waits(1.0)) == [1, 2, 4, 256, 300, 300]
    outbox.close()


def test_what_can_never_succeed_is_given_up_at_once_and_loudly(house: House) -> None:
    alarm, later = house.tell(A), house.tell(A)
    channel = Recorder(ChannelError("answered with error 400", permanent=True))

    async def scene() -> None:
        async with dispatching(house, {A: channel}):
            await until(lambda: house.delivery(later).state == "sent")

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scene())
    assert house.delivery(alarm).state == "given_up"
    assert [(log["log_level"], log["answer"]) for log in logs] == [("error", "answered with error 400")]
    assert house.reader.outbox_counts() == {(fingerprint(A), "given_up"): 1, (fingerprint(A), "sent"): 1}


def test_after_the_limit_a_failed_attempt_was_the_last(house: House) -> None:
    alarm = house.tell(A)
    channel = Recorder(*[ChannelError("could not be reached")] * 1000)

    async def scene() -> None:
        async with dispatching(house, {A: channel}, give_up_after=SECOND // 5):
            await until(lambda: house.delivery(alarm).state == "given_up")

    asyncio.run(scene())
    assert 1 <= house.delivery(alarm).attempts == len(channel.got) < 20


def test_a_hanging_channel_holds_up_only_itself(house: House) -> None:
    stuck, well = Stuck(), Recorder()
    hanging = house.tell(A)
    alarms = [house.tell(B) for _ in range(20)]

    async def scene() -> None:
        async with dispatching(house, {A: stuck, B: well}, time_limit=0.05):
            await until(lambda: all(house.delivery(alarm).state == "sent" for alarm in alarms))
            await until(lambda: house.delivery(hanging).attempts > 0)
            assert house.delivery(hanging).answers[0][1:] == ("no_answer", "no answer within 0.05 s")
            stuck.released.set()
            await until(lambda: house.delivery(hanging).state == "sent")

    asyncio.run(scene())


def test_a_channel_in_which_everything_hangs_does_not_eat_up_all_threads(house: House) -> None:
    stuck = Stuck()
    for _ in range(30):
        house.tell(A)

    async def scene() -> None:
        async with dispatching(house, {A: stuck}, time_limit=0.005, first_wait=1):
            await until(lambda: len(stuck.got) >= 8)
            await asyncio.sleep(0.2)
            assert len(stuck.got) == 8
            stuck.released.set()
            await until(lambda: house.reader.outbox_counts() == {(fingerprint(A), "sent"): 30})

    asyncio.run(scene())


@pytest.mark.parametrize(("count", "let_go", "longest_hang"), [(1, 0, 30.0), (7, 0, 30.0), (8, 1, 30.0), (8, 0, 0.05)])
def test_sends_that_never_come_back_hold_up_no_other_for_ever(
    house: House, count: int, let_go: int, longest_hang: float
) -> None:
    channel = Held(count)
    alarms = [house.tell(A) for _ in range(10)]

    async def scene() -> None:
        async with dispatching(house, {A: channel}, time_limit=0.2, first_wait=1, longest_hang=longest_hang):
            await until(lambda: len(channel.got) >= count)
            for held in channel.held[:let_go]:
                held.set()
            await until(lambda: all(house.delivery(alarm).state == "sent" for alarm in alarms))

    try:
        asyncio.run(scene())
    finally:
        channel.let_go()


def test_what_became_urgent_while_too_much_hung_goes_first(house: House) -> None:
    channel = Held(8)
    first = house.tell(A)

    async def scene() -> None:
        async with dispatching(house, {A: channel}, time_limit=0.02, first_wait=1):
            await until(lambda: house.delivery(first).attempts == 8)
            urgent = house.tell(A, priority=Priority.CRITICAL, kind=Kind.SAFETY)
            channel.let_go()
            await until(lambda: house.delivery(urgent).state == "sent")
            assert channel.got[8].alarm == urgent

    asyncio.run(scene())


def test_what_waits_for_a_channel_that_is_gone_is_given_up_with_that_reason(house: House) -> None:
    alarm, kept = house.tell(A), house.tell(B)

    async def scene() -> None:
        async with dispatching(house, {B: Recorder()}):
            await until(lambda: house.delivery(kept).state == "sent")

    asyncio.run(scene())
    assert (house.delivery(alarm).state, house.delivery(alarm).answers[0][1:]) == (
        "given_up",
        ("no_channel", "no longer configured"),
    )


def test_an_address_that_nothing_understands_gives_up_with_that_reason(house: House) -> None:
    alarm = house.tell(A)

    async def scene() -> None:
        async with dispatching(house, {A: Unusable("not understood")}):
            await until(lambda: house.delivery(alarm).state == "given_up")

    asyncio.run(scene())
    assert house.delivery(alarm).answers[0][1:] == ("refused", "not understood")


def test_a_restart_in_the_middle_sends_again_with_the_same_key(house: House) -> None:
    alarm, stuck, well = house.tell(A), Stuck(), Recorder()

    async def scene() -> None:
        async with dispatching(house, {A: stuck}):
            await until(lambda: bool(stuck.got))
        async with dispatching(house, {A: well}):
            await until(lambda: house.delivery(alarm).state == "sent")

    asyncio.run(scene())
    stuck.released.set()
    assert stuck.got[0].key == well.got[0].key


def test_a_clock_that_stepped_back_delays_nothing(house: House) -> None:
    alarm, channel = house.tell(A), Recorder()

    async def scene() -> None:
        async with dispatching(house, {A: channel}, now=lambda: clock.now() - 86_400 * SECOND):
            await until(lambda: house.delivery(alarm).state == "sent")

    asyncio.run(scene())


def test_a_real_webhook_gets_everything_once_while_one_that_drips_gets_its_share(house: House) -> None:
    with webhook(503, "cut") as good, webhook(then="drip") as slow:
        addresses = {port: f"json://127.0.0.1:{port}/hook?rto=9&cto=9" for port in (good.port, slow.port)}
        channels = {address: open_channel(SecretStr(address)) for address in addresses.values()}
        for _ in range(10):
            house.tell(*channels)
        channel = fingerprint(addresses[good.port])

        async def scene() -> None:
            async with dispatching(house, channels, time_limit=5.0, first_wait=SECOND // 100):
                await until(lambda: house.reader.outbox_counts().get((channel, "sent")) == 10)

        asyncio.run(scene())
        assert good.most_busy == 1
        assert len(set(good.keys)) == 10
        assert len(good.keys) == 12


def test_other_channels_take_over_and_what_waits_for_one_that_is_gone_is_given_up(house: House) -> None:
    async def scenario() -> None:
        a, b, slow = Recorder(), Recorder(), Stuck()
        async with dispatching(house, {A: slow, "test://gone": Recorder(ChannelError("later"))}) as dispatcher:
            first = house.tell(A)
            dispatcher.wake()
            await until(lambda: bool(slow.got))
            lost, late = house.tell("test://gone"), house.tell(B)
            channels = {fingerprint(A): a, fingerprint(B): b}
            dispatcher.replace(channels, Directory(Notify(), channels))
            await until(lambda: house.delivery(late).state == "sent")
            await until(lambda: house.delivery(lost).state == "given_up")
            slow.released.set()
            await until(lambda: house.delivery(first).state == "sent")
        assert (len(slow.got), len(a.got), len(b.got)) == (1, 0, 1)

    asyncio.run(scenario())


def test_what_waits_for_an_address_that_changed_goes_to_the_new_one_once(house: House) -> None:
    alarm, both = house.tell(A), house.tell(A, B)
    new = Recorder()

    async def scene() -> None:
        async with dispatching(house, {B: new}, {"all": [B]}):
            await until(lambda: house.reader.outbox_counts().get((fingerprint(B), "sent")) == 2)

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scene())
    assert sorted(m.alarm for m in new.got) == [alarm, both]
    assert {m.key for m in new.got} == {f"{m.transition}@{fingerprint(B)}" for m in new.got}
    assert house.delivery(alarm).answers[0][1:] == ("no_channel", f"no longer configured: goes to {fingerprint(B)}")
    assert [log["event"] for log in logs] == ["notification_readdressed"] * 2
    assert house.reader.outbox_counts()[fingerprint(A), "readdressed"] == 2


def test_an_address_that_comes_back_gets_what_it_has_not_had(house: House) -> None:
    alarm, well = house.tell(A), Recorder()

    async def scene() -> None:
        async with dispatching(house, {B: Recorder(*[ChannelError("later")] * 1_000)}, {"all": [B]}) as dispatcher:
            await until(lambda: house.reader.outbox_counts().get((fingerprint(B), "pending")) == 1)
            dispatcher.replace({fingerprint(A): well}, Directory(notify(all=[A])))
            await until(lambda: house.delivery(alarm).state == "sent")

    asyncio.run(scene())
    assert [m.key for m in well.got] == [house.delivery(alarm).key]


def test_a_team_that_has_no_channel_any_more_is_given_up(house: House) -> None:
    alarm = house.tell(A)

    async def scene() -> None:
        async with dispatching(house, {B: Recorder()}, {"other": [B]}):
            await until(lambda: house.delivery(alarm).state == "given_up")

    asyncio.run(scene())
