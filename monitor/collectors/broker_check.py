"""What `andon check --connect` asks a broker: does it let us in, at which QoS, for how long, has it dropped anything?

Its queue limits are its own secret: no client can see them. They are named instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex
from typing import Any, Final, Literal, NamedTuple

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from monitor import clock
from monitor.collectors import problems
from monitor.collectors.client import CONNECT_TIMEOUT_SECONDS, SESSION_EXPIRY_SECONDS, PlainSpokenClient
from monitor.collectors.connection import Address, use_tls
from monitor.collectors.mqtt import DROPPED, UPTIME
from monitor.collectors.problems import LinkError, Problem
from monitor.settings import Broker
from rules.durations import format_duration
from rules.events import SECOND, Duration

PATIENCE: Final[Duration] = 5 * SECOND
VERSION: Final = "$SYS/broker/version"
LIMITS: Final = (
    "its queue limits cannot be seen from here; for mosquitto set max_queued_messages and max_queued_bytes "
    "as deploy/mosquitto/conf.d/andon.conf does (its default keeps 1000 messages of a client that is away)"
)


class Finding(NamedTuple):
    """One thing to mend in the broker section or on the broker."""

    message: str
    hint: str
    severity: Literal["error", "warning"]


class Seen(NamedTuple):
    """What is wrong, and what is to be said in any case."""

    findings: list[Finding]
    note: str


class _Answers:
    """What the broker says within `PATIENCE`."""

    def __init__(self) -> None:
        self.refusal: Problem | None = None
        self.granted: Any = None
        self.connected = False
        self.statistics: dict[str, str] = {}

    @property
    def complete(self) -> bool:
        """The uptime is asked for last and always said, the counter of drops only within a minute of its change."""
        return self.refusal is not None or UPTIME in self.statistics


def check_broker(broker: Broker) -> Seen:
    """Everything a client can find out, under a client id and a session of its own."""
    if broker.embedded:
        return Seen([], "runs within the monitor")
    answers = _Answers()
    try:
        _ask(broker, answers)
    except LinkError as error:
        answers.refusal = error.problem
    except (OSError, ValueError) as error:
        answers.refusal = problems.of_error(error)
    return Seen(list(_findings(answers)), f"{answers.statistics.get(VERSION, str(Address(broker)))}; {LIMITS}")


def _ask(broker: Broker, answers: _Answers) -> None:
    mqtt5 = broker.protocol == "5"
    client = PlainSpokenClient(
        CallbackAPIVersion.VERSION2,
        f"{broker.client_id}-check-{token_hex(4)}",
        clean_session=None if mqtt5 else True,
        protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_TIMEOUT_SECONDS
    client.on_connect, client.on_message = _connected(answers), _heard(answers)
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password.get_secret_value() if broker.password else None)
    address = Address(broker)
    if address.tls:
        use_tls(client, broker.tls)
    client.connect(
        address.host,
        address.port,
        broker.keepalive,
        properties=_session(PacketTypes.CONNECT, SESSION_EXPIRY_SECONDS) if mqtt5 else None,
    )
    end = clock.elapsed() + PATIENCE
    lost = False
    while not (answers.complete or lost) and clock.elapsed() < end:
        lost = client.loop(0.1) != 0
    client.disconnect(properties=_session(PacketTypes.DISCONNECT, 0) if mqtt5 else None)
    if not answers.connected and answers.refusal is None:
        error = client.failure or (ConnectionError() if lost else TimeoutError())
        answers.refusal = problems.of_greeting(error, tls=address.tls)


def _session(packet: int, seconds: int) -> Properties:
    """Asks for a session as long as the monitor's, to see what the broker grants; and gives it up in the end."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = seconds
    return properties


def _connected(answers: _Answers) -> Any:
    def connected(client: paho.Client, _: object, __: object, code: Any, properties: Properties | None) -> None:
        if code.is_failure:
            answers.refusal = problems.of_refusal(code.value, str(code))
            return
        answers.connected, answers.granted = True, properties
        client.subscribe([(VERSION, 0), (DROPPED, 0), (UPTIME, 0)])

    return connected


def _heard(answers: _Answers) -> Any:
    def heard(_: object, __: object, message: paho.MQTTMessage) -> None:
        answers.statistics[message.topic] = message.payload[:100].decode(errors="replace")

    return heard


def _findings(answers: _Answers) -> Iterator[Finding]:
    if answers.refusal is not None:
        yield Finding(answers.refusal.what, answers.refusal.mend, "warning")
        return
    if getattr(answers.granted, "MaximumQoS", 1) == 0:
        message = "the broker grants QoS 0 only: what is sent while we are away is lost"
        yield Finding(message, "allow QoS 1 in the broker's configuration", "warning")
    expiry = getattr(answers.granted, "SessionExpiryInterval", SESSION_EXPIRY_SECONDS)
    if expiry < SESSION_EXPIRY_SECONDS:
        message = f"the broker forgets us after {format_duration(expiry * SECOND)} away, with all it kept for us"
        yield Finding(message, "let it keep sessions for days (mosquitto: persistent_client_expiration)", "warning")
    dropped = answers.statistics.get(DROPPED)
    if UPTIME not in answers.statistics:
        message = "the broker does not say whether it drops messages"
        yield Finding(message, "let this user read $SYS/# (mosquitto), or watch the broker's own metrics", "warning")
    elif dropped not in {None, "0"}:
        message = f"the broker has dropped {dropped} messages since it started, of whatever client"
        yield Finding(message, "raise max_queued_messages and max_queued_bytes", "warning")
