"""`format: json`: plain values and objects with `value` where the topic names the metric, otherwise a metric per key.

Where the topic names no `{metric}`, the payload is an object; the first of `timestamp`, `ts`, `time`, `t` is its stamp,
`quality` holds for all of it, every other key is a metric. Nested objects flatten to `a/b`, arrays to `a/0`, `a/1`.
Where the topic names it, an object with `value` gives that value (flattened below the metric if it is nested) and its
other keys are no readings; an object without `value`, or an array, flattens below the metric: `metric/key`. Text
without quotes is a value. What is not of the type that the site declares is refused alone, but for the words true and
false, in any case, where it declares a boolean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

import msgspec

from monitor import settings
from monitor.codecs.base import EXACT_INTEGER, LONGEST_NAME, Claim, Declared, Decoded, Reject
from monitor.codecs.timestamps import is_unset, parse_stamp
from rules.events import Instant, Observation, Quality, Reading

STAMPS: Final = ("timestamp", "ts", "time", "t")
NO_NUMBERS: Final = frozenset({"nan", "inf", "infinity"})
WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
TRUTH: Final = {"true": True, "false": False}
_NO_NUMBER: Final = ("text-for-number", "a text, where the site declares the signal to be a number")
_NO_BOOLEAN: Final = ("number-for-boolean", "a number other than 0 and 1, where the site declares a boolean")
MISFITS: Final[dict[tuple[type, str | None], tuple[str, str]]] = {
    (str, "number"): _NO_NUMBER,
    (str, "number or boolean"): _NO_NUMBER,
    (bool, "number"): ("boolean-for-number", "true or false, where the site declares the signal to be a number"),
    (str, "boolean"): ("text-for-boolean", "a text other than true and false, where the site declares a boolean"),
    (int, "boolean"): _NO_BOOLEAN,
    (float, "boolean"): _NO_BOOLEAN,
}
"""The reason and its detail, by what came and what the site declares, unless it may stand for true or false."""
LONGEST_NUMBER: Final = 1_000
MOST_VALUES: Final = 10_000
"""In one message; a megabyte of `[0,0,...]` would otherwise make half a million signals."""

_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?'  # a string, which stays as it is; the quote is optional so that nothing is scanned twice
    rb"|-?(?:NaN|Infinity)\b"
    rb"|-?[0-9]++(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?",
    re.DOTALL,
)
_NUMBER: Final = re.compile(r"[+-]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NESTED: Final = frozenset({dict, list})
_decode = msgspec.json.Decoder().decode


class _UnreadableError(Exception):
    """The whole message is rejected: `args` are the reason's slug and its detail."""


class _Header(msgspec.Struct, frozen=True, gc=False):
    """What holds for all readings of a message."""

    at: Instant
    received: Instant
    quality: Quality


