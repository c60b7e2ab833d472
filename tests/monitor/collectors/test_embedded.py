"""The embedded broker: both kinds start, keep what an absent client is owed, and leave nothing behind."""

import asyncio
import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from monitor.clock import elapsed
from monitor.collectors.embedded import EmbeddedBrokerError, embedded_broker
from rules.events import SECOND

DEADLINE = 20.0


class Subscriber:
    """A paho client with a persistent session that keeps what it receives."""

    def __init__(self, port, client_id):
        self.received = queue.Queue()
        self._subscribed = queue.Queue()
        self._closed = queue.Queue()
        self._port = port
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=paho.MQTTv311
        )
        self.client.on_connect = lambda client, *_: client.subscribe("plant/#", qos=1)
        self.client.on_subscribe = lambda *_: self._subscribed.put(True)
        self.client.on_disconnect = lambda *_: self._closed.put(True)
        self.client.on_message = lambda _client, _data, message: self.received.put((message.topic, message.payload))

    def connect(self):
        self.client.connect("127.0.0.1", self._port)
        self.client.loop_start()
        self._subscribed.get(timeout=DEADLINE)

    def disconnect(self):
        self.client.disconnect()
        self._closed.get(timeout=DEADLINE)
        self.client.loop_stop()

    def take(self, count):
        return [self.received.get(timeout=DEADLINE) for _ in range(count)]


def publish(port, messages):
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, "gateway")
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, payload in messages:
        client.publish(topic, payload, qos=1).wait_for_publish(DEADLINE)
    client.disconnect()
    client.loop_stop()


def with_broker(directory, broker_kind, act, port=0):
    async def run():
        async with embedded_broker(directory, port, broker_kind) as address:
            await asyncio.to_thread(act, address)
            return address

    return asyncio.run(run())


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition):
    deadline = elapsed() + DEADLINE * SECOND
    while not condition():
        assert elapsed() < deadline, "waited in vain"
        threading.Event().wait(0.02)


MESSAGES = [(f"plant/demo/{n % 3}", str(n).encode()) for n in range(40)]


def test_messages_reach_a_subscriber_at_qos_1(tmp_path, broker_kind):
    def act(address):
        subscriber = Subscriber(address.port, "andon")
        subscriber.connect()
        publish(address.port, MESSAGES)
        assert sorted(subscriber.take(len(MESSAGES))) == sorted(MESSAGES)
        subscriber.disconnect()

    assert with_broker(tmp_path, broker_kind, act).kind == broker_kind


def test_a_persistent_session_is_owed_what_came_while_it_was_away(tmp_path, broker_kind):
    def act(address):
        subscriber = Subscriber(address.port, "andon")
        subscriber.connect()
        subscriber.disconnect()
        publish(address.port, MESSAGES)
        subscriber.connect()
        assert sorted(subscriber.take(len(MESSAGES))) == sorted(MESSAGES)
        subscriber.disconnect()

    with_broker(tmp_path, broker_kind, act)


def test_the_broker_is_gone_when_the_context_ends(tmp_path, broker_kind):
    address = with_broker(tmp_path, broker_kind, lambda address: None)

    assert not accepts(address.port)


def test_the_broker_ends_when_its_parent_is_killed(tmp_path, broker_kind):
    script = (
        "import asyncio, os, pathlib, signal\n"
        "from monitor.collectors.embedded import embedded_broker\n"
        "async def main():\n"
        f"    async with embedded_broker(pathlib.Path({str(tmp_path)!r}), 0, {broker_kind!r}) as address:\n"
        "        print(address.port, flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    port = int(killed.stdout)

    until(lambda: not accepts(port))


def test_a_taken_port_is_a_clear_error(tmp_path, broker_kind):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(EmbeddedBrokerError, match=f"127.0.0.1:{port}.*stop what uses the port or name another"):
            with_broker(tmp_path, broker_kind, lambda address: None, port=port)


def test_a_broker_that_ends_at_once_is_a_clear_error_with_its_last_words(tmp_path, monkeypatch):
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho 'no such option' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr("monitor.collectors.embedded.mosquitto_path", lambda: str(broken))

    with pytest.raises(EmbeddedBrokerError, match=r"exit code 3; its last words: no such option"):
        with_broker(tmp_path / "broker", "mosquitto", lambda address: None)


def test_without_mosquitto_the_python_broker_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("monitor.collectors.embedded.mosquitto_path", lambda: None)

    address = with_broker(tmp_path, None, lambda address: None)

    assert address.kind == "amqtt"
    assert address.protocol == "3.1.1"
    assert address.url == f"mqtt://127.0.0.1:{address.port}"


def test_nothing_is_said_on_the_terminal(tmp_path, broker_kind, capfd):
    with_broker(tmp_path, broker_kind, lambda address: publish(address.port, MESSAGES[:3]))

    assert capfd.readouterr() == ("", "")


def test_what_the_broker_keeps_lies_in_its_directory(tmp_path, broker_kind):
    with_broker(tmp_path, broker_kind, lambda address: None)

    assert {Path(path).name for path in tmp_path.iterdir()} <= {"broker.log", "mosquitto.conf", "mosquitto.db"}
