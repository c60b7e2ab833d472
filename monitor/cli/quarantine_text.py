"""How quarantine is shown: tables and payloads as text that no terminal can be misled by, or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from monitor.alerting.messages import moment
from monitor.codecs.timestamps import format_iso
from monitor.sizes import format_size

if TYPE_CHECKING:
    from monitor.database.quarantined import Group
    from monitor.quarantine import Item
    from monitor.settings import Settings

HEAD: Final = ("gateway", "reason", "kept", "size", "refused", "read", "expired", "dropped")
NOBODY: Final = "(none)"
"""The gateway of what no gateway claims."""


def safe(text: str) -> str:
    """The text with everything escaped that is not printed as one sign."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def topic(name: bytes) -> str:
    """A topic as text; bytes that are no UTF-8 stay visible."""
    return safe(name.decode(errors="backslashreplace"))


def overview(groups: Sequence[Group], items: Sequence[Item], found: int, settings: Settings) -> str:
    """A table of groups, then the items."""
    if not groups:
        return "quarantine is empty, and always was"
    lines = list(_table(groups))
    if items:
        lines += ["", f"the newest {len(items)} of {found}:" if found > len(items) else f"{found}:"]
        lines += [line for item in items for line in _listed(item, ZoneInfo(settings.timezone))]
    return "\n".join(lines)


def _table(groups: Sequence[Group]) -> Iterator[str]:
    rows = [HEAD, *(_cells(group) for group in groups)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        names = (cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True))
        figures = (cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True))
        yield "  ".join((*names, *figures))


def _cells(group: Group) -> tuple[str, ...]:
    figures = (f"{n:,}" for n in (group.refused, group.read, group.expired, group.dropped))
    return (safe(group.gateway) or NOBODY, safe(group.reason), f"{group.kept:,}", format_size(group.size), *figures)


def _listed(item: Item, zone: ZoneInfo) -> Iterator[str]:
    about = f"{item.gateway or NOBODY}  {item.reason}  {topic(item.topic)}  ({item.size:,} bytes)"
    yield f"{item.id}  {moment(item.received, zone)}  {about}"
    yield f"    {safe(item.detail)}"


def one(item: Item, payload: bytes, settings: Settings) -> str:
    """Everything about one, the payload as text if it is text, else as bytes."""
    zone = ZoneInfo(settings.timezone)
    facts = {
        "id": item.id,
        "received": f"{moment(item.received, zone)} ({format_iso(item.received)})",
        "gateway": item.gateway or NOBODY,
        "broker": safe(item.broker),
        "topic": topic(item.topic),
        "asset": safe(item.asset),
        "metric": safe(item.metric),
        "reason": item.reason,
        "detail": safe(item.detail),
        "payload": f"{item.size:,} bytes" + (f", the first {len(payload):,} shown" if len(payload) < item.size else ""),
    }
    lines = [f"{name + ':':<10}{value}" for name, value in facts.items() if value]
    return "\n".join([*lines, *_payload(payload)])


def _payload(payload: bytes) -> Iterator[str]:
    text = _text(payload)
    if text is not None:
        yield f"    {text}"
        return
    for start in range(0, len(payload), 16):
        row = payload[start : start + 16]
        signs = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"    {start:08x}  {row.hex(' '):<47}  {signs}"


def _text(payload: bytes) -> str | None:
    """The payload as escaped text; None if it is none (cut in the middle of a character it still is)."""
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        if error.end < len(payload) - 3 or error.reason != "unexpected end of data":
            return None
        text = payload[: error.start].decode()
    return None if "\0" in text else safe(text)


def as_json(groups: Sequence[Group], items: Sequence[Item]) -> str:
    """Both lists, for programs."""
    return _json({"groups": [msgspec.structs.asdict(group) for group in groups], "items": [_row(i) for i in items]})


def one_as_json(item: Item, payload: bytes) -> str:
    """One with its payload: `hex` always, `text` if it is UTF-8."""
    try:
        text: str | None = payload.decode()
    except UnicodeDecodeError:
        text = None
    return _json({**_row(item), "payload": {"hex": payload.hex(), "text": text}})


def _row(item: Item) -> dict[str, Any]:
    times = {"received": format_iso(item.received), "at": None if item.at is None else format_iso(item.at)}
    return {**msgspec.structs.asdict(item), "topic": item.topic.decode(errors="backslashreplace"), **times}


def _json(content: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(content)).decode()


def fed(outcome: dict[str, int]) -> str:
    """What came of another try."""
    others = [f"{count:,} {safe(reason)}" for reason, count in sorted(outcome.items()) if reason != "read" and count]
    again = f"; refused again: {', '.join(others)}" if others else ""
    return f"{outcome.get('read', 0):,} read{again}"