class JsonCodec:
    """The codec of one gateway with `format: json`."""

    __slots__ = ("_declared", "_max_depth", "_qualities", "_time_unit")

    def __init__(self, gateway: settings.Gateway, declared: Declared) -> None:
        self._declared = declared
        self._time_unit = gateway.time_unit
        self._max_depth = gateway.max_depth
        self._qualities = {_quality_key(value): Quality.BAD for value in gateway.quality.bad}
        self._qualities |= {_quality_key(value): Quality.GOOD for value in gateway.quality.good}

    def decode(self, claim: Claim, payload: bytes, received: Instant) -> Decoded:
        """Readings and rejects of one payload; no bytes make it raise."""
        try:
            if claim.metric is None:
                return self._object(claim, _parsed(payload), received)
            return self._metric(claim, claim.metric, _parsed_or_text(payload), received)
        except _UnreadableError as problem:
            return Decoded((), (claim.rejected(*problem.args),))

    def _object(self, claim: Claim, content: Any, received: Instant) -> Decoded:
        if type(content) is not dict:
            raise _UnreadableError(
                "no-metric", "the topic names no {metric} and the payload is not an object with metrics as keys"
            )
        return self._decoded(claim, self._header(content, received), content, 1)

    def _metric(self, claim: Claim, metric: str, content: Any, received: Instant) -> Decoded:
        if type(content) is not dict:
            return self._decoded(claim, _Header(received, received, Quality.GOOD), {metric: content}, 0)
        header = self._header(content, received)
        if "value" in content:
            return self._decoded(claim, header, {metric: content["value"]}, 1)
        return self._decoded(claim, header, {metric: content}, 0)

    def _header(self, content: dict[str, Any], received: Instant) -> _Header:
        """Take the stamp and the quality out of an object."""
        quality = Quality.GOOD
        if "quality" in content:
            quality = self._qualities.get(_quality_key(content.pop("quality")), Quality.UNCERTAIN)
        for key in STAMPS:
            if key in content:
                return _Header(self._stamp(key, content.pop(key), received), received, quality)
        return _Header(received, received, quality)

    def _stamp(self, key: str, stamp: Any, received: Instant) -> Instant:
        if is_unset(stamp, self._time_unit):
            return received
        try:
            return parse_stamp(stamp, self._time_unit)
        except ValueError as problem:
            raise _UnreadableError("bad-timestamp", f"`{key}` is no time stamp: {problem}") from None

    def _decoded(self, claim: Claim, header: _Header, content: dict[str, Any], depth: int) -> Decoded:
        """The observation of a message whose content lies `depth` containers deep."""
        rejects: list[Reject] = []
        _check_count(len(content))
        kinds = set(map(type, content.values()))
        if not kinds.isdisjoint(_NESTED):
            content = self._flat(claim, content, depth, rejects)
            kinds = set(map(type, content.values()))
        if content and ("" in content or max(map(len, content)) > LONGEST_NAME):
            content = _well_named(claim, content, rejects)
        if declared := self._declared(claim.asset):
            content = _typed(claim, content, declared, rejects)
        if not content:
            return Decoded((), tuple(rejects) or (claim.rejected("no-values", "the payload holds no values"),))
        quality = header.quality
        readings = tuple([_reading(metric, value, quality) for metric, value in content.items()])
        return Decoded((Observation(claim.asset, header.at, header.received, readings),), tuple(rejects))

    def _flat(self, claim: Claim, content: dict[str, Any], depth: int, rejects: list[Reject]) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        repeated: list[str] = []
        self._flatten("", content, depth, flat, repeated)
        detail = "a second value of this name in one message; the first is kept"
        rejects += [claim.rejected("duplicate-metric", detail, path[:LONGEST_NAME]) for path in repeated]
        return flat

    def _flatten(self, prefix: str, container: Any, depth: int, flat: dict[str, Any], repeated: list[str]) -> None:
        if depth > self._max_depth:
            raise _UnreadableError("too-deep", f"nested deeper than {self._max_depth} levels, the gateway's max_depth")
        if len(prefix) > LONGEST_NAME:
            raise _UnreadableError("name-too-long", f"a metric's name would have more than {LONGEST_NAME} characters")
        _check_count(len(flat) + len(repeated) + len(container))
        for key, value in container.items() if type(container) is dict else enumerate(container):
            path = f"{prefix}{key}"
            if type(value) in _NESTED:
                self._flatten(path + "/", value, depth + 1, flat, repeated)
            elif path in flat:
                repeated.append(path)
            else:
                flat[path] = value


def _check_count(values: int) -> None:
    if values > MOST_VALUES:
        raise _UnreadableError("too-many-values", f"more than {MOST_VALUES} values in one message")


def _typed(claim: Claim, content: dict[str, Any], declared: Mapping[str, str], rejects: list[Reject]) -> dict[str, Any]:
    """What fits the types that the site declares."""
    wrong = {}
    for metric, value in content.items():
        kind = declared.get(metric)
        if kind == "boolean" and _truth(value) is not None:
            content[metric] = _truth(value)
        elif problem := MISFITS.get((type(value), kind)):
            wrong[metric] = problem
    return _without(content, wrong, claim, rejects) if wrong else content


def _truth(value: Any) -> Any:
    """What may stand for true or false: the words, in any case, become what they mean; None of anything else."""
    if type(value) is str:
        return TRUTH.get(value.casefold())
    return value if value in (0, 1) else None


