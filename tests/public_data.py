"""Where the public data sets lie, if they do: ANDON_DATA, else beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def public_data(name: str) -> Path:
    """The folder of a data set; skips the test where it is absent."""
    folder = Path(os.environ.get("ANDON_DATA", ROOT / "../shared/data")) / name
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set ANDON_DATA")
    return folder
