"""How often a false alarm comes, in words: as the book has it, and as it is with limits that were learned."""

from __future__ import annotations

from rules.charting.phase_one import Basis


def frequency(length: float, basis: Basis) -> str:
    """A mean run length; that of learned limits depends on how few samples they were learned from."""
    said = f"; a false alarm comes about every {length:.0f} points"
    if not (basis.provisional or basis.frozen_by) or "stretch" not in basis.checks:
        return said
    stretch = basis.checks["stretch"]
    few = f"learned from {stretch['samples'] - len(stretch['left_out'])} samples"
    quartiles = basis.checks.get("run_length_quartiles")
    if quartiles is None:
        return f"{said} if the limits are right; {few} they may be off, and then it often comes sooner"
    low, high = quartiles
    return f"{said} if the limits are right; {few}, half of all such charts have one every {low:.0f} to {high:.0f}"
