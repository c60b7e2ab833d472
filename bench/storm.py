"""A plant storm through a real mosquitto: thousands of machines lose their network within a second.

python bench/storm.py [--assets 5000] [--gateways 20]

Every machine has a rule for its silence, every tenth a guard besides. Half of the gateways go with their Will, which
says so at once; the others just say nothing more, which their machines' rules notice. Told are: how many were alarmed
and how many people heard of, how soon, what it cost the line, and the same for the way back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from _flood import packet
from _running import Andon, Hook, told, wait

from monitor.collectors.embedded import embedded_broker
from monitor.database.queries import AlarmReader

SILENCE = 10.0
"""Seconds that a machine may say nothing."""
EVERY = 2.0
"""Seconds between two messages of a machine."""
KEYS = "notice: true, latch: false"
QUIET = f"detect: {{type: silence, after: {SILENCE:g}s}}"
RULES = f"""version: 1
rules:
  - {{id: silent, kind: equipment, {KEYS}, {QUIET}}}
  - {{id: hot, kind: equipment, {KEYS}, detect: {{type: limits, signal: t, high: 80, high_high: 95}}}}
  - {{id: guard, kind: safety, {KEYS}, assets: "*/guarded*", detect: {{type: limits, signal: t, high: 99}}}}
  - {{id: guard-silent, kind: safety, {KEYS}, assets: "*/guarded*", {QUIET}}}
