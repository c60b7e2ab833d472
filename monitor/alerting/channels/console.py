"""`console://`: one line on standard output."""

from __future__ import annotations

import sys

from monitor.alerting.channels.base import Answer, ChannelError, Message


class Console:
    """Prints each message as one plain line."""

    def send(self, message: Message) -> Answer:
        """Print title and body in one line.

        Raises:
            ChannelError: standard output is closed or full.
        """
        line = " | ".join((message.title, *message.body.splitlines()))
        try:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        except (OSError, ValueError) as error:
            raise ChannelError(f"standard output cannot be written ({type(error).__name__})") from None
        return Answer("printed")
