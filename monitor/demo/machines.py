"""The four machines of the demo line: simple physics, noise from a seeded generator, time only from `step`.

Heat, wear and drift run ten to a hundred times faster than in a plant, so that minutes of a demonstration show what
takes shifts or weeks; the relations between the signals are those of the field. Units: seconds, degC, rpm, A, kW, bar,
l/min, m3/h, mm/s r.m.s., g. Noise is drawn at every step, whatever the machine's state, so that two plants of one seed
differ only by their faults.
"""

from __future__ import annotations

import math
from random import Random
from typing import ClassVar, Final, Protocol, TypeAlias

from monitor.demo.faults import Fault, Stress

Signals: TypeAlias = dict[str, float | int | bool]

OFF, IDLE, RUNNING, FAULTED = 0, 1, 2, 4
"""Operating modes as the controllers report them."""

OVERTEMPERATURE, STOPPED_BY_HAND = 17, 21
"""Fault codes of the mill."""

AMBIENT: Final = 22.0


class Machine(Protocol):
    """A machine: physics that move with time, and the signals a gateway reads off."""

    asset: ClassVar[str]

    def step(self, dt: float, stress: Stress) -> None:
        """Let `dt` seconds pass under these faults."""

    def signals(self) -> Signals:
        """What its sensors and counters show now; asking changes nothing."""


def lag(value: float, target: float, time_constant: float, dt: float) -> float:
    """First-order approach of a value to its target."""
    return target + (value - target) * math.exp(-dt / time_constant)


class Mill:
    """A machining centre: the spindle heats with its load, the coolant carries the heat away, a guard keeps people out.

    Once a minute it idles for 5 s while a part is changed, with the guard open once the spindle stands. Above 115 degC
    it trips.
    """

    asset: ClassVar = "demo/mill"

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._time = 0.0
        self._mode = RUNNING
        self._fault_code = 0
        self._tripped = False
        self._guard_open = self._stopped = False
        self._load = 0.75
        self._speed, self._current, self._flow = 8000.0, 21.0, 14.0
        self._spindle, self._coolant = 48.0, 25.0
        self._cut, self._good, self._scrap = 0.0, 0, 0
        self._noise = [0.0] * 5

    def step(self, dt: float, stress: Stress) -> None:
        """Let time pass."""
        self._time += dt
        self._noise = [self._rng.gauss(0, 1) for _ in self._noise]
        self._control(stress)
        self._cutting(dt, stress)
        self._count(dt)

    def _control(self, stress: Stress) -> None:
        phase = self._time % 60
        self._stopped = Fault.EMERGENCY_STOP in stress
        self._tripped = self._spindle > 115 or (self._tripped and self._spindle > 60)
        self._fault_code = STOPPED_BY_HAND if self._stopped else OVERTEMPERATURE if self._tripped else 0
        self._mode = FAULTED if self._fault_code else IDLE if 52 <= phase < 57 else RUNNING
        self._guard_open = Fault.GUARD_OPEN in stress or (self._mode == IDLE and 54.5 <= phase < 56)

    def _cutting(self, dt: float, stress: Stress) -> None:
        running = self._mode == RUNNING
        self._load = (0.75 + 0.15 * math.sin(self._time * 2 * math.pi / 9)) if running else 0.0
        self._speed = lag(self._speed, 8000 * running, 0.3, dt)
        self._current = lag(self._current, 3 * running + 24 * self._load, 0.3, dt)
        pumped = 14.0 if running else 3.0
        self._flow = lag(self._flow, pumped * (1 - 0.95 * stress.get(Fault.COOLANT_LOSS, 0)), 0.8, dt)
        uncooled = max(0.0, 1 - self._flow / 14)
        self._spindle = lag(self._spindle, AMBIENT + self._load * (34 + 80 * uncooled), 6, dt)
        self._coolant = lag(self._coolant, AMBIENT + 0.12 * (self._spindle - AMBIENT), 8, dt)

    def _count(self, dt: float) -> None:
        lost = self._rng.random() < 0.03
        self._cut += dt * (self._mode == RUNNING) / 4
        if self._cut >= 1:
            self._cut -= 1
            self._good, self._scrap = self._good + (not lost), self._scrap + lost

    def signals(self) -> Signals:
        """What the controller shows."""
        shaft = self._speed / 8000
        return {
            "mode": self._mode,
            "fault_code": self._fault_code,
            "spindle_speed": round(max(0.0, self._speed + 8 * shaft * self._noise[0])),
            "spindle_current": round(max(0.0, self._current + 0.3 * shaft * self._noise[1]), 2),
            "spindle_temperature": round(self._spindle + 0.15 * self._noise[2], 2),
            "coolant_flow": round(max(0.0, self._flow + 0.1 * self._noise[3]), 2),
            "coolant_temperature": round(self._coolant, 2),
            "vibration": round(abs(0.05 + shaft * (0.7 + 0.6 * self._load) + 0.05 * self._noise[4]), 3),
            "power": round(0.62 * self._current, 2),
            "guard_open": self._guard_open,
            "emergency_stop": self._stopped,
            "parts_good": self._good,
            "parts_scrap": self._scrap,
        }


