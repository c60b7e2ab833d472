"""Collector and journal as a process of their own, to be killed by tests: `python -m ... URL DIRECTORY PROTOCOL`."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monitor import clock
from monitor.collectors.acks import REDELIVERY_WINDOW
from monitor.collectors.mqtt import Collector
from monitor.journal import JournalWriter
from monitor.journal.entries import Message
from monitor.settings import Broker


async def run(url: str, directory: Path, protocol: str) -> None:
    """Journal everything until killed; prints `up` when the link is."""
    broker = Broker.model_validate({"url": url, "client_id": "andon-crash", "protocol": protocol})
    writer = JournalWriter(directory, segment_bytes=200_000)
    thread = ThreadPoolExecutor(max_workers=1)

    async def commit(messages: list[Message]) -> None:
        await asyncio.get_running_loop().run_in_executor(thread, writer.append, messages)

    await Collector(
        broker,
        "main",
        ["plant/#"],
        stamper=clock.Stamper(writer.last_received),
        commit=commit,
        on_link=lambda up: print("up" if up else "down", flush=True),
        known=writer.tail("main", REDELIVERY_WINDOW),
    ).run()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
