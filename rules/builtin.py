"""The rules nobody has to write: an asset's instrument faults and clock, our broker links and our own faults."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from rules.alarms import Kind, Priority
from rules.detectors.base import ALWAYS_QUIET, Bindings, Detector, DetectorConfig
from rules.durations import format_duration
from rules.events import SECOND, Duration, Instant, Quality
from rules.ruleset import Rule
from rules.signals import Signal

OWN_ASSET: Final = "andon"
"""The asset that stands for the monitor itself."""
INSTRUMENT_FAULT: Final = "system.instrument-fault"
CLOCK: Final = "system.clock"
BROKER_LOST: Final = "system.broker-lost"
COMMS_LOST: Final = "system.comms-lost"
GATEWAY_SILENT: Final = "silent"
"""The signal of a gateway that says, as a truth value, whether all of it is silent."""
JOURNAL_FULL: Final = "system.journal-full"
JOURNAL_DAMAGED: Final = "system.journal-damaged"
QUEUE_DROPPED: Final = "system.queue-dropped"
HOST_CLOCK: Final = "system.host-clock"
CLOCK_CALM: Final[Duration] = 60 * SECOND
LINK_PATIENCE: Final[Duration] = 10 * SECOND


class BuiltinConfig(DetectorConfig):
    """What the built-in rules detect by; not for rule files."""

    type: str = "builtin"
    on_delay: Duration = 0
    off_delay: Duration = 0

    def signals(self) -> tuple[str, ...]:
        """None of their own."""
        return ()

    def build(self, bindings: Bindings) -> list[Detector]:
        """They are built by hand."""
        del bindings
        return []


class InstrumentFault(Detector):
    """One signal whose quality is bad."""

    def __init__(self, signal: Signal) -> None:
        self.inputs = (signal,)
        self.part = signal.name

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Bad now."""
        del at
        return (self.inputs[0].quality is Quality.BAD,)

    def band(self, signal: Signal) -> tuple[float, float]:
        """A reading within the band cannot be bad, and a change of quality is always looked at."""
        del signal
        return ALWAYS_QUIET

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Which signal, and what it delivered last."""
        del level
        signal = self.inputs[0]
        state = "has delivered no good value" if on else "delivers good values again"
        return {"text": f"{signal.name} {state}", "value": signal.last, "values": {signal.name: signal.last}}


class CommsConfig(BuiltinConfig):
    """A gateway of which nothing is heard: how many assets that makes invisible, and which safety functions."""

    assets: int = 0
    blind: tuple[str, ...] = ()

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [GatewaySilent(bindings.signal(GATEWAY_SILENT), bindings.asset, self.assets, self.blind)]


class GatewaySilent(Detector):
    """As told by whoever listens to all assets of the gateway. What blinds safety functions cannot be hidden."""

    def __init__(self, signal: Signal, gateway: str, assets: int, blind: tuple[str, ...]) -> None:
        self.never_hidden = bool(blind)
        self.inputs = (signal,)
        self._gateway = gateway
        self._assets = assets
        self._blind = blind

    def update(self, at: Instant) -> tuple[bool, ...]:
        """Silent now."""
        del at
        return (self.inputs[0].value is True,)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Which gateway, and what cannot be seen while it is silent."""
        del level
        if not on:
            return {"text": f"gateway {self._gateway} is heard again"}
        count = f"{len(self._blind)} safety function{'' if len(self._blind) == 1 else 's'} blind"
        blind = f"; {count}: {', '.join(self._blind)}" if self._blind else ""
        text = f"nothing is heard from gateway {self._gateway}, of none of its {self._assets} assets{blind}"
        return {"text": text, "assets": self._assets, "blind": list(self._blind)}


