"""Export of a store as tidy CSV, which `monitor.collectors.files` reads back without loss."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from monitor.codecs.timestamps import format_iso
from monitor.errors import AndonError
from monitor.stores.base import Point, Store
from rules.events import Instant, Quality

HEADER: Final = "timestamp,asset,metric,value,quality\n"
WORDS: Final = tuple(quality.name.lower() for quality in Quality)
ENDINGS: Final = (".csv", ".csv.gz")

_SPECIAL: Final = re.compile(r'[",\r\n]')


class ExportError(AndonError):
    """The file cannot be written; the message says why."""


def export(
    store: Store,
    out: Path,
    *,
    asset: str | None = None,
    metric: str | None = None,
    start: Instant | None = None,
    end: Instant | None = None,
) -> int:
    """Write the points with start <= at < end to a `.csv` or `.csv.gz`, by time, asset, arrival; returns how many.

    The file appears under its name when it is whole, in place of an earlier one.

    Raises:
        ExportError: another ending, or the file cannot be written.
        StoreError: the store fails.
    """
    rows = 0
    with _whole_file(out) as file:
        file.write(HEADER)
        for point in store.read(asset, metric, start, end):
            file.write(_row(point))
            rows += 1
    return rows


@contextmanager
def _whole_file(out: Path) -> Iterator[IO[str]]:
    if not out.name.endswith(ENDINGS):
        raise ExportError(f"{out}: the ending says no format to write; use {' or '.join(ENDINGS)}")
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    opener = gzip.open if out.suffix == ".gz" else open
    try:
        with opener(part, "wt", encoding="utf-8", newline="") as file:
            yield file
        part.replace(out)
    except OSError as problem:
        raise ExportError(f"{out}: cannot be written: {problem.strerror or problem}") from problem
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _row(point: Point) -> str:
    asset, metric = _name(point.asset), _name(point.metric)
    return f"{format_iso(point.at)},{asset},{metric},{_value(point)},{WORDS[point.quality]}\n"


def _name(name: str) -> str:
    return _quoted(name) if _SPECIAL.search(name) else name


def _value(point: Point) -> str:
    """Only texts are quoted: so `"12"` stays a text, and `""` is an empty one where nothing means no value."""
    if point.value is None:
        return "" if point.text is None else _quoted(point.text)
    return repr(point.value) if point.text is None else point.text


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
