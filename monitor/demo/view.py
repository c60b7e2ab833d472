"""Shows a demonstration: alarms as they come and go, what is active below them on a terminal, a summary at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from monitor.codecs.timestamps import format_iso
from monitor.demo.figures import Figures
from monitor.demo.tally import Shown, Tally, said
from rules.alarms import Kind, Priority, Transition
from rules.events import SECOND, Instant

COLOURS: Final[Mapping[Priority, str]] = {
    Priority.CRITICAL: "bold red",
    Priority.HIGH: "red",
    Priority.MEDIUM: "yellow",
    Priority.LOW: "cyan",
}
CALM: Final = "green"
MOST_ACTIVE: Final = 8
"""Alarms listed below the lines; the rest is counted."""


class View:
    """Lines on standard output; on a terminal also a table of what is active. Use it as a context manager."""

    def __init__(self, console: Console, name_of: Callable[[str], str]) -> None:
        self._console = console
        self._name_of = name_of
        self.tally: Final = Tally()
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> View:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop()

    def say(self, text: str) -> None:
        """A line of our own."""
        self._print(Text(text))

    def show(self, transition: Transition) -> None:
        """One transition: its line, and the table brought up to date."""
        self.tally.add(transition)
        self._print(self._line(transition))
        if self._live:
            self._live.update(self._active(), refresh=True)

    def summarise(self, figures: Figures) -> None:
        """Everything that was seen and counted; what is active is not shown any more."""
        self._stop()
        self.say("")
        if self.tally.alarms:
            self._console.print(self._durations())
            self.say("")
        for line in _counted(figures, self.tally):
            self.say(line)

    def _stop(self) -> None:
        if self._live:
            self._live.stop()

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True, highlight=False)

    def _line(self, transition: Transition) -> Text:
        colour = CALM if transition.event == "cleared" else COLOURS[transition.priority]
        return Text.assemble(
            f"{_time(transition.at)}  ",
            (f"{transition.event.upper().replace('_', ' '):<16}", colour),
            f"  {transition.kind:<9}  {transition.priority:<8}  ",
            (f"{self._name_of(transition.asset)}: {transition.title}", "bold"),
            f"  {said(transition)}",
        )

    def _active(self) -> RenderableType:
        active = self.tally.active
        table = Table(title=f"Active now: {len(active)}", title_justify="left", box=None, pad_edge=False)
        for heading in ("since", "kind", "priority", "machine", "alarm"):
            table.add_column(heading, no_wrap=True)
        for alarm in active[:MOST_ACTIVE]:
            table.add_row(*self._cells(alarm), alarm.title, style=COLOURS[alarm.priority])
        return table

    def _durations(self) -> Table:
        table = Table(title="Alarms", title_justify="left", box=None, pad_edge=False)
        for heading in ("raised", "kind", "priority", "machine", "alarm", "lasted"):
            table.add_column(heading, no_wrap=True, justify="right" if heading == "lasted" else "left")
        for alarm in self.tally.alarms.values():
            lasted = "still active" if alarm.lasted is None else f"{alarm.lasted / SECOND:.1f} s"
            table.add_row(*self._cells(alarm), alarm.title, lasted)
        return table

    def _cells(self, alarm: Shown) -> tuple[str, ...]:
        return _time(alarm.raised), alarm.kind.value, alarm.priority.value, self._name_of(alarm.asset)


def _time(at: Instant) -> str:
    """Time of day in UTC, to the tenth of a second."""
    return f"{format_iso(at - at % SECOND)[11:19]}.{at % SECOND * 10 // SECOND}"


def _counted(figures: Figures, tally: Tally) -> list[str]:
    """The summary in words, a line each."""
    seconds = max(1e-9, figures.watched / SECOND)
    lines = []
    if figures.readings is not None and figures.messages is not None:
        rate = figures.readings / seconds
        lines.append(
            f"{figures.readings} readings in {figures.messages} messages over {seconds:.0f} s: {rate:.0f} readings/s"
        )
    lines += [
        f"{kind}: {tally.events[kind, 'raised']} raised, {tally.events[kind, 'cleared']} cleared"
        for kind in Kind
        if tally.events[kind, "raised"] or kind is not Kind.SYSTEM
    ]
    lines.append(f"quarantined: {_listed(figures.quarantined)}")
    lines.append(f"notifications: {_listed(figures.notifications)}")
    return lines


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
