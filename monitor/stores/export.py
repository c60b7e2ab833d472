"""Export of a store: tidy CSV, which `monitor.collectors.files` reads back without loss, or Parquet."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from monitor.codecs.timestamps import format_iso
from monitor.errors import AndonError
from monitor.stores.base import Point, Store
from monitor.stores.parquet import WORDS, MissingPartError, write_parquet
from rules.events import Instant

HEADER: Final = "timestamp,asset,metric,value,quality\n"
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
    """Write the points with start <= at < end by time, asset, arrival, as the ending says; returns how many.

    The endings are `.csv`, `.csv.gz` and `.parquet`. The file appears under its name when it is whole, in place of an
    earlier one.

    Raises:
        ExportError: another ending, the file cannot be written, or Parquet without pyarrow.
        StoreError: the store fails.
    """
    write = next((writer for ending, writer in WRITERS.items() if out.name.endswith(ending)), None)
    if write is None:
        raise ExportError(f"{out}: the ending says no format to write; use {', '.join(WRITERS)}")
    try:
        with _whole_file(out) as part:
            return write(store.read(asset, metric, start, end), part)
    except MissingPartError:
        raise ExportError(
            f"{out}: Parquet needs pyarrow, which is not installed: pip install 'andon[export]', or write a .csv.gz"
        ) from None


@contextmanager
def _whole_file(out: Path) -> Iterator[Path]:
    """A path to write to, which becomes the file's when all went well."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(out)
    except OSError as problem:
        raise ExportError(f"{out}: cannot be written: {problem.strerror or problem}") from problem
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _write_csv(points: Iterable[Point], path: Path, opened: Callable[..., IO[str]] = open) -> int:
    rows = 0
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        for point in points:
            file.write(_row(point))
            rows += 1
    return rows


def _write_zipped(points: Iterable[Point], path: Path) -> int:
    return _write_csv(points, path, gzip.open)


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


WRITERS: Final = {".csv": _write_csv, ".csv.gz": _write_zipped, ".parquet": write_parquet}
