"""Every Apprise address: mail, chat, SMS, webhooks and a hundred others.

Apprise and what it uses write parts of an address into their logs. Those logs are silenced here, and only what an
answer was, never where from, leaves this module.
"""

from __future__ import annotations

import copy
import logging
import re
from functools import cache
from typing import Any, Final

import apprise
from apprise.plugins.custom_form import NotifyForm
from apprise.plugins.custom_json import NotifyJSON
from apprise.plugins.custom_xml import NotifyXML
from pydantic import SecretStr

from monitor.alerting.channels.base import Answer, ChannelError, Message
from monitor.codecs.timestamps import format_iso

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"

PERMANENT: Final = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431})
"""Answers to the message itself. A wrong password (401, 403) or a missing hook (404) can be mended: retried."""

UNREACHABLE: Final = "could not be reached"
REFUSED: Final = "did not take the message over"

_WEBHOOKS: Final = (NotifyJSON, NotifyForm, NotifyXML)
_ANSWERED: Final = re.compile(r"error=(\d{3})\b")
_TYPES: Final = {"critical": "failure", "high": "failure", "medium": "warning", "low": "info"}


class AppriseAddress:
    """Sends to one Apprise address, one message at a time."""

    def __init__(self, address: SecretStr) -> None:
        """Understand the address; nothing is sent or connected yet.

        Raises:
            ChannelError: Apprise knows no such service, or its parts do not fit.
        """
        _silence()
        service = apprise.Apprise.instantiate(address.get_secret_value(), asset=_asset())
        if service is None:
            raise ChannelError(
                "Apprise does not understand this address: see https://appriseit.com/services/", permanent=True
            )
        self._service: Any = service

    def send(self, message: Message) -> Answer:
        """Hand the message to the service.

        Raises:
            ChannelError: the service did not take it over.
        """
        sender = apprise.Apprise(asset=_asset())
        sender.add(self._prepared(message))
        with sender.notify(
            body=message.body,
            title=message.title,
            notify_type="success" if message.purpose == "recovery" else _TYPES[message.priority],
            body_format=apprise.NotifyFormat.TEXT,
        ) as result:
            if result:
                return Answer("accepted")
            raise _error(" ".join(entry.message for entry in result.logs()))

    def _prepared(self, message: Message) -> Any:
        if not isinstance(self._service, _WEBHOOKS):
            return self._service
        service = copy.copy(self._service)
        service.headers = {**service.headers, IDEMPOTENCY_HEADER: _header(message.key)}
        service.payload_extras = {**_extras(message), **service.payload_extras}
        return service


def _extras(message: Message) -> dict[str, str]:
    return {
        "key": message.key,
        "alarm": message.alarm,
        "transition": message.transition,
        "event": message.event,
        "asset": message.asset,
        "rule": message.rule,
        "part": message.part or "",
        "kind": message.kind,
        "priority": message.priority,
        "at": format_iso(message.at),
    }


def _header(key: str) -> str:
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in key).strip()


def _error(logs: str) -> ChannelError:
    answered = _ANSWERED.search(logs)
    if answered is None:
        return ChannelError(UNREACHABLE if UNREACHABLE in logs else REFUSED)
    code = int(answered.group(1))
    return ChannelError(f"answered with error {code}", permanent=code in PERMANENT)


class _OnlyTheAnswer(logging.Filter):
    """Leaves of a log record what was answered, and nothing of what was asked, from whom, with which password."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        answered = _ANSWERED.search(said)
        unreachable = UNREACHABLE if "connection error" in said.lower() else REFUSED
        record.msg, record.args = answered.group() if answered else unreachable, ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


@cache
def _asset() -> apprise.AppriseAsset:
    """Sends in the calling thread and follows no redirect, which makes of a POST a GET that tells nobody."""
    return apprise.AppriseAsset(
        app_id="Andon",
        app_desc="Andon",
        app_url="",
        async_mode=False,
        http_redirects=False,
        service_timeout=0,
        allow_templates=False,
    )


@cache
def _silence() -> None:
    ours = logging.getLogger("apprise")
    ours.setLevel(logging.WARNING)
    ours.propagate = False
    ours.addHandler(logging.NullHandler())
    ours.addFilter(_OnlyTheAnswer())
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
