"""Sizes as people write them."""

from __future__ import annotations

import pytest

from monitor.sizes import format_size, parse_size
from rules.problems import InputError


@pytest.mark.parametrize(
    ("text", "size"),
    [("0B", 0), ("1kB", 1000), ("64MB", 64_000_000), ("1.5GiB", 1_610_612_736), (" 2 GB ", 2_000_000_000)],
)
def test_a_size_has_a_number_and_a_unit(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "64", "MB", "-1MB", "64mb", "1e3MB", "1001TB", "9" * 400 + "MB", "٣MB"])
def test_anything_else_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InputError, match="is not a size") as found:
        parse_size(text)
    assert "64MB" in found.value.hint


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1_234, "1.23 kB"), (256_000_000, "256 MB"), (5 * 10**12, "5 TB")]
)
def test_a_size_is_shown_to_three_digits(size: int, text: str) -> None:
    assert format_size(size) == text
