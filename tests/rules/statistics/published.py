"""Public data sets in `ANDON_DATA`, by default ../shared/data from the repository's root; tests skip without it."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("ANDON_DATA", ROOT.parent / "shared" / "data"))


def rows(folder: str, name: str) -> list[dict[str, str]]:
    """The rows of a table: comma separated, or by white space where the name ends in .txt."""
    path = DATA / folder / name
    if not path.exists():
        pytest.skip(f"{path} is absent: set ANDON_DATA to the folder of public data")
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".csv":
        return list(csv.DictReader(lines))
    header, *body = [line.split() for line in lines if line.strip()]
    return [dict(zip(header, line, strict=True)) for line in body]


def column(folder: str, name: str, key: str) -> list[float]:
    """One column as numbers."""
    return [float(row[key]) for row in rows(folder, name)]
