"""Every channel: takes a message over or says why not, and keeps its address to itself."""

from __future__ import annotations

import json
import logging
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import msgspec
import pytest
from pydantic import SecretStr

from monitor.alerting import channels
from monitor.alerting.channels import Channel, ChannelError, Message, Unusable, open_channel, open_channels
from monitor.alerting.policy import CONSOLE, fingerprint
from tests.monitor.alerting.hook import webhook
from tests.monitor.alerting.making import notification, notify, transition

SECRET = "tops3cret"


def message(**changes: object) -> Message:
    """What the dispatcher would hand over."""
    whole = msgspec.json.encode(notification(transition(**changes)))
    return msgspec.json.decode(whole, type=Message)


def hook_address(port: int, scheme: str = "json") -> SecretStr:
    return SecretStr(f"{scheme}://user:{SECRET}@127.0.0.1:{port}/{SECRET}/?+X-Token={SECRET}&rto=0.3&cto=0.5")


WORKING: list[Callable[[int], SecretStr]] = [
    lambda _: SecretStr(CONSOLE),
    lambda port: hook_address(port, "json"),
    lambda port: hook_address(port, "form"),
    lambda port: hook_address(port, "xml"),
    lambda port: SecretStr(f"ntfy://user:{SECRET}@127.0.0.1:{port}/topic"),
    lambda port: SecretStr(f"gotify://127.0.0.1:{port}/{SECRET}"),
]
NAMES = ["console", "json", "form", "xml", "ntfy", "gotify"]
FAILING = WORKING[1:]


@pytest.mark.parametrize("address", WORKING, ids=NAMES)
def test_a_message_that_is_taken_over_gets_an_answer(address: Callable[[int], SecretStr]) -> None:
    with webhook() as hook:
        assert open_channel(address(hook.port)).send(message()).text


@pytest.mark.parametrize("address", FAILING, ids=NAMES[1:])
@pytest.mark.parametrize(
    ("behaviour", "permanent", "said"),
    [
        (400, True, "answered with error 400"),
        (401, False, "answered with error 401"),
        (429, False, "answered with error 429"),
        (500, False, "answered with error 500"),
        (301, False, "answered with error 301"),
        ("cut", False, "could not be reached"),
    ],
)
def test_what_is_not_taken_over_says_why_and_whether_to_try_again(
    address: Callable[[int], SecretStr], behaviour: int, permanent: bool, said: str
) -> None:
    with webhook(then=behaviour) as hook, pytest.raises(ChannelError) as failure:
        open_channel(address(hook.port)).send(message())
    assert (failure.value.permanent, str(failure.value)) == (permanent, said)


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    with webhook(then="hang") as hook, pytest.raises(ChannelError, match="could not be reached") as failure:
        open_channel(hook_address(hook.port)).send(message())
    assert not failure.value.permanent


def test_a_server_that_is_not_there_can_be_tried_again() -> None:
    with webhook() as hook:
        port = hook.port
    with pytest.raises(ChannelError, match="could not be reached") as failure:
        open_channel(hook_address(port)).send(message())
    assert not failure.value.permanent


@pytest.mark.parametrize(
    "address", ["", "nonsense", "nosuch://host/x", "json://", "mailto://", "\ud800://x", "json://" + "a" * 100_000]
)
def test_an_address_that_nothing_understands_is_refused_for_good(address: str) -> None:
    with pytest.raises(ChannelError) as failure:
        open_channel(SecretStr(address)).send(message())
    assert failure.value.permanent or "could not be reached" in str(failure.value)


@pytest.mark.parametrize("scheme", ["json", "form", "xml"])
def test_a_webhook_gets_the_same_key_at_every_attempt(scheme: str) -> None:
    with webhook(500, 200) as hook:
        channel = open_channel(hook_address(hook.port, scheme))
        with pytest.raises(ChannelError):
            channel.send(message())
        channel.send(message())
        channel.send(message(second=5))
    assert hook.keys == [message().key, message().key, message(second=5).key]


