"""Tidy CSV in: `timestamp,asset,metric,value[,quality]`, `.gz` too, as observations in the order of the file."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import IO, Final, TypeAlias

from monitor.codecs.base import EXACT_INTEGER, LONGEST_NAME
from monitor.codecs.timestamps import EARLIEST, parse_iso
from monitor.errors import AndonError
from rules.events import Instant, Observation, Quality, Reading, Value

Place: TypeAlias = tuple[Instant, str]
"""The time and asset of a row."""

COLUMNS: Final = ("timestamp", "asset", "metric", "value", "quality")
QUALITIES: Final = {"": Quality.GOOD, **{quality.name.lower(): quality for quality in Quality}}
WORDS: Final[dict[str, Value]] = {"": None, "true": True, "false": False}
EXAMPLES: Final = 5
CHUNK: Final = 1 << 20
LONGEST_LINE: Final = 1 << 20
NO_ROW: Final = "\0"
MOST_LINES_IN_ROW: Final = 100
MOST_READINGS: Final = 10_000

_FIELD: Final = r'(?:"((?:[^"]|"")*+)"|([^",]*+))'
_ROW: Final = re.compile(",".join([_FIELD] * 4) + f"(?:,{_FIELD})?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]+")


class FileError(AndonError):
    """The file cannot be read as tidy CSV at all; the message says what was found instead."""


class _BadRowError(ValueError):
    """The row, or as many lines as are named, is left out; the message says why."""

    def __init__(self, reason: str, lines: int = 1) -> None:
        super().__init__(reason)
        self.lines = lines


class TidyFile:
    """The observations of a tidy CSV file, read anew by each iteration.

    Consecutive rows of one asset and time are one observation (of at most 10,000 readings). `received` is the latest
    stamp so far. A value in quotes is a text, unless the header is quoted too; an empty one has bad quality. Rows that
    do not fit are left out: after the iteration `rows` says how many there were, `bad` how many of them were left out,
    `examples` the first few of these with line number and reason.

    Raises:
        FileError: on iteration, if the file cannot be opened or read on, or its first line is not the header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def __iter__(self) -> Iterator[Observation]:
        """Each observation in the order of the file."""
        self._begin()
        latest: Instant = EARLIEST
        for (at, asset), readings in self._groups():
            latest = max(latest, at)
            yield Observation(asset, at, latest, tuple(readings))

    def _begin(self) -> None:
        self.rows = self.bad = 0
        self.examples: list[str] = []
        self._quotes_mean_text = True
        self._stamp, self._at = "", 0

    def _groups(self) -> Iterator[tuple[Place, list[Reading]]]:
        current: Place | None = None
        readings: list[Reading] = []
        for place, reading in self._rows():
            if place != current or len(readings) >= MOST_READINGS:
                if current is not None:
                    yield current, readings
                current, readings = place, []
            readings.append(reading)
        if current is not None:
            yield current, readings

    def _rows(self) -> Iterator[tuple[Place, Reading]]:
        lines = enumerate(self._lines(), 1)
        self._header(next(lines, (1, ""))[1])
        for number, line in lines:
            if not line or line == "\r":
                continue
            self.rows += 1
            try:
                whole = _joined(line, lines) if '"' in line and line.count('"') % 2 else line
                yield self._row(whole)
            except ValueError as problem:
                self._left_out(number, problem)

    def _row(self, line: str) -> tuple[Place, Reading]:
        line = line.removesuffix("\r")
        if not line.isascii():
            _check_unicode(line)
        fields, is_text = self._quoted(line) if '"' in line else (line.split(","), False)
        if not 4 <= len(fields) <= 5:
            raise _BadRowError(f"{len(fields)} columns instead of 4 or 5")
        stamp, asset, metric, raw = fields[:4]
        if stamp != self._stamp:
            self._at, self._stamp = parse_iso(stamp), stamp
        if not (0 < len(asset) <= LONGEST_NAME and 0 < len(metric) <= LONGEST_NAME):
            raise _BadRowError(f"the asset or the metric is empty or longer than {LONGEST_NAME} characters")
        quality = _quality(fields[4]) if len(fields) == 5 else Quality.GOOD
        return (self._at, asset), Reading(metric, raw, quality) if is_text else _reading(metric, raw, quality)

    def _quoted(self, line: str) -> tuple[list[str], bool]:
        found = _ROW.fullmatch(line)
        if not found:
            raise _BadRowError("not 4 or 5 columns, or a stray quote")
        groups = found.groups()
        fields = [
            plain if quoted is None else quoted.replace('""', '"')
            for quoted, plain in zip(groups[::2], groups[1::2], strict=True)
            if quoted is not None or plain is not None
        ]
        return fields, self._quotes_mean_text and groups[6] is not None

    def _header(self, line: str) -> None:
        names = tuple(name.strip(' "\r').lower() for name in line.removeprefix("\ufeff")[:200].split(","))
        if names not in {COLUMNS, COLUMNS[:4]}:
            found = line[:80].encode("ascii", "backslashreplace").decode()
            raise FileError(
                f"{self.path}:1: the first line must be `{','.join(COLUMNS)}` (quality may be left out), not `{found}`"
            )
        self._quotes_mean_text = '"' not in line

    def _lines(self) -> Iterator[str]:
        number, rest = 0, ""
        try:
            with _opened(self.path) as stream:
                while chunk := stream.read(CHUNK):
                    *lines, rest = (rest + chunk).split("\n")
                    rest = rest if len(rest) <= LONGEST_LINE else NO_ROW
                    number += len(lines)
                    yield from lines
        except (OSError, EOFError, zlib.error) as problem:
            place = f"{self.path}:{number}" if number else str(self.path)
            raise FileError(f"{place}: cannot be read: {getattr(problem, 'strerror', None) or problem}") from problem
        if rest:
            yield rest

    def _left_out(self, number: int, problem: ValueError) -> None:
        lines = problem.lines if isinstance(problem, _BadRowError) else 1
        self.rows += lines - 1
        self.bad += lines
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{self.path}:{number}: {problem}")


