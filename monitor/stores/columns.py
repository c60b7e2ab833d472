"""Rows of a chunk to and from a few compressed bytes, column by column.

Integers are kept as they are or as steps, in the narrowest type that holds them; numbers with few decimals as
integers, numbers that repeat as a table, others as they are. Byte planes are stored one after the other, then deflated.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import sub
from typing import Any, Final, TypeAlias

import msgspec

Row: TypeAlias = tuple[Any, ...]
"""`at` first; rows of a chunk are in order of it, and no two have the same."""

LEVEL: Final = 3
CODES: Final = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
SCALES: Final = (1, 10, 100, 1_000, 10_000, 1_000_000)
EXACT: Final = 2.0**53
SMOOTH: Final = 2
"""Steps are kept where they span so many times less than the numbers."""


class DamagedError(Exception):
    """The bytes are no chunk."""


class Integers(msgspec.Struct, array_like=True, frozen=True):
    """`count` numbers: from `base` in equal steps if `code` is empty, else planes of the numbers or of their steps."""

    count: int
    base: int
    step: int
    code: str
    planes: bytes


class Reals(msgspec.Struct, array_like=True, frozen=True):
    """Numbers and gaps. `present` has a byte for each row, or nothing where none is missing.

    With a scale the integers are to be divided by it; with a scale of 0 they are indices into the table, or the table
    itself is the column.
    """

    present: bytes
    scale: int
    integers: Integers | None
    table: bytes


def packed(columns: Sequence[Sequence[Any]], kinds: str) -> bytes:
    """Columns as bytes, `at` first; `kinds` has a letter for each other one.

    i: integers of 64 bits, r: numbers or None, t: texts or None.
    """
    return zlib.compress(
        msgspec.msgpack.encode([PACK[kind](column) for kind, column in zip("i" + kinds, columns, strict=True)]), LEVEL
    )


def unpacked(data: bytes, kinds: str) -> list[list[Any]]:
    """The columns of a chunk, `at` first; only as many as `kinds` has letters.

    Raises:
        DamagedError: the bytes are no such chunk.
    """
    try:
        columns = _frame.decode(zlib.decompress(data))
        return [UNPACK[kind](column) for kind, column in zip("i" + kinds, columns, strict=False)]
    except (zlib.error, msgspec.MsgspecError, ValueError, IndexError) as problem:
        raise DamagedError(f"a chunk cannot be read: {problem}") from problem


def _integers(column: Sequence[int]) -> Integers:
    first, count = column[0], len(column)
    if column.count(first) == count:
        return Integers(count, first, 0, "", b"")
    steps = list(map(sub, column[1:], column))
    if steps.count(steps[0]) == count - 1:
        return Integers(count, first, steps[0], "", b"")
    low, high, least, most = min(column), max(column), min(steps), max(steps)
    code = _narrowest(least, most)
    if code and SMOOTH * (most - least) < (high - low):
        return Integers(count, first, 1, code, _planes(array(code, steps)))
    code = _narrowest(low, high)
    return Integers(count, first, 0, code, _planes(array(code, column)))


def _narrowest(low: int, high: int) -> str:
    """The type that holds both; none where they leave 64 bits."""
    return next((code for code, bits in CODES if -(1 << bits) <= low and high < 1 << bits), "")


def _from_integers(found: Integers) -> list[int]:
    if not found.code:
        return [found.base + found.step * place for place in range(found.count)]
    numbers = _numbers(found.code, found.planes)
    return list(accumulate(numbers, initial=found.base)) if found.step else numbers.tolist()


def _reals(column: Sequence[float | None]) -> Reals:
    numbers = [number for number in column if number is not None]
    present = b"" if len(numbers) == len(column) else bytes(number is not None for number in column)
    if not numbers:
        return Reals(present, 0, None, b"")
    exact = array("d", numbers)
    return (
        _scaled(present, numbers, exact) or _tabled(present, numbers, exact) or Reals(present, 0, None, _planes(exact))
    )


def _scaled(present: bytes, numbers: list[float], exact: array[float]) -> Reals | None:
    largest = max(map(abs, numbers))
    for scale in SCALES:
        if largest * scale >= EXACT:
            break
        if all(round(number * scale) / scale == number for number in numbers[:8]):
            integers = [round(number * scale) for number in numbers]
            if array("d", [integer / scale for integer in integers]).tobytes() == exact.tobytes():
                return Reals(present, scale, _integers(integers), b"")
    return None


def _tabled(present: bytes, numbers: list[float], exact: array[float]) -> Reals | None:
    place = {number: index for index, number in enumerate(sorted(set(numbers)))}
    if len(place) * 4 > len(numbers):
        return None
    table, indices = array("d", place), [place[number] for number in numbers]
    if array("d", map(table.__getitem__, indices)).tobytes() != exact.tobytes():
        return None  # 0.0 and -0.0 are one in a table
    return Reals(present, 0, _integers(indices), _planes(table))


def _from_reals(found: Reals) -> list[float | None]:
    numbers = _numbers("d", found.table).tolist()
    if found.integers is not None:
        integers = _from_integers(found.integers)
        numbers = [i / found.scale for i in integers] if found.scale else [numbers[i] for i in integers]
    if not found.present:
        return numbers
    following = iter(numbers)
    return [next(following) if there else None for there in found.present]


def _planes(numbers: array[Any]) -> bytes:
    data, size = numbers.tobytes(), numbers.itemsize
    return b"".join(data[plane::size] for plane in range(size))


def _numbers(code: str, planes: bytes) -> array[Any]:
    numbers = array(code)
    size = numbers.itemsize
    count = len(planes) // size
    data = bytearray(len(planes))
    for plane in range(size):
        data[plane::size] = planes[plane * count : (plane + 1) * count]
    numbers.frombytes(data)
    return numbers


def _texts(column: Sequence[str | None]) -> list[str | None] | int:
    return len(column) if column.count(None) == len(column) else list(column)


def _from_texts(found: list[str | None] | int) -> list[str | None]:
    return [None] * found if isinstance(found, int) else found


def _packer(pack: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], bytes]:
    return lambda column: msgspec.msgpack.encode(pack(column))


def _unpacker(kind: Any, unpack: Callable[[Any], list[Any]]) -> Callable[[bytes], list[Any]]:
    decode = msgspec.msgpack.Decoder(kind).decode
    return lambda data: unpack(decode(data))


PACK: Final = {"i": _packer(_integers), "r": _packer(_reals), "t": _packer(_texts)}
UNPACK: Final = {
    "i": _unpacker(Integers, _from_integers),
    "r": _unpacker(Reals, _from_reals),
    "t": _unpacker(list[str | None] | int, _from_texts),
}

_frame: Final = msgspec.msgpack.Decoder(list[bytes])