def test_a_json_webhook_gets_what_a_program_needs() -> None:
    with webhook() as hook:
        open_channel(hook_address(hook.port)).send(message(part="größe\r\nX: y"))
    path, headers, body = hook.requests[0]
    got = json.loads(body)
    assert path == f"/{SECRET}/"
    assert headers["X-Token"] == SECRET
    assert {k: got[k] for k in ("event", "asset", "rule", "kind", "priority", "type", "alarm", "at")} == {
        "event": "raised",
        "asset": "line1/mill3",
        "rule": "too-hot",
        "kind": "equipment",
        "priority": "high",
        "type": "failure",
        "alarm": message().alarm,
        "at": "2023-11-14T22:13:20Z",
    }
    assert got["title"].startswith("HIGH Mill 3: Spindle too hot")
    assert got["key"] == message().key


def test_a_form_webhook_gets_key_and_event() -> None:
    with webhook() as hook:
        open_channel(hook_address(hook.port, "form")).send(message())
    got = parse_qs(hook.requests[0][2].decode())
    assert (got["event"], got["key"]) == (["raised"], [message().key])


def test_names_beyond_ascii_and_line_ends_make_a_sound_header() -> None:
    with webhook() as hook:
        open_channel(hook_address(hook.port)).send(message(id="größe\r\nX-Evil: 1 \x00", asset="größe"))
    assert re.fullmatch(r"[ -~]+", hook.keys[0])
    assert "X-Evil" not in hook.requests[0][1]


@pytest.mark.parametrize("behaviour", [200, 400, 500, "cut", "hang"])
@pytest.mark.parametrize("address", WORKING, ids=NAMES)
def test_the_secret_stays_inside(
    address: Callable[[int], SecretStr],
    behaviour: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if behaviour == "hang" and "rto" not in address(1).get_secret_value():
        behaviour = 503
    caplog.set_level(logging.DEBUG)
    said: list[object] = []
    with webhook(then=behaviour) as hook, warnings.catch_warnings(record=True) as warned:
        channel = open_channel(address(hook.port))
        said += [channel, fingerprint(address(hook.port).get_secret_value())]
        try:
            said.append(channel.send(message()))
        except ChannelError as error:
            said += [error, error.__cause__, error.args]
    printed = capfd.readouterr()
    everything = [caplog.text, printed.out, printed.err, *map(str, warned), *map(repr, said), *map(str, said)]
    assert not [text for text in everything if SECRET in text]


def test_an_address_that_is_not_understood_does_not_show_in_the_refusal(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ChannelError) as failure:
        open_channel(SecretStr(f"nosuch://{SECRET}@host"))
    assert SECRET not in caplog.text + str(failure.value) + repr(failure.value)


def test_the_console_prints_one_line_per_message(capsys: pytest.CaptureFixture[str]) -> None:
    open_channel(SecretStr(CONSOLE)).send(message())
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("HIGH Mill 3: Spindle too hot | Machine: Mill 3")


def test_a_site_has_a_channel_for_every_address_and_always_the_console() -> None:
    found = open_channels(notify(a=["json://127.0.0.1:1/", "nosuch://x"], b=["json://127.0.0.1:1/"]))
    assert set(found) == {fingerprint(a) for a in ("json://127.0.0.1:1/", "nosuch://x", CONSOLE)}
    assert isinstance(found[fingerprint("nosuch://x")], Unusable)


def test_every_kind_of_channel_is_in_this_suite() -> None:
    folder = Path(channels.__file__).parent
    kinds = {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}
    assert kinds == {"console", "apprise_address"}


def test_channels_fit_their_protocol() -> None:
    opened: list[Channel] = [open_channel(SecretStr(CONSOLE)), Unusable("x")]
    assert all(callable(channel.send) for channel in opened)
