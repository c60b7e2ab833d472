"""The short way to write the course of a signal: `[70 for 5m, 70 to 95 over 60s, nothing for 2m, bad for 30s]`."""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final, NamedTuple

from rules.durations import parse_duration
from rules.events import Duration, Quality, Value
from rules.problems import InputError, quoted
from rules.yamltext import scalar

NOTHING: Final = "nothing"
RESERVED: Final = frozenset({NOTHING, "none", "null", "bad", "uncertain", "to", "for", "over", "every", "repeat"})
"""Words of the notation; as a text they stand in quotes."""
HINT: Final = "write 70 for 5m, 70 to 95 over 60s, nothing for 2m, bad for 30s or \"'a text' for 1m\""

WORD_HINT: Final = "write nothing for silence, bad for no value; put a text in quotes of its own: \"'12 A'\""

_PIECE: Final = re.compile(
    r"""(?P<value>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']+)(?:\ (?P<quality>bad|uncertain))?"""
    r"""(?:\ for\ (?P<length>\S+)|\ to\ (?P<last>\S+)\ over\ (?P<over>\S+))?(?:\ every\ (?P<every>\S+))?"""
)
_WORD: Final = re.compile(r"[^\W\d][\w./-]*")
_QUALITIES: Final = {None: Quality.GOOD, "bad": Quality.BAD, "uncertain": Quality.UNCERTAIN}


class Sample(NamedTuple):
    """A value with its quality; a value of None is bad."""

    value: Value
    quality: Quality


class Piece(NamedTuple):
    """A stretch of equal readings, or towards `last`; without a `sample` of none.

    Without `every` they come as the scenario's readings do. Without a `length` it is one of them, or, where a piece is
    a whole course, as many as there is time for.
    """

    sample: Sample | None
    last: float | None
    length: Duration | None
    every: Duration | None


def parse_piece(data: Any) -> Piece:
    """The piece that is written.

    Raises:
        InputError: it is none, or a number or duration in it is none.
    """
    if not isinstance(data, str):
        return Piece(_plain(data), None, None, None)
    found = _PIECE.fullmatch(" ".join(data.split()) if not set(data) & set("\"'") else data.strip())
    if not found:
        raise InputError(f"{quoted(data)} is no piece of a course", HINT)
    length = _length(found["length"] or found["over"], "the piece")
    every = _length(found["every"], "`every`")
    if found["value"] == NOTHING:
        if length is None or found["last"] or found["quality"]:
            raise InputError(f"{quoted(data)} does not say for how long", "write nothing for 2m")
        return Piece(None, None, length, every)
    sample = parse_sample(found["value"], found["quality"])
    return Piece(sample, _ramp(sample, found["last"]), length, every)


def parse_sample(text: Any, quality: str | None = None) -> Sample:
    """The value that is written, of a quality; a written text may end with its own.

    Raises:
        InputError: the text is no value.
    """
    if not isinstance(text, str):
        return _plain(text)
    if quality is None and (parted := re.fullmatch(r"(.+) (bad|uncertain)", text)):
        text, quality = parted.groups()
    if text == "bad":
        return Sample(None, Quality.BAD)
    return Sample(_value(text), _QUALITIES[quality])


def _plain(data: Any) -> Sample:
    if data is None:
        return Sample(None, Quality.BAD)
    if isinstance(data, bool) or (isinstance(data, (int, float)) and isfinite(_float(data))):
        return Sample(data if isinstance(data, bool) else _float(data), Quality.GOOD)
    raise InputError(f"{quoted(data)} is no value", HINT)


def _float(number: float) -> float:
    return float(number) if abs(number) < 1e300 else float("inf")


def _value(text: str) -> Value:
    if text[:1] in {'"', "'"}:
        return _unquoted(text)
    found = scalar(text)
    if isinstance(found, str):
        if found in RESERVED or not _WORD.fullmatch(found):
            raise InputError(f"{quoted(text)} is no value", WORD_HINT)
        return found
    return _plain(found).value


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[-1] != text[0]:
        raise InputError(f"{quoted(text)} does not end with its quote", HINT)
    try:
        return text[1:-1] if text[0] == "'" else str(json.loads(text))
    except ValueError:
        raise InputError(f"{quoted(text)} is no text in quotes", 'within "..." write \\" for a quote') from None


def _ramp(sample: Sample, last: str | None) -> float | None:
    if last is None:
        return None
    end = _value(last)
    if type(end) is not float or type(sample.value) is not float:
        raise InputError("only numbers can rise or fall", "write 70 to 95 over 60s")
    return end


def _length(text: str | None, what: str) -> Duration | None:
    if text is None:
        return None
    length = parse_duration(text)
    if not length:
        raise InputError(f"{what} is {quoted(text)} long, which is nothing", "give it more than 0s")
    return length


def written(sample: Sample) -> str:
    """A sample in this notation, as YAML: what `parse_sample` reads back."""
    value, quality = sample
    if value is None:
        return "bad"
    if isinstance(value, bool):
        plain = "true" if value else "false"
    elif isinstance(value, str) and (not _WORD.fullmatch(value) or value in RESERVED or scalar(value) != value):
        plain = json.dumps(value, ensure_ascii=True)
    else:
        plain = value if isinstance(value, str) else repr(value)
    whole = plain if quality is Quality.GOOD else f"{plain} {quality.name.lower()}"
    return whole if '"' not in whole else "'" + whole.replace("'", "''") + "'"
