"""Every event of the log has a stable name, and the documentation knows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.telemetry import SECRET_KEYS

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "monitor").rglob("*.py"))
METHODS = {"debug": 0, "info": 0, "warning": 0, "error": 0, "exception": 0, "critical": 0, "log": 1}
"""Methods of a logger, and where the name of the event stands among their arguments."""
ROW = re.compile(r"^\| `([^`]+)` \|([^|]*)\|[^|]+\|$", re.MULTILINE)


class Call(NamedTuple):
    """A log call: its place, the events that it may be and its fields."""

    where: str
    events: tuple[object, ...]
    fields: tuple[str, ...]


def calls() -> Iterator[Call]:
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and is_log(node.func):
                event = node.args[METHODS[node.func.attr]]
                fields = tuple(keyword.arg for keyword in node.keywords if keyword.arg not in (None, "exc_info"))
                yield Call(f"{source.relative_to(ROOT)}:{node.lineno}", tuple(constants(event)), fields)


def is_log(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in METHODS:
        return False
    return ast.unparse(function.value).rpartition(".")[2] in {"log", "_log"}


def constants(event: ast.expr) -> Iterator[object]:
    if isinstance(event, ast.IfExp):
        yield from constants(event.body)
        yield from constants(event.orelse)
    else:
        yield event.value if isinstance(event, ast.Constant) else ast.unparse(event)


CALLS = list(calls())
DOCUMENTED = {
    name: {field.strip() for field in fields.split(",") if field.strip()}
    for name, fields in ROW.findall((ROOT / "docs" / "logs.md").read_text(encoding="utf-8"))
}


def test_there_are_calls_to_look_at() -> None:
    assert len(CALLS) > 20


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_an_event_is_a_name_and_not_a_sentence(call: Call) -> None:
    wrong = [event for event in call.events if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", str(event))]
    assert not wrong, f"{call.where}: write log.info('something_happened', field=...)"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_an_event_and_its_fields_are_documented(call: Call) -> None:
    for event in call.events:
        assert event in DOCUMENTED, f"{call.where}: add `{event}` to docs/logs.md"
        assert set(call.fields) <= DOCUMENTED[event], f"{call.where}: name all fields of `{event}` in docs/logs.md"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.where)
def test_no_field_is_named_like_a_secret(call: Call) -> None:
    assert not [field for field in call.fields if SECRET_KEYS.search(field)]


def test_what_is_documented_happens() -> None:
    happens = {event for call in CALLS for event in call.events}
    assert sorted(set(DOCUMENTED) - happens) == []


def test_events_stand_in_order() -> None:
    assert list(DOCUMENTED) == sorted(DOCUMENTED)
