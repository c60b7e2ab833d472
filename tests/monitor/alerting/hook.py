"""A webhook of the tests' own: answers as it is told, hangs or cuts the line, and keeps what it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Behaviour = int | Literal["hang", "cut", "drip"]


@dataclass
class Hook:
    """What the webhook got, and how it answers: `script` first, one per request, then `then` for ever."""

    port: int = 0
    script: list[Behaviour] = field(default_factory=list)
    then: Behaviour = 200
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """When each request had been read, on the monotonic clock."""
    released: threading.Event = field(default_factory=threading.Event)
    busy: int = 0
    most_busy: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Behaviour:
        with self.lock:
            return self.script.pop(0) if self.script else self.then

    @property
    def keys(self) -> list[str]:
        return [headers["Idempotency-Key"] for _, headers, _ in self.requests]


@contextmanager
def webhook(*script: Behaviour, then: Behaviour = 200) -> Iterator[Hook]:
    """A running webhook on a free port."""
    hook = Hook(script=list(script), then=then)
    server = _Server(hook)
    hook.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield hook
    finally:
        hook.released.set()
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, hook: Hook) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hook = hook

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        hook = self.server.hook
        with hook.lock:
            hook.busy += 1
            hook.most_busy = max(hook.most_busy, hook.busy)
        try:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            if len(body) < length:  # whoever sent it died before its end: that was no message
                self.close_connection = True
                return
            hook.times.append(time.monotonic())
            hook.requests.append((self.path, dict(self.headers), body))
            self._behave(hook, hook.next())
        finally:
            with hook.lock:
                hook.busy -= 1

    def do_GET(self) -> None:
        self._answer(200)

    def _behave(self, hook: Hook, behaviour: Behaviour) -> None:
        if behaviour == "cut":
            self.close_connection = True
            self.connection.close()
        elif behaviour == "hang":
            hook.released.wait(60)
        elif behaviour == "drip":
            while not hook.released.wait(0.02):
                self.wfile.write(b"H")
        else:
            self._answer(int(behaviour))

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""
