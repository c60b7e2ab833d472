"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from monitor.collectors.embedded import mosquitto_path
from tests.services.influxdb import ADDRESS, InfluxDB, influxdbs
from tests.services.missing import missing
from tests.services.mosquitto import Mosquitto, brokers

settings.register_profile("andon", deadline=None)  # a busy machine makes no example wrong
settings.load_profile("andon")


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A maker of real brokers with wishes of a test's own, see `Mosquitto`."""
    with brokers(tmp_path) as make:
        yield make


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker_kind(request: pytest.FixtureRequest) -> str:
    """Each of the brokers that Andon can run by itself."""
    if request.param == "mosquitto" and mosquitto_path() is None:
        missing("mosquitto is not installed")
    return str(request.param)


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A real broker without persistence, open to all."""
    return start_mosquitto()


@pytest.fixture
def start_influxdb(tmp_path: Path) -> Iterator[Callable[..., InfluxDB]]:
    """A maker of real InfluxDB servers of a test's own, see `InfluxDB`."""
    with influxdbs(tmp_path) as make:
        yield make


@pytest.fixture(scope="session")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    """A real InfluxDB, open to all, that tests share: each takes databases of its own."""
    with influxdbs(tmp_path_factory.mktemp("influxdb")) as make, pytest.MonkeyPatch.context() as environment:
        server = make()
        environment.setenv(ADDRESS, server.url)
        yield server
