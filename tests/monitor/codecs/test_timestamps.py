"""Stamps are read to the nanosecond, whatever their spelling, and refused where they say nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codecs.timestamps import format_iso, from_epoch, parse_iso, parse_stamp

NEW_YEAR = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("2026-01-01T00:00:00Z", 0),
        ("2026-01-01t00:00:00z", 0),
        ("2026-01-01 00:00:00", 0),
        ("2026-01-01T00:00:00.5", 500_000_000),
        ("2026-01-01T00:00:00,25Z", 250_000_000),
        ("2026-01-01T00:00:00.000000001Z", 1),
        ("2026-01-01T01:00:00.123+01:00", 123_000_000),
        ("2025-12-31T18:30:00-0530", 0),
        ("2026-01-01T02:00:00+02", 0),
        ("2025-12-31T23:59:60Z", 0),
        ("2026-01-01T00:00Z", 0),
        ("2026-01-01 01:00+01:00", 0),
        ("20260101T000000Z", 0),
        ("20260101T000000.5Z", 500_000_000),
        ("20260101T0000Z", 0),
        ("20251231T183000-0530", 0),
    ],
)
def test_iso_8601_is_read_with_any_offset_and_up_to_nine_digits(text: str, after: int) -> None:
    assert parse_iso(text) == NEW_YEAR + after


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "2026-01-01", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00Z ", "1500-01-01T00:00:00Z", "2262-12-01T00:00:00Z",
        "\N{FULLWIDTH DIGIT TWO}026-01-01T00:00:00Z", "2026-01-01T00:00:00.\N{ARABIC-INDIC DIGIT ONE}Z",
        "2026-01-01T00:00:00.\N{SUPERSCRIPT TWO}Z", "202601-01T00:00Z", "2026-01-01T00", "20261301T000000Z",
        "20260101T000060:00Z", "2026-01-01T00:00:Z",
    ],
)  # fmt: skip
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_iso(text)


@given(
    st.datetimes(datetime(1678, 1, 3), datetime(2261, 12, 29)),  # noqa: DTZ001 - the zone comes with the second line
    st.integers(-14 * 60, 14 * 60),
    st.integers(0, 999),
)
def test_the_calendar_is_the_standard_library_s(moment: datetime, minutes: int, nanoseconds: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    text = zoned.isoformat(timespec="microseconds")
    since = zoned - datetime(1970, 1, 1, tzinfo=UTC)
    expected = (since // timedelta(microseconds=1)) * 1000 + nanoseconds
    assert parse_iso(f"{text[:26]}{nanoseconds:03d}{text[26:]}") == expected


@given(st.integers(NEW_YEAR - 10**18, NEW_YEAR + 10**18) | st.integers(-9 * 10**18, 9 * 10**18))
def test_what_is_written_reads_back_the_same(at: int) -> None:
    assert parse_iso(format_iso(at)) == at


@pytest.mark.parametrize(
    ("at", "text"),
    [(0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59.999999999Z"), (10**8, "1970-01-01T00:00:00.1Z")],
)
def test_stamps_are_written_with_the_digits_they_need(at: int, text: str) -> None:
    assert format_iso(at) == text


@pytest.mark.parametrize(
    ("number", "unit", "at"),
    [
        (1_767_225_600, None, NEW_YEAR),
        (1_767_225_600_123, None, NEW_YEAR + 123_000_000),
        (1_767_225_600_123_456, None, NEW_YEAR + 123_456_000),
        (1_767_225_600_123_456_789, None, NEW_YEAR + 123_456_789),
        (1_767_225_600.52, None, NEW_YEAR + 520_000_000),
        (1_767_225_600_123.25, None, NEW_YEAR + 123_250_000),
        (100_000_000, None, 10**17),
        (0, "s", 0),
        (-1.5, "s", -1_500_000_000),
        (86_400_000, "ms", 86_400 * 10**9),
        (5, "ns", 5),
        (4_294_967_295, None, 4_294_967_295 * 10**9),
        ("1767225600.000000001", None, NEW_YEAR + 1),
        ("1767225600", "s", NEW_YEAR),
    ],
)
def test_epoch_numbers_are_exact_and_their_unit_is_declared_or_seen(
    number: float | str, unit: str | None, at: int
) -> None:
    assert parse_stamp(number, unit) == at


@pytest.mark.parametrize("stamp", [True, None, [], {}, "12e5", "1_000", "", "NaN", 10**30, 1e300, -1e30, 10**4000])
def test_a_stamp_that_is_no_instant_is_refused(stamp: object) -> None:
    with pytest.raises(ValueError):
        parse_stamp(stamp)


@pytest.mark.parametrize("stamp", [23.5, 0, -1, 99_999_999.9, "5000", -(10**12)])
def test_a_number_before_march_1973_is_a_stamp_only_where_its_unit_is_declared(stamp: object) -> None:
    with pytest.raises(ValueError, match="time_unit"):
        parse_stamp(stamp)
    assert parse_stamp(stamp, "ms") == float(stamp) * 10**6  # type: ignore[arg-type]


def test_a_declared_unit_is_not_second_guessed() -> None:
    with pytest.raises(ValueError, match="1678 to 2261"):
        from_epoch(1_767_225_600_123, "s")
