"""A link that cannot be made: one line says why and what to mend, attempts go on, no password ever shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs

from monitor.collectors import connection, problems
from monitor.collectors.broker_check import check_broker
from monitor.collectors.mqtt import Collector
from monitor.collectors.problems import Problem
from monitor.settings import Broker
from tests.monitor.collectors.collecting import Journal, collecting, numbers, publish, site_broker, until
from tests.services.mosquitto import Certificates, Mosquitto
from tests.services.ports import free_port

SECRET = "hush-hush"
Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log."""
    with capture_logs() as captured:
        yield captured
    assert SECRET not in repr(captured)


def problem_of(broker: Broker, lines: Lines, event: str = "mqtt_connection_failed") -> str:
    """What the log says of a broker that cannot be used."""

    async def scenario() -> list[bool]:
        journal = Journal()
        async with collecting(broker, journal, up=False):
            await until(lambda: any(line["event"] == event for line in lines))
            await until(lambda: bool(journal.links))
        return journal.links

    assert asyncio.run(scenario()) == [False]
    line = next(line for line in lines if line["event"] == event)
    assert line["mend"]
    assert line["broker"] == "main"
    return str(line["problem"])


def test_an_address_where_nobody_listens_is_reported_once_until_somebody_does(
    start_mosquitto: Callable[..., Mosquitto], lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.collectors.reconnect.LONGEST_DELAY", 0.05)
    mosquitto = start_mosquitto()
    mosquitto.kill()
    attempts: list[object] = []
    opened = connection.Connection.open

    async def counted(self: connection.Connection) -> None:
        attempts.append(self)
        await opened(self)

    monkeypatch.setattr(connection.Connection, "open", counted)

    async def scenario() -> Journal:
        journal = Journal()
        async with collecting(site_broker(mosquitto), journal, up=False):
            await until(lambda: len(attempts) >= 4)
            await asyncio.to_thread(mosquitto.start)
            await until(lambda: journal.links == [False, True])
            await publish(mosquitto, numbers(3))
            await until(lambda: len(journal.messages) == 3)
        return journal

    asyncio.run(scenario())
    assert [line["event"] for line in lines] == ["mqtt_connection_failed", "mqtt_connected", "mqtt_subscribed"]
    assert "nothing listens" in lines[0]["problem"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("credentials", [{"username": "andon", "password": SECRET + "x"}, {}])
def test_a_wrong_or_missing_password_is_said_plainly(
    start_mosquitto: Callable[..., Mosquitto], lines: Lines, protocol: str, credentials: dict[str, str]
) -> None:
    mosquitto = start_mosquitto(users={"andon": SECRET})
    problem = problem_of(site_broker(mosquitto, protocol=protocol, **credentials), lines)
    assert "not authorized" in problem or "user or password" in problem


def test_the_right_password_is_let_in(start_mosquitto: Callable[..., Mosquitto], lines: Lines) -> None:
    mosquitto = start_mosquitto(users={"andon": SECRET})

    async def scenario() -> list[bool]:
        journal = Journal()
        async with collecting(site_broker(mosquitto, username="andon", password=SECRET), journal):
            return list(journal.links)

    assert asyncio.run(scenario()) == [True]


def test_a_name_that_does_not_resolve(lines: Lines) -> None:
    assert "cannot be resolved" in problem_of(Broker(url="mqtt://no-such-host.invalid"), lines)


def test_a_broker_that_never_answers(mosquitto: Mosquitto, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
    mosquitto.pause()
    try:
        assert "does not answer" in problem_of(site_broker(mosquitto), lines)
    finally:
        mosquitto.resume()


def problem_with_answer(answer: bytes, lines: Lines) -> MutableMapping[str, Any]:
    """What the log says of a server that sends these bytes to everybody and goes on listening."""

    async def scenario() -> None:
        async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            await writer.drain()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, collecting(Broker(url=f"mqtt://127.0.0.1:{port}"), Journal(), up=False):
            await until(lambda: any("problem" in line for line in lines))

    asyncio.run(scenario())
    return next(line for line in lines if "problem" in line)


def test_a_port_that_does_not_speak_mqtt(lines: Lines) -> None:
    line = problem_with_answer(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 500, lines)
    assert "MQTT" in line["problem"] + line["mend"]


def test_a_broker_that_says_why_it_hangs_up(lines: Lines) -> None:
    line = problem_with_answer(b"\x20\x03\x00\x00\x00\xe0\x01\x8e", lines)
    assert "another client took over" in line["problem"]


def test_two_clients_with_one_id_are_told_where_to_look(mosquitto: Mosquitto, lines: Lines) -> None:
    async def scenario() -> None:
        journal = Journal()
        async with collecting(site_broker(mosquitto), journal), collecting(site_broker(mosquitto), Journal()):
            await until(lambda: False in journal.links)

    asyncio.run(scenario())
    assert "client_id" in next(line for line in lines if line["event"] == "mqtt_connection_lost")["mend"]


class TestTls:
    """TLS with an authority of one's own."""

    @pytest.mark.parametrize("proven", [False, True])
    def test_with_the_right_authority_messages_come(
        self, start_mosquitto: Callable[..., Mosquitto], proven: bool
    ) -> None:
        mosquitto = start_mosquitto(tls=True, client_certificates=proven)
        files = mosquitto.certificates
        assert files is not None
        tls = {"ca": files.ca, **({"cert": files.client, "key": files.client_key} if proven else {})}
        big = [bytes(300_000), *numbers(2_000)]

        async def scenario() -> list[bytes]:
            journal = Journal()
            async with collecting(site_broker(mosquitto, tls=tls), journal):
                await asyncio.to_thread(publish_over_tls, mosquitto, big)
                await until(lambda: len(journal.messages) == len(big))
            return journal.payloads

        assert asyncio.run(scenario()) == big

    def test_an_unknown_authority_is_not_trusted(self, start_mosquitto: Callable[..., Mosquitto], lines: Lines) -> None:
        assert "not trusted" in problem_of(site_broker(start_mosquitto(tls=True)), lines)

    @pytest.mark.parametrize("strange", [False, True])
    def test_a_missing_or_wrong_client_certificate_is_one_cause_however_often_it_is_tried(
        self,
        start_mosquitto: Callable[..., Mosquitto],
        tmp_path: Path,
        lines: Lines,
        monkeypatch: pytest.MonkeyPatch,
        strange: bool,
    ) -> None:
        monkeypatch.setattr("monitor.collectors.reconnect.LONGEST_DELAY", 0.02)
        mosquitto = start_mosquitto(tls=True, client_certificates=True)
        assert mosquitto.certificates is not None
        stranger = Certificates(tmp_path / "stranger")
        own = {"cert": stranger.client, "key": stranger.client_key} if strange else {}
        broker = site_broker(mosquitto, tls={"ca": mosquitto.certificates.ca, **own})
        found: list[Problem] = []
        reported = Collector._report

        def report(self: Collector, problem: Problem, *, was_up: bool) -> None:
            found.append(problem)
            reported(self, problem, was_up=was_up)

        monkeypatch.setattr(Collector, "_report", report)

        async def scenario() -> None:
            async with collecting(broker, Journal(), up=False):
                await until(lambda: len(found) >= 20)

        asyncio.run(scenario())
        assert {problem.mend for problem in found} == {problems.HANDSHAKE}
        told = [line["problem"] for line in lines if "problem" in line]
        assert told == list(dict.fromkeys(told))
        assert len([each for each in told if each != problems.UNSAID.what]) == 1
        (finding,) = check_broker(broker).findings
        assert finding.hint == problems.HANDSHAKE

    def test_a_port_without_tls(self, mosquitto: Mosquitto, lines: Lines) -> None:
        problem_of(Broker(url=mosquitto.url.replace("mqtt:", "mqtts:")), lines)
        assert "TLS" in lines[0]["mend"]

    def test_plain_mqtt_to_a_tls_port(self, start_mosquitto: Callable[..., Mosquitto], lines: Lines) -> None:
        url = start_mosquitto(tls=True).url.replace("mqtts:", "mqtt:")
        assert "cut" in problem_of(Broker(url=url), lines)

    def test_files_that_are_missing_or_no_certificates(self, tmp_path: Path, lines: Lines) -> None:
        url = f"mqtts://127.0.0.1:{free_port()}"
        missing = Broker.model_validate({"url": url, "tls": {"ca": tmp_path / "no.pem"}})
        assert "no.pem, where no file is" in problem_of(missing, lines)
        (tmp_path / "bad.pem").write_text("no certificate")
        lines.clear()
        bad = Broker.model_validate({"url": url, "tls": {"ca": tmp_path / "bad.pem"}})
        assert "cannot be used" in problem_of(bad, lines)


def publish_over_tls(broker: Mosquitto, payloads: list[bytes]) -> None:
    """Publish through the same listener."""
    assert broker.certificates is not None
    client = paho.Client(CallbackAPIVersion.VERSION2)
    files = broker.certificates
    client.tls_set(str(files.ca), str(files.client), str(files.client_key))
    client.connect(broker.host, broker.port)
    client.loop_start()
    for sent in [client.publish("plant/value", payload, 1) for payload in payloads]:
        sent.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def test_what_is_known_of_a_tls_failure_is_not_told_again_with_less() -> None:
    known = problems.Problem("TLS failed (TLSV13_ALERT_CERTIFICATE_REQUIRED)", problems.HANDSHAKE)
    refused = problems.of_error(ConnectionRefusedError())
    assert problems.of_greeting(ConnectionResetError(), tls=True) == problems.UNSAID
    assert problems.of_greeting(ConnectionResetError(), tls=False).what == "the connection was cut"
    assert [problems.same_cause(problems.UNSAID, each) for each in (known, problems.UNSAID, refused, None)] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not problems.same_cause(known, problems.UNSAID)
