"""How a counter is read: by how much it rose, and when it began anew. The one place that knows."""

from __future__ import annotations

from typing import Final

ANEW: Final = 0.5
"""A counter that falls below this share of what it read before has begun anew at 0."""


def risen(before: float, after: float) -> float:
    """By how much a counter rose from one reading to the next, in its own unit; never less than 0.

    One that fell below half of what it read has begun anew at 0 and counted up to `after`. A smaller fall (a value that
    trembles, is rounded or was corrected) adds nothing: counting goes on from the lower value.
    """
    if after >= before:
        return after - before
    return max(0.0, after) if after < before * ANEW else 0.0
