"""The web process: guards on every answer, health that names the ill hop, metrics, and a port that may be taken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor import clock
from monitor.errors import AddressInUseError, AndonError
from monitor.journal.entries import TickEntry
from monitor.journal.writer import JournalWriter
from monitor.linesocket import serving
from monitor.settings import Broker, Settings, Store, Web
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.influx_progress import Progress
from monitor.web.health import store_lag
from monitor.web.server import SECURITY_HEADERS, create_app, listen, run_web
from rules.events import SECOND, Duration


def settings(directory: Path, port: int = 0) -> Settings:
    return Settings(
        directory=directory,
        site="acme/north",
        data_dir=directory,
        brokers={"main": Broker(embedded=True)},
        gateways=(),
        web=Web(port=port),
    )


def request(directory: Path, method: str, path: str, line: dict[str, Any] | None = None) -> httpx.Response:
    """The answer to a request while the line answers `health` as given (or is not there)."""

    async def health(_: dict[str, Any]) -> dict[str, Any]:
        return line or {}

    async def run() -> httpx.Response:
        async with AsyncExitStack() as stack:
            if line is not None:
                await stack.enter_async_context(serving(directory, {"health": health}))
            transport = httpx.ASGITransport(create_app(settings(directory)), raise_app_exceptions=False)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://andon"))
            return await client.request(method, path)

    return asyncio.run(run())


WELL = {"links": {"main": True}, "lag": 0, "head": 3}


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """A data directory whose journal has three entries, received so long ago, of which the store has taken some."""

    def make(taken: int, ago: Duration = 0) -> Path:
        entries = [TickEntry(clock.now() - ago + n) for n in range(3)]
        with (
            closing(JournalWriter(tmp_path / "journal")) as writer,
            closing(EmbeddedStore(tmp_path / "store.db")) as store,
        ):
            writer.append(entries)
            store.write([], taken)
        return tmp_path

    return make


def test_all_hops_well_is_200(stored) -> None:
    response = request(stored(3), "GET", "/health", WELL)
    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "ill": [],
        "hops": {
            "broker:main": {"ok": True},
            "line": {"ok": True, "lag": 0, "head": 3},
            "store": {"ok": True, "lag_entries": 0},
        },
    }


def test_store_on_a_server_is_judged_by_what_it_confirmed(stored) -> None:
    directory = stored(0)
    influxdb = Store(type="influxdb", url="http://127.0.0.1:1", bucket="plant")
    elsewhere = settings(directory).model_copy(update={"store": influxdb})
    Progress(directory, influxdb).save(2)
    assert store_lag(elsewhere)[0] == 1
    Progress(directory, influxdb).save(3)
    assert store_lag(elsewhere) == (0, 0)


def test_line_that_is_not_there_is_503_and_named(stored) -> None:
    response = request(stored(3), "GET", "/health")
    assert response.status_code == 503
    assert response.json()["ill"] == ["line"]
    assert "not running" in response.json()["hops"]["line"]["error"]


@pytest.mark.parametrize("links", [{"main": False}, {}, None, "nonsense"])
def test_broker_that_is_not_connected_is_503_and_named(stored, links: object) -> None:
    response = request(stored(3), "GET", "/health", {"links": links})
    assert response.status_code == 503
    assert response.json()["ill"] == ["broker:main"]


def test_store_may_be_a_little_behind(stored) -> None:
    response = request(stored(1), "GET", "/health", WELL)
    assert response.status_code == 200
    assert response.json()["hops"]["store"]["lag_entries"] == 2


def test_store_that_does_not_take_what_waits_for_it_is_503_and_named(stored) -> None:
    response = request(stored(1, ago=60 * SECOND), "GET", "/health", WELL)
    assert response.status_code == 503
    assert response.json()["ill"] == ["store"]
    assert "waited for 60 s" in response.json()["hops"]["store"]["error"]


def test_missing_store_is_ill_and_not_an_error_of_ours(tmp_path: Path) -> None:
    response = request(tmp_path, "GET", "/health", WELL)
    assert response.status_code == 503
    assert "no store yet" in response.json()["hops"]["store"]["error"]


def test_metrics_show_how_far_the_store_is_behind(stored) -> None:
    assert 'andon_reader_lag_entries{reader="store"} 2.0' in request(stored(1), "GET", "/metrics").text


def test_metrics_are_prometheus_text(tmp_path: Path) -> None:
    response = request(tmp_path, "GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE andon_received_total counter" in response.text


def test_openapi_is_at_the_root_and_no_page_loads_from_elsewhere(tmp_path: Path) -> None:
    assert set(request(tmp_path, "GET", "/openapi.json").json()["paths"]) == {"/health", "/metrics"}
    assert {request(tmp_path, "GET", path).status_code for path in ("/docs", "/redoc")} == {404}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"])
@pytest.mark.parametrize("path", ["/api/v1", "/api/v1/alarms/x/acknowledge", "/api/v1/nowhere", "/api/%76%31/alarms"])
def test_anonymous_write_is_401_before_anything_else(tmp_path: Path, method: str, path: str) -> None:
    response = request(tmp_path, method, path)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/api/v1/alarms", "/api/v10", "/nowhere"])
def test_reads_and_other_paths_are_routed(tmp_path: Path, path: str) -> None:
    assert request(tmp_path, "GET", path).status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics"), ("GET", "/nowhere"), ("POST", "/api/v1/x")])
def test_every_answer_has_the_security_headers(tmp_path: Path, method: str, path: str) -> None:
    headers = request(tmp_path, method, path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "default-src 'self'" in headers["content-security-policy"]


@pytest.fixture
def taken() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_port_in_use_is_a_clear_error(taken: int) -> None:
    with pytest.raises(AddressInUseError, match=rf"127.0.0.1:{taken}: the port is in use.*port: \.\.\."):
        listen("127.0.0.1", taken)


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host.invalid"])
def test_host_that_is_not_ours_is_a_clear_error(host: str) -> None:
    with pytest.raises(AndonError, match=r"cannot listen there.*set `web"):
        listen(host, 0)


def test_serves_until_told_to_stop_and_frees_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    async def run() -> httpx.Response:
        stop = asyncio.Event()
        server = asyncio.create_task(run_web(settings(tmp_path, port), stop))
        transport = httpx.AsyncHTTPTransport(retries=10)
        async with httpx.AsyncClient(transport=transport) as client, asyncio.timeout(20):
            response = await client.get(f"http://127.0.0.1:{port}/health")
        stop.set()
        await asyncio.wait_for(server, 5)
        return response

    response = asyncio.run(run())
    assert response.status_code == 503
    assert "server" not in response.headers
    with socket.create_server(("127.0.0.1", port)):
        pass
