"""andon.yaml, typed: what the site is, where its brokers, gateways, store, people and web are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeAlias
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from monitor.sizes import SizeField, format_size
from rules.durations import DurationField
from rules.events import SECOND, Duration
from rules.problems import InputError, quoted, unknown
from rules.rule import Text
from rules.validation import Section

SCHEMES: Final = ("mqtt", "mqtts")
URL_HINT: Final = "write mqtt://host:1883 or mqtts://host:8883"
STORE_URL_HINT: Final = "write http://host:8086 or https://host:8086"

ALARMS: Final = "alarms.db"
JOURNAL: Final = "journal"

HOUR: Final[Duration] = 3_600 * SECOND
DAY: Final[Duration] = 24 * HOUR
LEAST_ROOM: Final = 1_000_000

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise InputError(f"the name {quoted(text)} is not allowed", "use letters, digits, _, . and - (at most 64)")
    return text


def _broker_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise InputError("the broker's url cannot be understood", URL_HINT) from None
    if parts.username is not None or parts.password is not None:
        raise InputError("the broker's url holds a user or password", "use the keys username and password")
    if parts.scheme not in SCHEMES or not parts.hostname or not port_fits or parts.path.strip("/") or parts.query:
        raise InputError(f"the broker's url {quoted(text)} cannot be used", URL_HINT)
    return text


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise unknown("time zone", name, available_timezones()) from None
    return name


def _channel(address: SecretStr) -> SecretStr:
    if not _ADDRESS.fullmatch(address.get_secret_value()):
        raise InputError("a channel is an address", 'for example "mailto://...", "json://host/hook" or "console://"')
    return address


def _store_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise InputError("the store's url cannot be understood", STORE_URL_HINT) from None
    if parts.username is not None or parts.password is not None:
        raise InputError("the store's url holds a user or password", 'use token: "user:password" for InfluxDB 1.8')
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits or parts.query or parts.fragment:
        raise InputError(f"the store's url {quoted(text)} cannot be used", STORE_URL_HINT)
    return text.rstrip("/")


def _one_line(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not (text and text.isascii() and text.isprintable()):
        raise InputError("the store's token is not one line of plain characters", "copy it again")
    return secret


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, (int, float)) else value


def _kept(value: Any) -> Any:
    return None if value == "forever" else value


def _worth_keeping(duration: Duration | None) -> Duration | None:
    if duration is not None and duration < HOUR:
        raise InputError("readings are kept for an hour at least", "write 90d, or forever")
    return duration


def _worth_quarantine(duration: Duration) -> Duration:
    if duration < HOUR:
        raise InputError("quarantine is kept for an hour at least", "write 30d")
    return duration


def _room(size: int) -> int:
    if size < LEAST_ROOM:
        raise InputError("quarantine needs room for some messages", f"write {format_size(LEAST_ROOM)} or more")
    return size


Name: TypeAlias = Annotated[str, AfterValidator(_name)]
Kept: TypeAlias = Annotated[DurationField | None, BeforeValidator(_kept), AfterValidator(_worth_keeping)]
"""A duration, or `forever`."""


class Tls(Section):
    """Files in PEM; `ca` alone checks the broker, `cert` and `key` prove who we are."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.cert is None) is not (self.key is None):
            raise InputError("`cert` and `key` belong together", "name both or neither")
        return self


class Broker(Section):
    """One MQTT broker: `mqtt://host:1883`, `mqtts://host:8883`, or `embedded: true`."""

    url: Annotated[str, AfterValidator(_broker_url)] | None = None
    embedded: bool = False
    port: int = Field(default=1883, ge=0, le=65535, description="of the embedded broker; others have it in their url")
    client_id: Annotated[str, Field(min_length=1, max_length=200)] = "andon"
    username: str | None = None
    password: SecretStr | None = None
    protocol: Annotated[Literal["5", "3.1.1"], BeforeValidator(_as_text)] = "5"
    keepalive: int = Field(default=30, ge=5, le=3600)
    tls: Tls = Tls()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.embedded is (self.url is not None):
            raise InputError("a broker has either a `url` or `embedded: true`", URL_HINT)
        if self.password is not None and self.username is None:
            raise InputError("a password without a username", "add username")
        if self.tls != Tls() and not (self.url or "").startswith("mqtts:"):
            raise InputError("`tls` needs a url that begins with mqtts://", "write mqtts://host:8883")
        return self


class QualityMap(Section):
    """Payload values that mean good or bad; anything else is uncertain."""

    good: tuple[bool | int | str, ...] = (True, "good", 192)
    bad: tuple[bool | int | str, ...] = (False, "bad", 0)


class Status(Section):
    """Where a gateway says that it is there, or the broker by the gateway's Will that it is gone.

    A payload that is the text `lost` says that it is gone, any other that it is there.
    """

    topic: str
    lost: Annotated[str, Field(min_length=1, max_length=200)] = "offline"


class Gateway(Section):
    """Which topics belong to a gateway and how they become readings of assets."""

    name: Name
    format: Literal["json"] = "json"
    broker: str = "main"
    topic: str
    asset: str
    time_unit: Literal["s", "ms", "us", "ns"] | None = None
    quality: QualityMap = QualityMap()
    max_payload: int = Field(default=1_048_576, ge=1, le=268_435_455)
    max_depth: int = Field(default=32, ge=1, le=64)
    status: Status | None = None

    @property
    def topics(self) -> tuple[str, ...]:
        """The templates of every topic that is its own."""
        return (self.topic,) if self.status is None else (self.topic, self.status.topic)


