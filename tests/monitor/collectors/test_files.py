"""Tidy CSV is read as people, spreadsheets and Andon itself write it; what does not fit is counted, never fatal."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.codecs.timestamps import parse_iso
from monitor.collectors.files import FileError, TidyFile, read_tidy
from rules.events import Observation, Quality, Reading

HEADER = "timestamp,asset,metric,value\n"
START = parse_iso("2026-03-01T06:00:00Z")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "readings.csv"


def tidy(path: Path, text: str | bytes, header: str = HEADER) -> TidyFile:
    path.write_bytes(header.encode() + (text if isinstance(text, bytes) else text.encode()))
    return read_tidy(path)


def only_reading(path: Path, value: str, header: str = HEADER) -> Reading:
    (observation,) = tidy(path, f"2026-03-01T06:00:00Z,press,force,{value}\n", header)
    return observation.readings[0]


def test_consecutive_rows_of_one_asset_and_time_are_one_observation(file: Path) -> None:
    rows = tidy(
        file,
        "2026-03-01T06:00:00Z,press,force,1.5\n"
        "2026-03-01T06:00:00.000Z,press,mode,auto\n"
        "2026-03-01T06:00:00Z,oven,zone1,200\n"
        "2026-03-01T06:00:00Z,press,force,2\n",
    )
    assert list(rows) == [
        Observation("press", START, START, (Reading("force", 1.5), Reading("mode", "auto"))),
        Observation("oven", START, START, (Reading("zone1", 200.0),)),
        Observation("press", START, START, (Reading("force", 2.0),)),
    ]
    assert (rows.rows, rows.bad) == (4, 0)


def test_received_is_the_latest_stamp_so_far(file: Path) -> None:
    stamps = ["2026-03-01T06:00:01Z", "2026-03-01T06:00:00Z", "2026-03-01T06:00:02+00:00", "1969-07-20T20:17:40Z"]
    found = list(tidy(file, "".join(f"{stamp},press,force,1\n" for stamp in stamps)))
    assert [(o.at - START) // 10**9 for o in found[:3]] == [1, 0, 2]
    assert [(o.received - START) // 10**9 for o in found] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("raw", "value", "quality", "text"),
    [
        ("12.5", 12.5, "GOOD", None), ("-1e3", -1000.0, "GOOD", None), ("true", True, "GOOD", None),
        ("false", False, "GOOD", None), ("", None, "BAD", None), ("nan", None, "BAD", None), ("inf", None, "BAD", None),
        ("1e999", None, "BAD", None), ("running", "running", "GOOD", None), ("1_000", "1_000", "GOOD", None),
        ("\N{ARABIC-INDIC DIGIT ONE}", "\N{ARABIC-INDIC DIGIT ONE}", "GOOD", None), ('"0012"', "0012", "GOOD", None),
        ('"a,""b"""', 'a,"b"', "GOOD", None), ('""', "", "GOOD", None), ('"1\r\n2"', "1\r\n2", "GOOD", None),
        ("9007199254740993", 2.0**53, "GOOD", "9007199254740993"), ("9007199254740992", 2.0**53, "GOOD", None),
        ("-18446744073709551616", -(2.0**64), "GOOD", "-18446744073709551616"), ("1e22", 1e22, "GOOD", None),
    ],
)  # fmt: skip
def test_values_are_numbers_truths_texts_or_nothing(
    file: Path, raw: str, value: object, quality: str, text: str | None
) -> None:
    found = only_reading(file, raw)
    assert (type(found.value), found) == (type(value), Reading("force", value, Quality[quality], text))  # type: ignore[arg-type]


def test_quotes_mean_nothing_in_a_file_that_quotes_everything(file: Path) -> None:
    assert only_reading(file, '"12.5"', '"timestamp","asset","metric","value"\n').value == 12.5


@pytest.mark.parametrize(
    ("word", "quality"),
    [("good", Quality.GOOD), ("uncertain", Quality.UNCERTAIN), ("bad", Quality.BAD), ("", Quality.GOOD)],
)
def test_the_quality_column_is_read_where_there_is_one(file: Path, word: str, quality: Quality) -> None:
    assert only_reading(file, f"1,{word}", HEADER.strip() + ",quality\n").quality is quality


