"""An HTTP server that answers as a test scripts it: what a real InfluxDB will not do on demand."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

from monitor.settings import Store as StoreSettings

Answer: TypeAlias = "tuple[int, dict[str, str], bytes] | None"
"""Status, headers and body; None cuts the connection instead."""
Script: TypeAlias = "Callable[[list[bytes]], Answer]"
"""From the lines of a write to the answer."""

KEPT: Answer = (204, {}, b"")


CUT_AFTER_KEEPING: Answer = (0, {}, b"")
"""The lines are kept, and nobody learns of it."""


def refused(reason: str, status: int = 400) -> Answer:
    """What InfluxDB says to lines it will not have."""
    return status, {}, json.dumps({"code": "invalid", "message": reason}).encode()


class AnsweringServer:
    """`script` answers writes; `lines` are those that were kept, `writes` how many requests there were, `started` what
    it says of itself.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.writes = 0
        self.headers: list[dict[str, str]] = []
        self.script: Script = lambda lines: KEPT
        self.version = "2.7.1"
        self.ping_status = 204
        self.started: Answer = None
        self._starts = 0
        self.start_anew()
        self.query_answer: Answer = (200, {}, b'{"results":[{"statement_id":0}]}\n')
        self.buckets: Answer = (200, {}, b'{"buckets":[]}')
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def settings(self, token: str = "token-secret99") -> StoreSettings:
        """The settings of a store here."""
        return StoreSettings(type="influxdb", url=self.url, org="acme", bucket="plant", token=token)

    def start_anew(self) -> None:
        """From now on it says that it is another process than before."""
        self._starts += 1
        self.started = (200, {}, json.dumps({"status": "ready", "started": f"start {self._starts}"}).encode())

    def hang(self, _: list[bytes]) -> Answer:
        """A script that does not answer until the test ends."""
        self.released.wait(30)
        return None

    def close(self) -> None:
        """Let go of whoever hangs, and end."""
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def _write(self, handler: BaseHTTPRequestHandler, body: bytes) -> Answer:
        lines = gzip.decompress(body).split(b"\n")
        self.writes += 1
        self.headers.append({"path": handler.path, **{k.lower(): v for k, v in handler.headers.items()}})
        answer = self.script(lines)
        if answer in (KEPT, CUT_AFTER_KEEPING):
            self.lines += lines
        return None if answer == CUT_AFTER_KEEPING else answer

    def _handler(server) -> Any:  # noqa: N805 - the handler's own self comes below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.path.startswith("/api/v2/buckets?"):
                    self._send(server.buckets)
                    return
                if self.path == "/ready":
                    self._send(server.started)
                    return
                self._send((server.ping_status, {"X-Influxdb-Version": server.version}, b""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                writing = self.path.startswith("/api/v2/write")
                self._send(server._write(self, body) if writing else server.query_answer)

            def _send(self, answer: Answer) -> None:
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.close_connection = "Content-Length" in headers
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@contextmanager
def answering() -> Iterator[AnsweringServer]:
    """A server for the length of a block."""
    server = AnsweringServer()
    try:
        yield server
    finally:
        server.close()
