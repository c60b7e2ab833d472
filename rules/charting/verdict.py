"""From what signals to words and numbers: the reason of a chart's alarm."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from rules.charting.made import Made, Roll, together
from rules.charting.phase_one import Basis
from rules.charting.recipe import Hit
from rules.events import SECOND, Duration, Instant, Value
from rules.limit_table import written
from rules.signals import Signal
from rules.statistics.change_point import change_point
from rules.statistics.checks import Autoregression

REACH: Final = 100
"""So many points are looked back on to tell when it began."""
MOST_SHIFT: Final = 1e6
LISTED: Final = 5
"""So many lots or parts are named one by one."""


Point: TypeAlias = tuple[Instant, float, Made, float]
"""Its stamp, how many sigma from the centre line it lies, what was made since the point before, and how many single
values it is the mean of."""


class Trace:
    """The `points` since the statistic began, the newest last."""

    __slots__ = ("points",)

    def __init__(self) -> None:
        self.points: deque[Point] = deque(maxlen=REACH)

    def keep(self, newest: int) -> None:
        """Forget all but so many."""
        points = self.points
        if not newest:
            points.clear()
        while len(points) > newest:
            points.popleft()

    def stamps(self, steps: Sequence[int]) -> list[Instant]:
        """Those of points so many steps back, in order of time, as far as they are remembered."""
        count = len(self.points)
        return [self.points[-1 - step][0] for step in sorted(steps, reverse=True) if step < count]

    def beginning(self, side: int, model: Autoregression | None) -> dict[str, Any]:
        """When the mean began to move to that side: `began`, earliest and latest, and by how many sigma of values.

        With a `model` the points are its residuals.
        """
        at, z, made, sizes = zip(*self.points, strict=True)
        found = change_point(z, sizes, side=side, phi=0.0 if model is None else model.phi)
        since = made[found.earliest :]
        return {
            "began": at[found.index],
            "began_earliest": at[found.earliest],
            "began_latest": at[found.latest],
            "began_open": found.open,
            "shift": max(-MOST_SHIFT, min(MOST_SHIFT, found.shift)),
            **_listed("lots", [point.lots for point in since]),
            **_listed("parts", [point.parts for point in since]),
        }

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self.points = deque(((at + delta, *rest) for at, *rest in self.points), maxlen=REACH)  # type: ignore[misc]

    def snapshot(self) -> list[list[Any]]:
        """Stamp, sigmas, lots and parts with how many of each are left out, and size of each point."""
        return [[at, z, *made.snapshot(), size] for at, z, made, size in self.points]

    def restore(self, data: list[list[Any]], size: float) -> None:
        """The reverse of `snapshot`; `size` is that of points saved by a release that did not write it down."""
        self.points = deque((_point(saved, size) for saved in data), maxlen=REACH)


def _point(data: list[Any], size: float) -> Point:
    at, z, *made = data
    n = made.pop() if len(made) > len(Made._fields) else size
    return at, z, Made.restored(made), n


def _listed(name: str, rolls: Sequence[Roll]) -> dict[str, Any]:
    """What was made by name, and how many have none there because they are too many."""
    names, unnamed = together(rolls)
    return {name: names, **({f"{name}_unnamed": unnamed} if unnamed else {})}


def finding(signal: Signal, hits: Sequence[Hit], trace: Trace, basis: Basis) -> dict[str, Any]:
    """Why the alarm is raised, as JSON with `text`: which chart, which rule, which points, when it began."""
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
        "limits_revision": basis.revision,
    }
    if basis.model is not None:
        told["autoregression"] = {"mean": basis.model.mean, "phi": basis.model.phi}
    if basis.provisional or basis.doubts:
        told["checks"], told["warnings"] = basis.checks, basis.notes
    if any(h.drift for h in hits):
        told |= trace.beginning(next((h.side for h in hits if h.side), 0), basis.model)
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
        said += [_made(name, told[name]) for name in ("lots", "parts") if told[name]]
    if basis.model is not None:
        said.append(f"charted is what a value does not owe to the one before (phi {basis.model.phi:.2f})")
    if basis.provisional:
        said.append(f"limits are provisional, {_learned(basis)}: freeze them by {basis.words}")
    return said + basis.doubts


def _made(name: str, numbers: Sequence[Value]) -> str:
    few = [written(number) for number in numbers]
    listed = ", ".join(few) if len(few) <= LISTED else f"{few[0]} to {few[-1]}"
    return f"{name} made since: {listed}"


def _learned(basis: Basis) -> str:
    stretch = basis.checks["stretch"]
    out = len(stretch["left_out"])
    left = f", {out} of them left out" if out else ""
    return f"learned from {stretch['samples']} samples{left}"


def proposal(name: str, product: str, basis: Basis, *, in_force: bool) -> dict[str, Any]:
    """What is told of limits that were learned, as JSON with `text`; `in_force` says whether they serve meanwhile."""
    meanwhile = "they serve provisionally" if in_force else "those in force stay"
    proposed = f"{name}: limits{_of(product)} are proposed, {_learned(basis)}: {basis.words}"
    return _limits([proposed, f"{meanwhile} until a person freezes them"], product, basis)


def judgement(name: str, product: str, basis: Basis) -> dict[str, Any]:
    """What is told of limits that the rule gives once points speak against them, as JSON with `text`."""
    count = basis.checks["stretch"]["samples"]
    checked = f"{name}: the limits given{_of(product)} ({basis.words}) were checked by {count} samples"
    return {**_limits([checked, "they stay in force"], product, basis), "why": "limits_checked"}


def frozen(product: str, basis: Basis) -> dict[str, Any]:
    """What is written down of limits that a person has frozen, as JSON with `text`."""
    by, comment = basis.frozen_by
    return {
        "text": f"freeze by {by}: {comment}; limits{_of(product)} (revision {basis.revision}): {basis.words}",
        "product": product or None,
        "frozen": {
            "revision": basis.revision,
            "mean": basis.parameters.mean,
            "sigma": basis.parameters.sigma,
            "limits": basis.words,
        },
    }


def _of(product: str) -> str:
    return f" of {product}" if product else ""


def _limits(said: Sequence[str], product: str, basis: Basis) -> dict[str, Any]:
    return {
        "text": "; ".join([*said, *basis.notes]),
        "product": product or None,
        "mean": basis.parameters.mean,
        "sigma": basis.parameters.sigma,
        "autoregression": None if basis.model is None else basis.model.phi,
        "checks": basis.checks,
        "warnings": basis.notes,
    }


def loss(name: str, changed: Sequence[str], lost: Mapping[str, Basis]) -> dict[str, Any]:
    """What is told of frozen limits, by product, that a change of the rule took away, as JSON with `text`."""
    told = [
        {"product": product or None, "limits": basis.words, "revision": basis.revision, "frozen_by": basis.frozen_by}
        for product, basis in lost.items()
    ]
    return {
        "text": f"{name}: the rule's {', '.join(changed)} changed, so frozen limits no longer apply: "
        + "; ".join(_lost(product, basis) for product, basis in lost.items()),
        "changed": list(changed),
        "lost": told,
    }


def _lost(product: str, basis: Basis) -> str:
    by, comment = basis.frozen_by
    return f"{basis.words}{_of(product)} (revision {basis.revision}, frozen by {by}: {comment})"


def hour(at: Instant) -> str:
    """The time of day, for people."""
    minutes = at // (60 * SECOND) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d} UTC"
