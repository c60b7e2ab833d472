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

LONGEST: Final = 268_435_455
"""Bytes behind the length of a packet, at most, as MQTT has it."""
TAKEN_WHOLE: Final = 16 * 1024**2
"""A payload of so many bytes is taken whole even where no gateway allows that: it can be fed again once one does."""
AROUND: Final = 256 * 1024
"""So much room a packet has for its topic and properties beside its payload."""
BEGINNING: Final = 1024**2 + AROUND
"""What is kept of a packet that is larger than that."""


class MalformedPacketError(ValueError):
    """The peer does not speak MQTT as it agreed to."""


class Publish(NamedTuple):
    """A PUBLISH taken apart; `mid` is 0 at QoS 0. Of too large a payload `cut` bytes are missing at its end."""

    topic: bytes
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    mid: int
    content_type: str | None
    user_properties: tuple[tuple[str, str], ...]
    cut: int = 0


def most_bytes(payload: int) -> int:
    """How large a packet may be that is taken whole, where the largest payload that a gateway allows is so large."""
    return min(max(payload, TAKEN_WHOLE) + AROUND, LONGEST)


class _Large:
    """A packet of which only the beginning is kept: what follows is counted and let go as it comes."""

    def __init__(self, head: int, length: int) -> None:
        self._head = head
        self._kept = bytearray()
        self._length = length
        self.left = length

    def take(self, data: bytes, position: int) -> int:
        """What of the data is its; where that ends."""
        end = min(len(data), position + self.left)
        self._kept += data[position : min(end, position + BEGINNING - len(self._kept))]
        self.left -= end - position
        return end

    def packet(self) -> tuple[int, bytes, int]:
        """As the others, once nothing is left."""
        return self._head, bytes(self._kept), self._length - len(self._kept)


class PacketStream:
    """Cuts what a socket gives into packets, in bounded memory: only the beginning of a PUBLISH beyond `most` is kept.

    `most` counts the bytes behind a packet's length, and may be changed.
    """

    def __init__(self, most: int = LONGEST) -> None:
        self.most = most
        self._held = bytearray()
        self._needed = 0
        self._large: _Large | None = None

    def feed(self, data: bytes) -> list[tuple[int, bytes, int]]:
        """First byte, body, and how many bytes the body lacks, of every packet that is now complete; the rest is held.

        Raises MalformedPacketError.
        """
        packets, position = [], 0
        if self._large is not None:
            position = self._large.take(data, 0)
            if self._large.left:
                return []
            packets.append(self._large.packet())
            self._large = None
        elif self._held:
            self._held += data
            if len(self._held) < self._needed:
                return []
            data = bytes(self._held)
        self._needed = 0
        while (extent := packet_end(data, position)) is not None:
            body, end = extent
            if end - body > self.most:
                self._large = _large(data[position], end - body)
                position = self._large.take(data, body)
                if self._large.left:
                    break
                packets.append(self._large.packet())
                self._large = None
                continue
            if end > len(data):
                self._needed = end - position
                break
            packets.append((data[position], data[body:end], 0))
            position = end
        self._held = bytearray(data[position:])
        return packets


def _large(head: int, length: int) -> _Large:
    if head & 0xF0 != PUBLISH:
        raise MalformedPacketError(f"a packet of {length} bytes that is no PUBLISH")
    return _Large(head, length)


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


def decode_publish(head: int, body: bytes, *, with_properties: bool, cut: int = 0) -> Publish:
    """Take a PUBLISH apart whose body lacks `cut` bytes; raises MalformedPacketError.

    Topic and payload are bytes and may hold anything.
    """
    qos, mid = head >> 1 & 3, 0
    content_type: str | None = None
    user_properties: tuple[tuple[str, str], ...] = ()
    try:
        position = 2 + (body[0] << 8 | body[1])
        topic = body[2:position]
        if qos:
            mid = body[position] << 8 | body[position + 1]
            position += 2
        if cut and with_properties and _properties_end(body, position) > len(body):
            position = len(body)
        elif with_properties and body[position]:
            position, content_type, user_properties = decode_properties(body, position)
        elif with_properties:
            position += 1
    except IndexError as error:
        raise MalformedPacketError("a PUBLISH that ends early") from error
    if position > len(body) or qos == 3 or (qos and not mid):
        raise MalformedPacketError("a PUBLISH that contradicts itself")
    return Publish(topic, body[position:], qos, bool(head & 1), bool(head & 8), mid, content_type, user_properties, cut)


def _properties_end(body: bytes, position: int) -> int:
    """Where the payload begins."""
    extent = varint_end(body, position)
    return len(body) + 1 if extent is None else extent[1]


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
