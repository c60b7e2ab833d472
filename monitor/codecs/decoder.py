"""Finds the gateway that claims a topic and has its codec decode the payload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitor import settings
from monitor.codecs.base import LONGEST_NAME, Claim, Codec, Decoded, Numeric, Reject
from monitor.codecs.json_values import JsonCodec
from monitor.codecs.topics import NameTemplate, TopicTemplate
from rules.events import Duration, Instant
from rules.ruleset import MAX_AHEAD

FORMATS: Final[dict[str, Callable[[settings.Gateway, Numeric], Codec]]] = {
    "json": JsonCodec,
}
"""One line per payload format."""

NOT_TELEMETRY: Final = ("andon/v1/", "$SYS/")
"""What we publish ourselves and what brokers say of themselves: no gateway gets it."""

MOST_TOPICS: Final = 100_000
LONGEST_TOPIC: Final = 512


class _Gateway:
    """A gateway ready to work: its templates compiled, its codec built."""

    __slots__ = ("asset", "broker", "codec", "max_payload", "name", "topic")

    def __init__(self, gateway: settings.Gateway, numeric: Numeric) -> None:
        self.name = gateway.name
        self.broker = gateway.broker
        self.max_payload = gateway.max_payload
        self.topic = TopicTemplate(gateway.topic)
        self.asset = NameTemplate(gateway.asset, self.topic.names)
        self.codec = FORMATS[gateway.format](gateway, numeric)


class Decoder:
    """Every gateway of a site; where templates overlap, the first one in andon.yaml claims a topic.

    Claims are remembered by topic, within bounds. Equal messages give equal outcomes, in any order. How far in front of
    their receipt stamps are believed (`max_ahead`) belongs to the same configuration, and is for those who use them.

    Raises:
        InputError: a gateway's topic or asset template is wrong.
    """

    def __init__(
        self, gateways: tuple[settings.Gateway, ...], numeric: Numeric, max_ahead: Duration = MAX_AHEAD
    ) -> None:
        self.max_ahead = max_ahead
        self._gateways = tuple(_Gateway(gateway, numeric) for gateway in gateways)
        self._claims: dict[tuple[str, bytes], tuple[_Gateway, Claim] | Decoded | None] = {}

    def decode(self, broker: str, topic: bytes, payload: bytes, received: Instant) -> Decoded | None:
        """What one message says; None if it is no telemetry (our own output, the broker's statistics). Never raises."""
        try:
            claimed = self._claims[broker, topic]
        except KeyError:
            claimed = self._remembered(broker, topic)
        if not isinstance(claimed, tuple):
            return claimed
        gateway, claim = claimed
        if not payload:
            return _rejected(claim, "empty", "an empty payload, as one that clears a retained message")
        if len(payload) > gateway.max_payload:
            detail = f"{len(payload)} bytes are more than the gateway's max_payload of {gateway.max_payload}"
            return _rejected(claim, "too-large", detail)
        return gateway.codec.decode(claim, payload, received)

    def _remembered(self, broker: str, topic: bytes) -> tuple[_Gateway, Claim] | Decoded | None:
        claimed = self._claimed(broker, topic)
        if len(topic) <= LONGEST_TOPIC:
            if len(self._claims) >= MOST_TOPICS:
                self._claims.clear()
            self._claims[broker, topic] = claimed
        return claimed

    def _claimed(self, broker: str, topic: bytes) -> tuple[_Gateway, Claim] | Decoded | None:
        try:
            text = topic.decode()
        except UnicodeDecodeError:
            return Decoded((), (Reject(None, "bad-topic", "the topic is not UTF-8"),))
        if text.startswith(NOT_TELEMETRY):
            return None
        for gateway in self._gateways:
            levels = gateway.topic.match(text) if gateway.broker == broker else None
            if levels is not None:
                return _claim(gateway, levels)
        return Decoded((), (Reject(None, "no-gateway", "no gateway in andon.yaml claims this topic"),))


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
