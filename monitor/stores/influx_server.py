"""An InfluxDB over HTTP, through influxdb-client: ready lines in, InfluxQL out, and what each answer means for us.

InfluxDB 1.8, 2 and 3 take `/api/v2/write` and answer InfluxQL at `/query`, where the bucket is the database.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import reduce
from operator import getitem
from typing import Any, Final

import msgspec
from influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from influxdb_client.service.write_service import WriteService
from urllib3.exceptions import HTTPError

from monitor import clock
from monitor.settings import Store as StoreSettings
from monitor.stores.base import StoreError
from rules.events import SECOND, Duration

CONNECT_SECONDS: Final = 3.0
ANSWER_SECONDS: Final = 20.0
LONGEST_PAUSE: Final[Duration] = 600 * SECOND
"""A server that asks for more patience is asked again after this."""
LONGEST_REASON: Final = 500
CHUNK_ROWS: Final = 2_000
MOST_CHUNK_BYTES: Final = 64 * 1024**2
REFUSED: Final = frozenset({400, 413, 422})
"""Answers that blame what was sent: sending the same again never helps."""

HINTS: Final[Mapping[int, str]] = {
    401: "set store: {token: ...} to a token that may read and write the bucket; for InfluxDB 1.8 it is user:password",
    403: "give the token the right to read and write the bucket",
    404: "create the bucket (1.8 and 3: the database), or mend store: {org: ..., bucket: ...}",
}
NO_POLICY: Final = "retention policy not found"
"""What 1.8 says with a status of 500."""
STARTED: Final[Mapping[str, tuple[str, ...]]] = {"1": ("/debug/vars", "system", "started"), "2": ("/ready", "started")}
"""Where a version says since when it runs, and under which keys. Version 3 has no log that an end by force tears."""
MAPPING_HINT: Final = "before InfluxDB 2.4 a bucket needs a DBRP mapping to be queried (influx v1 dbrp create)"
_DROPPED: Final = re.compile(r"\bdropped=([0-9]{1,9})\b")


class DeniedError(StoreError):
    """The server answers, and will not let us in: wrong token, organisation or bucket, until somebody mends it."""

    kind = "denied"


class AwayError(StoreError):
    """No answer: the server or the way to it is down, and the server may have been started anew when it is back."""


class Rejected(Exception):  # noqa: N818 - it is an answer, not a failure
    """The server will never take these lines as they are; `dropped` is how many it blames, if it counts them."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        found = _DROPPED.search(reason)
        self.dropped = int(found[1]) if found else 0


class _Rule(msgspec.Struct):
    everySeconds: int = 0  # noqa: N815 - the server's own name


class _Bucket(msgspec.Struct):
    retentionRules: list[_Rule] = []  # noqa: N815 - the server's own name


class _Buckets(msgspec.Struct):
    buckets: list[_Bucket] = []


