"""The engine of every chart: readings to samples, samples to points, and what an alarm makes of those that signal."""

from __future__ import annotations

from math import isfinite
from typing import Any, TypeAlias

from rules.charting.grouping import Group, Single
from rules.charting.keys import ChartKeys
from rules.charting.phase_one import MEASURED, Basis, PhaseOne
from rules.charting.recipe import Hit, Recipe, Statistic
from rules.charting.verdict import Trace, finding
from rules.events import Duration, Instant, Value
from rules.signals import Signal
from rules.statistics.limits import LARGEST

Inspected: TypeAlias = Signal | float | None


class Charted:
    """What the detectors of charts have in common, apart from being detectors.

    A sample that signals raises the alarm; `clear_after` points in control clear it. Where the rule says so the
    statistic begins anew after a signal; then the alarm goes `clear_after` samples after it in any case, and if that
    one signals as well another occurrence begins there and then.
    """

    every_reading = True

    def __init__(
        self,
        signal: Signal,
        keys: ChartKeys,
        recipe: Recipe,
        grouping: Single,
        *,
        ignore_quality: bool,
        inspected: Inspected = None,
    ) -> None:
        self.inputs: tuple[Signal, ...] = (signal, inspected) if isinstance(inspected, Signal) else (signal,)
        self.renewed = False
        self._recipe = recipe
        self._grouping = grouping
        self._ignore = ignore_quality
        self._inspected = inspected
        self._measured = recipe.chart in MEASURED
        self._pairs = not self._measured
        self._subgroups = recipe.chart.startswith("xbar")
        self._restarts = keys.on_signal == "restart"
        self._clear_after = keys.clear_after
        self._trace = Trace()
        self._seen = 0
        self._counted: Instant | None = None
        self._size = 1.0
        self._on = False
        self._calm = 0
        self._finding: dict[str, Any] = {}
        self._phase_one = PhaseOne(recipe, keys.learn.subgroups) if keys.learn else None
        self._basis: Basis | None = None
        self._statistic: Statistic | None = None
        if keys.given is not None:
            self._arm(Basis(keys.given))

    def _arm(self, basis: Basis) -> None:
        self._basis, self._phase_one = basis, None
        self._statistic = self._recipe.make(basis.parameters)

    # -- readings ---------------------------------------------------------------------------------------------------

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether the chart is out of control; None while the signal cannot be read."""
        self.renewed = False
        ended = self._grouping.close(at)
        if ended is not None:
            self._point(ended)
        item = self._item()
        signal = self.inputs[0]
        if signal.samples != self._seen:
            self._seen = signal.samples
            if item is not None:
                self._counted = signal.at
                if (group := self._grouping.add(at, item)) is not None:
                    self._point(group)
        return (self._on,) if item is not None or ended is not None or signal.quality is None else None

    def _item(self) -> float | tuple[float, float] | None:
        """The reading as the chart takes it; None for what cannot be charted."""
        value = self._number(self.inputs[0])
        if self._measured or value is None:
            return value
        inspected = self._number(self._inspected) if isinstance(self._inspected, Signal) else self._inspected
        n = 1.0 if self._inspected is None else inspected
        if n is None or n < FEWEST or value < 0 or (self._recipe.chart in SHARES and value > n):
            return None
        return value, n

    def _number(self, signal: Signal) -> float | None:
        value: Value = signal.last if self._ignore else signal.value
        if type(value) is bool and self._pairs:
            return float(value)
        return value if type(value) is float and -LARGEST <= value <= LARGEST else None

    # -- samples ----------------------------------------------------------------------------------------------------

    def _point(self, group: Group) -> None:
        sample = self._sample(group.items)
        if sample is None:
            return
        if self._statistic is None:
            self._learn(sample)
            return
        hits = self._statistic.feed(sample)
        self._trace.add(group.at, self._statistic.z)
        self._calm += 1
        if hits:
            self._signalled(hits)
        elif self._on and self._calm >= self._clear_after:
            self._on = False
            self._trace.keep(self._calm)

    def _sample(self, items: list[Any]) -> Any:
        """What the chart draws of a subgroup; None for one of too few values."""
        if self._pairs:
            return (sum(count for count, _ in items), sum(n for _, n in items)) if len(items) > 1 else items[0]
        if self._subgroups:
            self._size = len(items)
            return items if len(items) > 1 else None
        return sum(items) / len(items) if len(items) > 1 else items[0]

    def _learn(self, sample: Any) -> None:
        assert self._phase_one is not None
        if (basis := self._phase_one.add(sample)) is not None:
            self._arm(basis)

    def _signalled(self, hits: tuple[Hit, ...]) -> None:
        assert self._statistic is not None
        self.renewed = self._on and self._restarts and self._calm >= self._clear_after
        if self.renewed or not self._on:
            self._on = True
            self._find(hits)
        self._calm = 0
        if self._restarts:
            self._begin_anew()

    def _find(self, hits: tuple[Hit, ...]) -> None:
        assert self._basis is not None
        length = self._recipe.run_length(self._size)
        self._finding = finding(self.inputs[0], hits, self._trace, self._basis, self._size)
        self._finding["run_length"] = length if isfinite(length) else None

    def _begin_anew(self) -> None:
        self._trace.keep(0)
        if self._statistic is not None:
            self._statistic.restart()

    # -- the detector's contract ------------------------------------------------------------------------------------

    @property
    def deadline(self) -> Instant | None:
        """The end of a subgroup by time."""
        return self._grouping.deadline

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Which chart, which rule, which points, since when; or that it is over."""
        del level
        name = self.inputs[0].name
        if on:
            return {"text": f"{name}: no point was judged yet", **self._finding}
        if self.renewed:
            return {"text": f"{name}: the chart began anew after its signal, and signals again"}
        points = "point" if self._clear_after == 1 else "points"
        return {"text": f"{name}: in control for {self._clear_after} {points}"}

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Armed (again): runs begin anew, limits and what is being learned stay. A reading of this very time counts."""
        signal = self.inputs[0]
        fresh = signal.at == at and self._counted != at
        self._seen = signal.samples - 1 if fresh else signal.samples
        self._on, self._calm = held[0], 0
        self._grouping.restart()
        self._begin_anew()

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._grouping.shift(delta)
        self._trace.shift(delta)
        if self._counted is not None:
            self._counted += delta

    def snapshot(self) -> dict[str, Any]:
        """All of it; `basis` is what was given or learned, with its checks."""
        return {
            "on": self._on,
            "calm": self._calm,
            "counted": self._counted,
            "size": self._size,
            "finding": self._finding,
            "grouping": self._grouping.snapshot(),
            "phase_one": None if self._phase_one is None else self._phase_one.snapshot(),
            "basis": None if self._basis is None else self._basis.snapshot(),
            "statistic": None if self._statistic is None else self._statistic.snapshot(),
            "trace": self._trace.snapshot(),
        }

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._on, self._calm, self._finding = data["on"], data["calm"], data["finding"]
        self._counted, self._size = data["counted"], data["size"]
        self._grouping.restore(data["grouping"])
        self._trace.restore(data["trace"])
        if data["basis"] is not None:
            self._arm(Basis.restored(data["basis"]))
            assert self._statistic is not None
            self._statistic.restore(data["statistic"])
        elif self._phase_one is not None:
            self._phase_one.restore(data["phase_one"])


FEWEST = 1e-6
"""Less than this of a unit is no inspection."""
SHARES = frozenset({"p", "np", "p_laney"})
"""Charts of items that are good or bad: no more can be bad than were inspected."""
