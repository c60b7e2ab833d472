"""Why a broker link is down, in words: what is wrong and how to mend it. Never holds a secret."""

from __future__ import annotations

import socket
import ssl
from typing import Final, NamedTuple

from monitor.collectors.packets import MalformedPacketError


class Problem(NamedTuple):
    """One cause, for one line of the log."""

    what: str
    mend: str


class LinkError(Exception):
    """A connection that could not be made or did not last."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{problem.what}; {problem.mend}")


CREDENTIALS: Final = "check `username` and `password` in the broker section, and the broker's password file"
PERMISSIONS: Final = "give this user and client id the right to connect, in the broker's access control"
REFUSALS: Final[dict[int, Problem]] = {
    0x84: Problem("the broker does not speak this version of MQTT", 'set `protocol: "3.1.1"` in the broker section'),
    0x85: Problem("the broker does not accept the client id", "choose another `client_id` in the broker section"),
    0x86: Problem("the broker refused user or password", CREDENTIALS),
    0x87: Problem("the broker refused the connection as not authorized", f"{CREDENTIALS}; or {PERMISSIONS}"),
    0x88: Problem("the broker is not available", "look into the broker's own log"),
    0x89: Problem("the broker is busy", "nothing, unless it lasts: then look into the broker's own log"),
    0x8A: Problem("the broker has banned this client", PERMISSIONS),
    0x97: Problem("a quota of the broker is exceeded", "raise the broker's limit of connections"),
}
"""CONNACK reason codes of MQTT 5; paho translates those of 3.1.1 into them."""

DISCONNECTS: Final[dict[int, Problem]] = {
    0x8B: Problem("the broker is shutting down", "nothing, unless it does not come back"),
    0x8D: Problem("the broker heard nothing from us in time", "check the network, or raise `keepalive`"),
    0x8E: Problem("another client took over our session", "give every client of the broker a `client_id` of its own"),
    0x93: Problem("the broker says we left more unacknowledged than agreed", "look into the broker's own log"),
    0x95: Problem("a packet was larger than the broker allows", "raise the broker's packet limit"),
}
"""DISCONNECT reason codes of MQTT 5 that the broker may send."""

CERTIFICATE: Final = "set `tls: {ca}` to the CA that signed it, and name the host in `url` as the certificate does"
HANDSHAKE: Final = (
    "check that the port speaks TLS, and whether the broker asks for a client certificate (`tls: {cert, key}`)"
)
UNSAID: Final = Problem("the broker ended the connection after the TLS handshake without a word", HANDSHAKE)
CUT: Final = (
    "look into the broker's own log; check that no other client has our `client_id`, "
    "and that the port speaks what `url` says (`mqtts` is TLS)"
)
CAUSES: Final[tuple[tuple[type[Exception], str, str], ...]] = (
    (ssl.SSLCertVerificationError, "the broker's certificate is not trusted", CERTIFICATE),
    (ssl.SSLError, "TLS failed", HANDSHAKE),
    (socket.gaierror, "the broker's name cannot be resolved", "check the host in `url` and the name service"),
    (ConnectionRefusedError, "nothing listens at the broker's address", "start the broker, or check `url`"),
    (TimeoutError, "the broker does not answer", "check `url`, firewalls, and that the port speaks MQTT"),
    (ConnectionError, "the connection was cut", CUT),
    (OSError, "the broker cannot be reached", "check `url` and the network"),
    (MalformedPacketError, "the broker sent what is no MQTT", "check that `url` names an MQTT port"),
)
"""The first type that fits explains an error."""


def of_error(error: Exception) -> Problem:
    """The problem behind what socket and TLS raise."""
    for kind, what, mend in CAUSES:
        if isinstance(error, kind):
            detail = (
                getattr(error, "verify_message", None)
                or getattr(error, "reason", None)
                or getattr(error, "strerror", None)
            )
            return Problem(f"{what} ({detail})" if isinstance(detail, str) else what, mend)
    return Problem(f"{type(error).__name__} while connecting", "check host and port in `url`")


def of_greeting(error: Exception, *, tls: bool) -> Problem:
    """The problem of a connection that ended before the broker answered CONNECT."""
    return UNSAID if tls and isinstance(error, (ConnectionError, ssl.SSLEOFError)) else of_error(error)


def same_cause(problem: Problem, before: Problem | None) -> bool:
    """Whether it says nothing that was not said: of what TLS stopped, an attempt may learn the reason or not."""
    return problem == before or (problem == UNSAID and before is not None and before.mend == UNSAID.mend)


def of_refusal(code: int, name: str) -> Problem:
    """The problem behind a CONNACK that says no."""
    return REFUSALS.get(code, Problem(f"the broker refused the connection: {name}", "look into the broker's own log"))


def of_disconnect(code: int, name: str) -> Problem:
    """The problem behind a DISCONNECT by the broker."""
    return DISCONNECTS.get(code, Problem(f"the broker ended the connection: {name}", "look into the broker's own log"))


def of_tls_file(what: str) -> Problem:
    """The problem of our own certificate files."""
    return Problem(
        what, "`tls: {ca, cert, key}` must be readable PEM files, the key without passphrase and the certificate's"
    )