class InfluxServer:
    """One bucket of one server. Connects when it is asked something; one connection a thread."""

    def __init__(self, settings: StoreSettings, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._settings = settings
        self._token = settings.token.get_secret_value() if settings.token else ""
        times = (CONNECT_SECONDS * 1_000, answer_seconds * 1_000)
        self._client = InfluxDBClient(settings.url, self._token or None, timeout=times, org=settings.org or "-")
        self._writing = WriteService(self._client.api_client)
        self._database, _, self._policy = settings.bucket.partition("/")

    def write(self, body: bytes) -> None:
        """Have lines kept. Raises Rejected, or StoreError with how long to leave the server alone."""
        with self._errors(refusable=True):
            self._writing.post_write(
                self._settings.org or "-",
                self._settings.bucket,
                gzip.compress(body, 1),
                precision="ns",
                content_encoding="gzip",
            )

    def version(self) -> str:
        """What the server says it is, such as `1.8.10`; empty if it does not say."""
        with self._errors():
            _, _, headers = self._client.api_client.call_api("/ping", "GET", header_params={}, query_params={})
        found = {str(name).lower(): str(value) for name, value in dict(headers).items()}
        return found.get("x-influxdb-version", "").removeprefix("v")[:40]

    def started(self) -> str:
        """What tells this process of the server from any other: since when it runs; empty if it does not say.

        Raises:
            AwayError: it does not answer at all.
        """
        try:
            version = self.version()
        except AwayError:
            raise
        except StoreError:
            return ""
        with suppress(StoreError, msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
            path, *keys = STARTED[version[:1]]
            return str(reduce(getitem, keys, self._page(path)))
        return ""

    def rows(self, query: str) -> Iterator[dict[str, Any]]:
        """The rows of an InfluxQL query as they arrive, tags included; times as ns."""
        for answer in self._answers(query):
            for result in answer.get("results", ()):
                if "error" in result:
                    raise StoreError(self._said(f"{str(result['error'])[:LONGEST_REASON]}; {MAPPING_HINT}"))
                for series in result.get("series", ()):
                    tags = series.get("tags", {})
                    for values in series["values"]:
                        yield {**tags, **dict(zip(series["columns"], values, strict=True))}

    def retention(self) -> Duration:
        """For how long the bucket keeps points, 0 for ever. Raises StoreError if the server does not say."""
        if self.version().startswith("2"):
            buckets = self._buckets().buckets
            return max((rule.everySeconds for bucket in buckets for rule in bucket.retentionRules), default=0) * SECOND
        policies = list(self.rows("SHOW RETENTION POLICIES"))
        chosen = [row for row in policies if (row["name"] == self._policy if self._policy else row.get("default"))]
        return _go_duration(str(chosen[0]["duration"])) if chosen else 0

    def close(self) -> None:
        """Give connections back; calling it again does nothing."""
        self._client.close()

    def _buckets(self) -> _Buckets:
        """The buckets of our bucket's name, as version 2 tells them."""
        with self._errors():
            response = self._client.api_client.request(
                "GET",
                f"{self._settings.url}/api/v2/buckets",
                query_params={"name": self._settings.bucket, "org": self._settings.org},
                headers=dict(self._client.api_client.default_headers),
                _preload_content=False,
            )
            return msgspec.json.decode(response.data, type=_Buckets)

    def _page(self, path: str) -> Any:
        with self._errors():
            response = self._client.api_client.request(
                "GET",
                f"{self._settings.url}{path}",
                headers=dict(self._client.api_client.default_headers),
                _preload_content=False,
            )
            body = response.data
        return msgspec.json.decode(body)

    def _answers(self, query: str) -> Iterator[dict[str, Any]]:
        """The documents of an answer in chunks, one a line."""
        form = {"q": query, "db": self._database, "epoch": "ns", "chunked": "true", "chunk_size": str(CHUNK_ROWS)}
        if self._policy:
            form["rp"] = self._policy
        with self._errors():
            response = self._client.api_client.request(
                "POST",
                f"{self._settings.url}/query",
                headers={
                    **self._client.api_client.default_headers,
                    "Content-Type": "application/x-www-form-urlencoded",
                },
                post_params=form,
                _preload_content=False,
            )
            try:
                for line in _lines(response):
                    yield msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError) as problem:
                raise StoreError(self._said("the answer to a query is cut off or not JSON")) from problem
            finally:
                response.close()

    @contextmanager
    def _errors(self, *, refusable: bool = False) -> Generator[None]:
        try:
            yield
        except ApiException as problem:
            reason = self._reason(problem)
            if refusable and problem.status in REFUSED and (reason or problem.status == 413):
                raise Rejected(reason or "too large for the server") from None
            status = 404 if NO_POLICY in reason else problem.status
            hint = HINTS.get(status, "the log of the server may say more")
            said = self._said(f"answered {problem.status} ({reason or 'no reason given'}); {hint}")
            raise (DeniedError if status in HINTS else StoreError)(said, _retry_after(problem.headers)) from None
        except (HTTPError, OSError, ValueError) as problem:
            reason = type(problem).__name__.removesuffix("Error")
            raise AwayError(self._said(f"does not answer ({reason}); is it running, and is the url right?")) from None

    def _said(self, text: str) -> str:
        return f"InfluxDB at {self._settings.url}, bucket {self._settings.bucket}: {self._masked(text)}"

    def _masked(self, text: str) -> str:
        return text.replace(self._token, "***") if self._token else text

    def _reason(self, problem: Any) -> str:
        """What an InfluxDB says went wrong; empty if the answer is not of its making."""
        try:
            said = msgspec.json.decode(problem.body or b"", type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeError):
            return ""
        text = str(said.get("message") or said.get("error") or "")
        if isinstance(said.get("data"), list):
            text += f": {said['data']}"
        return self._masked("".join(c if c.isprintable() else " " for c in text[:LONGEST_REASON]))


def _lines(response: Any) -> Iterator[bytes]:
    rest = b""
    for part in response.stream(65_536):
        *whole, rest = (rest + part).split(b"\n")
        yield from filter(None, whole)
        if len(rest) > MOST_CHUNK_BYTES:
            raise ValueError("one line of the answer is too long")
    if rest:
        yield rest


def _retry_after(headers: Any) -> Duration | None:
    """The header Retry-After, in seconds or as a date."""
    text = str(headers.get("Retry-After", "") if headers else "")
    try:
        wait = int(text) * SECOND if text.isdecimal() else _until(text)
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0), LONGEST_PAUSE)


def _until(text: str) -> Duration:
    return int(parsedate_to_datetime(text).timestamp()) * SECOND - clock.now()


def _go_duration(text: str) -> Duration:
    """`168h0m0s` as a duration."""
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"([0-9]+)([hms])", text)) * SECOND
