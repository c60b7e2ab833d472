"""How the demo's gateways word what they send: an object per machine, or a message per signal, plain or with a stamp.

Pure: signals and a time in, topics and payloads out. `GARBAGE` is what a broken gateway sends instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from monitor.codecs.timestamps import format_iso
from monitor.demo.machines import Signals
from rules.events import Instant

Message: TypeAlias = tuple[str, bytes]
"""Topic and payload."""
Wording: TypeAlias = Callable[[str, Signals, Instant], list[Message]]
"""Asset, its signals and the time they were read, to messages."""

PREFIX: Final = "plant"


def one_object(asset: str, signals: Signals, at: Instant) -> list[Message]:
    """One message: every signal of the machine under its name, stamped in ISO 8601."""
    return [(f"{PREFIX}/{asset}", _json({"timestamp": format_iso(at), **signals}))]


def one_object_in_milliseconds(asset: str, signals: Signals, at: Instant) -> list[Message]:
    """One message, stamped with the milliseconds since 1970."""
    return [(f"{PREFIX}/{asset}", _json({"ts": at // 1_000_000, **signals}))]


def plain_values(asset: str, signals: Signals, _at: Instant) -> list[Message]:
    """A message per signal, holding the bare value and no stamp."""
    return [(f"{PREFIX}/{asset}/{name}", _json(value)) for name, value in signals.items()]


def stamped_values(asset: str, signals: Signals, at: Instant) -> list[Message]:
    """A message per signal: value, stamp and quality."""
    stamp = format_iso(at)
    return [
        (f"{PREFIX}/{asset}/{name}", _json({"value": value, "timestamp": stamp, "quality": "good"}))
        for name, value in signals.items()
    ]


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


GARBAGE: Final[tuple[Message, ...]] = (
    (f"{PREFIX}/demo/mill", b"<html>502 Bad Gateway</html>"),
    (f"{PREFIX}/demo/mill", b'{"spindle_temperature": 48.'),
    (f"{PREFIX}/demo/oven", b"[" * 5000 + b"]" * 5000),
    (f"{PREFIX}/demo/oven", b""),
    (f"{PREFIX}/demo/filler/fill_weight", b"NaN"),
    (f"{PREFIX}/demo/filler/fill_weight", b'"five hundred"'),
    (f"{PREFIX}/demo/filler/nozzle_pressure", b"\xff\xfe\x80\x00"),
    (f"{PREFIX}/demo/pump/vibration", b'{"value": 1.4, "timestamp": "yesterday"}'),
    (f"{PREFIX}/demo/pump/", b"1"),
)
"""Not JSON, cut off, far too deep, empty, not a number, text for a number, not UTF-8, no time, no signal's topic."""
