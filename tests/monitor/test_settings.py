"""The parts of andon.yaml accept what they should and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.settings import Broker, Gateway, Notify, Quarantine, Settings, SiteFile, Store, settled
from rules.events import SECOND


def site_file(**keys: Any) -> SiteFile:
    return SiteFile.model_validate({"site": "s", "broker": {"url": "mqtt://host"}, **keys})


def test_a_single_broker_is_called_main() -> None:
    settings = settled(site_file(), Path("/site"))
    assert isinstance(settings, Settings)
    assert list(settings.brokers) == ["main"]
    assert settings.data_dir == Path("/site/data")
    assert settings.max_ahead == 5 * SECOND


def test_all_paths_begin_at_the_site_directory() -> None:
    tls = {"ca": "certs/ca.pem", "cert": "/abs/cert.pem", "key": "key.pem"}
    file = site_file(broker={"url": "mqtts://host", "tls": tls}, data_dir="/var/lib/andon")
    settings = settled(file, Path("/site"))
    assert settings.data_dir == Path("/var/lib/andon")
    found = settings.brokers["main"].tls
    assert (found.ca, found.cert, found.key) == (
        Path("/site/certs/ca.pem"),
        Path("/abs/cert.pem"),
        Path("/site/key.pem"),
    )


@pytest.mark.parametrize("protocol", [5, "5", "3.1.1"])
def test_the_protocol_may_be_written_as_a_number(protocol: Any) -> None:
    assert Broker.model_validate({"url": "mqtt://h", "protocol": protocol}).protocol == str(protocol)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"url": "mqtt://h", "embedded": True},
        {"url": "http://h"},
        {"url": "mqtt://"},
        {"url": "mqtt://h:0"},
        {"url": "mqtt://h:99999"},
        {"url": "mqtt://[::1"},
        {"url": "mqtt://h/path"},
        {"url": "mqtt://user:secret99@h"},
        {"url": "mqtt://h", "password": "secret99"},
        {"url": "mqtt://h", "tls": {"ca": "x"}},
        {"url": "mqtts://h", "tls": {"cert": "x"}},
        {"url": "mqtt://h", "protocol": "4"},
        {"url": "mqtt://h", "client_id": ""},
        {"url": "mqtt://h", "keepalive": 1},
        {"url": "mqtt://h", "unknown": 1},
    ],
)
def test_a_broker_that_cannot_work_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        Broker.model_validate(data)
    assert "secret99" not in str([(error["msg"], error["loc"]) for error in refusal.value.errors()])


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Gateway, {"name": "a b", "topic": "t", "asset": "a"}),
        (Gateway, {"name": "a", "topic": "t", "asset": "a", "max_depth": 65}),
        (Gateway, {"name": "a", "topic": "t", "asset": "a", "time_unit": "min"}),
        (Store, {"type": "influx"}),
        (Store, {"type": "influxdb"}),
        (Store, {"type": "influxdb", "url": "http://h:8086"}),
        (Store, {"type": "influxdb", "bucket": "b"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "h:8086"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "ftp://h"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://h:99999"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://[::1"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://h?x=1"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://user:secret99@h"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://h", "token": "two\nlines"}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://h", "token": ""}),
        (Store, {"type": "influxdb", "bucket": "b", "url": "http://h", "keep": {"raw": "1d"}}),
        (Store, {"bucket": "b"}),
        (Store, {"type": "embedded", "token": "secret99"}),
        (Notify, {"teams": {"a": {"channels": ["not an address"]}}}),
        (Notify, {"routes": [{"match": {}}]}),
    ],
)
def test_other_parts_are_strict_too(model: Any, data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(data)


def test_an_empty_part_is_all_defaults() -> None:
    assert site_file(web=None, notify=None, store=None).web.port == 8080


def test_secrets_do_not_show() -> None:
    file = site_file(
        broker={"url": "mqtt://h", "username": "u", "password": "secret99"},
        notify={"teams": {"t": {"channels": ["json://secret99@h"]}}},
        store={"type": "influxdb", "url": "https://h:8086/", "org": "acme", "bucket": "plant", "token": "secret99"},
    )
    settings = settled(file, Path("/site"))
    assert "secret99" not in f"{file!r} {settings!r} {settings} {settings.model_dump_json()}"
    password = settings.brokers["main"].password
    assert password is not None
    assert password.get_secret_value() == "secret99"
    assert settings.store.url == "https://h:8086"
    assert settings.store.token is not None
    assert settings.store.token.get_secret_value() == "secret99"


def test_readings_are_kept_as_long_as_the_site_says() -> None:
    day = 86_400 * SECOND
    kept = site_file(store={"type": "embedded", "keep": {"raw": "30d", "hours": "forever"}}).store.keep
    assert (kept.raw, kept.minutes, kept.hours) == (30 * day, 730 * day, None)
    assert Store().keep.raw == 90 * day


@pytest.mark.parametrize("wrong", ["90", "0s", "59m", "always", 90, -1])
def test_a_retention_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Store.model_validate({"keep": {"raw": wrong}})


def test_quarantine_is_bounded_unless_the_site_says_otherwise() -> None:
    assert settled(site_file(), Path("/s")).quarantine == Quarantine(keep="30d", max_size="256MB")
    file = site_file(quarantine={"keep": "7d", "max_size": "64MiB"})
    chosen = settled(file, Path("/s")).quarantine
    assert (chosen.keep, chosen.max_size) == (7 * 86_400 * SECOND, 67_108_864)


@pytest.mark.parametrize(
    "data", [{"keep": "1m"}, {"max_size": "1kB"}, {"max_size": 64}, {"max_size": "lots"}, {"keep": 7}, {"rows": 5}]
)
def test_quarantine_without_sense_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        site_file(quarantine=data)


@pytest.mark.parametrize(
    ("text", "size"), [("500MB", 500_000_000), ("8 GB", 8_000_000_000), ("1.5TiB", 3 << 39), ("7B", 7), ("2kB", 2_000)]
)
def test_a_size_is_written_with_its_unit(text: str, size: int) -> None:
    assert settled(site_file(journal={"max_size": text}), Path("/site")).journal.max_size == size


@pytest.mark.parametrize("text", ["", "8", 8, "8 G", "-1MB", "1e3MB", "GB", "1.MB", True, None])
def test_anything_else_is_no_size(text: Any) -> None:
    with pytest.raises(ValidationError, match="is not a size"):
        site_file(journal={"reserve": text})


def test_the_journal_may_be_kept_for_ever_but_for_its_size() -> None:
    assert site_file(journal={"keep": "forever"}).journal.keep is None
