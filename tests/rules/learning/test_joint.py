"""What a learned normal of several signals must hold to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.learning.joint import GIVE_IN, MANNERS, Joint
from rules.learning.rows import Array, UnlearnableError

LEARNED = 400
EXAMPLES = settings(max_examples=10, deadline=None)
MANNER = pytest.mark.parametrize("manner", sorted(MANNERS))
STATISTIC = pytest.mark.parametrize("statistic", ["t2", "spe", "both"])


def usual(rows: int, seed: int = 3) -> Array:
    """Four signals of different sizes; the second follows the first, the fourth the sum of two others."""
    rng = np.random.default_rng(seed)
    load, heat = rng.normal(0, 1, rows), rng.normal(0, 1, rows)
    noise = rng.normal(0, 0.1, (rows, 4))
    made = np.column_stack([load, load, heat, load + heat]) + noise
    return np.asarray(made * [1, 50, 0.01, 1e4] + [0, 300, 5, -1e5])


def learned(manner: str = "fixed", statistic: str = "t2", rows: Array | None = None) -> Joint:
    joint = Joint(manner, statistic, None)
    joint.learn(usual(LEARNED) if rows is None else rows)
    return joint


def flags(joint: Joint, rows: Array) -> list[bool]:
    return [joint.read(row) for row in rows]


def apart(rows: Array, by: float = 1.0) -> Array:
    """The second signal no longer follows the first, though it stays within its own range."""
    out = rows.copy()
    out[:, 1] = 300 - 50 * by * (rows[:, 1] - 300) / 50
    return out


@MANNER
@STATISTIC
def test_usual_rows_hardly_ever_raise_anything(manner: str, statistic: str) -> None:
    assert np.mean(flags(learned(manner, statistic), usual(1000, seed=8))) < 0.02


@STATISTIC
def test_signals_that_part_are_found_though_each_is_within_its_range(statistic: str) -> None:
    joint = learned("fixed", statistic)
    found = flags(joint, apart(usual(60, seed=9)))
    assert found.index(True) < 20
    assert {signal for signal, _ in joint.shares[:3]} & {0, 1}
    assert sum(share for _, share in joint.shares) == pytest.approx(1)


@MANNER
def test_a_jump_names_its_signal_and_the_alarm_ends_with_it(manner: str) -> None:
    joint, rows = learned(manner), usual(200, seed=10)
    jumped = rows.copy()
    jumped[:100, 2] += 0.2
    found = flags(joint, jumped[:100])
    assert found.index(True) < 20
    assert joint.shares[0][0] == 2
    assert not flags(joint, jumped[100:])[-1]


def test_a_drifting_normal_follows_slow_change_and_a_fixed_one_does_not() -> None:
    learning, later = usual(LEARNED), usual(3000, seed=12)
    learning[:, 0] += np.linspace(0, 2, LEARNED)
    later[:, 0] += 2 + np.linspace(0, 10, 3000)
    assert np.mean(flags(learned("drifting", rows=learning), later)) < 0.05
    assert np.mean(flags(learned("fixed", rows=learning), later)) > 0.5


def test_a_drifting_normal_gives_in_to_a_state_that_lasts() -> None:
    rows = usual(GIVE_IN + 200, seed=13)
    rows[:, 0] += 30
    found = flags(learned("drifting"), rows)
    assert found[100]
    assert not found[-1]


@MANNER
def test_a_few_strange_rows_do_not_spoil_the_learning(manner: str) -> None:
    rows = usual(LEARNED)
    rows[[50, 51, 200, 390]] *= -40
    joint = learned(manner, rows=rows)
    jumped = usual(100, seed=10)
    jumped[:, 2] += 0.2
    assert joint.set_aside == 4
    assert any(flags(joint, jumped))
    assert np.mean(flags(learned(manner, rows=rows), usual(1000, seed=8))) < 0.02


@MANNER
@STATISTIC
def test_constant_and_collinear_signals_do_no_harm(manner: str, statistic: str) -> None:
    def widened(rows: Array) -> Array:
        return np.column_stack([rows, rows[:, 0], 2 * rows[:, 1] - 7, np.full(len(rows), 4.5)])

    joint = learned(manner, statistic, widened(usual(LEARNED)))
    assert joint.scaling.kept == [0, 1, 2, 3, 4, 5]
    assert np.mean(flags(joint, widened(usual(1000, seed=8)))) < 0.02
    jumped = widened(usual(100, seed=10))
    jumped[:, 2] += 0.3
    assert any(flags(joint, jumped))


def test_signals_that_never_change_cannot_be_learned() -> None:
    with pytest.raises(UnlearnableError):
        learned(rows=np.full((100, 3), 7.0))


@MANNER
@pytest.mark.parametrize("factor", [2.0**-20, 2.0**30])
def test_the_unit_does_not_matter(manner: str, factor: float) -> None:
    rows = np.vstack([usual(100, seed=8), apart(usual(100, seed=9))])
    assert flags(learned(manner, rows=factor * usual(LEARNED)), factor * rows) == flags(learned(manner), rows)


@MANNER
def test_the_level_does_not_matter(manner: str) -> None:
    rows, offset = np.vstack([usual(100, seed=8), apart(usual(100, seed=9))]), np.array([64.0, -1024.0, 8.0, 0.5])
    assert flags(learned(manner, rows=usual(LEARNED) + offset), rows + offset) == flags(learned(manner), rows)


@MANNER
@EXAMPLES
@given(cuts=st.sets(st.integers(0, 299), max_size=4), statistic=st.sampled_from(["t2", "spe", "both"]))
def test_a_restart_anywhere_changes_nothing(manner: str, cuts: set[int], statistic: str) -> None:
    one, other = learned(manner, statistic), learned(manner, statistic)
    for i, row in enumerate(np.vstack([usual(150, seed=8), apart(usual(150, seed=9))])):
        if i in cuts:
            saved = json.loads(json.dumps(other.snapshot(), allow_nan=False))
            other = Joint(manner, statistic, None)
            other.restore(saved)
        assert other.read(row) == one.read(row)
        assert other.ratio == one.ratio
    assert other.snapshot() == one.snapshot()


@MANNER
@EXAMPLES
@given(rows=st.lists(st.lists(st.floats(-1e100, 1e100), min_size=4, max_size=4), min_size=1, max_size=60))
def test_any_numbers_are_taken_and_the_state_stays_finite(manner: str, rows: list[list[float]]) -> None:
    joint = learned(manner)
    flags(joint, np.array(rows))
    json.dumps(joint.snapshot(), allow_nan=False)
    wild = np.array((rows * 60)[:60])
    try:
        joint = learned(manner, "both", wild)
    except UnlearnableError:
        return
    flags(joint, wild)
    json.dumps(joint.snapshot(), allow_nan=False)