class Oven:
    """A tunnel oven of three zones that follow one set point, each with a lag of its own.

    The recipe changes every 120 s; the door of the first zone opens for 2 s every 50 s.
    """

    asset: ClassVar = "demo/oven"

    LAGS: ClassVar = (7.0, 9.0, 11.0)
    OFFSETS: ClassVar = (-2.0, 0.5, -1.0)

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._time = 0.0
        self._setpoint = 200.0
        self._zones = [self._setpoint + offset for offset in self.OFFSETS]
        self._belt, self._heating = 1.8, 30.0
        self._mode = RUNNING
        self._door_open = False
        self._noise = [0.0] * 5

    def step(self, dt: float, stress: Stress) -> None:
        """Let time pass."""
        self._time += dt
        self._noise = [self._rng.gauss(0, 1) for _ in self._noise]
        self._mode = IDLE if Fault.EMERGENCY_STOP in stress else RUNNING
        self._door_open = 20 <= self._time % 50 < 22
        self._heat(dt)
        self._belt = lag(self._belt, 1.8 * (self._mode == RUNNING), 0.5, dt)

    def _heat(self, dt: float) -> None:
        self._setpoint = 200.0 if self._time % 240 < 120 else 210.0
        targets = [self._setpoint + offset for offset in self.OFFSETS]
        targets[0] -= 25 * self._door_open
        self._zones = [
            lag(zone, target, slow, dt) for zone, target, slow in zip(self._zones, targets, self.LAGS, strict=True)
        ]
        wanted = 14 + 0.09 * (self._setpoint - AMBIENT) + 1.5 * (self._setpoint - self._zones[1])
        self._heating = lag(self._heating, min(60.0, max(0.0, wanted)), 1, dt)

    def signals(self) -> Signals:
        """What the controller shows."""
        zones = [round(zone + 0.3 * noise, 2) for zone, noise in zip(self._zones, self._noise[:3], strict=True)]
        return {
            "mode": self._mode,
            "setpoint": self._setpoint,
            "zone1": zones[0],
            "zone2": zones[1],
            "zone3": zones[2],
            "belt_speed": round(max(0.0, self._belt + 0.005 * self._noise[3]), 3),
            "heating_power": round(self._heating, 2),
            "fan_current": round(6.4 + 0.05 * self._noise[4], 2),
            "door_open": self._door_open,
        }