class Keep(Section):
    """How long the embedded store keeps readings and their rollups, counted back from each signal's newest hours.

    `forever` is None: nothing is deleted. So a machine that was switched off keeps its last readings however long ago,
    and a clock that is wrong for some hours deletes nothing: the latest 3 to 24 hours with readings do not count.
    """

    raw: Kept = 90 * DAY
    minutes: Kept = 730 * DAY
    hours: Kept = 3_650 * DAY


class Store(Section):
    """Where readings are kept: in a file of ours, so long as `keep` says, or in InfluxDB, which has its own retention.

    For InfluxDB 1.8 `bucket` is `database` or `database/retention-policy`, `token` is `user:password`, and `org` stays
    away. For 3 `bucket` is the database.
    """

    type: Literal["embedded", "influxdb"] = "embedded"
    url: Annotated[str, AfterValidator(_store_url)] | None = None
    org: Annotated[str, Field(max_length=200)] = ""
    bucket: Annotated[str, Field(max_length=200)] = ""
    token: Annotated[SecretStr, AfterValidator(_one_line)] | None = None
    keep: Keep = Keep()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.type == "embedded" and any((self.url, self.org, self.bucket, self.token)):
            raise InputError(
                "the embedded store has no url, org, bucket or token", "write type: influxdb, or drop them"
            )
        if self.type == "influxdb" and (self.url is None or not self.bucket):
            raise InputError("the store `influxdb` needs a `url` and a `bucket`", STORE_URL_HINT)
        if self.type == "influxdb" and self.keep != Keep():
            raise InputError("`keep` is the embedded store's", "set the retention of the bucket in InfluxDB")
        return self


class Quarantine(Section):
    """How much of what could not be read is kept, and for how long; the oldest go first."""

    keep: Annotated[DurationField, AfterValidator(_worth_quarantine)] = 30 * DAY
    max_size: Annotated[SizeField, AfterValidator(_room)] = 256_000_000


class Journal(Section):
    """How much of the journal stays once rules and store are done with it: no more than `max_size`, not longer than
    `keep`. What they still need is never deleted.

    `reserve` bytes of its disk are for deciding, commands and notifications: readings may not take them.
    """

    max_size: SizeField = 8 * 1_000**3
    keep: Annotated[DurationField | None, BeforeValidator(_kept)] = 7 * DAY
    reserve: SizeField = 256 * 1_000**2


class Team(Section):
    """People who are told together; channels are Apprise addresses or `console://`."""

    channels: tuple[Annotated[SecretStr, AfterValidator(_channel)], ...] = ()


class Route(Section):
    """Alarms that match (all given keys) go to a team; `match: {}` takes all."""

    match: dict[str, str] = {}
    to: str


class Notify(Section):
    """Who is told."""

    teams: dict[Name, Team] = {}
    routes: tuple[Route, ...] = ()


class Web(Section):
    """The web process's address."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = None


class SiteFile(Section):
    """andon.yaml as written."""

    site: Annotated[Text, Field(min_length=1)]
    data_dir: Path = Path("data")
    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    broker: Broker | None = None
    brokers: dict[Name, Broker] = {}
    gateways: tuple[Gateway, ...] = ()
    journal: Journal = Journal()
    when_full: Literal["decide", "hold"] = "decide"
    store: Store = Store()
    quarantine: Quarantine = Quarantine()
    notify: Notify = Notify()
    web: Web = Web()
    max_ahead: DurationField = 5 * SECOND


class Settings(Section):
    """A whole site. `directory` is where andon.yaml lies; `data_dir` and all other paths are absolute after loading."""

    directory: Path
    site: str
    data_dir: Path
    timezone: str = "UTC"
    brokers: dict[str, Broker]
    gateways: tuple[Gateway, ...]
    journal: Journal = Journal()
    when_full: Literal["decide", "hold"] = "decide"
    store: Store = Store()
    quarantine: Quarantine = Quarantine()
    notify: Notify = Notify()
    web: Web = Web()
    max_ahead: Duration = 5 * SECOND

    @property
    def alarm_database(self) -> Path:
        """Alarms, notifications, positions and quarantine."""
        return self.data_dir / ALARMS

    @property
    def journal_directory(self) -> Path:
        """What has been received, in the order of arrival."""
        return self.data_dir / JOURNAL


def settled(file: SiteFile, directory: Path) -> Settings:
    """The settings of a file that lies in a directory."""
    given = {"main": file.broker} if file.broker is not None else file.brokers
    brokers = {name: _at_home(broker, directory) for name, broker in given.items()}
    shared = {name: getattr(file, name) for name in Settings.model_fields.keys() & SiteFile.model_fields.keys()}
    home = {"directory": directory, "data_dir": directory / file.data_dir, "brokers": brokers}
    return Settings(**(shared | home))


def _at_home(broker: Broker, directory: Path) -> Broker:
    """The broker with its files named from the root."""
    tls = {key: directory / path for key, path in broker.tls if path is not None}
    return broker.model_copy(update={"tls": Tls(**tls)})