def read_tidy(path: Path) -> TidyFile:
    """The observations of a tidy CSV file (`.csv` or `.csv.gz`); see TidyFile."""
    return TidyFile(path)


def _opened(path: Path) -> IO[str]:
    opener = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8", errors="surrogateescape", newline="\n")


def _joined(line: str, lines: Iterator[tuple[int, str]]) -> str:
    """A row whose quoted text goes on in the following lines."""
    parts = [line]
    for _, following in islice(lines, MOST_LINES_IN_ROW):
        parts.append(following)
        if following.count('"') % 2:
            return "\n".join(parts)
    raise _BadRowError("a quote is not closed; what follows is left out with it", len(parts))


def _check_unicode(line: str) -> None:
    try:
        line.encode()
    except UnicodeEncodeError:
        raise _BadRowError("not UTF-8") from None


def _quality(word: str) -> Quality:
    try:
        return QUALITIES[word]
    except KeyError:
        raise _BadRowError("the quality is none of good, uncertain, bad") from None


def _reading(metric: str, raw: str, quality: Quality) -> Reading:
    try:
        number = float(raw)
    except ValueError:
        value = WORDS.get(raw, raw)
        return Reading(metric, value, Quality.BAD if value is None else quality)
    if "_" in raw or not raw.isascii():
        return Reading(metric, raw, quality)
    if -EXACT_INTEGER < number < EXACT_INTEGER:
        return Reading(metric, number, quality)
    if not isfinite(number):
        return Reading(metric, None, Quality.BAD)
    return Reading(metric, number, quality, _digits(raw))


def _digits(raw: str) -> str | None:
    exact = int(raw) if _INTEGER.fullmatch(raw) else 0
    return str(exact) if abs(exact) > EXACT_INTEGER else None
