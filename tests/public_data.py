"""Where the public data sets lie, if they do: ANDON_DATA, else beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ANDON_DATA", ROOT / "../shared/data"))


def public_data(name: str) -> Path:
    """The folder of a data set; skips the test where it is absent."""
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set ANDON_DATA")
    return folder
