"""Tables of the public data sets."""

from __future__ import annotations

import csv

from tests.public_data import public_data


def rows(folder: str, name: str) -> list[dict[str, str]]:
    """The rows of a table: comma separated, or by white space where the name ends in .txt."""
    path = public_data(folder) / name
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".csv":
        return list(csv.DictReader(lines))
    header, *body = [line.split() for line in lines if line.strip()]
    return [dict(zip(header, line, strict=True)) for line in body]


def column(folder: str, name: str, key: str) -> list[float]:
    """One column as numbers."""
    return [float(row[key]) for row in rows(folder, name)]
