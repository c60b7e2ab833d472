"""Writes the pages that are drawn from the code: run `make docs` after changing a table they come from."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from prometheus_client import Counter, Gauge
from pydantic import BaseModel

from monitor import telemetry
from monitor.packs import all_packs
from rules.alarms import JOURNALLED, LIFE_CYCLE, SUPPRESSIONS, Act, State
from rules.commands import NOTHING_TO_DO
from rules.detectors import CONFIGS
from rules.durations import format_duration
from rules.rule import Rule
from rules.ruleset import load_rules

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


RULES_HEAD: Final = """\
# Rule reference

Drawn from the models in `rules/` by `make docs`: change their fields and docstrings, not this page. Durations are
written `500ms`, `60s`, `5m`, `8h`, `30d`; expressions as text, such as `"temperature > 80 and mode == 3"`. What is not
required has the default given, or is simply absent.

## Expressions

Numbers, times as their seconds (`runtime > 2h`), `'text'`, `true`, `false` and `pi`; signals by name, in backquotes
where that is no plain word; `and`, `or`, `not`, comparisons (also chained: `1 < x < 5`), `+ - * / // % **`,
`x if c else y`; `abs`, `min`, `max`, `round`, `sqrt`, `exp`, `log`.

What is not known is neither true nor false. A signal is unknown before its first reading, and while its quality is bad
(uncertain counts as good, except in `detect` of a safety rule); so is what has no finite real result, such as a
division by 0. `and` is false as soon as one side is, `or` true as soon as one side is; otherwise unknown stays unknown.
What follows:

| where | while it is unknown |
|---|---|
| `detect`, `on_bad_quality: hold` | the alarm stays as it was, and what waits for a delay goes on waiting |
| `detect`, `on_bad_quality: alarm` (safety rules) | an alarm of level `bad_quality`; not for what was never read |
| `detect`, `on_bad_quality: ignore` | bad values count as delivered; unknown is what was never read |
| `when` | the rule stays armed or not, as it was known last; one never known is not armed, a safety rule is armed |
| `suppress_when` | nothing is suppressed |

Where `assets.yaml` tells the types, what can never work is refused: a text compared with a number, `mean` of a text.

A condition may look back on a signal, wherever it stands in a rule:

| function | gives |
|---|---|
| `mean(x, 5m)`, `min(x, 5m)`, `max(x, 5m)` | of the good readings of the last 5 minutes; unknown if there was none |
| `rate(x, 5m)` | change per second by least squares; unknown until the readings span half of the time |
| `count(x, 5m)` | how many good readings |
| `changed(x, 5m)` | whether the value was another one; unknown before the first |
| `age(x)` | seconds since the last reading, good or bad; unknown before the first |

Until the whole time was looked through, `count` and `max` are at least, `min` is at most what was seen, and `changed`
is true or unknown: `max(flow, 5m) > 90` is true with the first 95, `count(part, 10m) < 3` unknown for ten minutes.
While a reading is bad, `count` and `changed` are unknown; after it, or after a break of our own link to the broker, the
time begins anew. Bounds go through `+ - * /` by a number, `abs`, `min` and `max`; whatever else is made of them is
unknown, while `mean` and `rate` go by what there is.

A reading leaves a window up to a sixtieth of its length late. `age` stands by itself on one side of `<`, `<=`, `>` or
`>=`: the instant at which it reaches the other side is exact, and from that instant on it exceeds it. It does not grow
while our own link to the broker is down. In `detect` looking back begins when the rule is armed (with the value that
holds then), without `when` at the first reading of its signals; in `when` and `suppress_when` at the first reading of a
signal named there. So `age(x) > 600` is true 600 seconds after arming at the soonest, however old the last reading was.

