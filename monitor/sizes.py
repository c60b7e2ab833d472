"""Sizes as people write them (`256MB`, `1.5GiB`) to and from bytes."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from rules.problems import InputError, quoted

UNITS: Final[dict[str, int]] = {
    "B": 1,
    "kB": 1_000,
    "MB": 1_000_000,
    "GB": 1_000_000_000,
    "TB": 1_000_000_000_000,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
LARGEST: Final = 1_000 * UNITS["TB"]
HINT: Final = "use 64MB, 2GB or 512MiB"

_SIZE: Final = re.compile(rf"([0-9]{{1,15}}(?:\.[0-9]{{1,6}})?) ?({'|'.join(UNITS)})")


def parse_size(text: str) -> int:
    """The bytes of `64MB` or `1.5GiB`.

    Raises:
        InputError: the text is no size, or more than a thousand terabytes.
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(Decimal(found[1]) * UNITS[found[2]]) if found else LARGEST + 1
    if size > LARGEST:
        raise InputError(f"{quoted(text)} is not a size", HINT)
    return size


def format_size(size: int) -> str:
    """Bytes for people, to three digits: `256 MB`, `1.5 GB`."""
    unit = next((unit for unit in ("TB", "GB", "MB", "kB") if size >= UNITS[unit]), "B")
    return f"{size / UNITS[unit]:.3g} {unit}" if unit != "B" else f"{size} B"


def _field(value: Any) -> int:
    if isinstance(value, str):
        return parse_size(value)
    raise InputError(f"{quoted(value)} is not a size: it needs a unit", HINT)


SizeField: TypeAlias = Annotated[
    int,
    PlainValidator(_field),
    PlainSerializer(lambda size: f"{size}B", when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["64MB", "2GB"]}),
]
"""A pydantic field: written as text with a unit, bytes once read."""