class Flag(Detector):
    """Something that the monitor itself is told: `raised` holds, `text` says what."""

    def __init__(self, part: str | None, on_text: str, off_text: str) -> None:
        self.part = part
        self.raised = False
        self._texts = {True: on_text, False: off_text}

    def update(self, at: Instant) -> tuple[bool, ...]:
        """As told."""
        del at
        return (self.raised,)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The text."""
        del level
        return {"text": self._texts[on]}

    def snapshot(self) -> Any:
        """The flag."""
        return self.raised

    def restore(self, data: Any) -> None:
        """The reverse of `snapshot`."""
        self.raised = data


class Noticed(Flag):
    """A fault of the monitor itself: what it says of it comes with it, and may change while it lasts."""

    def __init__(self, part: str | None) -> None:
        super().__init__(part, "", "")
        self.text = ""

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The text that came last."""
        del level, on
        return {"text": self.text}

    def snapshot(self) -> Any:
        """Flag and text."""
        return [self.raised, self.text]

    def restore(self, data: Any) -> None:
        """The reverse of `snapshot`."""
        self.raised, self.text = data


def _rule(name: str, title: str, priority: Priority, response: str, on: Duration, off: Duration) -> Rule:
    detect = BuiltinConfig(on_delay=on, off_delay=off)
    return Rule.model_construct(
        id=name, kind=Kind.SYSTEM, title=title, priority=priority, response=response, detect=detect, latch=False
    )


@cache
def instrument_fault(after: Duration) -> Rule:
    """One alarm per signal whose quality stays bad, whatever the rules that use it do meanwhile."""
    response = f"Check the sensor, its cable and the gateway: no good value for {format_duration(after)}."
    return _rule(INSTRUMENT_FAULT, "Instrument fault", Priority.MEDIUM, response, after, 0)


@cache
def clock_ahead() -> Rule:
    """Stamps from too far in the future."""
    response = "Set the gateway's clock, or its time zone; until then readings are kept with the time of receipt."
    return _rule(CLOCK, "Source clock is ahead", Priority.MEDIUM, response, 0, CLOCK_CALM)


@cache
def broker_lost() -> Rule:
    """Our own connection to a broker."""
    response = "Check the broker and the network: nothing is heard from its gateways meanwhile."
    return _rule(BROKER_LOST, "Broker connection lost", Priority.HIGH, response, LINK_PATIENCE, 0)


def comms_lost(assets: int = 0, blind: tuple[str, ...] = ()) -> Rule:
    """One alarm for a gateway that fell silent with all its assets; critical if it makes safety functions `blind`."""
    response = "Check the gateway, its power and its network: nothing is known of its machines meanwhile."
    rule = _rule(COMMS_LOST, "Gateway is silent", Priority.CRITICAL if blind else Priority.HIGH, response, 0, 0)
    return rule.model_copy(update={"detect": CommsConfig(assets=assets, blind=blind)})


FAULTS: Final[dict[str, Rule]] = {
    rule.id: rule
    for rule in (
        _rule(
            JOURNAL_FULL,
            "No room for the journal",
            Priority.HIGH,
            "Free space on the disk of data_dir, or lower `journal: max_size`: readings are not kept, or not fetched.",
            0,
            0,
        ),
        _rule(
            JOURNAL_DAMAGED,
            "Journal damaged",
            Priority.HIGH,
            "Check the disk; once what is lost is understood, move the files that were set aside out of the journal.",
            0,
            0,
        ),
        _rule(
            HOST_CLOCK,
            "Clock of this computer stepped",
            Priority.MEDIUM,
            "Let a time service (chrony, systemd-timesyncd) keep this computer's clock: durations may be wrong.",
            0,
            0,
        ),
        _rule(
            QUEUE_DROPPED,
            "Broker drops messages",
            Priority.HIGH,
            "Raise the broker's queue limits, or find out why we do not take messages as fast as they come.",
            0,
            0,
        ),
    )
}
"""What a `Fault` may raise on the monitor's own asset."""
BUILTIN: Final[dict[str, Rule]] = FAULTS | {
    rule.id: rule for rule in (instrument_fault(60 * SECOND), clock_ahead(), broker_lost(), comms_lost())
}
"""For those who look a rule's texts up by id."""