## A rule
"""


def rule_reference() -> str:
    """Every key of a rule, and of every detector."""
    keys = _lines(*_table(("key", "is", "default"), _keys(Rule)))
    parts = [RULES_HEAD, keys, "## Detectors\n", "`detect: {type: ...}` says what a rule looks for.\n"]
    for name, config in CONFIGS.items():
        parts += [f"### {name}\n", f"{_plain(inspect.getmodule(config))}\n", f"{_plain(config)}\n"]
        parts.append(_lines(*_table(("key", "is", "default"), _keys(config))))
    return "\n".join(parts)


def _plain(thing: object) -> str:
    return inspect.getdoc(thing) or ""


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    fields = model.model_json_schema(by_alias=True, mode="validation")
    definitions, required = fields.get("$defs", {}), set(fields.get("required", ()))
    for name, schema in fields["properties"].items():
        if name != "type":
            default = "required" if name in required else _default(schema)
            yield f"`{name}`", _kind(schema, definitions).replace("|", "\\|"), default


def _default(schema: dict[str, Any]) -> str:
    value = schema.get("default")
    if value is None or value in ("", [], {}):
        return ""
    if type(value) is int and schema.get("type") == "string":
        return f"`{format_duration(value)}`"
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        kinds = (_kind(s, definitions) for s in schema["anyOf"] if s.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    return _named(schema, definitions)


def _named(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    examples = schema.get("examples", ())
    if examples:
        return "like " + " or ".join(f"`{example}`" for example in examples[:2])
    kind = schema.get("type", "see the text")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}), definitions)}"
    if kind == "object" and schema.get("properties"):
        return f"{{{', '.join(schema['properties'])}}}"
    words = {"string": "text", "boolean": "true or false", "integer": "whole number", "object": "key: value pairs"}
    return words.get(kind, str(kind))


METRICS_HEAD: Final = """\
# Metrics

Drawn from `monitor/telemetry.py` by `make docs`. `GET /metrics` of the web process shows those of all processes (line,
store, web) in the format of Prometheus: counters go on counting when a process is restarted and begin at 0 with the
monitor; gauges of a process that is gone disappear. What is measured from outside (lag, disk, outbox, quarantine) is
measured when you ask, at most once a second.

The way of a reading, hop by hop: received, journalled, acknowledged, decoded or quarantined, evaluated, raised
(`andon_transitions_total{event="raised"}`), stored, notified.
"""
METRICS_END: Final = """\
Worth an alert of your own: `andon_hop_status == 2` for a minute; `andon_reader_lag_seconds{reader="decide"} > 5`;
`andon_oldest_unstored_seconds > 300`; `andon_outbox_oldest_seconds > 60`; `andon_disk_free_bytes < 2e9`; any increase
of `andon_quarantine_dropped_total`, or of `andon_notifications_total{outcome="given_up"}`.
"""


def metrics() -> str:
    """Every metric, in the order of the hops."""
    found = (thing for thing in vars(telemetry).values() if isinstance(thing, (Counter, Gauge)))
    rows = ((*_metric(metric),) for metric in found)
    return "\n".join((METRICS_HEAD, _lines(*_table(("metric", "kind", "labels", "says"), rows)), METRICS_END))


def _metric(metric: Counter | Gauge) -> Iterator[str]:
    (family,) = metric.describe()
    yield f"`{family.name}{'_total' if family.type == 'counter' else ''}`"
    yield family.type
    yield ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - it has no public name
    yield family.documentation


PACKS_HEAD: Final = """\
# Packs

Drawn from `rules/packs/` by `make docs`: change the packs, not this page.

`andon init plant --pack pump --pack guards` begins a site with ready-made rules: for each pack `rules/NAME.yaml`, its
machine type with an example in `assets.yaml`, and `scenarios/NAME.yaml`, with which `andon test --site plant` proves
that each rule comes and goes and that a normal run brings no alarm. The files are then yours: rename the example to
your machine, `bind` the signals to the gateway's names, and set the limits. `andon init --list-packs` lists them.

Where a limit is called a starting value, no standard gives one: it is set by commissioning. Numbers that come from a
standard or a law name it; they are facts in our own words and do not replace the text.
"""


def packs() -> str:
    """Every rule of every pack, with where its limits come from."""
    parts = [PACKS_HEAD]
    for pack in all_packs().values():
        loaded = load_rules({"rules.yaml": pack.text("rules.yaml")}, ("assets.yaml", pack.text("assets.yaml")))
        assert loaded.ruleset is not None, loaded.problems
        rows = ((f"`{r.id}`", r.title, f"`{_type(r)}`", _cell(r.labels["source"])) for r in loaded.ruleset.rules)
        parts += [f"## {pack.name}\n", f"{pack.kind.capitalize()}. {pack.about}.\n"]
        parts.append(_lines(*_table(("rule", "alarm", "detector", "source of its limits"), rows)))
    return "\n".join(parts)


def _type(rule: Rule) -> str:
    return str(getattr(rule.detect, "type", ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


PAGES: Final[dict[str, Callable[[], str]]] = {
    "alarm-states.md": alarm_states,
    "rules.md": rule_reference,
    "metrics.md": metrics,
    "packs.md": packs,
}
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
