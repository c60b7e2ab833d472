"""amqtt, the broker in pure Python, as a program: `python -m monitor.collectors.embedded_amqtt PORT`.

It speaks MQTT 3.1.1 on 127.0.0.1 and serves to try Andon: sessions end with the process, a message that is not
acknowledged within 5 s and before a disconnection is not sent again, and what an absent client was owed arrives with
`retain` set.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from amqtt.broker import Broker
from amqtt.errors import BrokerError
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session


class OpenDoor(BaseAuthPlugin):  # type: ignore[misc]
    """Lets everybody in. Unlike amqtt's own anonymous plug-in it keeps sessions and queues for absent clients."""

    async def authenticate(self, *, session: Session) -> bool:  # noqa: ARG002 - the plug-in's interface
        """Whoever reaches this machine's loopback address may use the broker."""
        return True


async def serve(port: int) -> int:
    """Serve until SIGTERM; the exit code says whether it could."""
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    asked_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_end.set)
    try:
        await Broker(_configuration(port)).start()
    except BrokerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    await asked_to_end.wait()
    return 0


def _configuration(port: int) -> dict[str, object]:
    return {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"monitor.collectors.embedded_amqtt.OpenDoor": {}},
    }


if __name__ == "__main__":
    sys.exit(asyncio.run(serve(int(sys.argv[1]))))
