"""Rows of a chunk to and from a few compressed bytes, column by column.

Integers are kept as they are or as steps, in the narrowest type that holds them; numbers with few decimals as
integers, numbers that repeat as a table, others as they are. Byte planes are stored one after the other, then deflated.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Row: TypeAlias = tuple[Any, ...]
"""`at` first; rows of a chunk are in order of it, and no two have the same."""
Columns: TypeAlias = Sequence[Sequence[Any]]
"""The same by columns, of which there is always one at least."""
Numbers: TypeAlias = NDArray[Any]

LEVEL: Final = 3
CODES: Final = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
SCALES: Final = (1, 10, 100, 1_000, 10_000, 1_000_000)
EXACT: Final = 2.0**53
LARGEST: Final = 2**63 - 1
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


def packed(columns: Columns, kinds: str) -> bytes:
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


def _integers(numbers: Numbers) -> Integers:
    first, count = int(numbers[0]), len(numbers)
    low, high = int(numbers.min()), int(numbers.max())
    if low == high:
        return Integers(count, first, 0, "", b"")
    if high - low <= LARGEST:
        steps = np.diff(numbers)
        least, most = int(steps.min()), int(steps.max())
        if least == most:
            return Integers(count, first, least, "", b"")
        if SMOOTH * (most - least) < high - low:
            return Integers(count, first, 1, *_narrow(steps, least, most))
    return Integers(count, first, 0, *_narrow(numbers, low, high))


def _whole(column: Sequence[int]) -> Integers:
    return _integers(np.array(column, np.int64))


def _narrow(numbers: Numbers, low: int, high: int) -> tuple[str, bytes]:
    """The narrowest type that holds both, and the planes of the numbers in it."""
    code = next(code for code, bits in CODES if -(1 << bits) <= low and high < 1 << bits)
    return code, _planes(numbers.astype(code))


def _from_integers(found: Integers) -> Numbers:
    if not found.code:
        return found.base + found.step * np.arange(found.count)
    numbers = _numbers(found.code, found.planes).astype(np.int64)
    return np.cumsum(np.concatenate(([found.base], numbers))) if found.step else numbers


def _list_of_integers(found: Integers) -> list[int]:
    if found.code:
        numbers: list[int] = _from_integers(found).tolist()
        return numbers
    if found.step:
        return list(range(found.base, found.base + found.step * found.count, found.step))
    return [found.base] * found.count


def _reals(column: Sequence[float | None]) -> Reals:
    gaps = column.count(None)
    present = bytes(number is not None for number in column) if gaps else b""
    if gaps == len(column):
        return Reals(present, 0, None, b"")
    exact = np.array([number for number in column if number is not None] if gaps else column, np.float64)
    return _scaled(present, exact) or _tabled(present, exact) or Reals(present, 0, None, _planes(exact))


def _scaled(present: bytes, exact: Numbers) -> Reals | None:
    largest = np.abs(exact).max()
    for scale in SCALES:
        if largest * scale >= EXACT:
            break
        for some in (exact[:8], exact):
            integers = np.rint(some * scale).astype(np.int64)
            if not _same(integers / scale, some):
                break
        else:
            return Reals(present, scale, _integers(integers), b"")
    return None


def _tabled(present: bytes, exact: Numbers) -> Reals | None:
    table, indices = np.unique(exact, return_inverse=True)
    if len(table) * 4 > len(exact) or not _same(table[indices], exact):
        return None
    return Reals(present, 0, _integers(indices), _planes(table))


def _same(one: Numbers, other: Numbers) -> bool:
    """Bit for bit: 0.0 is not -0.0."""
    return bool((one.view(np.int64) == other.view(np.int64)).all())


def _from_reals(found: Reals) -> list[float | None]:
    numbers = _numbers("d", found.table)
    if found.integers is not None:
        integers = _from_integers(found.integers)
        numbers = integers / found.scale if found.scale else numbers[integers]
    if not found.present:
        return list(numbers.tolist())
    following = iter(numbers.tolist())
    return [next(following) if there else None for there in found.present]


def _planes(numbers: Numbers) -> bytes:
    return numbers.view(np.uint8).reshape(len(numbers), -1).T.tobytes()


def _numbers(code: str, planes: bytes) -> Numbers:
    size = np.dtype(code).itemsize
    return np.frombuffer(np.frombuffer(planes, np.uint8).reshape(size, -1).T.tobytes(), code)


def _texts(column: Sequence[str | None]) -> list[str | None] | int:
    return len(column) if column.count(None) == len(column) else list(column)


def _from_texts(found: list[str | None] | int) -> list[str | None]:
    return [None] * found if isinstance(found, int) else found


def _packer(pack: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], bytes]:
    return lambda column: msgspec.msgpack.encode(pack(column))


def _unpacker(kind: Any, unpack: Callable[[Any], list[Any]]) -> Callable[[bytes], list[Any]]:
    decode = msgspec.msgpack.Decoder(kind).decode
    return lambda data: unpack(decode(data))


PACK: Final = {"i": _packer(_whole), "r": _packer(_reals), "t": _packer(_texts)}
UNPACK: Final = {
    "i": _unpacker(Integers, _list_of_integers),
    "r": _unpacker(Reals, _from_reals),
    "t": _unpacker(list[str | None] | int, _from_texts),
}

_frame: Final = msgspec.msgpack.Decoder(list[bytes])
