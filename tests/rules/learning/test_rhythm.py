"""A rhythm is learned from pauses: bursts and single outages do not bend it, and its state stays small."""

from __future__ import annotations

import json

import pytest

from rules.events import SECOND, Link
from rules.learning.rhythm import STRETCHES, Rhythm
from tests.rules.plant import T0, refused, seen, tick, told, watching

MINUTE = 60 * SECOND


def heard(*pauses: float) -> Rhythm:
    """A rhythm with stretches of a minute that heard something after each of these pauses, in seconds."""
    rhythm, at = Rhythm(SECOND, 10 * MINUTE), 0
    for pause in pauses:
        at += round(pause * SECOND)
        rhythm.hear(at)
    return rhythm


@pytest.mark.parametrize(
    ("pauses", "patience"),
    [
        ([10] * 17, 600),
        ([10] * 20, 30),
        ([0.01] * 500 + [10] * 20, 30),
        ([10] * 20 + [400] + [10] * 20, 30),
        ([10] * 20 + [400, 400] + [10] * 20, 600),
        ([0.1] * 2000, 1),
    ],
    ids=["not yet known", "three times a pause", "bursts", "one outage", "two outages", "at least"],
)
def test_patience_is_three_times_the_second_longest_pause_within_its_bounds(
    pauses: list[float], patience: float
) -> None:
    assert heard(*pauses).patience == patience * SECOND


def test_what_is_long_ago_is_forgotten_and_what_is_kept_stays_small() -> None:
    rhythm = heard(*[40] * 20, *[5] * 12 * (STRETCHES + 2))
    assert rhythm.patience == 15 * SECOND
    assert len(json.dumps(rhythm.snapshot())) < 600


def test_a_rhythm_goes_on_after_its_snapshot() -> None:
    rhythm, again = heard(*[10] * 25), Rhythm(SECOND, 10 * MINUTE)
    again.restore(json.loads(json.dumps(rhythm.snapshot())))
    for at in range(260, 900, 20):
        for one in (rhythm, again):
            one.hear(at * SECOND)
    assert again.snapshot() == rhythm.snapshot()
    assert again.patience == rhythm.patience == 60 * SECOND


def test_the_loss_of_our_own_link_is_no_pause_of_the_asset() -> None:
    m = watching("{type: silence, after: learn, at_most: 10m}")
    assert told(m, *(seen(second, x=1) for second in range(0, 300, 10))) == []
    down, up = Link(T0 + 291 * SECOND, "main", False, T0 + 291 * SECOND), Link(T0 + 500 * SECOND, "main", True, 0)
    assert told(m, down, up, *(seen(second, x=1) for second in range(500, 700, 10))) == []
    assert told(m, tick(719), tick(720)) == [("r", 720, "raised")]


@pytest.mark.parametrize("keys", ["after: 60s, at_most: 5m", "after: learn, at_least: 2h", "after: lern", "after: 5", "after: learn, at_most: 0s"])  # fmt: skip
def test_what_makes_no_sense_is_refused(keys: str) -> None:
    assert refused(f"{{type: silence, {keys}}}")
