"""`deviation`: a signal that is too far above or below another one, or a setpoint."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rules.detectors.base import Bindings, Detector, LevelledConfig, shown
from rules.events import Instant, Value
from rules.limit_table import Levels
from rules.signals import Signal
from rules.thresholds import relation


class DeviationConfig(LevelledConfig):
    """The limits are of `signal` minus `from`: `low: -5` is exceeded where the signal is more than 5 below it."""

    type: Literal["deviation"]
    signal: str
    from_: Annotated[float, Field(allow_inf_nan=False)] | str = Field(alias="from")

    def signals(self) -> tuple[str, ...]:
        """The signal, and the one it is compared with."""
        return (self.signal, self.from_) if isinstance(self.from_, str) else (self.signal,)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        setpoint = bindings.signal(self.from_) if isinstance(self.from_, str) else self.from_
        return [Deviation(bindings.signal(self.signal), setpoint, self.limits(bindings), bindings.ignore_quality)]


class Deviation(Detector):
    """One signal against another, or against a fixed setpoint."""

    def __init__(self, signal: Signal, setpoint: Signal | float, levels: Levels, ignore_quality: bool) -> None:
        compared = (setpoint,) if isinstance(setpoint, Signal) else ()
        self.inputs = tuple(dict.fromkeys((signal, *compared, *levels.inputs)))
        self.levels = levels.names
        self._setpoint = setpoint
        self.adjustable = self._levels = levels
        self._ignore = ignore_quality

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """The limits against the difference; unknown while either of the two is."""
        del at
        value, setpoint = self._pair(last=self._ignore)
        if type(value) is not float or type(setpoint) is not float:
            return None
        return self._levels.feed(value - setpoint)

    def _pair(self, *, last: bool) -> tuple[Value, Value]:
        signal, setpoint = self.inputs[0], self._setpoint
        value = signal.last if last else signal.value
        if isinstance(setpoint, float):
            return value, setpoint
        return value, setpoint.last if last else setpoint.value

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """A spike before the rule was armed leaves no deadband behind."""
        del at
        self._levels.keep(held)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The difference against the limit of the level."""
        signal, limit = self.inputs[0], self._levels.limit(level)
        value, setpoint = self._pair(last=True)
        difference = value - setpoint if isinstance(value, float) and isinstance(setpoint, float) else None
        where = f"{self._setpoint.name} {shown(setpoint)}" if isinstance(self._setpoint, Signal) else shown(setpoint)
        words = f"{level.replace('_', '-')} limit {shown(limit)}{signal.unit}"
        values = {signal.name: value}
        if isinstance(self._setpoint, Signal):
            values[self._setpoint.name] = setpoint
        return {
            "text": f"{signal.name} {shown(value)}{signal.unit} deviates by {shown(difference)}{signal.unit} "
            f"from {where}: {relation(level, difference, limit, on=on)} {words}",
            "value": difference,
            "limit": limit,
            "level": level,
            "values": values,
        }

    def snapshot(self) -> list[bool]:
        """The flags."""
        return list(self._levels.thresholds.flags)

    def restore(self, data: list[bool]) -> None:
        """The reverse of `snapshot`."""
        self._levels.keep(tuple(data))
