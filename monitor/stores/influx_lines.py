"""Readings to InfluxDB's line protocol, and names back: measurement `telemetry`, tags asset and metric, times in ns.

Fields: `value` (always float), `text` (string), `quality` (integer, on every point), `late` (true, or not there). What
line protocol cannot carry in a name, or a server refuses there (control characters, a backslash before what it would
escape), goes as `%0A`; a `%` that could be mistaken for that goes as `%25`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from monitor.stores.base import Point
from rules.events import Instant

MEASUREMENT: Final = "telemetry"
MOST_SERIES: Final = 100_000
"""So many beginnings of lines are remembered."""

Key: TypeAlias = "tuple[str, str, Instant]"
"""Asset, metric and time: one point each."""

_TAG: Final = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_TEXT: Final = str.maketrans({'"': r"\"", "\\": r"\\"})
_UNSAFE: Final = re.compile(r"\\(?=[,= \\]|\Z)|\ufffd|%(?=[0-9A-F]{2})")
_PERCENT: Final = re.compile(r"(?:%[0-9A-F]{2})+")


class LineEncoder:
    """Makes lines; remembers how those of a series begin."""

    def __init__(self) -> None:
        self._heads: dict[tuple[str, str], str] = {}

    def lines(self, points: Iterable[Point]) -> dict[Key, str]:
        """A line for each key, in order of first arrival; of several points with one key the last."""
        heads, lines = self._heads, {}
        for point in points:
            asset, metric, at, value, text, quality = (
                point.asset, point.metric, point.at, point.value, point.text, point.quality,
            )  # fmt: skip
            head = heads.get((asset, metric)) or self._head(asset, metric)
            fields = f"late=true,quality={quality}i" if point.late else f"quality={quality}i"
            if text is not None:
                fields += f",text={quoted(text)}"
            if value is not None:
                fields += f",value={repr(value).removesuffix('.0')}"
            lines[asset, metric, at] = f"{head}{fields} {at}"
        return lines

    def _head(self, asset: str, metric: str) -> str:
        if len(self._heads) >= MOST_SERIES:
            self._heads.clear()
        tags = (("asset", carried(asset)), ("metric", carried(metric)))
        head = MEASUREMENT + "".join(f",{key}={tag(name)}" for key, name in tags if name) + " "
        self._heads[asset, metric] = head
        return head


def tag(name: str) -> str:
    """A carried name as a tag's value."""
    return name.translate(_TAG)


def quoted(text: str) -> str:
    """A text as a field."""
    return f'"{text.translate(_TEXT)}"'


def carried(name: str) -> str:
    """The name as a tag can carry it; `named` takes it back."""
    name = _UNSAFE.sub(lambda found: _percent(found[0]), name)
    return name if name.isprintable() else "".join(c if c.isprintable() else _percent(c) for c in name)


def named(tag: str | None) -> str:
    """The name that was carried; a tag that is not there is the empty name."""
    return _PERCENT.sub(_character, tag) if tag else ""


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogatepass"))


def _character(found: re.Match[str]) -> str:
    try:
        return bytes.fromhex(found[0].replace("%", "")).decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return found[0]