def test_bad_rows_are_left_out_counted_and_explained(file: Path) -> None:
    rows = tidy(
        file,
        b"2026-03-01T06:00:00Z,press,force,1\r\n"
        b"\r\n"
        b"yesterday,press,force,1\r\n"
        b"2026-03-01T06:00:00Z,press,force\r\n"
        b"2026-03-01T06:00:00Z,,force,1\r\n"
        b"2026-03-01T06:00:00Z,press,force,1,excellent\r\n"
        b"2026-03-01T06:00:00Z,press,force,\xff\r\n"
        b'2026-03-01T06:00:00Z,press,fo"rce",1\r\n'
        b"2026-03-01T06:00:00Z,press,force,2",
    )
    assert [o.readings for o in rows] == [(Reading("force", 1.0), Reading("force", 2.0))]
    assert (rows.rows, rows.bad, len(rows.examples)) == (8, 6, 5)
    assert rows.examples[0] == f"{file}:4: not a date and time as in 2026-03-01T06:00:00Z"
    assert [example.split(": ", 1)[1][:9] for example in rows.examples[1:]] == [
        "3 columns",
        "the asset",
        "the quali",
        "not UTF-8",
    ]


def test_a_quote_that_is_never_closed_costs_a_bounded_number_of_lines(file: Path) -> None:
    good = "2026-03-01T06:00:00Z,press,force,1\n"
    rows = tidy(file, '2026-03-01T06:00:00Z,press,force,"open\n' + good * 150)
    assert [len(o.readings) for o in rows] == [50]
    assert rows.bad == 101


def test_an_endless_line_is_a_bad_row(file: Path) -> None:
    rows = tidy(file, "x" * 5_000_000 + ",press,force,1\n2026-03-01T06:00:00Z,press,force,1\n")
    assert len(list(rows)) == 1
    assert rows.bad == 1


def test_a_file_may_be_read_again(file: Path) -> None:
    rows = tidy(file, "2026-03-01T06:00:00Z,press,force,1\nx\n")
    assert list(rows) == list(rows)
    assert rows.bad == 1


@pytest.mark.parametrize(
    "header", ["", "time,asset,metric,value\n", "timestamp;asset;metric;value\n", "\x00\x01", "\xff\n"]
)
def test_a_file_without_the_header_is_refused(file: Path, header: str) -> None:
    file.write_bytes(header.encode("latin-1"))
    with pytest.raises(
        FileError, match=r"readings.csv:1: the first line must be `timestamp,asset,metric,value,quality`"
    ):
        list(read_tidy(file))


@pytest.mark.parametrize("header", ["\ufefftimestamp,asset,metric,value\r\n", "Timestamp, Asset, Metric, Value\n"])
def test_the_header_may_come_from_a_spreadsheet(file: Path, header: str) -> None:
    assert only_reading(file, "1", header).value == 1.0


def test_compressed_files_are_read_too_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "readings.csv.gz"
    content = gzip.compress((HEADER + "2026-03-01T06:00:00Z,press,force,1\n" * 1000).encode())
    path.write_bytes(content)
    assert sum(len(o.readings) for o in read_tidy(path)) == 1000
    for damaged in (content[:-9], b"no gzip", content[:20] + b"\xff\xff" + content[22:]):
        path.write_bytes(damaged)
        with pytest.raises(FileError, match=r"cannot be read"):
            list(read_tidy(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"missing.csv: cannot be read: No such file"):
        list(read_tidy(tmp_path / "missing.csv"))


@given(content=st.binary(max_size=300) | st.text('0:-TZ,"\n\r.a', max_size=200).map(str.encode))
def test_no_content_is_fatal_behind_a_header(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    rows = tidy(tmp_path_factory.getbasetemp() / "any.csv", content)
    assert sum(len(o.readings) for o in rows) <= rows.rows
    assert rows.bad >= len(rows.examples)
