"""Every Shewhart chart by the name it has in rule files, and learning one from a stretch that may hold outliers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rules.statistics import attributes, variables
from rules.statistics.limits import Limits, Parameters, Plotted


@dataclass(frozen=True, slots=True)
class Chart:
    """How a chart learns, what it draws of a sample, where that belongs, and the limits of its spread if it shows it.

    `robust` is an estimate that outliers hardly move, where `estimate` owes its spread to what they differ by.
    Samples are values for individuals, subgroups for X-bar (to learn from: of at least two values), and (count,
    inspected) for attributes.
    """

    estimate: Callable[[Sequence[Any]], Parameters]
    plot: Callable[[Any], Plotted]
    location: Callable[[Parameters, float], Limits]
    spread: Callable[[Parameters, float], Limits] | None = None
    robust: Callable[[Sequence[Any]], Parameters] | None = None


CHARTS: Final[dict[str, Chart]] = {
    "individuals": Chart(
        variables.estimate_individuals,
        variables.plot_individuals,
        variables.limits_individuals,
        variables.limits_moving_range,
        variables.estimate_individuals_robustly,
    ),
    "xbar_r": Chart(variables.estimate_xbar_r, variables.plot_xbar_r, variables.limits_xbar, variables.limits_range),
    "xbar_s": Chart(variables.estimate_xbar_s, variables.plot_xbar_s, variables.limits_xbar, variables.limits_s),
    "p": Chart(attributes.estimate_rate, attributes.plot_rate, attributes.limits_p),
    "np": Chart(attributes.estimate_rate, attributes.plot_count, attributes.limits_np),
    "c": Chart(attributes.estimate_rate, attributes.plot_count, attributes.limits_c),
    "u": Chart(attributes.estimate_rate, attributes.plot_rate, attributes.limits_u),
    "p_laney": Chart(attributes.estimate_p_laney, attributes.plot_rate, attributes.limits_p),
    "u_laney": Chart(attributes.estimate_u_laney, attributes.plot_rate, attributes.limits_u),
}

MOST_EXCLUDED: Final = 0.25
"""A stretch of which more than this share is out of control has no centre to speak of."""
STRAY: Final = 4.0
"""A point so many sigma from the others, by an estimate that it hardly moves, is an outlier."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a stretch says. `excluded` are the samples left out; `settled` is False where more would have had to go."""

    parameters: Parameters
    excluded: tuple[int, ...]
    settled: bool


def learn(name: str, samples: Sequence[Any]) -> Learned:
    """Estimate, leave out the samples beyond the limits and estimate again, until none is beyond or too many would go.

    Isolated outliers among single values widen the limits by which they are judged, four of 25 so far that none is
    beyond: the first limits are those of the samples that are near by a robust estimate, if nearly all are.

    Moving ranges leave nothing out: they belong to two samples, and shrink when the odd one of them goes.

    Raises:
        ValueError: too few samples to learn from.
    """
    chart = CHARTS[name]
    kept = _screened(chart, samples)
    while True:
        parameters = chart.estimate([samples[i] for i in kept])
        inside = _within(chart, parameters, samples, kept)
        settled = len(inside) == len(kept)
        if settled or _too_many(samples, inside):
            return Learned(parameters, tuple(sorted(set(range(len(samples))) - set(kept))), settled)
        kept = inside


def _screened(chart: Chart, samples: Sequence[Any]) -> list[int]:
    """Those to begin with: within the limits of the ones that are near, so that none goes by the rough look alone."""
    everyone = list(range(len(samples)))
    if chart.robust is None or not (rough := chart.robust(samples)).sigma > 0:
        return everyone
    near = [i for i in everyone if abs(chart.plot(samples[i]).location - rough.mean) <= STRAY * rough.sigma]
    if _too_many(samples, near):
        return everyone
    kept = _within(chart, chart.estimate([samples[i] for i in near]), samples, everyone)
    return everyone if _too_many(samples, kept) else kept


def _within(chart: Chart, parameters: Parameters, samples: Sequence[Any], among: Sequence[int]) -> list[int]:
    return [i for i in among if not _beyond(chart, parameters, chart.plot(samples[i]))]


def _too_many(samples: Sequence[Any], inside: Sequence[int]) -> bool:
    return len(samples) - len(inside) > MOST_EXCLUDED * len(samples)


def _beyond(chart: Chart, parameters: Parameters, plotted: Plotted) -> bool:
    if chart.location(parameters, plotted.n).broken_by(plotted.location):
        return True
    if chart.spread is None or plotted.spread is None:
        return False
    return chart.spread(parameters, plotted.n).broken_by(plotted.spread)
