"""Durations are read exactly, written exactly, and refused clearly."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from rules.durations import LONGEST, DurationField, format_duration, parse_duration
from rules.events import SECOND
from rules.problems import InputError


class Delays(BaseModel):
    after: DurationField = 60 * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("10m", 600), ("2h", 7200), ("1d", 86400), ("500ms", 0.5), ("1h30m", 5400), ("1.5h", 5400), ("0", 0)],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == int(seconds * SECOND)


@pytest.mark.parametrize("text", ["", "60", "-5s", "5 parsecs", "1m1m", "1h 30m", "٣s", "99999999d", "s", "1e3s", "5S"])
def test_what_is_no_duration_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_duration(text)
    assert refusal.value.hint == "use 60s, 5m, 8h"


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InputError):
        assert 0 <= parse_duration(text) <= LONGEST


@given(st.integers(0, LONGEST))
def test_writing_and_reading_gives_the_same_duration(duration: int) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0, "0s"), (1_500_000, "1.5ms"), (90 * SECOND, "1m30s"), (2_500_000_000, "2.5s"), (-60 * SECOND, "-1m")],
)
def test_a_duration_is_written_for_people(duration: int, text: str) -> None:
    assert format_duration(duration) == text


def test_a_field_takes_text_and_zero_and_nothing_else() -> None:
    assert Delays.model_validate({"after": "8h"}).after == 28_800 * SECOND
    assert Delays.model_validate({"after": 0}).after == 0
    wrong: Any
    for wrong in (5, True, None, [], "soon", float("nan")):
        with pytest.raises(ValidationError):
            Delays.model_validate({"after": wrong})
