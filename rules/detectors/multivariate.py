"""`multivariate`: signals that do not do together what they usually do, though each may be within its limits."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.durations import DurationField
from rules.events import Duration, Instant
from rules.learning.joint import Joint
from rules.learning.rows import UnlearnableError, bounded
from rules.signals import Signal

EVERY: Final = "*"
MOST: Final = 256
"""Signals that `"*"` takes at most."""
MEETING: Final = 20
"""Learning rows until `"*"` means those that were met; who keeps the others waiting so many times is left out."""
ROWS_EACH: Final = 4
"""Learning waits for so many rows for each signal: fewer than signals tell nothing of what is usual."""
NAMED: Final = 5
"""Contributions shown, and signals that are not watched."""


class Learn(BaseModel):
    """How many rows are learned from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=400, ge=50, le=5000)


class MultivariateConfig(DetectorConfig):
    """The signals of an asset as one. A row is complete when each signal was read since the last row.

    Learning takes `samples` rows, and no fewer than four for each signal. Rows unlike the others are set aside and told
    of, up to a tenth of them; a state seen more often is usual. A signal that never changed meanwhile is left out.

    `baseline` drifting: slow change is followed, no faster than the signals drifted while learning; fixed: nothing is.
    `margin`: how many times its learned 99 % quantile a statistic must reach, on the scale of standard deviations.
    """

    type: Literal["multivariate"]
    signals_: Annotated[tuple[str, ...] | Literal["*"], Field(alias="signals")]
    learn: Learn = Learn()
    statistic: Literal["t2", "spe", "both"] = "t2"
    baseline: Literal["drifting", "fixed"] = "drifting"
    margin: float | None = Field(default=None, ge=1, le=100, allow_inf_nan=False)
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @field_validator("signals_")
    @classmethod
    def _some(cls, signals: Any) -> Any:
        if signals != EVERY and not signals:
            raise ValueError('name at least one signal, or "*" for all that are numbers')
        if signals != EVERY and len(set(signals)) < len(signals):
            raise ValueError("a signal is named twice")
        return signals

    def signals(self) -> tuple[str, ...]:
        """The signals named; none for `"*"`."""
        return () if self.signals_ == EVERY else tuple(self.signals_)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Multivariate(self, bindings)]


