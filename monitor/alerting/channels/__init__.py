"""The channels of a site, by fingerprint. A new kind of channel is one file here and one line in `open_channel`."""

from __future__ import annotations

from pydantic import SecretStr

from monitor.alerting.channels.base import Answer, Channel, ChannelError, Message
from monitor.alerting.channels.console import Console
from monitor.alerting.policy import CONSOLE, fingerprint
from monitor.settings import Notify

__all__ = ["Answer", "Channel", "ChannelError", "Message", "Unusable", "open_channel", "open_channels"]


class Unusable:
    """Stands for an address that nothing understands: every message to it is given up with that reason."""

    def __init__(self, why: str) -> None:
        self._why = why

    def send(self, message: Message) -> Answer:  # noqa: ARG002 - no message can be sent
        """Refuse.

        Raises:
            ChannelError: always.
        """
        raise ChannelError(self._why, permanent=True)


def open_channel(address: SecretStr) -> Channel:
    """The channel of one address; nothing is sent yet.

    Raises:
        ChannelError: the address is not understood. The text does not hold it.
    """
    if address.get_secret_value() == CONSOLE:
        return Console()
    from monitor.alerting.channels.apprise_address import AppriseAddress  # noqa: PLC0415 - slow, and only sites that use it pay

    return AppriseAddress(address)


def open_channels(notify: Notify) -> dict[str, Channel]:
    """Every channel of every team by its fingerprint, and always the console."""
    addresses = [SecretStr(CONSOLE), *(address for team in notify.teams.values() for address in team.channels)]
    return {fingerprint(address.get_secret_value()): _usable(address) for address in addresses}


def _usable(address: SecretStr) -> Channel:
    try:
        return open_channel(address)
    except ChannelError as error:
        return Unusable(str(error))
