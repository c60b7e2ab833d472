"""Calls of a channel outside the event loop, one after another in a thread of their own.

The thread does not keep the program alive, as one of a pool would: a call may never come back.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Call: TypeAlias = "tuple[asyncio.Future[Any], Callable[..., Any], tuple[Any, ...]]"


class Caller:
    """A thread that makes calls for one event loop, until it is dismissed."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        threading.Thread(target=self._work, name="channel", daemon=True).start()

    def call(self, function: Callable[..., T], *arguments: Any) -> asyncio.Future[T]:
        """Call it as soon as the calls before have come back."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.put((future, function, arguments))
        return future

    def dismiss(self) -> None:
        """End the thread once everything that was asked for has come back."""
        self._calls.put(None)

    def _work(self) -> None:
        while (wanted := self._calls.get()) is not None:
            future, function, arguments = wanted
            try:
                result = function(*arguments)
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                self._tell(future, future.set_exception, error)
            else:
                self._tell(future, future.set_result, result)

    def _tell(self, future: asyncio.Future[Any], method: Callable[[Any], None], value: Any) -> None:
        def settle() -> None:
            if not future.done():
                method(value)

        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(settle)
