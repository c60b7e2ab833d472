"""Counts what is odd about time and delivery: late readings, clocks ahead or set back, gateways without guarantee."""

from __future__ import annotations

from collections import Counter
from typing import Final

import structlog

from monitor import telemetry
from rules.asset import AssetMonitor
from rules.diagnosis import Lack, diagnoses

MEND: Final = {
    Lack.UNSEEN: "correct the signal's name in the rule, or narrow the rule's `assets` to the machines that have it",
    Lack.GATE: "mend what delivers the signals that `when` names",
}
NEVER_KEPT: Final = 0
"""The QoS at which nobody keeps a message for us while we are away."""
ODDITIES: Final = ("late", "ahead", "set_back")

log = structlog.get_logger()


class Tally:
    """Cheap for each message; `publish` brings the metrics up to date now and then."""

    def __init__(self) -> None:
        self.messages: Counter[tuple[str, int]] = Counter()
        self._published: Counter[tuple[str, int]] = Counter()
        self._odd: dict[str, tuple[int, int, int]] = {}
        self._lacking: dict[str, Counter[str]] = {}
        self._named: set[tuple[str, str]] = set()

    def qos(self) -> dict[str, list[int]]:
        """With which QoS each gateway has published since the start."""
        found: dict[str, list[int]] = {}
        for gateway, qos in sorted(self.messages):
            found.setdefault(gateway, []).append(qos)
        return found

    def publish(self) -> None:
        """Bring the metrics of gateways up to date, and name those that publish without guarantee, once."""
        for (gateway, qos), count in self.messages.items():
            before = self._published[gateway, qos]
            if qos == NEVER_KEPT and not before:
                mend = "let it publish at QoS 1: what it sends while we are away is lost"
                log.warning("gateway_without_guarantee", gateway=gateway, qos=qos, mend=mend)
            telemetry.GATEWAY_MESSAGES.labels(gateway, str(qos)).inc(count - before)
        self._published = self.messages.copy()
        lacking = sum(self._lacking.values(), Counter())
        for lack in Lack:
            telemetry.RULES_LACKING.labels(lack).set(lacking[lack])

    def know(self, monitor: AssetMonitor) -> None:
        """An asset as it comes from its snapshot: what it has counted so far was counted before."""
        self._odd[monitor.asset] = _odd(monitor)

    def look(self, monitor: AssetMonitor) -> None:
        """Add what the asset has counted since the last look, and name what its rules lack, each once for a rule."""
        now, before = _odd(monitor), self._odd.get(monitor.asset, (0, 0, 0))
        if now != before:
            self._odd[monitor.asset] = now
            for what, count, earlier in zip(ODDITIES, now, before, strict=True):
                telemetry.TIME_ODDITIES.labels(what).inc(max(0, count - earlier))
        found = list(diagnoses(monitor, monitor.clock.now))
        self._lacking.pop(monitor.asset, None)
        if found:
            self._lacking[monitor.asset] = Counter(one.lack for one in found)
        for one in found:
            if (one.rule, one.lack) not in self._named:
                self._named.add((one.rule, one.lack))
                log.warning(
                    "rule_lacks", rule=one.rule, asset=one.asset, lack=one.lack, text=one.text, mend=MEND[one.lack]
                )


def _odd(monitor: AssetMonitor) -> tuple[int, int, int]:
    return monitor.late, monitor.ahead, monitor.clock.timeline
