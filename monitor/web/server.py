"""The web process: `/health`, `/metrics` and `/openapi.json`, behind the guards that every later page has too."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor import telemetry
from monitor.errors import AddressInUseError, AndonError
from monitor.settings import Settings
from monitor.web.health import Examiner, Health

READS: Final = frozenset({"GET", "HEAD"})
SECURITY_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}

log = structlog.get_logger()


class SecurityHeaders:
    """Adds the security headers to every response, errors included; a response may set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class KnownWriters:
    """Anonymous writes to the API get 401 before route, body or anything else is looked at."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on reads, and whatever is not the API."""
        if scope["type"] == "http" and scope["method"] not in READS and _is_api(scope["path"]):
            refusal = JSONResponse(
                {"detail": "who is asking? writing needs an account"},
                status_code=401,
                headers={"www-authenticate": 'Bearer realm="andon"'},
            )
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_api(path: str) -> bool:
    return path == "/api/v1" or path.startswith("/api/v1/")


def build_api(examiner: Examiner) -> FastAPI:
    """The routes alone."""
    api = FastAPI(title="Andon", summary="What this monitor knows", docs_url=None, redoc_url=None)

    @api.get("/health", responses={503: {"model": Health, "description": "A hop is ill."}})
    async def health(response: Response) -> Health:
        """The state of every hop; 503 if one is ill, 200 if none is worse than degraded."""
        found = await examiner.examine()
        response.status_code = 503 if found.ill else 200
        return found

    @api.get("/metrics", response_class=Response)
    async def metrics(request: Request) -> Response:
        """Counters of every hop over all processes, for Prometheus."""
        await examiner.examine()
        body, media_type = await run_in_threadpool(telemetry.exposition, request.headers.get("accept", ""))
        return Response(body, headers={"content-type": media_type})

    return api


def create_app(settings: Settings, examiner: Examiner | None = None) -> ASGIApp:
    """The whole application: routes behind the guards."""
    return SecurityHeaders(KnownWriters(build_api(examiner or Examiner(settings))))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        AddressInUseError: somebody else has the port.
        AndonError: the host is not one of ours, or the port needs rights we do not have.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        where = f"web: {host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise AddressInUseError(
                f"{where}: the port is in use by another program; end that, or set another `web: {{port: ...}}`"
            ) from error
        raise AndonError(
            f"{where}: cannot listen there ({error.strerror}); set `web: {{host: ..., port: ...}}`"
        ) from error


class _Server(uvicorn.Server):
    """Signals belong to the process, not to the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


async def run_web(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set.

    Raises:
        AddressInUseError: the port is taken; the supervisor tries again later.
    """
    listener = listen(settings.web.host, settings.web.port)
    examiner = Examiner(settings)
    server = _Server(
        uvicorn.Config(
            create_app(settings, examiner),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=65536,
        )
    )
    host, port = listener.getsockname()[:2]
    log.info("web_listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    serving_task = asyncio.create_task(server.serve(sockets=[listener]))
    others = [asyncio.create_task(stop.wait()), asyncio.create_task(examiner.run())]
    ended, _ = await asyncio.wait({serving_task, *others}, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    server.should_exit = True
    await asyncio.gather(serving_task, *ended)
