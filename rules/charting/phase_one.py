"""Phase I: limits learned from a stretch, what was left out of it, and whether a chart may rest on it.

A chart whose rule gives the limits is armed at once; its first points are asked the same questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from statistics import fmean, median
from typing import Any, Final

from rules.charting.dependence import costs, remedies
from rules.charting.recipe import Recipe, within_reach
from rules.charting.stretch import in_words, signals_in
from rules.statistics.charts import CHARTS, STRAY, Learned, learn
from rules.statistics.checks import Autoregression, autocorrelation, fit_autoregression, normality, resolution
from rules.statistics.limits import Parameters

MOST_VALUES: Final = 100_000
"""A stretch of so many single values is long enough, however few subgroups they are."""
MOST_CHECKED: Final = 10_000
"""And of so many, limits that are given can be judged."""
FITS: Final = 20
"""An autoregression is fitted so many times at most."""
MEASURED: Final = frozenset({"individuals", "xbar_r", "xbar_s"})
"""Charts of measured values, whose distribution and resolution can be asked about."""


@dataclass(slots=True)
class Basis:
    """The process in control that a chart rests on. Learned ones are provisional: `checks` says what speaks for them.

    `checks` is JSON, empty while given limits are not checked yet; `notes` are its doubts in words. `revision` counts
    how often a person froze limits, `frozen_by` says who did so last and why. `model` is there where residuals are
    charted: then the parameters are theirs.
    """

    parameters: Parameters
    provisional: bool = False
    checks: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    revision: int = 0
    frozen_by: list[str] = field(default_factory=list)
    model: Autoregression | None = None

    def frozen(self, revision: int, by: str, comment: str) -> Basis:
        """The same, in force until a person decides otherwise."""
        return replace(self, provisional=False, revision=revision, frozen_by=[by, comment])

    @property
    def doubts(self) -> list[str]:
        """The notes that nobody has dealt with: who freezes limits has read them."""
        return [] if self.frozen_by else self.notes

    @property
    def words(self) -> str:
        """The limits as a rule would give them."""
        mean, sigma = self.parameters.mean, self.parameters.sigma
        if self.model is None:
            return f"mean: {mean:.6g}, sigma: {sigma:.6g}"
        return f"mean: {self.model.mean:.6g}, sigma: {sigma:.6g}, autoregression: {self.model.phi:.3g}"

    def snapshot(self) -> list[Any]:
        """Mean, sigma, provisional, checks, notes, revision, by whom and why, model."""
        model = None if self.model is None else [self.model.mean, self.model.phi, self.model.sigma]
        return [
            self.parameters.mean, self.parameters.sigma, self.provisional, self.checks, self.notes,
            self.revision, self.frozen_by, model,
        ]  # fmt: skip

    @classmethod
    def restored(cls, data: list[Any]) -> Basis:
        """The reverse of `snapshot`."""
        mean, sigma, provisional, checks, notes, revision, frozen_by, model = data
        follows = None if model is None else Autoregression(*model)
        return cls(Parameters(mean, sigma), provisional, checks, notes, revision, frozen_by, follows)


class PhaseOne:
    """Collects samples until there are enough. A stretch without spread teaches nothing: another one follows.

    With `given`, the process as the rule states it, no limits are learned: that process is checked by what is charted.
    """

    def __init__(
        self, recipe: Recipe, needed: int, *, residuals: bool = False, given: Parameters | None = None
    ) -> None:
        self._recipe = recipe
        self._needed = needed
        self._most = MOST_VALUES if given is None else MOST_CHECKED
        self._residuals = residuals
        self._given = given
        self._samples: list[Any] = []
        self._begins: list[int] = []
        self._values = 0
        self.spent = 0

    def add(self, sample: Any, *, follows: bool = True) -> Basis | None:
        """One more, that follows the one before or does not; returns what all of them teach once there are enough."""
        if not follows:
            self._begins.append(len(self._samples))
        self._samples.append(sample)
        self._values += len(sample) if isinstance(sample, list) else 1
        if len(self._samples) < self._needed and self._values < self._most:
            return None
        basis = self._taught()
        if basis is None:
            self._samples, self._begins, self._values = [], [], 0
            self.spent += 1
        return basis

    def _taught(self) -> Basis | None:
        if self._residuals:
            return _taught_residuals(self._recipe, self._samples, frozenset(self._begins))
        return _taught(self._recipe, self._samples, self._given, frozenset(self._begins))

    @property
    def progress(self) -> str:
        """How many samples there are of those it takes."""
        return f"{len(self._samples)} of {self._needed} samples"

    def snapshot(self) -> list[Any]:
        """Samples, stretches without spread, which samples do not follow the one before."""
        return [list(self._samples), self.spent, list(self._begins)]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        samples, self.spent, *begins = data
        self._begins = list(begins[0]) if begins else []
        pairs = self._recipe.chart not in MEASURED
        self._samples = [tuple(sample) if pairs else sample for sample in samples]
        self._values = sum(len(s) if isinstance(s, list) else 1 for s in self._samples)


def _taught_residuals(recipe: Recipe, samples: Sequence[float], begins: frozenset[int]) -> Basis | None:
    """An AR(1) is fitted, and fitted anew without the values that it cannot explain, until they are the same ones."""
    odd: set[int] = set()
    try:
        for _ in range(FITS):
            model = fit_autoregression(samples, odd, begins)
            found = set(learn(recipe.chart, model.residuals(samples, begins)).excluded)
            if found == odd:
                break
            odd = found
    except ValueError:
        return None
    basis = _taught(recipe, model.residuals(samples, begins), None, begins)
    return None if basis is None else replace(basis, model=model)


def _taught(recipe: Recipe, samples: Sequence[Any], given: Parameters | None, begins: frozenset[int]) -> Basis | None:
    try:
        learned = learn(recipe.chart, samples)
    except ValueError:
        return None
    chart, process = CHARTS[recipe.chart], given or learned.parameters
    plotted = [chart.plot(sample) for sample in samples]
    if not chart.location(learned.parameters, plotted[0].n).sigma > 0:
        return None
    basis = Basis(process, provisional=given is None)
    excluded = frozenset(learned.excluded)
    _stretch(basis, learned, len(samples), [] if given else signals_in(samples, recipe, process, excluded))
    points = [within_reach(chart.location(process, p.n).standardise(p.location)) for p in plotted]
    size = plotted[0].n if recipe.chart in MEASURED else fmean(p.n for p in plotted)
    _correlation(basis, recipe, size, points, _strays(points, excluded), begins)
    if recipe.chart in MEASURED:
        _distribution(basis, recipe, [z for i, z in enumerate(points) if i not in excluded])
        _resolution(basis, [v for s in samples for v in (s if isinstance(s, list) else [s])])
    return basis


def _stretch(basis: Basis, learned: Learned, count: int, signals: list[dict[str, Any]]) -> None:
    out = [i + 1 for i in learned.excluded]
    settled = learned.settled and not signals
    basis.checks["stretch"] = {"samples": count, "left_out": out, "in_control": settled, "signals": signals}
    if not learned.settled and basis.provisional:
        basis.notes.append("the stretch learned from was itself out of control: learn from a better one")
    if signals:
        found = ", ".join(in_words(signal) for signal in signals)
        basis.notes.append(f"the stretch learned from was not in control: {found}: find the cause, or learn anew")


def _correlation(
    basis: Basis, recipe: Recipe, n: float, points: Sequence[float], excluded: frozenset[int], begins: frozenset[int]
) -> None:
    plain = recipe.run_length(n, basis.parameters)
    basis.checks["run_length"] = _finite(plain)
    if basis.provisional and recipe.learned is not None and len(points) > 2:
        stretch = basis.checks["stretch"]
        basis.checks["run_length_quartiles"] = recipe.learned(stretch["samples"] - len(stretch["left_out"]), n)
    if len(points) - len(excluded) < 3:
        return
    found = autocorrelation(points, excluded, begins)
    seen: dict[str, Any] = {"phi": found.phi, "error": found.error, "significant": found.significant}
    basis.checks["autocorrelation"] = seen
    if not found.significant or found.phi <= 0:
        return
    thinning = found.thinning()
    seen["thinning"] = thinning
    lengths, cost = costs(recipe, found.phi, points, given=not basis.provisional)
    seen |= {name: _finite(length) for name, length in lengths.items()}
    follows = f"each point follows the one before (phi {found.phi:.2f})"
    cost += f", instead of every {plain:.0f}" if cost and isfinite(plain) else ""
    basis.notes.append(f"{follows}{cost}: use {remedies(recipe, thinning)}")


def _strays(points: Sequence[float], excluded: frozenset[int]) -> frozenset[int]:
    """Which of the points left out lie far from all others, by their median and median absolute deviation.

    Those hide autocorrelation. Others may be the turns of the very wandering that makes limits too narrow: without
    them there would seem to be none.
    """
    middle = median(points)
    sigma = 1.4826 * median(abs(z - middle) for z in points)
    return frozenset(i for i in excluded if abs(points[i] - middle) > STRAY * sigma)


def _distribution(basis: Basis, recipe: Recipe, points: Sequence[float]) -> None:
    if len(points) < 8:
        return
    found = normality(points)
    plausible = found.plausible
    basis.checks["normality"] = {"statistic": found.statistic, "p_value": found.p_value, "plausible": plausible}
    if not plausible:
        p = "below 0.001" if found.p_value < 0.001 else f"{found.p_value:.3f}"
        remedy = ": subgroups make them more so" if recipe.subgroups else ""
        basis.notes.append(f"the points are hardly normal (p {p}){remedy}")


def _resolution(basis: Basis, values: Sequence[float]) -> None:
    found = resolution(values, basis.parameters.sigma)
    basis.checks["resolution"] = {"distinct": found.distinct, "step": found.step, "adequate": found.adequate}
    if not found.adequate:
        basis.notes.append(f"the values come in steps of {found.step:g}, more than one sigma: measure more finely")


def _finite(length: float) -> float | None:
    return length if isfinite(length) else None