def _well_named(claim: Claim, content: dict[str, Any], rejects: list[Reject]) -> dict[str, Any]:
    too_long = ("name-too-long", f"the metric's name is longer than {LONGEST_NAME} characters")
    wrong = {metric: too_long for metric in content if len(metric) > LONGEST_NAME}
    return _without(
        content, wrong | ({"": ("empty-name", "the metric's name is empty")} if "" in content else {}), claim, rejects
    )


def _without(
    content: dict[str, Any], wrong: dict[str, tuple[str, str]], claim: Claim, rejects: list[Reject]
) -> dict[str, Any]:
    rejects += [claim.rejected(*problem, metric=metric[:LONGEST_NAME]) for metric, problem in wrong.items()]
    return {metric: value for metric, value in content.items() if metric not in wrong}


def _reading(metric: str, value: Any, quality: Quality) -> Reading:
    if value is None:
        return Reading(metric, None, Quality.BAD)
    if type(value) is not int:
        return Reading(metric, value, quality)
    if -EXACT_INTEGER <= value <= EXACT_INTEGER:
        return Reading(metric, float(value), quality)
    try:
        return Reading(metric, float(value), quality, str(value))
    except OverflowError:
        return Reading(metric, None, Quality.BAD)


def _quality_key(value: object) -> tuple[bool, object]:
    """What a quality is looked up by: true is not 1, texts are compared without case, 192.0 is 192."""
    if isinstance(value, str):
        return False, value.casefold()
    return isinstance(value, bool), value if isinstance(value, (bool, int, float)) else None


def _parsed(payload: bytes) -> Any:
    """The payload's JSON, with null for numbers that no float can hold, NaN and infinity among them."""
    try:
        return _json(payload)
    except ValueError as problem:
        mended = _TOKEN.sub(_finite, payload.removeprefix(b"\xef\xbb\xbf"))
        if mended == payload:
            raise _unreadable(payload, problem) from None
    try:
        return _json(mended)
    except ValueError as problem:
        raise _unreadable(payload, problem) from None


def _json(payload: bytes) -> Any:
    """The payload's JSON; ValueError if it is none, holds a number out of range, or is not UTF-8."""
    try:
        return _decode(payload)
    except RecursionError:
        raise _UnreadableError("too-deep", "nested deeper than any max_depth") from None


def _finite(token: re.Match[bytes]) -> bytes:
    text = token[0]
    if text[0] == ord('"') or (len(text) <= LONGEST_NUMBER and isfinite(float(text))):
        return text
    return b"null"


def _unreadable(payload: bytes, problem: ValueError) -> _UnreadableError:
    try:
        payload.decode()
    except UnicodeDecodeError as wrong:
        return _UnreadableError("not-utf-8", f"the payload is not UTF-8 text: {wrong.reason} at byte {wrong.start}")
    return _UnreadableError("not-json", f"the payload is not JSON: {problem}")


def _parsed_or_text(payload: bytes) -> Any:
    """As `_parsed`; what is no JSON and does not begin like it is a number or a text of its own."""
    if payload[:1].isalpha():
        return _plain(_text(payload))
    try:
        return _parsed(payload)
    except _UnreadableError as problem:
        plain = _text(payload) if problem.args[0] == "not-json" else ""
        if not plain or plain.startswith(("{", "[", '"')):
            raise
        return _plain(plain)


def _text(payload: bytes) -> str:
    """A text without quotes, without what surrounds it on the wire."""
    try:
        text = payload.decode().strip("\ufeff\0 \t\r\n")
    except UnicodeDecodeError as problem:
        raise _unreadable(payload, problem) from None
    if _CONTROL.search(text):
        raise _UnreadableError("not-json", "the payload is neither JSON nor plain text: it holds control characters")
    return text


def _plain(text: str) -> float | bool | str | None:
    if text in WORDS:
        return WORDS[text]
    if text.lstrip("+-").casefold() in NO_NUMBERS:
        return None
    if len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text) and any(map(str.isdigit, text)):
        return number if isfinite(number := float(text)) else None
    return text
