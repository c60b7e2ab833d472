"""What a chunk holds comes back exactly, and takes few bytes where values have few digits."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.stores.columns import DamagedError, packed, unpacked
from rules.events import SECOND

NOW = 1_772_344_800 * SECOND

integers = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
decimals = st.integers(-10_000, 10_000).map(lambda number: number / 100)
reals = (
    st.floats(allow_nan=False) | decimals | st.sampled_from([0.0, -0.0, 1e308, 5e-324, 0.1 + 0.2, 2.0**53]) | st.none()
)
texts = st.none() | st.text(st.characters(exclude_categories=("Cs",)), max_size=5)


def columns(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Mixed, of two values only, or all the same."""
    return st.lists(values, min_size=1, max_size=40) | st.tuples(values, st.integers(1, 30)).map(
        lambda v: [v[0]] * v[1]
    )


@given(st.data())
@settings(deadline=None, max_examples=300)
def test_columns_come_back_exactly(data: st.DataObject) -> None:
    kinds = data.draw(st.text("irt", max_size=4))
    made = [data.draw(columns({"i": integers, "r": reals, "t": texts}[kind])) for kind in "i" + kinds]
    count = min(map(len, made))
    made = [column[:count] for column in made]
    assert repr(unpacked(packed(made, kinds), kinds)) == repr(made)


@pytest.mark.parametrize("scale", [1, 10, 100, 1_000, 1 / 0.0123456])
def test_a_thousand_readings_of_a_sensor_take_a_few_bytes_each(scale: float) -> None:
    rng = random.Random(1)
    values = [round(rng.gauss(500, 30)) / scale for _ in range(1_000)]
    times = [NOW + i * SECOND + rng.randrange(1_000_000) for i in range(1_000)]
    data = packed([times, list(range(1_000)), values, [None] * 1_000, [0] * 1_000], "irti")
    assert len(data) < 6 * 1_000
    assert unpacked(data, "ir") == [times, list(range(1_000)), values]


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DamagedError):
        unpacked(data, "irti")


def test_a_cut_chunk_is_refused() -> None:
    data = packed([[1, 2, 5], [0.5, 0.25, 7.0]], "r")
    for end in range(len(data)):
        with pytest.raises(DamagedError):
            unpacked(data[:end], "r")
