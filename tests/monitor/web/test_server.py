"""The web process: guards on every answer, health that names the ill hop, metrics, and a port that may be taken."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from monitor.errors import AddressInUseError, AndonError
from monitor.linesocket import serving
from monitor.settings import Broker, Settings, Web
from monitor.web.server import SECURITY_HEADERS, create_app, listen, run_web


def settings(directory: Path, port: int = 0) -> Settings:
    return Settings(
        directory=directory,
        site="acme/north",
        data_dir=directory,
        brokers={"main": Broker(embedded=True)},
        gateways=(),
        web=Web(port=port),
    )


def request(
    directory: Path,
    method: str,
    path: str,
    line: dict[str, Any] | None = None,
    store: dict[str, Any] | None = None,
) -> httpx.Response:
    """The answer to a request while line and store answer `health` as given (or are not there)."""

    async def run() -> httpx.Response:
        async with AsyncExitStack() as stack:
            for process, answer in (("line", line), ("store", store)):
                if answer is not None:
                    health = partial(answered, answer)
                    await stack.enter_async_context(serving(directory, {"health": health}, process))
            transport = httpx.ASGITransport(create_app(settings(directory)), raise_app_exceptions=False)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://andon"))
            return await client.request(method, path)

    return asyncio.run(run())


async def answered(answer: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return answer


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
