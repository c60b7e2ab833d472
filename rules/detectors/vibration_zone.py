"""`vibration_zone`: broadband vibration by the zones of ISO 20816-3 and, for pumps, ISO 10816-7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from rules.detectors.base import Bindings, Detector, DetectorConfig, Limit, limit_of, shown
from rules.durations import DurationField
from rules.events import Instant
from rules.problems import InputError, quoted
from rules.signals import Signal
from rules.thresholds import Thresholds

if TYPE_CHECKING:
    from rules.assetmodel import SignalSpec


class Zones(NamedTuple):
    """Boundaries between zones A and B, B and C, C and D, in mm/s r.m.s."""

    a_b: float
    b_c: float
    c_d: float


ZONES: Final[dict[tuple[str, str], Zones]] = {
    ("1", "rigid"): Zones(2.3, 4.5, 7.1),
    ("1", "flexible"): Zones(3.5, 7.1, 11.0),
    ("2", "rigid"): Zones(1.4, 2.8, 4.5),
    ("2", "flexible"): Zones(2.3, 4.5, 7.1),
    ("pump-1", "to 200 kW"): Zones(2.5, 4.0, 6.6),
    ("pump-1", "above 200 kW"): Zones(3.5, 5.0, 7.6),
    ("pump-2", "to 200 kW"): Zones(3.2, 5.1, 8.5),
    ("pump-2", "above 200 kW"): Zones(4.2, 6.1, 9.5),
}
"""By machine group and support (ISO 20816-3:2022), by pump category and power (ISO 10816-7:2009)."""

CHANGE: Final = 0.25
"""The part of the B/C boundary by which a change from the baseline matters."""
UNITS: Final = frozenset({"mm/s", "mm/s rms", "mm/s RMS", "mm/s r.m.s."})


class VibrationZoneConfig(DetectorConfig):
    """Levels `zone_c` (limited time only), `zone_d` (damage likely) and `change`, of a velocity in mm/s r.m.s.

    `machine_group` 1 (above 300 kW) and 2 (15 to 300 kW) need `support`; `pump-1` and `pump-2` (categories I and II)
    need `power` in kW. `alarm_zone` is the first zone that is an alarm. With a `baseline` (a number, or the name of
    one of the asset's values) a change from it by more than a quarter of the B/C boundary, up or down, is one too;
    `change: false` leaves that out. `boundaries` replaces the table, and `source` says why. Judge at steady speed and
    load: arm the rule with `when`.
    """

    type: Literal["vibration_zone"]
    signal: str
    machine_group: Literal["1", "2", "pump-1", "pump-2"]
    support: Literal["rigid", "flexible"] | None = None
    power: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    alarm_zone: Literal["C", "D"] = "C"
    change: bool = True
    baseline: Limit | None = None
    boundaries: tuple[float, float, float] | None = None
    source: str = ""
    deadband: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @model_validator(mode="before")
    @classmethod
    def _group_is_text(cls, data: Any) -> Any:
        if isinstance(data, dict) and type(data.get("machine_group")) is int:
            return {**data, "machine_group": str(data["machine_group"])}
        return data

    @model_validator(mode="after")
    def _complete(self) -> Self:
        pump = self.machine_group.startswith("pump")
        if (self.power if pump else self.support) is None:
            needed = "`power` in kW" if pump else "`support`: rigid or flexible"
            raise InputError(f"the machine group {self.machine_group} needs {needed}", "add it")
        if (self.support if pump else self.power) is not None:
            raise InputError("`support` is for the groups 1 and 2, `power` for pumps", "remove the other")
        if self.boundaries is not None:
            if not 0 < self.boundaries[0] < self.boundaries[1] < self.boundaries[2] < float("inf"):
                raise InputError("the boundaries must rise", "write boundaries: [A/B, B/C, C/D]")
            if not self.source:
                raise InputError("boundaries of one's own need a `source`", "say where they come from")
        return self

    @property
    def zones(self) -> Zones:
        """The boundaries that hold."""
        if self.boundaries is not None:
            return Zones(*self.boundaries)
        size = "to 200 kW" if (self.power or 0) <= 200 else "above 200 kW"
        return ZONES[self.machine_group, self.support or size]

    def signals(self) -> tuple[str, ...]:
        """The signal watched."""
        return (self.signal,)

    def value_names(self) -> tuple[str, ...]:
        """The name of the asset's value that is the baseline, if one is named."""
        return (self.baseline,) if isinstance(self.baseline, str) else ()

    def level_names(self) -> tuple[str, ...]:
        """The levels there are."""
        zones = ("zone_d", "zone_c") if self.alarm_zone == "C" else ("zone_d",)
        return (*zones, "change") if self.change and self.baseline is not None else zones

    def misfit(self, signal: str, spec: SignalSpec) -> InputError | None:
        """Units other than mm/s."""
        if spec.unit in UNITS or not spec.unit:
            return None
        message = f"the signal {quoted(signal)} is in {spec.unit}: the zones are for a velocity in mm/s r.m.s."
        return InputError(message, "watch displacement or acceleration with limits")

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        signal, baseline = bindings.signal(self.signal), limit_of(self.baseline, bindings)
        levels = self.level_names() if baseline is not None else tuple(x for x in self.level_names() if x != "change")
        return [VibrationZone(signal, levels, self, baseline or 0.0, bindings.ignore_quality)]


class VibrationZone(Detector):
    """One velocity against its zones and its baseline."""

    def __init__(
        self, signal: Signal, levels: tuple[str, ...], config: VibrationZoneConfig, baseline: float, ignore: bool
    ) -> None:
        self.inputs = (signal,)
        self.levels = levels
        self._zones = config.zones
        self._baseline = baseline
        self._ignore = ignore
        change = CHANGE * self._zones.b_c
        zones = {"high_high": self._zones.c_d, "high": self._zones.b_c}
        self._level = Thresholds(zones, config.deadband)
        self._change = Thresholds({"high": baseline + change, "low": baseline - change}, config.deadband)

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """The zone, and whether it has changed."""
        del at
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        if type(value) is not float:
            return None
        self._level.feed(value)
        self._change.feed(value)
        return self._flags()

    def _flags(self) -> tuple[bool, ...]:
        found = dict(zip(("zone_d", "zone_c"), self._level.flags, strict=True)) | {"change": any(self._change.flags)}
        return tuple(found[level] for level in self.levels)

    def band(self, signal: Signal) -> tuple[float, float]:
        """Within the zone, and as near to the baseline as before."""
        del signal
        (low, high), (down, up) = self._level.band, self._change.band
        return max(low, down), min(high, up)

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was before the rule was armed leaves no deadband behind."""
        del at
        on = {level for level, was in zip(self.levels, held, strict=True) if was}
        self._level.keep(("zone_d" in on, "zone_c" in on))
        self._change.keep(tuple(was and "change" in on for was in self._change.flags))

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The value with its zone, or its distance from the baseline."""
        signal, zones = self.inputs[0], self._zones
        value = signal.last if signal.value is None else signal.value
        number = value if isinstance(value, float) else 0.0
        reading = f"{signal.name} {shown(value)} mm/s"
        if level == "change":
            limit = CHANGE * zones.b_c
            words = "more than" if on else "no longer more than"
            text = (
                f"{reading} is {shown(number - self._baseline)} off its baseline {self._baseline:g}: {words} {limit:g}"
            )
        else:
            limit = zones.c_d if level == "zone_d" else zones.b_c
            zone = "ABCD"[sum(number > boundary for boundary in zones)]
            text = f"{reading} is in zone {zone} ({'limit' if on else 'back below'} {limit:g})"
        return {"text": text, "value": value, "limit": limit, "level": level, "values": {signal.name: value}}

    def snapshot(self) -> list[list[bool]]:
        """The flags of zones and change."""
        return [list(self._level.flags), list(self._change.flags)]

    def restore(self, data: list[list[bool]]) -> None:
        """The reverse of `snapshot`."""
        self._level.keep(tuple(data[0]))
        self._change.keep(tuple(data[1]))
