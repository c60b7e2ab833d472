"""MQTT packets as bytes, pure: cutting a stream into packets and taking a PUBLISH apart, MQTT 3.1.1 and 5.

One call handles everything a socket gave, which is several times cheaper than paho's reading of each packet in pieces.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

PUBLISH: Final = 0x30
PUBREL: Final = 0x60
DISCONNECT: Final = b"\xe0\x00"
PACKET_ID: Final = struct.Struct(">H")
ACKNOWLEDGEMENT: Final = struct.Struct(">BBH")
FIRST_ANSWER: Final = {1: 0x40, 2: 0x50}
"""How a PUBLISH is answered, by QoS: PUBACK, PUBREC."""

CONTENT_TYPE: Final = 0x03
USER_PROPERTY: Final = 0x26
FIXED_SIZES: Final = {0x01: 1, 0x02: 4, 0x23: 2}
"""Payload format, message expiry, topic alias: properties of a PUBLISH that are skipped, by their bytes."""
STRINGS: Final = {CONTENT_TYPE: 1, 0x08: 1, 0x09: 1, USER_PROPERTY: 2}
"""Content type, response topic, correlation data, user property: how many length-prefixed parts each has."""
SUBSCRIPTION_ID: Final = 0x0B


class MalformedPacketError(ValueError):
    """The peer does not speak MQTT as it agreed to."""


class Publish(NamedTuple):
    """A PUBLISH taken apart; `mid` is 0 at QoS 0."""

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int
    content_type: str | None
    user_properties: tuple[tuple[str, str], ...]


class PacketStream:
    """Cuts what a socket gives into whole packets."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """First byte and body of every packet that is now complete; the rest is held. Raises MalformedPacketError."""
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return []
            data = bytes(self._held)
        packets, position, self._needed = [], 0, 0
        while (end := packet_end(data, position)) is not None:
            body, position_after = end
            if position_after > len(data):
                self._needed = position_after - position
                break
            packets.append((data[position], data[body:position_after]))
            position = position_after
        self._held = bytearray(data[position:])
        return packets


def packet_end(data: bytes, position: int) -> tuple[int, int] | None:
    """Where the body of the packet at `position` begins and ends; None while its length is not yet known."""
    if len(data) - position < 2:
        return None
    length = data[position + 1]
    if length < 0x80:
        return position + 2, position + 2 + length
    return varint_end(data, position + 1)


def varint_end(data: bytes, position: int) -> tuple[int, int] | None:
    """A variable byte integer at `position`: its end, and that end plus its value; None while bytes are missing."""
    value = 0
    for index, byte in enumerate(data[position : position + 4]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return position + index + 1, position + index + 1 + value
    if len(data) - position >= 4:
        raise MalformedPacketError("a length of more than four bytes")
    return None


def decode_publish(head: int, body: bytes, *, with_properties: bool) -> Publish:
    """Take a PUBLISH apart; raises MalformedPacketError. Topic and payload are bytes and may hold anything."""
    qos, mid = head >> 1 & 3, 0
    content_type: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    try:
        position = 2 + (body[0] << 8 | body[1])
        topic = body[2:position]
        if qos:
            mid = body[position] << 8 | body[position + 1]
            position += 2
        if with_properties and body[position]:
            position, content_type, user_properties = decode_properties(body, position)
        elif with_properties:
            position += 1
    except IndexError as error:
        raise MalformedPacketError("a PUBLISH that ends early") from error
    if position > len(body) or qos == 3 or (qos and not mid):
        raise MalformedPacketError("a PUBLISH that contradicts itself")
    return Publish(topic, body[position:], qos, bool(head & 1), bool(head & 8), mid, content_type, user_properties)


def decode_properties(body: bytes, position: int) -> tuple[int, str | None, tuple[tuple[str, str], ...]]:
    """The properties of a PUBLISH: where the payload begins, content type, user properties."""
    if (extent := varint_end(body, position)) is None or extent[1] > len(body):
        raise MalformedPacketError("properties longer than their PUBLISH")
    position, end = extent
    content_type, users = None, []
    while position < end:
        identifier, position = body[position], position + 1
        if parts := STRINGS.get(identifier):
            texts, position = decode_strings(body, position, parts)
            if identifier == CONTENT_TYPE:
                content_type = texts[0]
            elif identifier == USER_PROPERTY:
                users.append((texts[0], texts[1]))
        else:
            position = skipped(body, position, identifier)
    return end, content_type, tuple(users)


def decode_strings(body: bytes, position: int, parts: int) -> tuple[list[str], int]:
    """Length-prefixed texts; what is no UTF-8 in them is replaced."""
    texts = []
    for _ in range(parts):
        end = position + 2 + (body[position] << 8 | body[position + 1])
        texts.append(body[position + 2 : end].decode(errors="replace"))
        position = end
    return texts, position


def skipped(body: bytes, position: int, identifier: int) -> int:
    """The end of a property nobody needs; MalformedPacketError if a PUBLISH cannot have it."""
    if identifier == SUBSCRIPTION_ID and (extent := varint_end(body, position)) is not None:
        return extent[0]
    if identifier not in FIXED_SIZES:
        raise MalformedPacketError(f"property {identifier:#x} in a PUBLISH")
    return position + FIXED_SIZES[identifier]
