"""What it costs that points follow each other, and what a chart can do about it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from statistics import stdev

from rules.charting.recipe import Recipe


def costs(recipe: Recipe, phi: float, points: Sequence[float], *, given: bool) -> tuple[dict[str, float], str]:
    """How often a false alarm comes where each point follows the one before by `phi`: numbers, and words for them.

    It depends on what sigma is of. One learned from moving ranges is too small by sqrt(1 - phi). One that a rule gives
    for single values may be that, or that of all values: both are told. Means and counts have a sigma of their own,
    from within subgroups or from the count; how much more than it the `points` vary is seen of them.
    """
    if recipe.chart == "individuals" and given:
        whole, steps = recipe.correlated(phi, 1.0), recipe.correlated(phi, None)
        said = [f"every {whole:.0f} points if sigma is that of all values"] if isfinite(whole) else []
        said += [f"every {steps:.0f} if it is from moving ranges"] if isfinite(steps) else []
        return {"run_length": whole, "run_length_moving_ranges": steps}, _cost(" and ".join(said))
    ranges = recipe.chart == "individuals" or (recipe.chart.endswith("laney") and not given)
    spread = None if ranges else max(1.0, stdev(points))
    length = recipe.correlated(phi, spread)
    if not isfinite(length):
        return {"run_length": length}, ""
    more = f", as they vary {spread:.1f} times as much as the limits take them to" if spread is not None else ""
    return {"run_length": length}, _cost(f"every {length:.0f} points{more}")


def _cost(said: str) -> str:
    return f", a false alarm about {said}" if said else ""


def remedies(recipe: Recipe, thinning: int) -> str:
    """Those that the chart has."""
    offered = ["larger subgroups"] if recipe.subgroups else []
    offered += [f"every {thinning}. {recipe.thins} (thin)"] if recipe.thins else []
    if recipe.chart == "individuals":
        whose = ", of single values," if recipe.subgroups else ""
        return ", ".join(offered) + f" or{whose} their residuals (autoregression)"
    return " or ".join(offered)
