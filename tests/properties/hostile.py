"""Messages as nobody should send them, drawn from a seed: odd topics, broken, deep, huge and contradictory payloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random

TOPICS = 2_000
"""Different topics at most, as a real broker has; each is used again and again."""
HEADS = ("plant/", "plain/", "", "$SYS/", "andon/v1/", "plant")
LEVELS = (
    "line",
    "m1",
    "",
    " ",
    "x" * 40,
    "\u00e4\u7a7a\U0001f525",
    "+",
    "#",
    "a\tb",
    "null",
    "$",
    "..",
    "level",
    "\ufeff",
    "%s",
    "'; --",
)
WORDS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-0", "-0.0", "1e-400", "00", "+1", ".5", "5.", "0x10", "1_000", "true", "null",
    "nul", '""', '"text"', '"\\ud800"', '"\\ud800\\udc00"', '"\\u0000"', "[]", "{}", "[[]]", '{"value": {}}', "\u0661", "9" * 25,
    "9" * 1_500, "0." + "1" * 1_200, "1e" + "9" * 30,
)  # fmt: skip
KEYS = ("level", "value", "timestamp", "ts", "time", "quality", "", "/", "a/b", "x" * 300, "\u00e4", "level/0")
STAMPS = (0, -1, 1, 1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000_000, 2**63, -(2**63), 10**30, 1e308, "2026-01-01T00:00:00Z", "2026-13-45", "now", True, None, [], {})  # fmt: skip
"""Seconds to nanoseconds, none, and what is no instant."""


def messages(seed: int, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Topics and payloads; the same for the same seed."""
    rng = Random(seed)
    topics = [topic(rng) for _ in range(TOPICS)]
    for _ in range(count):
        yield rng.choice(topics), rng.choice(PAYLOADS if rng.random() < 0.99 else RARE)(rng)


def topic(rng: Random) -> bytes:
    """What MQTT allows, and what only a broken broker would deliver."""
    text = rng.choice(HEADS[:2] * 4 + HEADS) + "/".join(
        rng.choice(LEVELS) for _ in range(rng.choice((1, 2, 2, 2, 3, 40)))
    )
    data = text.encode()
    return rng.choice((data,) * 8 + (data + b"\0", b"\xff\xfe" + data, data[:-1] + b"\xc3", b""))


def value(rng: Random, depth: int = 3) -> object:
    """Anything JSON can say."""
    kind = rng.randrange(9 if depth else 6)
    if kind == 6:
        return [value(rng, depth - 1) for _ in range(rng.randrange(5))]
    if kind > 6:
        return {rng.choice(KEYS): value(rng, depth - 1) for _ in range(rng.randrange(5))}
    return (
        rng.random() * 100,
        rng.randrange(-(2**70), 2**70),
        rng.random() < 0.5,
        None,
        rng.choice(KEYS),
        rng.gauss(0, 1e300),
    )[kind]


def plausible(rng: Random) -> bytes:
    """An object as gateways send it, with one thing or another wrong."""
    content = {"level": rng.random() * 100, rng.choice(STAMP_KEYS): rng.choice(STAMPS), rng.choice(KEYS): value(rng)}
    return json.dumps(content, ensure_ascii=rng.random() < 0.5).encode()


def mutated(rng: Random) -> bytes:
    """A plausible payload with bytes changed, lost and doubled."""
    data = bytearray(plausible(rng))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(data))
        rng.choice((data.pop, lambda at: data.insert(at, rng.randrange(256)), lambda at: data.extend(data[at:][:50])))(
            at
        )
    return bytes(data)


def deep(rng: Random) -> bytes:
    """Brackets without end, closed or not."""
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    times = rng.choice((5, 31, 33, 200, 20_000))
    return (opening * times + rng.choice(("", "1", "1" + closing * times))).encode()


def wide(rng: Random) -> bytes:
    """Very many values, or the same key again and again."""
    times = rng.choice((10, 300, 3_000))
    if rng.random() < 0.5:
        return f'{{"a": {json.dumps([rng.randrange(9)] * times)}}}'.encode()
    return ("{" + ",".join(f'"{rng.choice(KEYS)}": {n}' for n in range(times // 10)) + "}").encode()


STAMP_KEYS = ("timestamp", "ts", "time", "t")
PAYLOADS: tuple[Callable[[Random], bytes], ...] = (
    *(plausible,) * 6,
    *(mutated,) * 6,
    *(lambda rng: rng.choice(WORDS).encode(),) * 3,
    lambda rng: b'{"level": ' + rng.choice(WORDS).encode() + b"}",
    lambda rng: rng.randbytes(rng.randrange(60)),
    lambda rng: b"%.2f" % (rng.random() * 100),
    lambda rng: json.dumps(value(rng)).encode(),
)
RARE: tuple[Callable[[Random], bytes], ...] = (deep, wide, lambda rng: b'{"x": ' + b"1" * rng.randrange(1 << 21) + b"}")
