"""A gateway for tests: publishes readings with a running number and says which of them the monitor has on disk."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from monitor.journal.entries import Message
from monitor.journal.reader import JournalReader

PAUSE_SECONDS = 0.005


class Load:
    """Publishes message after message at QoS 1, `rate` a second, until told to stop; every one reaches the broker.

    What paho's own queue refuses (it holds 65,535) is not counted as sent and comes again. After `cut` it
    may begin again at an earlier message, as a gateway does that keeps what was not confirmed. The first `acknowledged`
    messages are those that the broker has confirmed (PUBACK).
    """

    def __init__(self, port: int, make: Callable[[int], tuple[str, str]], rate: int) -> None:
        self.sent = 0
        self.acknowledged = 0
        self._port = port
        self._make = make
        self._rate = rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._last: paho.MQTTMessageInfo | None = None
        self._connect()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nothing is sent inside, not even what was not confirmed; behind it comes `sent`, which may be set."""
        with self._lock:
            self._client.loop_stop()
            self._client.disconnect()
            self._last = None
            yield
            self._connect()

    def stop(self) -> int:
        """The number of messages that were sent."""
        self._stop.set()
        self._thread.join()
        if self._last is not None:
            self._last.wait_for_publish(30)
        self._client.loop_stop()
        self._client.disconnect()
        return self.sent

    def _connect(self) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "load")
        self._client.max_inflight_messages_set(1000)
        self._client.on_publish = self._confirmed
        self.acknowledged = self.sent
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        self._begin = time.monotonic() - self.sent / self._rate

    def _confirmed(self, *_: object) -> None:
        """The broker confirms in the order of arrival."""
        self.acknowledged += 1

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            with self._lock:
                due = int((time.monotonic() - self._begin) * self._rate)
                while self.sent < due and (info := self._client.publish(*self._make(self.sent), qos=1)).rc == 0:
                    self._last = info
                    self.sent += 1


class Journalled:
    """Follows a monitor's journal: `count` messages with a `"seq"` were kept without a gap from 0 on."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._offset = 0
        self._count = 0

    def count(self) -> int:
        """So many by now."""
        with JournalReader(self._journal, self._offset) as reader:
            while entries := reader.read(1_000):
                for _, entry in entries:
                    if isinstance(entry, Message) and (found := re.search(rb'"seq": (\d+)', entry.payload)):
                        self._count += int(found[1]) == self._count
                self._offset = reader.position
        return self._count
