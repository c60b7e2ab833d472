"""Writes the pages that are drawn from the code: run `make docs` after changing a table they come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from rules.alarms import JOURNALLED, LIFE_CYCLE, SUPPRESSIONS, Act, State
from rules.commands import NOTHING_TO_DO

DOCS: Final = Path(__file__).parent
UNDERNEATH: Final = tuple(state for state in State if state not in SUPPRESSIONS)


HEAD: Final = """\
# The states of an alarm

Drawn from the tables in `rules/alarms.py` by `make docs`: change the tables, not this page. The letters are those of
ISA-18.2-2016 and IEC 62682.
"""


def alarm_states() -> str:
    """The ISA-18.2 life cycle as a Mermaid diagram, a table of cells and the events that each act leaves behind."""
    suppressions = ((_title(state), *acts) for state, acts in SUPPRESSIONS.items())
    events = ((act, ", ".join(f"`{event}`" for event in left)) for act, left in JOURNALLED.items())
    refused = ((act, _title(state), why) for act, states in NOTHING_TO_DO.items() for state, why in states.items())
    parts = (
        HEAD,
        _lines("```mermaid", *_diagram(), "```"),
        "## What follows\n",
        "An empty cell is refused with a reason. A suppression lies over these states and hides them until it ends.\n",
        _lines(*_cells()),
        "## Refused\n\nThe answer where a cell is empty. What is suppressed is neither acknowledged nor reset.\n",
        _lines(*_table(("command", "state", "answer"), refused)),
        "## Suppression\n\nWhere several hold, the first of these is shown.\n",
        _lines(*_table(("state", "begins with", "ends with"), suppressions)),
        "## Events\n\nEach act is stored as transitions with these events, in this order.\n",
        _lines(*_table(("act", "events"), events)),
    )
    return "\n".join(parts)


PAGES: Final[dict[str, Callable[[], str]]] = {"alarm-states.md": alarm_states}
"""Every generated page and what draws it."""


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def _title(state: State) -> str:
    return f"{state} {state.words}"


def _diagram() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield from (f'    state "{_title(state)}" as {state}' for state in SUPPRESSIONS)
    yield '    state "underneath any suppression" as underneath {'
    yield from (f'        state "{_title(state)}" as {state}' for state in UNDERNEATH)
    yield f"        [*] --> {State.NORMAL}"
    yield from (f"        {before} --> {then}: {' / '.join(acts)}" for (before, then), acts in _arrows().items())
    yield "    }"
    for state, (begin, end) in SUPPRESSIONS.items():
        yield f"    underneath --> {state}: {begin}"
        yield f"    {state} --> underneath: {end}"


def _arrows() -> dict[tuple[State, State], list[Act]]:
    arrows: dict[tuple[State, State], list[Act]] = {}
    for (before, act), then in LIFE_CYCLE.items():
        arrows.setdefault((before, then), []).append(act)
    return arrows


def _cells() -> Iterator[str]:
    acts = [act for act in Act if any(act == used for _, used in LIFE_CYCLE)]
    rows = ((_title(state), *(LIFE_CYCLE.get((state, act), "") for act in acts)) for state in UNDERNEATH)
    return _table(("state", *acts), rows)


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (header, ("---",) * len(header), *rows):
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Write every generated page beside this file."""
    for name, draw in PAGES.items():
        (DOCS / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
