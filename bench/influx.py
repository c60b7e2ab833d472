"""InfluxDB: our line encoder beside influxdb-client's `Point`, and the whole writer into a server that only counts.

With a real InfluxDB (--url and --bucket) the writer goes there instead.
"""

from __future__ import annotations

import argparse
import socketserver
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from influxdb_client import Point as ClientPoint

from monitor.settings import Store as StoreSettings
from monitor.stores.base import Point
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_lines import LineEncoder

START = 1_772_344_800_000_000_000
BATCH = 10_000


def readings(count: int) -> list[Point]:
    """Numbers of 500 series, a text or a truth value now and then."""
    texts = {0: "running", 50: "true"}
    return [
        Point(f"line{n % 5}/press {n % 10}", f"metric{n % 50}", START + n * 1_000, n * 0.37, texts.get(n % 100), 0)
        for n in range(count)
    ]


def of_the_client(points: list[Point]) -> str:
    """The same lines by way of the client library."""
    return "\n".join(
        ClientPoint("telemetry")
        .tag("asset", p.asset)
        .tag("metric", p.metric)
        .field("quality", p.quality)
        .field("text", p.text)
        .field("value", p.value)
        .time(p.at)
        .to_line_protocol()
        for p in points
    )


def ours(encoder: LineEncoder, points: list[Point]) -> str:
    """The same lines by ours, bounded as the writer bounds them."""
    return "\n".join("\n".join(encoder.lines(points[at : at + BATCH]).values()) for at in range(0, len(points), BATCH))


def best(act: Callable[[], object], times: int = 3) -> float:
    """Seconds of the quickest of several goes."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        spent.append(time.perf_counter() - started)
    return min(spent)


class Counting(BaseHTTPRequestHandler):
    """Takes every write."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def target(url: str | None, bucket: str) -> Iterator[StoreSettings]:
    """The settings of a store there, or on a server of our own."""
    if url:
        yield StoreSettings(type="influxdb", url=url, bucket=bucket)
        return
    socketserver.TCPServer.allow_reuse_address = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield StoreSettings(type="influxdb", url=f"http://127.0.0.1:{server.server_address[1]}", bucket=bucket)
    server.shutdown()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--points", type=int, default=200_000)
    arguments.add_argument("--url", help="of a real InfluxDB; default: a server of our own")
    arguments.add_argument("--bucket", default="bench")
    given = arguments.parse_args()
    points = readings(given.points)
    encoder = LineEncoder()
    few = points[:BATCH]
    assert ours(encoder, few) == of_the_client(few)
    figures = {
        "influxdb-client Point": len(points) / best(lambda: of_the_client(points)),
        "our encoder": len(points) / best(lambda: ours(encoder, points)),
    }
    with (
        target(given.url, given.bucket) as settings,
        tempfile.TemporaryDirectory() as directory,
        closing(InfluxStore(settings, Path(directory))) as store,
    ):

        def write() -> None:
            for at in range(0, len(points), BATCH):
                store.write(points[at : at + BATCH], at + BATCH)

        where = "a real InfluxDB" if given.url else "a counting server"
        figures[f"encode, gzip, send to {where}, offset"] = len(points) / best(write)
    for name, rate in figures.items():
        print(f"{name:50} {rate:12,.0f} points/s  {rate / figures['influxdb-client Point']:5.1f} x")


if __name__ == "__main__":
    main()
