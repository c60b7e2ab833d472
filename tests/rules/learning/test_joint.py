"""What a learned normal of several signals must hold to."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.learning.joint import GIVE_IN, MANNERS, Joint
from rules.learning.rows import Array, UnlearnableError, strange, tail

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


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loose", [0.02, 0.05])
def test_a_drifting_normal_sees_that_two_signals_no_longer_go_together(loose: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, noise, other = rng.normal(0, 1, (3, 2400))
    bound = np.column_stack([one, one + loose * noise])
    joint = learned("drifting", rows=bound[:LEARNED])
    assert not any(flags(joint, bound[LEARNED:1400]))
    assert any(flags(joint, np.column_stack([one, other])[1400:1500]))


@pytest.mark.parametrize("seed", range(5))
def test_a_lasting_fault_of_signals_that_do_not_drift_stays_an_alarm_until_it_is_given_in_to(seed: int) -> None:
    rng = np.random.default_rng(seed)
    later = rng.normal(0, 1, (GIVE_IN, 5))
    later[:, 0] += 5
    found = flags(learned("drifting", rows=rng.normal(0, 1, (LEARNED, 5))), later)
    assert all(found[found.index(True) :])
    assert found.index(True) < 20


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


def alike(rows: int, seed: int) -> Array:
    """Six signals of one size, each two of them with a correlation of 0.36."""
    rng = np.random.default_rng(seed)
    return np.asarray(0.6 * rng.normal(0, 1, (rows, 1)) + 0.8 * rng.normal(0, 1, (rows, 6)))


def spoilt(rows: Array, count: int, by: float, seed: int) -> Array:
    """So many of the rows lie off by so many sigma in every signal, this way or that."""
    rng, out = np.random.default_rng(seed), rows.copy()
    out[rng.choice(len(rows), count, replace=False)] += by * rng.choice([-1, 1], (count, rows.shape[1]))
    return out


@MANNER
@pytest.mark.parametrize(("count", "by"), [(2, 7.0), (5, 5.0), (15, 7.5), (40, 10.0), (50, 50.0)])
def test_bad_rows_up_to_a_tenth_are_set_aside_and_a_lasting_shift_is_found_as_soon(
    manner: str, count: int, by: float
) -> None:
    for seed in range(4):
        joint = learned(manner, rows=spoilt(alike(500, seed), count, by, seed))
        shifted = alike(400, seed + 100)
        shifted[:, 0] += 4
        assert joint.set_aside == count
        assert flags(joint, shifted).index(True) < 20


@MANNER
def test_a_burst_of_bad_rows_is_set_aside_like_single_ones(manner: str) -> None:
    rows = alike(500, 1)
    rows[100:112] += 7
    assert learned(manner, rows=rows).set_aside == 12


@MANNER
def test_a_state_of_more_than_a_tenth_of_the_rows_is_usual(manner: str) -> None:
    def two_states(rows: Array) -> Array:
        return np.asarray(rows + 10.0 * (np.arange(len(rows)) % 60 < 8)[:, None])

    joint = learned(manner, rows=two_states(alike(480, 1)))
    assert joint.set_aside == 0
    assert np.mean(flags(joint, two_states(alike(960, 2)))) < 0.02


@pytest.mark.parametrize("columns", [1, 40])
def test_with_few_rows_or_many_signals_usual_ones_are_hardly_ever_set_aside(columns: int) -> None:
    rng = np.random.default_rng(4)
    assert int(strange(rng.normal(0, 1, (60, columns))).sum()) == 0
    assert int(strange(rng.normal(0, 1, (60, 1)) * rng.normal(0, 1, columns)).sum()) <= 2, "all signals are one"


def test_a_strange_row_that_was_kept_does_not_make_the_limit_by_itself() -> None:
    squares = np.random.default_rng(2).chisquare(6, 300)
    usual_limit = tail(squares)
    assert usual_limit == pytest.approx(np.quantile(squares, 0.99))
    squares[100:110] = 500.0
    assert tail(squares) < 2 * usual_limit
