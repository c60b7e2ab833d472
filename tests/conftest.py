"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services.mosquitto import Mosquitto, brokers


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A maker of real brokers with wishes of a test's own, see `Mosquitto`."""
    with brokers(tmp_path) as make:
        yield make


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A real broker without persistence, open to all."""
    return start_mosquitto()
