"""Runs the demonstration: broker, plant and a real monitor in a temporary directory, of which nothing stays."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

from rich.console import Console

from monitor import clock
from monitor.collectors.embedded import HOST, embedded_broker
from monitor.database.queries import AlarmReader
from monitor.demo.figures import figures
from monitor.demo.plant import demo_plant
from monitor.demo.publisher import publish_plant, together
from monitor.demo.stage import Monitor, demo_assets, free_web_port, pause, running_monitor, until_watching, write_site
from monitor.demo.view import View
from monitor.errors import AndonError
from monitor.transitions_file import to_json_line
from rules.durations import format_duration
from rules.events import SECOND, Duration

UNATTENDED: Final[Duration] = 120 * SECOND
"""How long it runs where nobody could end it and no time was given."""
PLAIN_WIDTH: Final = 160
"""Columns of tables where no terminal says how many it has."""
REFRESH: Final[Duration] = SECOND // 5
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_demo(duration: Duration | None, port: int, out: Path | None, seed: int = 1) -> int:
    """Show alarms come and go until `duration` is over or somebody ends it; the exit status.

    `duration` None: until Ctrl-C on a terminal, otherwise two minutes. `port` is the web's; if it is taken, another one
    is, and is named. `out` gets every transition as a JSON line, as it comes.

    Raises:
        AndonError: broker or monitor do not start, or end by themselves; or `out` cannot be written.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
        duration = UNATTENDED if duration is None else duration
    with _transitions_file(out) as lines:
        return asyncio.run(_demonstrate(console, duration, port, lines, seed))


async def _demonstrate(console: Console, duration: Duration | None, port: int, lines: IO[str] | None, seed: int) -> int:
    stop = _stop_at(duration)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="andon-demo-", ignore_cleanup_errors=True)))
        view = stack.enter_context(View(console, demo_assets().display_name))
        broker = await stack.enter_async_context(embedded_broker(directory / "broker"))
        web_port = free_web_port(port)
        _greet(view, f"{broker.kind} at {broker.url}", web_port, port, duration)
        site = directory / "site"
        write_site(site, broker, web_port)
        async with running_monitor(site, directory / "monitor.log", web_port) as monitor:
            if not await until_watching(monitor, stop):
                view.say("Ended before the monitor was ready.")
                return 0
            view.say("The monitor watches; the plant runs.")
            started = clock.elapsed()
            follower = Follower(AlarmReader(monitor.alarms), view, lines)
            stack.callback(follower.close)
            await together(stop, follower.run(monitor, stop), publish_plant(demo_plant(seed), broker, stop))
            counted = await figures(f"{monitor.web}/metrics", follower.reader, clock.elapsed() - started)
        await follower.catch_up()
        view.summarise(counted)
    return 0


class Follower:
    """Carries transitions from the alarm database to the view and the file, in the order of their commit."""

    def __init__(self, reader: AlarmReader, view: View, lines: IO[str] | None) -> None:
        self.reader: Final = reader
        self._view = view
        self._lines = lines
        self._seen = 0

    def close(self) -> None:
        """Let go of the alarm database."""
        self.reader.close()

    async def run(self, monitor: Monitor, stop: asyncio.Event) -> None:
        """Follow until `stop`.

        Raises:
            MonitorEndedError: the monitor has ended by itself.
        """
        while not stop.is_set():
            if monitor.ended:
                raise monitor.failed("ended by itself")
            await self.catch_up()
            await pause(REFRESH, stop)

    async def catch_up(self) -> None:
        """Show what was committed since the last time."""
        while rows := await asyncio.to_thread(self.reader.transitions_after, self._seen):
            for self._seen, transition in rows:
                self._view.show(transition)
                if self._lines:
                    self._lines.write(to_json_line(transition) + "\n")


def _stop_at(duration: Duration | None) -> asyncio.Event:
    """Set when the time is over or we are asked to end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, stop.set)
    if duration is not None:
        loop.call_later(clock.seconds(duration), stop.set)
    return stop


@contextmanager
def _transitions_file(out: Path | None) -> Iterator[IO[str] | None]:
    if out is None:
        yield None
        return
    try:
        lines = out.open("w", encoding="utf-8", newline="\n", buffering=1)
    except OSError as error:
        raise AndonError(f"{out}: cannot be written ({error.strerror}); name another file with --out") from None
    with lines:
        yield lines


def _greet(view: View, broker: str, web_port: int, wanted: int, duration: Duration | None) -> None:
    if web_port != wanted != 0:
        view.say(f"Port {wanted} is taken; the web pages are on port {web_port}.")
    ends = "Ctrl-C ends it" if duration is None else f"It ends after {format_duration(duration)}"
    view.say(f"A line of four machines, {broker}; state of health at http://{HOST}:{web_port}/health. {ends}.")