class Multivariate(Detector):
    """Collects rows, learns from the first, weighs the others."""

    every_reading = True

    def __init__(self, config: MultivariateConfig, bindings: Bindings) -> None:
        self._config = config
        self._signal = bindings.signal
        self._ignore = bindings.ignore_quality
        self._open = config.signals_ == EVERY
        self.inputs = self._used = tuple(bindings.signal(name) for name in config.signals())
        self._seen: dict[str, Instant | None] = {}
        self._waits: dict[str, int] = {}
        self._rows: list[list[float]] = []
        self._joint: Joint | None = None

    # -- which signals ----------------------------------------------------------------------------------------------

    @property
    def curious(self) -> bool:
        """Until the learning has got under way."""
        return self._open and len(self.inputs) < MOST

    def adopt(self, signal: Signal) -> bool:
        """One more; rows without it are of no use."""
        self.inputs = (*self.inputs, signal)
        self._used = (*self._used, signal)
        self._rows.clear()
        return True

    def _leave_out(self, unfit: list[Signal]) -> None:
        self._used = tuple(signal for signal in self._used if signal not in unfit)
        for signal in unfit:
            self._waits.pop(signal.name, None)
        self._rows.clear()

    def _choose(self, waiting: list[Signal]) -> None:
        """While `"*"` is open: no text, no truth values, and none that keeps the others waiting."""
        unfit = [s for s in self._used if s.last is not None and type(s.last) is not float]
        for signal in waiting:
            self._waits[signal.name] = self._waits.get(signal.name, 0) + 1
        unfit += [s for s in waiting if s not in unfit and self._waits[s.name] > MEETING * len(self._used)]
        if unfit:
            self._leave_out(unfit)

    # -- rows -------------------------------------------------------------------------------------------------------

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Weighs the row that this observation completed, if it did."""
        del at
        seen = self._seen
        waiting = [signal for signal in self._used if signal.at is None or signal.at == seen.get(signal.name)]
        if self._open:
            self._choose(waiting)
        values = [signal.last if self._ignore else signal.value for signal in self._used]
        numbers = [value for value in values if type(value) is float]
        if not waiting:
            self._seen = {signal.name: signal.at for signal in self._used}
            self._waits.clear()
            if len(numbers) == len(values) > 0:
                self._row(numbers)
        if len(numbers) < len(values):
            return None
        return (self._joint is not None and self._joint.on,)

    def _row(self, numbers: list[float]) -> None:
        if self._joint is not None:
            self._joint.read(bounded(numbers))
            return
        self._rows.append(numbers)
        if len(self._rows) >= MEETING:
            self._open = False
        if len(self._rows) >= max(self._config.learn.samples, ROWS_EACH * len(self._used)):
            self._learn()

    def _learn(self) -> None:
        joint = self._new()
        try:
            joint.learn(bounded(self._rows))
        except UnlearnableError:
            del self._rows[: len(self._rows) // 2]
        else:
            self._joint = joint
            self._rows.clear()

    def _new(self) -> Joint:
        return Joint(self._config.baseline, self._config.statistic, self._config.margin)

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """What was read before the rule was armed makes no row."""
        for signal in self.inputs:
            if signal.at is not None and signal.at < at:
                self._seen[signal.name] = signal.at
        if self._joint is not None:
            self._joint.settle(held[0])

    # -- the reason -------------------------------------------------------------------------------------------------

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """How far beyond the limit, and which signals make it so."""
        del level
        joint = self._joint
        aside = "" if joint is None else self._learned_without(joint)
        if joint is None or not on:
            return {"text": f"the {len(self._used)} signals fit together as usual again{aside}"}
        shares = {self._used[i].name: round(share, 3) for i, share in joint.shares[:NAMED] if share >= 0.01}
        listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        return {
            "text": f"together the signals are {joint.ratio:.2f} times as unusual as the limit allows: {listed}{aside}",
            "value": round(joint.ratio, 4),
            "limit": 1.0,
            "contributions": shares,
            "values": {name: self._signal(name).last for name in shares},
        }

    def _learned_without(self, joint: Joint) -> str:
        """What learning left out: rows, and signals that are not watched."""
        rows = f"; {joint.set_aside} strange learning rows were set aside" if joint.set_aside else ""
        still = [signal.name for i, signal in enumerate(self._used) if i not in joint.scaling.kept]
        if not still:
            return rows
        named = ", ".join(still[:NAMED]) + (f" and {len(still) - NAMED} more" if len(still) > NAMED else "")
        return f"{rows}; not watched, for they never changed while learning: {named}"

    # -- state ------------------------------------------------------------------------------------------------------

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._seen = {name: None if at is None else at + delta for name, at in self._seen.items()}

    def snapshot(self) -> dict[str, Any]:
        """The signals, and the rows learned so far or what was learned."""
        return {
            "signals": [signal.name for signal in self.inputs],
            "used": [signal.name for signal in self._used],
            "open": self._open,
            "seen": dict(self._seen),
            "waits": dict(self._waits),
            "rows": [list(row) for row in self._rows],
            "joint": None if self._joint is None else self._joint.snapshot(),
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self.inputs = tuple(self._signal(name) for name in data["signals"])
        self._used = tuple(self._signal(name) for name in data["used"])
        self._open, self._seen, self._waits = data["open"], dict(data["seen"]), dict(data["waits"])
        self._rows = [list(row) for row in data["rows"]]
        if data["joint"] is not None:
            self._joint = self._new()
            self._joint.restore(data["joint"])
