"""A real InfluxDB 1.8 for tests, as .ci/install-influxdb leaves it: on a port of its own, killed and restarted at will."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from monitor.settings import Store as StoreSettings
from monitor.stores.influx import InfluxStore
from tests.services.missing import missing
from tests.services.ports import free_port
from tests.services.running import until

VERSION: Final = "1.8.10"
CACHE: Final = Path(os.environ.get("ANDON_CACHE") or Path.home() / ".cache" / "andon")
START_SECONDS: Final = 60.0
ADDRESS: Final = "ANDON_TEST_INFLUXDB"
"""Where this process and its children find the server."""

CONFIGURATION: Final = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{directory}/meta"
[data]
dir = "{directory}/data"
wal-dir = "{directory}/wal"
{more}
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
flux-enabled = {flux}
log-enabled = false
auth-enabled = {auth}
"""


class InfluxDB:
    """One server process. With `auth` there is one user, `andon`, whose password is `secret99`.

    `data` are lines more for that part of its configuration.
    """

    token = "andon:secret99"

    def __init__(
        self, executable: str, directory: Path, *, auth: bool = False, flux: bool = False, data: tuple[str, ...] = ()
    ) -> None:
        self._executable = executable
        self.directory = directory
        self._data = data
        directory.mkdir(parents=True, exist_ok=True)
        self._auth = auth
        self._flux = flux
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.start()
        if auth:
            self.query("CREATE USER andon WITH PASSWORD 'secret99' WITH ALL PRIVILEGES")

    @property
    def url(self) -> str:
        """The address in the form of a site's `store: url`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it answers; keeps what it stored, and its port once it has one."""
        for _ in range(5):
            port = self.port or free_port()
            self._start_on(port, free_port())
            until(self._answers_or_ended(port), START_SECONDS, "InfluxDB to answer")
            if self._process is not None and self._process.poll() is None:
                self.port = port
                return
        raise RuntimeError(f"InfluxDB does not start: {self.log}")

    def _start_on(self, port: int, rpc: int) -> None:
        configuration = self.directory / "influxdb.conf"
        switches = {"auth": str(self._auth).lower(), "flux": str(self._flux).lower()}
        values = {"directory": self.directory, "port": port, "rpc": rpc, "more": "\n".join(self._data), **switches}
        configuration.write_text(CONFIGURATION.format(**values))
        with (self.directory / "log").open("ab") as log:
            command = [self._executable, "run", "-config", str(configuration)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def database(self, name: str, *, duration: str = "INF") -> StoreSettings:
        """A database that keeps points so long, as the settings of a store."""
        self.query(f'CREATE DATABASE "{name}" WITH DURATION {duration}')
        return StoreSettings(type="influxdb", url=self.url, bucket=name, token=self.token if self._auth else None)

    def query(self, statement: str, database: str = "") -> list[dict[str, Any]]:
        """The series that a statement answers with."""
        form = urllib.parse.urlencode({"q": statement, "db": database, "epoch": "ns"})
        with urllib.request.urlopen(f"{self.url}/query?u=andon&p=secret99", form.encode(), timeout=10) as answer:
            (result,) = json.load(answer)["results"]
        assert "error" not in result, result
        return list(result.get("series", []))

    def _answers_or_ended(self, port: int) -> Callable[[], bool]:
        def look() -> bool:
            if self._process is None or self._process.poll() is not None:
                return True
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=1) as answer:
                    return bool(answer.status == 204)
            except OSError:
                return False

        return look


def found() -> str | None:
    """Where the server's program lies."""
    return shutil.which("influxd", path=str(CACHE / f"influxd-{VERSION}"))


@contextmanager
def influxdbs(directory: Path) -> Iterator[Callable[..., InfluxDB]]:
    """A maker of servers, all ended at the end; skips (or, with ANDON_REQUIRE_SERVICES=1, fails) without InfluxDB."""
    if (executable := found()) is None:
        missing(f"InfluxDB {VERSION} is not installed; .ci/install-influxdb does that")
    started: list[InfluxDB] = []

    def make(**wishes: Any) -> InfluxDB:
        started.append(InfluxDB(executable, directory / f"influxdb{len(started)}", **wishes))
        return started[-1]

    try:
        yield make
    finally:
        for server in started:
            server.kill()


def store_at(path: Path, *, read_only: bool = False) -> InfluxStore:
    """A store in a database of its own for each path, on the server that the environment names."""
    name = f"{path.parent.parent.name}.{path.parent.name}.{path.stem}"
    server = object.__new__(InfluxDB)
    server.port, server._auth = urllib.parse.urlsplit(os.environ[ADDRESS]).port or 0, False
    return InfluxStore(server.database(name), path.parent, read_only=read_only)
