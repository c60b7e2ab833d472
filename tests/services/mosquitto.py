"""A real mosquitto for tests: on a port of its own, with what a test asks for, killed and restarted at will."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.services.missing import missing
from tests.services.ports import free_port

START_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02
SEARCH_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Certificates:
    """A certificate authority with one certificate for the broker (127.0.0.1 and localhost) and one for a client."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.ca, self._ca_key = self._self_signed("ca")
        self.server, self.server_key = self._signed("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.client, self.client_key = self._signed("client", "extendedKeyUsage=clientAuth")

    def _self_signed(self, name: str) -> tuple[Path, Path]:
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        self._openssl("req", "-x509", *self._new_key(name), "-days", "2", "-out", certificate)
        return certificate, key

    def _signed(self, name: str, extension: str) -> tuple[Path, Path]:
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        request, extensions = self._directory / f"{name}.csr", self._directory / f"{name}.ext"
        extensions.write_text(extension)
        self._openssl("req", *self._new_key(name), "-out", request)
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._ca_key, "-CAcreateserial"),
            *("-days", "2", "-extfile", extensions, "-out", certificate),
        )
        return certificate, key

    def _new_key(self, name: str) -> tuple[str | Path, ...]:
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        return (*curve, "-keyout", self._directory / f"{name}.key", "-subj", f"/CN=andon-test-{name}")

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


class Mosquitto:
    """One broker process. `queue` bounds what it keeps for an absent client (0: nothing is dropped)."""

    def __init__(
        self,
        executable: str,
        directory: Path,
        *,
        persistence: bool = False,
        users: dict[str, str] | None = None,
        tls: bool = False,
        client_certificates: bool = False,
        queue: int = 0,
        inflight: int = 0,
        options: tuple[str, ...] = (),
    ) -> None:
        self._executable = executable
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.host = "127.0.0.1"
        self.certificates = Certificates(directory / "tls") if tls else None
        self._settings = [
            f"persistence {str(persistence).lower()}",
            f"persistence_location {directory}/",
            f"max_queued_messages {queue}",
            f"max_inflight_messages {inflight}",
            "log_dest stderr",
            "user root",
            *self._who(users),
            *self._tls(client_certificates=client_certificates),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        """The address in the form of a site's `broker: url`."""
        return f"{'mqtts' if self.certificates else 'mqtt'}://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What the broker has written so far."""
        return (self._directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start and wait until it accepts; keeps its port once it has one."""
        for _ in range(5):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return
        raise RuntimeError(f"mosquitto does not start: {self.log}")

    def stop(self) -> None:
        """End it as a service manager would: with persistence it saves its sessions."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(lambda process: process.kill())

    def restart(self) -> None:
        """Stop and start again on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Keep its sockets open but let it do nothing, until `resume`."""
        assert self._process is not None
        os.kill(self._process.pid, 19)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, 18)

    def _start_on(self, port: int) -> bool:
        configuration = self._directory / "mosquitto.conf"
        configuration.write_text("\n".join([f"listener {port} {self.host}", *self._settings, ""]))
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen([self._executable, "-c", configuration], stderr=log, stdout=log)
        return accepts(self.host, port, self._process)

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is not None:
            how(self._process)
            self._process.wait(START_SECONDS)
            self._process = None

    def _who(self, users: dict[str, str] | None) -> list[str]:
        if not users:
            return ["allow_anonymous true"]
        passwords = self._directory / "passwords"
        passwords.touch()
        for name, password in users.items():
            command = [found("mosquitto_passwd") or "mosquitto_passwd", "-b", str(passwords), name, password]
            subprocess.run(command, check=True, capture_output=True)
        return ["allow_anonymous false", f"password_file {passwords}"]

    def _tls(self, *, client_certificates: bool) -> list[str]:
        if self.certificates is None:
            return []
        files = self.certificates
        lines = [f"cafile {files.ca}", f"certfile {files.server}", f"keyfile {files.server_key}"]
        return [*lines, f"require_certificate {str(client_certificates).lower()}"]


def found(program: str) -> str | None:
    """Where a program lies, also where only administrators look."""
    return shutil.which(program, path=SEARCH_PATH)


def accepts(host: str, port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether the process comes to accept connections before it ends or the time is up."""
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            pass
        else:
            return True
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return False
    return False


@contextmanager
def brokers(directory: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A maker of brokers, all ended at the end; skips (or, with ANDON_REQUIRE_SERVICES=1, fails) without mosquitto."""
    if (executable := found("mosquitto")) is None:
        missing("mosquitto is not installed")
    started: list[Mosquitto] = []

    def make(**wishes: Any) -> Mosquitto:
        started.append(Mosquitto(executable, directory / f"mosquitto{len(started)}", **wishes))
        return started[-1]

    try:
        yield make
    finally:
        for broker in started:
            broker.kill()