class Filler:
    """A filler that doses 500 g twice a second; the dose spreads with 0.8 g and drifts when the valve wears."""

    asset: ClassVar = "demo/filler"

    TARGET: ClassVar = 500.0
    TOLERANCE: ClassVar = 5.0

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._time = self._dosed = 0.0
        self._mode = RUNNING
        self._drift, self._weight, self._rate = 0.0, self.TARGET, 120.0
        self._pressure, self._level = 2.4, 70.0
        self._good, self._scrap = 0, 0
        self._noise = [0.0] * 3

    def step(self, dt: float, stress: Stress) -> None:
        """Let time pass."""
        self._time += dt
        self._noise = [self._rng.gauss(0, 1) for _ in self._noise]
        self._mode = IDLE if Fault.EMERGENCY_STOP in stress else RUNNING
        running = self._mode == RUNNING
        self._drift = lag(self._drift, 9 * stress.get(Fault.FILL_DRIFT, 0), 0.3, dt)
        self._rate = lag(self._rate, 120 * running, 0.5, dt)
        self._pressure = lag(self._pressure, (2.4 if running else 2.8) + 0.03 * self._drift, 0.5, dt)
        self._level = 70 + 15 * math.sin(self._time * 2 * math.pi / 90)
        self._dose(dt * running)

    def _dose(self, dt: float) -> None:
        self._dosed += dt * 2
        if self._dosed >= 1:
            self._dosed -= 1
            self._weight = self.TARGET + self._drift + 0.8 * self._noise[0]
            out = abs(self._weight - self.TARGET) > self.TOLERANCE
            self._good, self._scrap = self._good + (not out), self._scrap + out

    def signals(self) -> Signals:
        """What the controller shows."""
        return {
            "mode": self._mode,
            "fill_weight": round(self._weight, 2),
            "target_weight": self.TARGET,
            "fill_rate": round(self._rate, 1),
            "nozzle_pressure": round(self._pressure + 0.02 * self._noise[1], 3),
            "product_temperature": round(18 + 0.05 * self._noise[2], 2),
            "tank_level": round(self._level, 1),
            "parts_good": self._good,
            "parts_scrap": self._scrap,
        }


class Pump:
    """A centrifugal pump on its curve against a piping system whose valve slowly moves; its bearing wears.

    Head falls with the square of the flow (42 m shut off), the system's head rises with it (12 m static); flow is where
    they meet, and the current follows the hydraulic power. Vibration and bearing temperature follow the wear.
    """

    asset: ClassVar = "demo/pump"

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._time = 0.0
        self._speed, self._flow, self._head, self._current = 2950.0, 44.0, 31.0, 11.0
        self._wear, self._bearing = 0.0, 45.0
        self._noise = [0.0] * 5

    def step(self, dt: float, stress: Stress) -> None:
        """Let time pass."""
        self._time += dt
        self._noise = [self._rng.gauss(0, 1) for _ in self._noise]
        self._wear = lag(self._wear, stress.get(Fault.BEARING_WEAR, 0), 0.5, dt)
        self._speed = 2950 - 12 * self._wear
        relative = self._speed / 2950
        resistance = 0.010 * (1 + 0.15 * math.sin(self._time * 2 * math.pi / 70))
        self._flow = lag(self._flow, math.sqrt((42 * relative**2 - 12) / (0.0055 + resistance)), 0.5, dt)
        self._head = 42 * relative**2 - 0.0055 * self._flow**2
        hydraulic = 9.81 * 1000 * self._flow / 3600 * self._head / 1000
        self._current = lag(self._current, (hydraulic / 0.62 + 0.4 * self._wear) * 1.9, 0.3, dt)
        self._bearing = lag(self._bearing, 45 + 32 * self._wear, 6, dt)

    def signals(self) -> Signals:
        """What the controller shows."""
        suction = 0.8 + 0.01 * self._noise[0]
        level = 1.4 * (1 + 5.5 * self._wear**1.5)
        return {
            "mode": RUNNING,
            "speed": round(self._speed + 2 * self._noise[1]),
            "flow": round(self._flow + 0.2 * self._noise[2], 2),
            "suction_pressure": round(suction, 3),
            "discharge_pressure": round(suction + 0.0981 * self._head, 3),
            "motor_current": round(self._current + 0.1 * self._noise[3], 2),
            "bearing_temperature": round(self._bearing, 2),
            "vibration": round(level * abs(1 + 0.05 * self._noise[4]), 3),
            "running_hours": round(1200 + self._time / 3600, 4),
        }
