"""Points as a Parquet file, a row group at a time; pyarrow is loaded only when somebody asks for one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final

from monitor.stores.base import Point
from rules.events import Quality

ROW_GROUP: Final = 65_536
COLUMNS: Final = ("timestamp", "asset", "metric", "value", "text", "quality", "late")
WORDS: Final = tuple(quality.name.lower() for quality in Quality)


class MissingPartError(Exception):
    """pyarrow is not installed."""


def write_parquet(points: Iterable[Point], path: Path) -> int:
    """Write the points in their order, no more than a row group of them in memory; returns how many.

    `timestamp` is in nanoseconds UTC, `value` a number, `text` as `Point` has it, `quality` good, uncertain or bad,
    `late` true or false.

    Raises:
        MissingPartError: pyarrow is not installed.
        OSError: the file cannot be written.
    """
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingPartError from None
    schema, rows = _schema(arrow), 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(points):
            writer.write_table(arrow.table(_columns(group), schema=schema), row_group_size=ROW_GROUP)
            rows += len(group)
    return rows


def _groups(points: Iterable[Point]) -> Iterator[list[Point]]:
    following = iter(points)
    while group := list(islice(following, ROW_GROUP)):
        yield group


def _schema(arrow: Any) -> Any:
    name = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = (arrow.timestamp("ns", tz="UTC"), name, name, arrow.float64(), arrow.string(), name, arrow.bool_())
    return arrow.schema(list(zip(COLUMNS, kinds, strict=True)))


def _columns(group: list[Point]) -> dict[str, list[Any]]:
    rows = [(p.at, p.asset, p.metric, p.value, p.text, WORDS[p.quality], p.late) for p in group]
    return dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
