"""Takes notifications from the outbox to their channels, at least once and with the same key at every attempt.

Each channel has its own queue: one that hangs or fails holds up only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from monitor import clock, telemetry
from monitor.alerting.calling import Caller
from monitor.alerting.channels import Answer, Channel, ChannelError
from monitor.alerting.outbox import LONGEST_WAIT, Attempt, Outbox, Outcome, Pending, State
from monitor.alerting.policy import Directory
from rules.events import SECOND, Duration, Instant

FIRST_WAIT: Final[Duration] = SECOND
LONGEST_PAUSE: Final[Duration] = 15 * SECOND
"""A channel that fails is tried again after this at the latest, so that a safety message finds it mended."""
LONGEST_SLEEP: Final = 60.0
MOST_HANGING: Final = 8
"""Sends of one channel that never came back; with so many, it waits until one does."""
LONGEST_HANG: Final = 900.0
"""Seconds for which it waits so: then it tries once more, since nothing says that what hangs ever comes back."""

T = TypeVar("T")
_log = structlog.get_logger("andon.alerting")


class Dispatcher:
    """Runs in the line's event loop; sends in threads, so that nothing here ever waits for a channel.

    Args:
        outbox: opened for the dispatcher alone.
        channels: by fingerprint, as `open_channels` gives them.
        directory: who gets what waits for a channel that is not among them.
        random: a number from 0 to 1 for each wait, to spread attempts.
        give_up_after: age of a notification at which a failed attempt was the last one.
        time_limit: seconds after which a send counts as hanging.
        longest_hang: seconds for which too many of them hold up the next.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        directory: Directory,
        *,
        random: Callable[[], float],
        now: Callable[[], Instant] = clock.now,
        give_up_after: Duration = 86_400 * SECOND,
        time_limit: float = 30.0,
        longest_hang: float = LONGEST_HANG,
        first_wait: Duration = FIRST_WAIT,
    ) -> None:
        self._outbox = outbox
        self._queues = {name: _Queue(name, channel) for name, channel in channels.items()}
        self._directory = directory
        self._random = random
        self._now = now
        self._give_up_after = give_up_after
        self._time_limit = time_limit
        self._longest_hang = longest_hang
        self._first_wait = first_wait
        self._database = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._replaced = asyncio.Event()
        self._serving: dict[str, asyncio.Task[None]] = {}

    def replace(self, channels: Mapping[str, Channel], directory: Directory) -> None:
        """Other channels from now on: those that stay go on undisturbed, what waits for one that goes is handed on."""
        self._directory = directory
        self._queues = {name: self._queues.get(name) or _Queue(name, channel) for name, channel in channels.items()}
        self._replaced.set()

    def wake(self) -> None:
        """New notifications were committed. Call it in the event loop's thread."""
        for queue in self._queues.values():
            queue.woken.set()

    async def run(self) -> None:
        """Send for ever; cancel it to stop. What was being sent then is sent again by the next run."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._replaced.clear()
                    await self._staff(tasks)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LONGEST_SLEEP):
                            await self._replaced.wait()
        finally:
            self._database.shutdown(wait=False)

    async def _staff(self, tasks: asyncio.TaskGroup) -> None:
        """A task for every queue, and none for those that are gone."""
        queues = self._queues
        gone = [self._serving.pop(name) for name in self._serving.keys() - queues.keys()]
        for task in gone:
            task.cancel()
        if gone:
            await asyncio.wait(gone)
        await self._strand()
        for name, queue in queues.items():
            if name not in self._serving:
                self._serving[name] = tasks.create_task(self._serve(queue))

    async def _strand(self) -> None:
        """Hand on what waits for a channel that is gone; looked at again now and then, as something may come late."""
        try:
            stranded = await self._db(self._outbox.strand, self._directory, self._now())
        except SQLAlchemyError as error:
            stranded = []
            _log.error("outbox_failed", channel="none", error=type(error).__name__)
        for key, channel, heirs in stranded:
            if heirs:
                _log.warning("notification_readdressed", key=key, channel=channel, to=heirs)
                continue
            telemetry.NOTIFICATIONS.labels(State.GIVEN_UP.value).inc()
            _log.error("notification_given_up", key=key, channel=channel, why="its channel is no longer configured")
        if stranded:
            self.wake()

    async def _serve(self, queue: _Queue) -> None:
        with contextlib.closing(queue):
            await self._work_off(queue)

    async def _work_off(self, queue: _Queue) -> None:
        pending: Pending | None = None
        while True:
            queue.woken.clear()
            try:
                pending = pending or await self._db(self._outbox.next_due, queue.name, self._now())
                if pending is None:
                    await self._idle(queue)
                elif queue.crowded:
                    await queue.thin_out(self._longest_hang)
                    pending = None  # another may be more urgent by now
                else:
                    pending = await self._attempt(queue, pending)
            except SQLAlchemyError as error:
                pending = None
                _log.error("outbox_failed", channel=queue.name, error=type(error).__name__)
                await asyncio.sleep(1.0)

    async def _idle(self, queue: _Queue) -> None:
        due = await self._db(self._outbox.next_attempt, queue.name)
        wait = LONGEST_SLEEP if due is None else min(LONGEST_SLEEP, max(0.0, clock.seconds(due - self._now())))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await queue.woken.wait()

    async def _attempt(self, queue: _Queue, pending: Pending) -> Pending | None:
        """Send it; what is due next, where that is known already."""
        try:
            answer = await queue.send(pending, self._time_limit)
        except ChannelError as error:
            await self._failed(queue, pending, Outcome.REFUSED if error.permanent else Outcome.FAILED, str(error))
        except TimeoutError:
            await self._failed(queue, pending, Outcome.NO_ANSWER, f"no answer within {self._time_limit:g} s")
        except Exception as error:  # noqa: BLE001 - a channel's own mistake must not stop the others
            await self._failed(queue, pending, Outcome.FAILED, f"the channel failed with {type(error).__name__}")
        else:
            queue.failures = 0
            return await self._record(pending, Attempt(self._now(), Outcome.SENT, answer.text, State.SENT))
        return None

    async def _failed(self, queue: _Queue, pending: Pending, outcome: Outcome, answer: str) -> None:
        now = self._now()
        again = now + self._wait(pending.attempts, LONGEST_WAIT)
        last = outcome is Outcome.REFUSED or again >= pending.created + self._give_up_after
        state = State.GIVEN_UP if last else State.PENDING
        await self._record(pending, Attempt(now, outcome, answer, state, again))
        about = {
            "key": pending.key,
            "team": pending.team,
            "channel": queue.name,
            "attempt": pending.attempts + 1,
            "answer": answer,
        }
        if last:
            _log.error("notification_given_up", why="nobody was told on this channel", **about)
        else:
            _log.warning("notification_not_sent", **about)
        if outcome is not Outcome.REFUSED:
            queue.failures += 1
            await asyncio.sleep(clock.seconds(self._wait(queue.failures - 1, LONGEST_PAUSE)))

    async def _record(self, pending: Pending, attempt: Attempt) -> Pending | None:
        """Write it down; what the channel is to send next."""
        telemetry.NOTIFICATIONS.labels(attempt.outcome.value).inc()
        if attempt.state is State.GIVEN_UP:
            telemetry.NOTIFICATIONS.labels(State.GIVEN_UP.value).inc()
        return await self._db(self._outbox.record, pending.key, pending.channel, attempt)

    def _wait(self, failures: int, longest: Duration) -> Duration:
        full = min(longest, self._first_wait * 2 ** min(failures, 30))
        return int(full * (0.5 + 0.5 * self._random()))

    async def _db(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._database, function, *arguments)


class _Queue:
    """One channel: whether it was woken, how often in a row it failed, and what hangs in it."""

    def __init__(self, name: str, channel: Channel) -> None:
        self.name = name
        self.woken = asyncio.Event()
        self.failures = 0
        self._hanging: dict[asyncio.Future[Answer], None] = {}
        self._channel = channel
        self._caller: Caller | None = None

    async def send(self, pending: Pending, time_limit: float) -> Answer:
        self._caller = self._caller or Caller()
        sending = self._caller.call(self._channel.send, pending.message)
        done, _ = await asyncio.wait({sending}, timeout=time_limit)
        if not done:
            self._hanging[sending] = None
            sending.add_done_callback(self._came_back)
            self.close()
            raise TimeoutError
        return sending.result()

    @property
    def crowded(self) -> bool:
        """So many sends hang that none may begin."""
        return len(self._hanging) >= MOST_HANGING

    async def thin_out(self, longest: float) -> None:
        """Wait until one of those that hang comes back; after so many seconds the oldest counts no longer."""
        done, _ = await asyncio.wait(self._hanging, timeout=longest, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            del self._hanging[next(iter(self._hanging))]

    def close(self) -> None:
        """Let the thread end that has sent so far."""
        if self._caller is not None:
            self._caller.dismiss()
            self._caller = None

    def _came_back(self, sending: asyncio.Future[Answer]) -> None:
        self._hanging.pop(sending, None)
        if not sending.cancelled():
            sending.exception()
