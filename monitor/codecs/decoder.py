"""Finds the gateway that claims a topic and has its codec decode the payload."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from monitor import settings
from monitor.codecs.base import LONGEST_NAME, Claim, Codec, Declared, Decoded, Reject
from monitor.codecs.json_values import JsonCodec
from monitor.codecs.topics import NameTemplate, TopicTemplate
from rules.events import Duration, GatewayLink, Instant, Observation
from rules.ruleset import MAX_AHEAD

FORMATS: Final[dict[str, Callable[[settings.Gateway, Declared], Codec]]] = {
    "json": JsonCodec,
}
"""One line per payload format."""

NOT_TELEMETRY: Final = ("andon/v1/", "$SYS/")
"""What we publish ourselves and what brokers say of themselves: no gateway gets it."""

MOST_TOPICS: Final = 100_000
LONGEST_TOPIC: Final = 512
NOTHING_READ: Final = Decoded((), (Reject(None, "nothing-read", "what was refused is not among what is read now"),))


class _Gateway:
    """A gateway ready to work: its templates compiled, its codec built."""

    __slots__ = ("asset", "broker", "codec", "max_payload", "name", "status", "topic")

    def __init__(self, gateway: settings.Gateway, declared: Declared) -> None:
        self.name = gateway.name
        self.broker = gateway.broker
        self.max_payload = gateway.max_payload
        self.topic = TopicTemplate(gateway.topic)
        self.asset = NameTemplate(gateway.asset, self.topic.names)
        self.codec = FORMATS[gateway.format](gateway, declared)
        self.status = None if gateway.status is None else _Status(gateway.name, gateway.status)


class _Status:
    """The topic on which a gateway says whether it is there."""

    __slots__ = ("_gateway", "_lost", "topic")

    def __init__(self, gateway: str, status: settings.Status) -> None:
        self.topic = status.topic
        self._gateway = gateway
        self._lost = status.lost.strip().encode()

    def decode(self, payload: bytes, received: Instant) -> Decoded | None:
        """Its word; None of a payload that only clears a retained one."""
        up = payload.strip() != self._lost
        return Decoded(link=GatewayLink(received, self._gateway, up)) if payload else None


class Decoder:
    """Every gateway of a site; where templates overlap, the first one in andon.yaml claims a topic.

    Claims are remembered by topic, within bounds. Equal messages give equal outcomes, in any order. How far in front of
    their receipt stamps are believed (`max_ahead`) belongs to the same configuration, and is for those who use them.

    Raises:
        InputError: a gateway's topic or asset template is wrong.
    """

    def __init__(
        self, gateways: tuple[settings.Gateway, ...], declared: Declared, max_ahead: Duration = MAX_AHEAD
    ) -> None:
        self.max_ahead = max_ahead
        self._gateways = tuple(_Gateway(gateway, declared) for gateway in gateways)
        self._claims: dict[tuple[str, bytes], tuple[_Gateway, Claim] | _Status | Decoded | None] = {}

    def decode(self, broker: str, topic: bytes, payload: bytes, received: Instant, cut: int = 0) -> Decoded | None:
        """What one message says whose payload lacks `cut` bytes; None if it is no telemetry. Never raises.

        No telemetry are our own output and the broker's statistics.
        """
        try:
            claimed = self._claims[broker, topic]
        except KeyError:
            claimed = self._remembered(broker, topic)
        if not isinstance(claimed, tuple):
            return claimed.decode(payload, received) if isinstance(claimed, _Status) else claimed
        gateway, claim = claimed
        if cut or len(payload) > gateway.max_payload:
            detail = f"{len(payload) + cut} bytes are more than the gateway's max_payload of {gateway.max_payload}"
            return _rejected(claim, "too-large", detail)
        if not payload:
            return _rejected(claim, "empty", "an empty payload, as one that clears a retained message")
        return gateway.codec.decode(claim, payload, received)

    def decode_again(
        self, broker: str, topic: bytes, payload: bytes, received: Instant, metrics: Collection[str]
    ) -> Decoded:
        """What a message says that was refused before; where `metrics` are named, only what it says of these."""
        decoded = self.decode(broker, topic, payload, received) or NOTHING_READ
        if not metrics:
            return decoded
        observations = tuple(only for o in decoded.observations if (only := _only(o, metrics)).readings)
        rejects = tuple(r for r in decoded.rejects if r.metric is None or r.metric in metrics)
        return Decoded(observations, rejects) if observations or rejects else NOTHING_READ

    def gateway(self, broker: str, topic: bytes) -> str | None:
        """Whose a topic is, as far as it was claimed lately."""
        claimed = self._claims.get((broker, topic))
        return claimed[0].name if isinstance(claimed, tuple) else None

    def _remembered(self, broker: str, topic: bytes) -> tuple[_Gateway, Claim] | _Status | Decoded | None:
        claimed = self._claimed(broker, topic)
        if len(topic) <= LONGEST_TOPIC:
            if len(self._claims) >= MOST_TOPICS:
                self._claims.clear()
            self._claims[broker, topic] = claimed
        return claimed

    def _claimed(self, broker: str, topic: bytes) -> tuple[_Gateway, Claim] | _Status | Decoded | None:
        try:
            text = topic.decode()
        except UnicodeDecodeError:
            return Decoded((), (Reject(None, "bad-topic", "the topic is not UTF-8"),))
        if text.startswith(NOT_TELEMETRY):
            return None
        own = [gateway for gateway in self._gateways if gateway.broker == broker]
        for gateway in own:
            if gateway.status is not None and gateway.status.topic == text:
                return gateway.status
        for gateway in own:
            levels = gateway.topic.match(text)
            if levels is not None:
                return _claim(gateway, levels)
        return Decoded((), (Reject(None, "no-gateway", "no gateway in andon.yaml claims this topic"),))


def _only(observation: Observation, metrics: Collection[str]) -> Observation:
    wanted = tuple(reading for reading in observation.readings if reading.metric in metrics)
    return msgspec.structs.replace(observation, readings=wanted)


def _claim(gateway: _Gateway, levels: dict[str, str]) -> tuple[_Gateway, Claim] | Decoded:
    claim = Claim(gateway.name, gateway.asset.fill(levels), levels.get("metric"))
    for name in (claim.asset, claim.metric):
        if name == "":
            return _rejected(claim, "empty-name", "the topic level that names the asset or the metric is empty")
        if name is not None and len(name) > LONGEST_NAME:
            shortened = Claim(gateway.name, claim.asset[:LONGEST_NAME], None)
            return _rejected(
                shortened, "name-too-long", f"the topic makes a name of more than {LONGEST_NAME} characters"
            )
    return gateway, claim


def _rejected(claim: Claim, reason: str, detail: str) -> Decoded:
    return Decoded((), (claim.rejected(reason, detail),))
