"""Processes of one monitor ask each other over a private socket; whatever else comes in gets an answer, not a crash."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import AndonError, RefusedError, UnreachableError
from monitor.linesocket import MAX_MESSAGE, ask, serving, socket_path
from rules.events import SECOND


async def echo(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"got": arguments}


async def refuse(_: dict[str, Any]) -> dict[str, Any]:
    raise AndonError("not in this state")


async def fail(_: dict[str, Any]) -> dict[str, Any]:
    raise KeyError("secret detail")


async def stall(_: dict[str, Any]) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


HANDLERS = {"echo": echo, "refuse": refuse, "fail": fail, "stall": stall}


def asked(directory: Path, request: str, arguments: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with serving(directory, HANDLERS):
            return await ask(directory, request, arguments, **options)

    return asyncio.run(run())


def raw(directory: Path, *sent: bytes) -> list[dict[str, Any]]:
    """What comes back for bytes as they are, until the connection is closed."""

    async def run() -> list[dict[str, Any]]:
        async with serving(directory, HANDLERS):
            reader, writer = await asyncio.open_unix_connection(socket_path(directory))
            for piece in sent:
                writer.write(piece)
            writer.write_eof()
            answers = (await asyncio.wait_for(reader.read(), 5)).splitlines()
            writer.close()
            return [json.loads(answer) for answer in answers]

    return asyncio.run(run())


def test_handler_gets_the_arguments_and_its_answer_comes_back(tmp_path: Path) -> None:
    assert asked(tmp_path, "echo", {"alarm": "ä:1"}) == {"got": {"alarm": "ä:1"}}


def test_unknown_request_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"unknown request 'ecko'; known are echo, fail, refuse, stall"):
        asked(tmp_path, "ecko")


def test_refusal_carries_the_reason(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="not in this state"):
        asked(tmp_path, "refuse")


def test_error_of_ours_keeps_its_details_to_itself(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as caught:
        asked(tmp_path, "fail")
    assert "secret detail" not in str(caught.value)


def test_answer_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"did not answer within 0.1 s"):
        asked(tmp_path, "stall", timeout=SECOND // 10)


def test_no_process_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"line process is not running.*andon run"):
        asyncio.run(ask(tmp_path, "echo"))


@pytest.mark.parametrize(
    "line",
    [b"{}", b"nonsense", b"\xff\xfe", b'{"request": 1}', b'{"request": "echo", "arguments": []}', b"[" * 100_000],
    ids=["no-request", "no-json", "no-utf8", "number", "arguments-list", "deep"],
)
def test_what_is_no_request_is_told_so_and_ends_the_conversation(tmp_path: Path, line: bytes) -> None:
    (answer,) = raw(tmp_path, line + b"\n", b'{"request": "echo"}\n')
    assert "one line of JSON" in answer["error"]


def test_request_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    (answer,) = raw(tmp_path, b"x" * (MAX_MESSAGE + 10))
    assert "at most" in answer["error"]


def test_several_requests_share_a_connection(tmp_path: Path) -> None:
    answers = raw(tmp_path, b'{"request":"echo"}\n{"request":', b'"refuse"}\n')
    assert answers == [{"answer": {"got": {}}}, {"error": "not in this state"}]


def test_socket_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    async def run() -> int:
        async with serving(tmp_path, HANDLERS):
            return socket_path(tmp_path).stat().st_mode & 0o777

    assert asyncio.run(run()) == 0o600
    assert not (tmp_path / "line.sock").exists()


def test_socket_left_over_by_a_killed_process_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "line.sock").write_text("left over")
    assert asked(tmp_path, "echo") == {"got": {}}


def test_directory_with_a_long_path_is_served_from_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("r")))
    deep = tmp_path / ("d" * 120)
    deep.mkdir()

    async def run() -> dict[str, Any]:
        async with serving(deep, HANDLERS):
            monkeypatch.delenv("XDG_RUNTIME_DIR")
            return await ask(deep, "echo")

    assert asyncio.run(run()) == {"got": {}}


def test_runtime_directory_that_others_can_open_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    (tmp_path / f"andon-{deep.stat().st_uid}").mkdir(mode=0o777)
    (tmp_path / f"andon-{deep.stat().st_uid}").chmod(0o777)
    with pytest.raises(AndonError, match="not a private directory"):
        asked(deep, "echo")


def test_processes_have_sockets_of_their_own(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path, HANDLERS, "store"):
            await ask(tmp_path, "echo", process="store")
            with pytest.raises(UnreachableError, match="line process"):
                await ask(tmp_path, "echo")

    asyncio.run(run())


@pytest.mark.parametrize("under_way", [b"", b'{"request": "stall"}\n'])
def test_a_conversation_that_is_open_at_the_end_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, under_way: bytes
) -> None:
    async def run() -> bytes:
        async with serving(tmp_path, HANDLERS):
            reader, writer = await asyncio.open_unix_connection(socket_path(tmp_path))
            writer.write(b'{"request": "echo"}\n' + under_way)
            await reader.readline()
        return await asyncio.wait_for(reader.read(), 5)

    assert asyncio.run(run()) == b""
    assert not [record for record in caplog.records if record.name == "asyncio"]
