"""A publisher that costs next to nothing: prebuilt MQTT 3.1.1 packets down a socket, answers read and counted.

python bench/_flood.py PORT MESSAGES VALUES QOS [RATE]
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import suppress

CONNECT = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05flood"
BURST = 200


def packet(topic: bytes, payload: bytes, qos: int, mid: int) -> bytes:
    """One PUBLISH."""
    body = len(topic).to_bytes(2, "big") + topic + (mid.to_bytes(2, "big") if qos else b"") + payload
    length, head = len(body), bytearray([0x30 | qos << 1])
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


def payload(number: int, values: int) -> bytes:
    """One value, or an object of `values` of them."""
    if values == 1:
        return b"%.2f" % (40 + number % 17)
    return b"{" + b",".join(b'"m%d": %.2f' % (i, 40 + (number + i) % 17) for i in range(values)) + b"}"


def topic(number: int, values: int) -> bytes:
    """Fifty machines; single values have their metric in the topic."""
    return b"plant/line/m%d" % (number % 50) + (b"/m0" if values == 1 else b"")


def main() -> None:
    """Send, wait until the broker has acknowledged everything, print the seconds it took."""
    port, messages, values, qos = map(int, sys.argv[1:5])
    rate = float(sys.argv[5]) if len(sys.argv) > 5 else 0.0
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(CONNECT)
    sock.recv(4)
    acked = threading.Event()
    packets = [packet(topic(i, values), payload(i, values), qos, i % 65535 + 1) for i in range(65535)]

    def read_answers() -> None:
        count = 0
        with suppress(OSError):  # at QoS 0 there are none, and the socket is closed meanwhile
            while count < 4 * messages and (data := sock.recv(1 << 16)):
                count += len(data)
        acked.set()

    threading.Thread(target=read_answers, daemon=True).start()
    begin = time.monotonic()
    for first in range(0, messages, BURST):
        if rate and (ahead := first / rate - (time.monotonic() - begin)) > 0:
            time.sleep(ahead)
        sock.sendall(b"".join(packets[i % 65535] for i in range(first, min(first + BURST, messages))))
    if qos:
        acked.wait(120)
    print(time.monotonic() - begin)
    sock.sendall(b"\xe0\x00")
    sock.close()


if __name__ == "__main__":
    main()
