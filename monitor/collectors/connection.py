"""One connection to a broker on the event loop, from CONNECT to its end; never reopened."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.client import ConnectFlags, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from monitor.collectors import problems
from monitor.collectors.client import ReceivingClient
from monitor.collectors.packets import DISCONNECT, Publish
from monitor.collectors.problems import LinkError
from monitor.settings import Broker, Tls

ANSWER_SECONDS: Final = 10.0
"""How long a broker may take to answer CONNECT, and again SUBSCRIBE."""
FAREWELL_SECONDS: Final = 1.0
KEEPALIVE_CHECK_SECONDS: Final = 1.0
NO_PASSPHRASE: Final = ""
"""A key with a passphrase must fail: the default would ask for it on the terminal."""
KEEPALIVE_TIMEOUT: Final = 0x8D
DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Address:
    """Where a broker listens, read from its `url`; shows itself without any secret."""

    def __init__(self, broker: Broker) -> None:
        parts = urlsplit(broker.url or "mqtt://127.0.0.1")
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or DEFAULT_PORTS.get(parts.scheme, DEFAULT_PORTS["mqtt"])
        self.tls = parts.scheme == "mqtts"

    def __str__(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"


class Connection:
    """Opens, reads and ends. All callbacks run on the event loop.

    `on_publish` gets every PUBLISH, of one with more than `most` bytes the beginning; `on_accepted` (with: is our
    session still there?) comes before the first of them, `on_read` follows each reading of the socket, `on_refused`
    gets the filters that the broker would not subscribe, none if it took all.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        most: int,
        on_publish: Callable[[Publish], None],
        on_accepted: Callable[[bool], None],
        on_read: Callable[[], None],
        on_refused: Callable[[list[str]], None],
    ) -> None:
        self.address = Address(broker)
        self._broker = broker
        self._on_accepted = on_accepted
        self._on_read = on_read
        self._on_refused = on_refused
        self._filters: list[str] = []
        self._loop = asyncio.get_running_loop()
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._unsubscribed: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[problems.Problem] = self._loop.create_future()
        self._keepalive: asyncio.TimerHandle | None = None
        self._reading = False
        self._abandoned = False
        mqtt5 = broker.protocol == "5" and not broker.embedded
        self._client = ReceivingClient(broker.client_id, mqtt5=mqtt5, most=most, on_publish=on_publish)
        self._client.on_connect = self._connack
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._suback
        self._client.on_unsubscribe = self._unsuback

    async def open(self) -> None:
        """Resolve, connect, shake hands and send CONNECT, all in a thread; raises LinkError."""
        try:
            await in_daemon_thread(self._open_blocking)
        except (OSError, ValueError) as error:
            raise LinkError(problems.of_error(error)) from None
        self._attach()

    async def accepted(self) -> None:
        """Wait for the broker's answer to CONNECT; raises LinkError if it says no or nothing."""
        await self._answer(self._accepted)

    async def lasts(self, seconds: float) -> bool:
        """Wait so long, but not beyond the end of the connection; whether it still stands."""
        await asyncio.wait({self._ended}, timeout=seconds)
        return not self._ended.done()

    async def ended(self) -> problems.Problem:
        """Wait until the connection has ended and say why."""
        return await asyncio.shield(self._ended)

    async def subscribe(self, filters: Sequence[str], former: Sequence[str], statistics: Sequence[str] = ()) -> None:
        """SUBSCRIBE to filters, UNSUBSCRIBE former ones, wait for the answers; raises LinkError without.

        In this order nothing is missed where one takes the place of another.
        """
        self._filters = [*filters, *statistics]
        self._subscribed, self._unsubscribed = self._loop.create_future(), self._loop.create_future()
        if filters:
            self._client.subscribe_all(filters, statistics)
        if former:
            self._client.unsubscribe(list(former))
        if filters:
            await self._answer(self._subscribed)
        if former:
            await self._answer(self._unsubscribed)

    def send(self, packets: bytes | bytearray) -> bool:
        """Write acknowledgements; False if the connection has ended."""
        return self._client.send(packets)

    def take_whole(self, most: int) -> None:
        """From the next packet on, keep so many bytes."""
        self._client.take_whole(most)

    def pause(self) -> None:
        """Leave what arrives in the socket: the broker then keeps it."""
        if self._reading and (sock := self._client.socket()) is not None:
            self._loop.remove_reader(sock)
            self._reading = False

    def resume(self) -> None:
        """Read again."""
        if not self._reading and (sock := self._client.socket()) is not None:
            self._loop.add_reader(sock, self._read)
            self._reading = True
            self._loop.call_soon(self._read)

    async def close(self) -> None:
        """DISCONNECT and let the broker hang up: then it has read all acknowledgements, and it keeps the session."""
        if self._client.is_connected():
            self._client.send(DISCONNECT)
            self.resume()
            await self.lasts(FAREWELL_SECONDS)
        self.abandon()

    def leave(self, problem: problems.Problem) -> None:
        """End the connection for a reason of our own; the broker keeps the session."""
        if self._client.is_connected():
            self._client.send(DISCONNECT)
        self._end(problem)

    def abandon(self) -> None:
        """Drop the socket, whatever state it is in, even one that a thread is still opening."""
        self._abandoned = True
        if self._keepalive is not None:
            self._keepalive.cancel()
        self._client.on_disconnect = None
        self._client.drop()

    async def _answer(self, awaited: asyncio.Future[None]) -> None:
        either: set[asyncio.Future[Any]] = {awaited, self._ended}
        await asyncio.wait(either, timeout=ANSWER_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if self._ended.done():
            raise LinkError(self._ended.result())
        if not awaited.done():
            raise LinkError(problems.of_error(TimeoutError()))

    def _open_blocking(self) -> None:
        broker, client = self._broker, self._client
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password.get_secret_value() if broker.password else None)
        if self.address.tls:
            use_tls(client, broker.tls)
        client.open(self.address.host, self.address.port, broker.keepalive)
        if self._abandoned:
            client.drop()

    def _attach(self) -> None:
        self._client.on_socket_register_write = self._wait_writable
        self._client.on_socket_unregister_write = self._forget_writable
        self._client.on_socket_close = self._detach
        self.resume()
        self._check_keepalive()

    def _wait_writable(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.add_writer(sock, self._client.loop_write)

    def _forget_writable(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.remove_writer(sock)

    def _detach(self, _client: object, _data: object, sock: Any) -> None:
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)
        self._reading = False

    def _read(self) -> None:
        self._client.loop_read()
        self._on_read()

    def _check_keepalive(self) -> None:
        self._client.loop_misc()
        self._keepalive = self._loop.call_later(KEEPALIVE_CHECK_SECONDS, self._check_keepalive)

    def _connack(self, _c: object, _d: object, flags: ConnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        if code.is_failure:
            self._end(problems.of_refusal(code.value, str(code)))
        elif not self._accepted.done():
            self._on_accepted(flags.session_present)
            self._accepted.set_result(None)

    def _suback(self, _c: object, _d: object, _mid: int, codes: list[ReasonCode], _p: Properties | None) -> None:
        self._on_refused([name for name, code in zip(self._filters, codes, strict=False) if code.is_failure])
        if not self._subscribed.done():
            self._subscribed.set_result(None)

    def _unsuback(self, *_: object) -> None:
        if not self._unsubscribed.done():
            self._unsubscribed.set_result(None)

    def _disconnected(
        self, _c: object, _d: object, flags: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._end(problems.of_disconnect(code.value, str(code)))
        else:
            silent = code.value == KEEPALIVE_TIMEOUT
            error = self._client.failure or (TimeoutError() if silent else ConnectionError())
            greeting = self.address.tls and not self._accepted.done()
            self._end(problems.of_greeting(error, tls=greeting))

    def _end(self, problem: problems.Problem) -> None:
        if not self._ended.done():
            self._ended.set_result(problem)


async def in_daemon_thread(function: Callable[[], None]) -> None:
    """Run something that blocks where neither the loop nor the end of the process has to wait for it."""
    outcome: concurrent.futures.Future[None] = concurrent.futures.Future()

    def work() -> None:
        outcome.set_running_or_notify_cancel()
        try:
            function()
        except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=work, name="andon-connect", daemon=True).start()
    await asyncio.wrap_future(outcome)


def use_tls(client: paho.Client, tls: Tls) -> None:
    """Check the broker by `ca` (else the system's), prove ourselves by `cert` and `key`; LinkError for the files."""
    for name, path in (("ca", tls.ca), ("cert", tls.cert), ("key", tls.key)):
        if path is not None and not path.is_file():
            raise LinkError(problems.of_tls_file(f"`tls: {name}` names {path}, where no file is"))
    ca, cert, key = (str(path) if path is not None else None for path in (tls.ca, tls.cert, tls.key))
    try:
        client.tls_set(ca, cert, key, keyfile_password=NO_PASSPHRASE)
    except (OSError, ValueError) as error:
        raise LinkError(problems.of_tls_file(f"a TLS file cannot be used ({error.args[-1]})")) from None
