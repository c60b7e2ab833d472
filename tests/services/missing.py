"""What a machine lacks is a reason to skip, or to fail where ANDON_REQUIRE_SERVICES=1 demands everything."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(why: str) -> NoReturn:
    """End the test: it cannot be run here."""
    (pytest.fail if os.environ.get("ANDON_REQUIRE_SERVICES") == "1" else pytest.skip)(why)
