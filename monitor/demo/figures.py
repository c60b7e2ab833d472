"""What the demonstration's monitor counted, asked of its own `/metrics` and alarm database."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from monitor.database.queries import AlarmReader
from monitor.demo.stage import fetched
from rules.events import Duration

READINGS: Final = "andon_decoded_readings_total"
MESSAGES: Final = "andon_journalled_total"


@dataclass(frozen=True)
class Figures:
    """Counts over the time `watched`; `readings` and `messages` are None where the monitor did not say."""

    watched: Duration
    readings: int | None = None
    messages: int | None = None
    quarantined: Mapping[str, int] = field(default_factory=dict)
    notifications: Mapping[str, int] = field(default_factory=dict)


async def figures(metrics_url: str, reader: AlarmReader, watched: Duration) -> Figures:
    """Count now; a `/metrics` that does not answer leaves its figures out."""
    try:
        text = await asyncio.to_thread(fetched, metrics_url)
    except OSError:
        text = b""
    sums = _sums(text.decode())
    return Figures(
        watched,
        sums.get(READINGS),
        sums.get(MESSAGES),
        _by_second(reader.quarantine_counts()),
        _by_second(reader.outbox_counts()),
    )


def _sums(text: str) -> dict[str, int]:
    """The samples of a Prometheus text, summed over their labels."""
    sums: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] += int(sample.value)
    return dict(sums)


def _by_second(counts: Mapping[tuple[str, str], int]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for (_, name), count in counts.items():
        sums[name] += count
    return dict(sums)
