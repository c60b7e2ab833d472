"""`control_chart`: Shewhart charts of measured values, defectives and defects, with run rules and learned limits."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from rules.charting.charted import SHARES, Charted
from rules.charting.grouping import grouping
from rules.charting.keys import ChartKeys, Positive, Subgroup
from rules.charting.phase_one import MEASURED
from rules.charting.recipe import Hit, Recipe
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.problems import InputError, quoted, unknown
from rules.statistics.autocorrelated_run_length import shewhart_autocorrelated
from rules.statistics.capability import freedom_individuals, freedom_xbar_r, freedom_xbar_s
from rules.statistics.chart_run_length import chart_run_length
from rules.statistics.charts import CHARTS
from rules.statistics.count_run_length import count_run_length
from rules.statistics.limits import LARGEST, Parameters
from rules.statistics.run_length import learned_run_lengths, run_length, run_length_when_autocorrelated
from rules.statistics.run_rules import RULES, SIDED, RunRules

TITLES: Final = {
    "individuals": ("individuals", "moving range"),
    "xbar_r": ("X-bar", "R"),
    "xbar_s": ("X-bar", "S"),
    "p": ("p", ""),
    "np": ("np", ""),
    "c": ("c", ""),
    "u": ("u", ""),
    "p_laney": ("p'", ""),
    "u_laney": ("u'", ""),
}
"""What people call the chart of location and that of spread."""
FOR_COUNTS: Final = ("nelson_1", *(f"western_electric_{number}" for number in (1, 2, 3, 4)))
"""The run rules that a chart of counts may have."""
ONE_BEYOND: Final = "nelson_1"
"""The only rule of a chart of spread."""
SMALLEST: Final = 2.0
"""Limits are those of a subgroup of so many until a sample has another size; of fewer values there is no spread."""


class ControlChartConfig(DetectorConfig, ChartKeys):
    """`sigma` is that within subgroups, of single values; of a chart of counts the factor beyond chance (Laney).

    Whoever names run rules for individuals wants the run length of the book, which a moving range cuts to a third: it
    is charted by default, and beside named rules by `spread: true` alone. Subgroups show theirs unless told otherwise.
    """

    type: Literal["control_chart"]
    signal: str
    chart: Literal["individuals", "xbar_r", "xbar_s", "p", "np", "c", "u", "p_laney", "u_laney"] = "individuals"
    inspected: Positive | str | None = None
    subgroup: Subgroup | None = None
    rules: tuple[str, ...] = Field(default=(), max_length=len(RULES))
    spread: bool | None = None

    @property
    def measured(self) -> bool:
        """Whether it is of measured values, not of counts."""
        return self.chart in MEASURED

    @property
    def spreads(self) -> bool:
        """Whether the chart of spread alarms too."""
        return (self.chart != "individuals" or not self.rules) if self.spread is None else self.spread

    @property
    def chosen(self) -> tuple[str, ...]:
        """The run rules, those by default if none are named."""
        return tuple(sorted(set(self.rules))) or (
            ("nelson_1", "nelson_2") if self.measured else ("western_electric_1",)
        )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.check_source(sigma=self.measured or self.chart.endswith("laney"))
        for name in self.rules:
            if name not in RULES:
                raise unknown("run rule", name, RULES)
            if not self.measured and name not in FOR_COUNTS:
                hint = f"there are {', '.join(FOR_COUNTS)}"
                raise InputError(f"a chart of counts has no rule {quoted(name)}: counts are not normal enough", hint)
        self._check_samples()
        return self

    def _check_samples(self) -> None:
        if self.chart.startswith("xbar") and (self.subgroup is None or self.subgroup.size == 1):
            raise InputError(f"{quoted(self.chart)} needs subgroups", "add subgroup: {size: 5} or {every: 10m}")
        if self.residuals and (self.chart != "individuals" or self.subgroup is not None):
            raise InputError("autoregression is for single values", "take chart: individuals without subgroup")
        if self.measured and self.inspected is not None:
            raise InputError(f"{quoted(self.chart)} has no `inspected`", "remove it")
        if not self.measured and self.mean is not None and not 0 < self.mean < (1 if self.chart in SHARES else LARGEST):
            what = "a share between 0 and 1" if self.chart in SHARES else "a number above 0, per inspected unit"
            raise InputError(f"the mean of {quoted(self.chart)} is {what}", "0.02 is two of a hundred")
        if self.chart in SHARES and self.inspected is None and self.subgroup is None:
            raise InputError("how many were inspected?", "inspected: 50, or its signal, or subgroup: {size: 50}")

    def signals(self) -> tuple[str, ...]:
        """The signal, that of the number inspected, and the part counter."""
        inspected = (self.inspected,) if isinstance(self.inspected, str) else ()
        counter = None if self.subgroup is None else self.subgroup.counter
        return (self.signal, *inspected, *(() if counter is None else (counter,)))

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        inspected = bindings.signal(self.inspected) if isinstance(self.inspected, str) else self.inspected
        groups = grouping(self.subgroup, bindings.signal, bindings.ignore_quality, self.thin)
        return [ControlChart(bindings, self, self._recipe(), bindings.signal(self.signal), groups, inspected)]

    def _recipe(self) -> Recipe:
        names = self.chosen
        return Recipe(
            self.chart,
            partial(Shewhart, self.chart, names, self.spreads),
            partial(_run_length, self.chart if self.spreads or not self.measured else "", names),
            partial(_correlated_run_length, names),
            partial(_learned_run_lengths, self.chart, names) if self.measured and not self.spreads else None,
            subgroups=True,
            thins="value" if self.subgroup is None else self.subgroup.thins,
        )


@lru_cache(maxsize=1024)
def _run_length(chart: str, names: tuple[str, ...], n: float, process: Parameters) -> float:
    if chart and chart not in MEASURED:
        return count_run_length(chart, names, process, n)
    alone = chart.startswith("xbar") and n < SMALLEST
    return chart_run_length("" if alone else chart, names, int(n))


def _correlated_run_length(names: tuple[str, ...], phi: float, spread: float | None) -> float:
    if spread is None:
        return min(run_length(names), run_length_when_autocorrelated(names, phi))
    return shewhart_autocorrelated(frozenset(names), phi, spread)


def _learned_run_lengths(chart: str, names: tuple[str, ...], samples: int, n: float) -> tuple[float, float] | None:
    if chart == "individuals":
        freedom = freedom_individuals(samples)
    elif n < SMALLEST:
        return None
    else:
        freedom = (freedom_xbar_r if chart == "xbar_r" else freedom_xbar_s)(samples, int(n))
    return learned_run_lengths(frozenset(names), samples, freedom)


class ControlChart(Charted, Detector):
    """A Shewhart chart of one signal."""


class Shewhart:
    """Location by the run rules; beside it, where the chart has one, the spread by its limits alone."""

    def __init__(self, chart: str, rules: tuple[str, ...], spread: bool, process: Parameters) -> None:
        self._chart = CHARTS[chart]
        self._title, self._spread_title = TITLES[chart]
        self._single = chart == "individuals"
        self._ranges = self._single and spread
        self._spreads = self._chart.spread if spread else None
        self._process = process
        self._rules = RunRules(rules)
        self._before: float | None = None
        self.z = 0.0
        self._fit(SMALLEST)

    def feed(self, sample: Any) -> tuple[Hit, ...]:
        """What signals at this sample; limits follow its size."""
        point, spread = (sample, self._range(sample)) if self._single else self._plotted(sample)
        location = self._location
        self.z = z = location.standardise(point)
        signals = self._rules.feed(z)
        wide = spread is not None and self._spread is not None and self._spread.broken_by(spread)
        if not signals and not wide:
            return ()
        hits = tuple(
            Hit(self._title, s.rule, s.text, s.points, point, location, sided=s.rule in SIDED) for s in signals
        )
        return (*hits, self._spread_hit(spread)) if wide and spread is not None else hits

    def _range(self, sample: float) -> float | None:
        """The moving range, where it is charted and there was a value before."""
        if not self._ranges:
            return None
        before, self._before = self._before, sample
        return None if before is None else abs(sample - before)

    def _plotted(self, sample: Any) -> tuple[float, float | None]:
        plotted = self._chart.plot(sample)
        if plotted.n != self._n:
            self._fit(plotted.n)
        return plotted.location, plotted.spread

    def _fit(self, n: float) -> None:
        self._n = n
        self._location = self._chart.location(self._process, n)
        self._spread = self._spreads(self._process, n) if self._spreads is not None and n >= SMALLEST else None

    def _spread_hit(self, spread: float) -> Hit:
        assert self._spread is not None
        says = "1 point beyond its limits"
        points = (1, 0) if self._ranges else (0,)
        return Hit(self._spread_title, ONE_BEYOND, says, points, spread, self._spread, drift=False)

    def interrupt(self) -> None:
        """The next moving range waits for two values: one across a stretch of bad quality is no short-term range."""
        self._before = None

    def restart(self) -> None:
        """Runs begin anew; the next moving range waits for two values."""
        self._rules.restart()
        self._before = None

    def snapshot(self) -> list[Any]:
        """What the rules remember, the value before."""
        return [self._rules.snapshot(), self._before]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        rules, self._before = data
        self._rules.restore(rules)