"""


class Gateway:
    """Speaks for its machines over a socket of its own."""

    def __init__(self, port: int, number: int, machines: int) -> None:
        self.name = f"g{number}"
        self.machines = [f"guarded{n}" if n % 10 == 0 else f"m{n}" for n in range(machines)]
        self.last = 0.0
        self._port = port
        self.connect()

    def connect(self) -> None:
        """With a Will on its status topic."""
        will, name = f"plant/{self.name}".encode(), self.name.encode()
        fields = b"".join(len(field).to_bytes(2, "big") + field for field in (name, will, b"offline"))
        body = b"\x00\x04MQTT\x04\x06\x00\x00" + fields
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.sendall(b"\x10" + bytes([len(body)]) + body)
        self._socket.recv(4)

    def speak(self) -> None:
        """A value of every machine."""
        topics = (f"plant/{self.name}/{machine}/t".encode() for machine in self.machines)
        self._socket.sendall(b"".join(packet(topic, b"%.1f" % (40 + n % 17), 0, 0) for n, topic in enumerate(topics)))
        self.last = time.monotonic()

    def lose_the_network(self) -> None:
        """The broker finds the connection closed and tells of it by the Will."""
        self.last = time.monotonic()
        self._socket.close()


class Storm:
    """A plant that speaks, falls silent and speaks again."""

    def __init__(self, andon: Andon, hook: Hook, gateways: list[Gateway]) -> None:
        self._andon = andon
        self._hook = hook
        self._gateways = gateways
        self._with_will = gateways[::2]

    def run(self) -> None:
        """All of it; a line of JSON each."""
        machines = [machine for gateway in self._gateways for machine in gateway.machines]
        guards = [machine for machine in machines if machine.startswith("guarded")]
        for turns in range(1, 1_000):
            self._speak(self._gateways)
            if turns > 5 and self._andon.decided() >= turns * len(machines):
                break
        before, cpu, begin = self._andon.memory(), self._andon.cpu(), time.monotonic()
        for gateway in self._with_will:
            gateway.lose_the_network()
        took = time.monotonic() - begin
        wait(lambda: len(list(self._alarms())) >= len(machines) + len(guards) + len(self._gateways), 120)
        time.sleep(SILENCE)  # whoever else were to be told had time
        by_will, silent = self._heard(self._with_will), self._heard(self._gateways[1::2])
        told(
            assets=len(machines), gateways=len(self._gateways), lost_within_s=round(took, 3), alarms=self._by_rule(),
            in_sight=self._count("BCD"), notifications=len(self._hook.bodies),
            told_by_will={"gateways": len(by_will), **spread(by_will)},
            told_by_silence={"gateways": len(silent), **spread([after - SILENCE for after in silent])},
            line_cpu_s=round(self._andon.cpu() - cpu, 2), megabytes_before=before, megabytes_after=self._andon.memory(),
        )  # fmt: skip
        self._come_back()

    def _come_back(self) -> None:
        self._hook.bodies.clear()
        cpu, begin = self._andon.cpu(), time.monotonic()
        for gateway in self._with_will:
            gateway.connect()
        while self._count("BCH"):
            self._speak(self._gateways)
        told(
            all_normal_again_after_s=round(time.monotonic() - begin, 1), notifications=len(self._hook.bodies),
            line_cpu_s=round(self._andon.cpu() - cpu, 2), megabytes_after=self._andon.memory(),
        )  # fmt: skip

    def _speak(self, gateways: list[Gateway]) -> None:
        end = time.monotonic() + EVERY
        for gateway in gateways:
            gateway.speak()
        time.sleep(max(0.0, end - time.monotonic()))

    def _heard(self, gateways: list[Gateway]) -> list[float]:
        """How long after it was lost, or spoke last, the webhook heard of each of these gateways."""
        first: dict[str, float] = {}
        for at, body in self._hook.bodies:
            first.setdefault(subject(body), at)
        return [first[gateway.name] - gateway.last for gateway in gateways if gateway.name in first]

    def _alarms(self) -> Iterator[tuple[str, str]]:
        with closing(AlarmReader(self._andon.data / "alarms.db")) as reader:
            yield from ((alarm.rule, alarm.state.value) for alarm in reader.alarms())

    def _by_rule(self) -> dict[str, int]:
        return dict(Counter(rule for rule, state in self._alarms() if state != "A"))

    def _count(self, states: str) -> int:
        return sum(state in states for _, state in self._alarms())


def subject(body: bytes) -> str:
    """The asset in a title like `CRITICAL g1: Gateway is silent`."""
    return str(json.loads(body)["title"]).split(":", 1)[0].rsplit(" ", 1)[-1]


def spread(seconds: list[float]) -> dict[str, float]:
    """How long half of them took, and the longest, in ms."""
    if not seconds:
        return {}
    return {"p50_ms": round(1000 * statistics.median(seconds), 1), "max_ms": round(1000 * max(seconds), 1)}


def files(port: int, hook: int, gateways: list[Gateway]) -> dict[str, str]:
    """The site's files: every machine names its gateway."""
    assets = "".join(f"  {g.name}/{machine}: {{gateway: {g.name}}}\n" for g in gateways for machine in g.machines)
    entries = "".join(
        f'  - {{name: {g.name}, topic: "plant/{g.name}/{{machine}}/{{metric}}", asset: "{g.name}/{{machine}}", '
        f"status: {{topic: plant/{g.name}}}}}\n"
        for g in gateways
    )
    return {
        "rules/storm.yaml": RULES,
        "assets.yaml": f"assets:\n{assets}",
        "andon.yaml": f'site: bench\ndata_dir: data\nbroker: {{url: "mqtt://127.0.0.1:{port}"}}\ngateways:\n{entries}'
        f'notify: {{teams: {{all: {{channels: ["json://127.0.0.1:{hook}/"]}}}}, routes: [{{match: {{}}, to: all}}]}}\n'
        "web: {port: 0}\n",
    }


def measure(folder: Path, port: int, assets: int, number: int) -> None:
    """Start a monitor, run the storm, stop it."""
    hook = Hook()
    gateways = [Gateway(port, n, assets // number) for n in range(number)]
    andon = Andon(folder / "site", files(port, hook.port, gateways))
    try:
        Storm(andon, hook, gateways).run()
    finally:
        andon.stop()


async def main() -> None:
    """As the options ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, default=5_000)
    parser.add_argument("--gateways", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with embedded_broker(Path(folder) / "broker", kind="mosquitto") as broker:
            await asyncio.to_thread(measure, Path(folder), broker.port, args.assets, args.gateways)


if __name__ == "__main__":
    asyncio.run(main())
