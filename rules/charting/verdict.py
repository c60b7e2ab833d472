"""From what signals to words and numbers: the reason of a chart's alarm."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import sqrt
from typing import Any, Final

from rules.charting.phase_one import Basis
from rules.charting.recipe import Hit, within_reach
from rules.events import SECOND, Duration, Instant
from rules.signals import Signal
from rules.statistics.change_point import change_point

REACH: Final = 100
"""So many points are looked back on to tell when it began."""
MOST_SHIFT: Final = 1e6


class Trace:
    """The points since the statistic began, the newest last: stamp and sigmas from the centre line."""

    def __init__(self) -> None:
        self._points: deque[tuple[Instant, float]] = deque(maxlen=REACH)

    def add(self, at: Instant, z: float) -> None:
        """One more point."""
        self._points.append((at, within_reach(z)))

    def keep(self, newest: int) -> None:
        """Forget all but so many."""
        while len(self._points) > newest:
            self._points.popleft()

    def stamps(self, steps: Sequence[int]) -> list[Instant]:
        """Those of points so many steps back, in order of time, as far as they are remembered."""
        count = len(self._points)
        return [self._points[-1 - step][0] for step in sorted(steps, reverse=True) if step < count]

    def beginning(self, size: float) -> dict[str, Any]:
        """When the mean began to move: `began`, at the earliest and the latest, and by how many sigma of single values.

        `size` is how many of them a point is the mean of.
        """
        found = change_point([z for _, z in self._points])
        at = [stamp for stamp, _ in self._points]
        return {
            "began": at[found.index],
            "began_earliest": at[found.earliest],
            "began_latest": at[found.latest],
            "began_open": found.open,
            "shift": max(-MOST_SHIFT, min(MOST_SHIFT, found.shift / sqrt(size))),
        }

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._points = deque(((at + delta, z) for at, z in self._points), maxlen=REACH)

    def snapshot(self) -> list[list[Any]]:
        """Stamp and sigmas of each point."""
        return [[at, z] for at, z in self._points]

    def restore(self, data: list[list[Any]]) -> None:
        """The reverse of `snapshot`."""
        self._points = deque(((at, z) for at, z in data), maxlen=REACH)


def finding(signal: Signal, hits: Sequence[Hit], trace: Trace, basis: Basis, size: float) -> dict[str, Any]:
    """Why the alarm is raised, as JSON with `text`: which chart, which rule, which points, when it began.

    `size` is how many values a point is the mean of.
    """
    hit = hits[0]
    limits = hit.limits
    told: dict[str, Any] = {
        "chart": hit.chart,
        "rule": hit.rule,
        "points": trace.stamps(hit.points),
        "signals": [{"chart": h.chart, "rule": h.rule, "points": trace.stamps(h.points)} for h in hits],
        "value": hit.value,
        "limit": limits.upper if hit.value >= limits.center else limits.lower,
        "limits": {"lower": limits.lower, "center": limits.center, "upper": limits.upper},
        "mean": basis.parameters.mean,
        "sigma": basis.parameters.sigma,
        "provisional": basis.provisional,
    }
    if basis.provisional:
        told["checks"], told["warnings"] = basis.checks, basis.notes
    if any(h.drift for h in hits):
        told |= trace.beginning(size)
    told["text"] = "; ".join(_sentences(signal.name, signal.unit, hits, told, basis))
    return told


def _sentences(name: str, unit: str, hits: Sequence[Hit], told: dict[str, Any], basis: Basis) -> list[str]:
    hit, limits = hits[0], hits[0].limits
    also = ", ".join(f"{h.rule} on the {h.chart} chart" for h in hits[1:])
    points = (
        f"{len(told['points'])} points since {hour(told['points'][0])}" if len(told["points"]) > 1 else "this point"
    )
    said = [
        f"{name}: {hit.says} ({hit.rule} on the {hit.chart} chart, {points})",
        f"now {hit.value:.6g}{unit}, limits {limits.lower:.6g} to {limits.upper:.6g}",
    ]
    if also:
        said.append(f"also {also}")
    if "began" in told:
        sure = "before " if told["began"] == told["began_earliest"] and told["began_open"] else ""
        said.append(f"began {sure or 'about '}{hour(told['began'])}, shift {told['shift']:+.1f} sigma")
    if basis.provisional:
        said += [_provisional(basis), *basis.notes]
    return said


def _provisional(basis: Basis) -> str:
    stretch = basis.checks["stretch"]
    out = len(stretch["left_out"])
    left = f", {out} of them left out" if out else ""
    mean, sigma = basis.parameters.mean, basis.parameters.sigma
    return (
        f"limits are provisional, learned from {stretch['samples']} samples{left}: "
        f"freeze them by mean: {mean:.6g}, sigma: {sigma:.6g}"
    )


def hour(at: Instant) -> str:
    """The time of day, for people."""
    minutes = at // (60 * SECOND) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d} UTC"
