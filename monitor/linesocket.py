"""Requests between processes of one monitor: newline-delimited JSON over a Unix socket that only its user may open.

A request is `{"request": NAME, "arguments": {...}}`, the response `{"answer": {...}}` or `{"error": TEXT}`.
Every process answers `health` with `{"hops": {NAME: {"ok": bool, ...}}}`; what else it answers is its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec
import structlog

from monitor import clock
from monitor.errors import AndonError, RefusedError, UnreachableError
from rules.events import SECOND, Duration

Handler: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Arguments in, answer out (JSON only); an AndonError it raises is passed on as text."""

MAX_MESSAGE: Final = 1 << 20
"""Bytes of one request or answer."""
IDLE: Final[Duration] = 60 * SECOND
"""A connection without a request for so long is closed."""
MAX_PATH: Final = 100
"""Bytes of a socket's path that every system takes (Linux 107, others 103)."""

log = structlog.get_logger()


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked."""

    request: str
    arguments: dict[str, Any] = {}


class Response(msgspec.Struct, omit_defaults=True):
    """Exactly one of the two is set."""

    answer: dict[str, Any] | None = None
    error: str | None = None


NOT_A_REQUEST: Final = Response(
    error=f'a request is one line of JSON such as {{"request": "health"}}, at most {MAX_MESSAGE} bytes'
)


def socket_path(data_dir: Path, process: str = "line") -> Path:
    """Where clients find a process: `<data_dir>/line.sock`, or what that links to if the path is too long."""
    path = data_dir.absolute() / f"{process}.sock"
    return path.readlink() if path.is_symlink() else path


@asynccontextmanager
async def serving(data_dir: Path, handlers: Mapping[str, Handler], process: str = "line") -> AsyncIterator[None]:
    """Answer requests until the block is left. Whoever calls holds the directory's lock: an old socket goes."""
    path = _place(data_dir, process)
    talks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(_converse(reader, writer, handlers))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_unix_server(connected, sock=_bind(path), limit=MAX_MESSAGE)
    try:
        yield
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        path.unlink(missing_ok=True)


async def ask(
    data_dir: Path,
    request: str,
    arguments: dict[str, Any] | None = None,
    *,
    process: str = "line",
    timeout: Duration = 2 * SECOND,  # noqa: ASYNC109 - part of the contract: no caller may wait for ever
) -> dict[str, Any]:
    """One request, one answer.

    Raises:
        UnreachableError: the process is not running, does not answer in time or answers with something else.
        RefusedError: it does not know the request or will not do it; the message says why.
    """
    message = msgspec.json.encode(Request(request, arguments or {})) + b"\n"
    try:
        async with asyncio.timeout(clock.seconds(timeout)):
            line = await _exchange(socket_path(data_dir, process), message)
        response = msgspec.json.decode(line, type=Response)
    except TimeoutError:
        raise UnreachableError(f"the {process} process did not answer within {clock.seconds(timeout):g} s") from None
    except OSError:
        raise UnreachableError(
            f"the {process} process is not running on {data_dir}; start it with `andon run`"
        ) from None
    except (ValueError, RecursionError):
        raise UnreachableError(f"the {process} process broke off or answered with something else") from None
    if response.error is not None:
        raise RefusedError(response.error)
    return response.answer or {}


async def _exchange(path: Path, message: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_MESSAGE)
    try:
        writer.write(message)
        await writer.drain()
        return await reader.readline()
    finally:
        writer.close()


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
) -> None:
    try:
        with suppress(OSError, TimeoutError):
            while line := await _next_line(reader):
                response = await _respond(line, handlers) if line.endswith(b"\n") else NOT_A_REQUEST
                writer.write(msgspec.json.encode(response) + b"\n")
                await writer.drain()
                if response is NOT_A_REQUEST:
                    return
    finally:
        writer.close()


async def _next_line(reader: asyncio.StreamReader) -> bytes:
    """A whole line; something without an end of line if it was too long or cut off; nothing at the end."""
    async with asyncio.timeout(clock.seconds(IDLE)):
        try:
            return await reader.readline()
        except ValueError:
            return b"too long"


async def _respond(line: bytes, handlers: Mapping[str, Handler]) -> Response:
    try:
        asked = msgspec.json.decode(line, type=Request)
    except (ValueError, RecursionError):
        return NOT_A_REQUEST
    handler = handlers.get(asked.request)
    if handler is None:
        return Response(error=f"unknown request {asked.request[:40]!r}; known are {', '.join(sorted(handlers))}")
    try:
        return Response(answer=await handler(asked.arguments))
    except AndonError as error:
        return Response(error=str(error))
    except Exception:
        log.exception("request_failed", request=asked.request)
        return Response(error=f"{asked.request} failed for a reason of ours; the log has the details")


def _place(data_dir: Path, process: str) -> Path:
    """A path short enough to bind; where it is not in the data directory, a link there points to it."""
    wanted = data_dir.absolute() / f"{process}.sock"
    wanted.unlink(missing_ok=True)
    if len(os.fsencode(wanted)) <= MAX_PATH:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    short = _runtime_dir() / f"{digest}.sock"
    short.unlink(missing_ok=True)
    wanted.symlink_to(short)
    return short


def _runtime_dir() -> Path:
    """A directory of this user alone with a short path; one of that name that is somebody else's is refused."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    directory = base / f"andon-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or directory.is_symlink():
        raise AndonError(f"{directory}: not a private directory of this user; remove it, or set XDG_RUNTIME_DIR")
    return directory


def _bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener
