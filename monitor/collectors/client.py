"""paho's client with a faster reader: CONNECT, SUBSCRIBE, TLS and keep-alive stay paho's, PUBLISH is taken apart here.

The overridden and called methods with a leading underscore are paho 2's; the tests against a real broker guard them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from paho.mqtt import MQTTException
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from monitor import clock
from monitor.collectors.acks import RECEIVE_MAXIMUM
from monitor.collectors.packets import (
    PACKET_ID,
    PUBLISH,
    PUBREL,
    MalformedPacketError,
    PacketStream,
    Publish,
    decode_publish,
)

READ_BYTES: Final = 256 * 1024
SESSION_EXPIRY_SECONDS: Final = 7 * 24 * 3600
"""How long the broker keeps collecting for us while we are away, if its own limits allow."""
CONNECT_TIMEOUT_SECONDS: Final = 5.0
AT_LEAST_ONCE: Final = 1
"""Never 2: there paho answers PUBREC when a message arrives, before it is committed, and a crash in between loses it.
At 1 the broker keeps a message until our PUBACK, which follows the commit."""
AT_MOST_ONCE: Final = 0
RETAINED_IF_NEW: Final = 1
RETAINED_ALWAYS: Final = 0


class PlainSpokenClient(paho.Client):
    """Keeps in `failure` what the socket raised; where a write fails, rather what the broker had said before it left.

    A client certificate is judged after the handshake (TLS 1.3): then the reason waits to be read while we still write.
    """

    failure: Exception | None = None

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as error:
            self.failure = error
            raise

    def _sock_send(self, buf: bytes | bytearray) -> int:
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as error:
            with suppress(OSError):
                self._sock_recv(READ_BYTES)
            self.failure = self.failure or error
            raise


class ReceivingClient(PlainSpokenClient):
    """Hands every PUBLISH to `on_publish` and acknowledges none of them; one connection long.

    Of one with more than `most` bytes only the beginning is kept. No Maximum Packet Size is asked of the broker: a
    message that mosquitto (seen in 2.0.11) then leaves out keeps its place among those in flight for ever.
    """

    def __init__(self, client_id: str, *, mqtt5: bool, most: int, on_publish: Callable[[Publish], None]) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if mqtt5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if mqtt5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.connect_timeout = CONNECT_TIMEOUT_SECONDS
        self._mqtt5 = mqtt5
        self._on_publish_packet = on_publish
        self._stream = PacketStream(most)

    def open(self, host: str, port: int, keepalive: int) -> None:
        """Connect and send CONNECT for a session that outlives the connection. Blocks; raises OSError or ValueError."""
        if not self._mqtt5:
            self.connect(host, port, keepalive)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_SECONDS
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self.connect(host, port, keepalive, clean_start=False, properties=properties)

    def subscribe_all(self, filters: Sequence[str], statistics: Sequence[str] = ()) -> None:
        """SUBSCRIBE at QoS 1; retained messages come only for a subscription that is new (MQTT 5).

        What a broker tells of itself is asked for at QoS 0, so that it never fills our queue, and comes every time.
        """
        if self._mqtt5:
            ours = SubscribeOptions(qos=AT_LEAST_ONCE, retainHandling=RETAINED_IF_NEW)
            its = SubscribeOptions(qos=AT_MOST_ONCE, retainHandling=RETAINED_ALWAYS)
            self.subscribe([*((name, ours) for name in filters), *((name, its) for name in statistics)])
        else:
            at_least, at_most = ((name, AT_LEAST_ONCE) for name in filters), ((n, AT_MOST_ONCE) for n in statistics)
            self.subscribe([*at_least, *at_most])

    def take_whole(self, most: int) -> None:
        """From the next packet on, keep so many bytes."""
        self._stream.most = most

    def send(self, packets: bytes | bytearray) -> bool:
        """Write ready-made packets; False if the connection is gone. What the socket does not take follows later."""
        if self._sock is None:
            return False
        self._packet_queue(paho.PUBACK, packets, 0, 0)
        return self.loop_write() == MQTTErrorCode.MQTT_ERR_SUCCESS

    def drop(self) -> None:
        """Close the socket without a word."""
        self._sock_close()

    def _packet_read(self) -> MQTTErrorCode:
        """All that the socket holds, up to `READ_BYTES` (with TLS: until nothing decrypted is left)."""
        while True:
            try:
                data = self._sock_recv(READ_BYTES)
            except BlockingIOError:
                return MQTTErrorCode.MQTT_ERR_AGAIN
            except OSError:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            if not data:
                return MQTTErrorCode.MQTT_ERR_CONN_LOST
            self._last_bytes_received = clock.seconds(clock.elapsed())
            code = self._handle_packets(data)
            if code or not self._decrypted_waits():
                return code

    def _handle_packets(self, data: bytes) -> MQTTErrorCode:
        try:
            for head, body, cut in self._stream.feed(data):
                if head & 0xF0 == PUBLISH:
                    self._on_publish_packet(decode_publish(head, body, with_properties=self._mqtt5, cut=cut))
                elif code := self._handle_other(head, body):
                    return code
        except (MalformedPacketError, MQTTException, struct.error, IndexError) as error:
            self.failure = MalformedPacketError(str(error))
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _handle_other(self, head: int, body: bytes) -> MQTTErrorCode:
        if head & 0xF0 == PUBREL:
            return self._send_pubcomp(PACKET_ID.unpack_from(body)[0])
        packet = self._in_packet
        packet["command"], packet["packet"], packet["remaining_length"] = head, bytearray(body), len(body)
        return self._packet_handle()

    def _decrypted_waits(self) -> bool:
        pending = getattr(self._sock, "pending", None)
        return bool(pending and pending())
